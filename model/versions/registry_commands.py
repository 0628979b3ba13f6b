"""python -m model registry ...: model versions from the command line, whose user is trusted."""

from typing import Any

from model.errors import InputError


def add_to(subparsers: Any) -> None:
    """The parsers of `registry list|promote|rollback`."""
    parser = subparsers.add_parser("registry", help="model versions: which one reads")
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="number, version, aliases, since when, job")
    promote = actions.add_parser("promote", help="a version reads from the next X-ray on")
    promote.add_argument("version", metavar="VERSION", help="its name or number")
    rollback = actions.add_parser("rollback", help="back to a version that was served")
    rollback.add_argument("version", metavar="VERSION", nargs="?", default="",
                          help="its name or number; else the one before")  # fmt: skip
    for action in (promote, rollback):
        action.add_argument("--reason", default="", help="for the audit trail")
    parser.set_defaults(run=registry)


def registry(action: str, version: str = "", reason: str = "") -> int:
    """Does what `python -m model registry ACTION` says, as the actor "command line".

    version: a model version or its number; none takes back to the version before. `list` prints a
    line a version, divided by tabs: number, version, aliases, since when (UTC), job, note.
    """
    from model.people.access import COMMAND_LINE
    from model.versions import registry as versions  # SQLAlchemy and MLflow take seconds

    served = versions.served_version()
    match action:
        case "list":
            for one in versions.versions():
                aliases = ",".join(one.aliases) or "-"
                last = (one.created, one.job_id or "-", one.note or "-")
                print(one.number, one.model_version, aliases, *last, sep="\t")
        case "promote":
            done = versions.promote(COMMAND_LINE, _named(version), served, reason)
            print(f"{done.model_version} reads from now on; before it was {served}.")
        case "rollback":
            wanted = _named(version) if version else _before()
            done = versions.rollback(COMMAND_LINE, wanted, served, reason)
            print(f"{done.model_version} reads from now on; before it was {served or 'unknown'}.")
    return 0


def _named(version: str) -> str:
    """A model version, also by its number."""
    from model.versions import registry as versions

    if not version.isdigit():
        return version
    for one in versions.versions():
        if one.number == int(version):
            return one.model_version
    raise InputError("a number of `python -m model registry list`", version, "Correct it.")


def _before() -> str:
    """The version that was served before; the shipped one where that is not known."""
    from model.errors import BundleError
    from model.versions import champion
    from model.versions.registered import shipped_version

    try:
        return champion.look().previous or shipped_version()
    except BundleError:
        return shipped_version()
