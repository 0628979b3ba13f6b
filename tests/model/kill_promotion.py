"""Kills a process at every step of a hand-over, a promotion and a rollback; looks at what is left.

A step is as in tests/model/kill_review.py: before what writes to a file, a folder or a database;
of a hand-over, which is MLflow's alone, before each of its calls that writes. For each a child is
forked that dies there. Prints for each of the three how many steps there were, and what is wrong.
"""

import gc
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model import store
from model.bundle import open_bundle
from model.config import settings
from model.people import audit
from model.people.access import Actor
from model.versions import champion, registry, tracking
from tests.model.kill_review import DIED, die_at
from tests.model.version_cases import epochs, write_version

ZOE = Actor("zoe", "admin")
FAILED = 8


def die_at_call(step: int) -> None:
    """Has this process exit at once before this call of MLflow that writes."""
    from mlflow import MlflowClient

    left = step

    def before(name: str) -> None:
        original = getattr(MlflowClient, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(DIED)
            return original(*arguments, **options)

        setattr(MlflowClient, name, counted)

    for name in (
        "create_experiment", "create_run", "log_batch", "log_artifact", "set_terminated",
        "create_registered_model", "create_model_version", "set_registered_model_alias",
    ):  # fmt: skip
        before(name)


def in_child(act: Callable[[], Any], step: int = 0, die: Callable[[int], None] = die_at) -> int:
    """The exit status of a child that does it, and dies at this step if one is given.

    All use of the databases is in children: no connection is shared.
    """
    child = os.fork()
    if child == 0:
        status = 0
        try:
            if step:
                die(step)
            act()
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = FAILED
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def hand_over(folder: Path, step: int) -> None:
    """A training of its own for each step, which a retry hands over again."""
    new = write_version(folder / f"handed-{step}", model_version=f"handed-{step}")
    registry.hand_over("", new.folder, f"job-{step}", epochs())


def look_handed_over(folder: Path, step: int) -> None:
    """Raises unless it is there once or not at all, and once and whole after a retry."""
    name = f"handed-{step}"

    def found() -> list[str]:
        return [one.model_version for one in registry.versions() if one.model_version == name]

    assert len(found()) <= 1
    hand_over(folder, step)
    assert found() == [name]
    assert registry.challenger().model_version == name
    assert open_bundle(registry.bundle_of(name)).model_version == name
    assert registry.served_version() == "old"


def look(step: int) -> None:
    """Raises unless one of the two is served, whole, and a look at the versions puts all right."""
    served = champion.look().open().model_version
    assert served in ("old", "new"), served
    versions = registry.versions()
    named = {one.model_version: one.aliases for one in versions}
    assert "champion" in named[served], (step, named)
    with tracking.asked() as client:
        alias = client.get_registered_model("pneumoscope").aliases["champion"]
    numbers = {one.model_version: one.number for one in versions}
    assert int(alias) == numbers[served], (step, alias)
    told = [e.subject for e in audit.entries(ZOE, 1000) if e.action.startswith("model version")]
    assert served == (told[0] if told else "old"), (step, told)
    left = [path.name for path in (settings().home / "versions").glob(".*")]
    assert left == [], (step, left)
    assert audit.check() == []


def back(to: str, other: str) -> None:
    """Another one is served as before the step, and no copy of what was to be is here."""
    if registry.served_version() == other:
        registry.rollback(ZOE, to, other)
    shutil.rmtree(champion.folder_of(other), ignore_errors=True)


def killed(
    act: Callable[[int], Any],
    check: Callable[[int], Any],
    die: Callable[[int], None] = die_at,
) -> dict[str, Any]:
    """Both are given the number of the step; the first dies there, until it comes to its end."""
    wrong = []
    for step in itertools.count(1):
        status = in_child(lambda step=step: act(step), step, die)
        checked = in_child(lambda step=step: check(step))
        if checked or status not in (0, DIED):
            wrong.append({"step": step, "status": status, "checked": checked})
        if status != DIED:
            break
    return {"steps": step, "wrong": wrong}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.environ.update(tracking._QUIET)
    # Imported once, not in each child; connected to nothing.
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import scipy.stats  # noqa: F401

    champion.SHIPPED = write_version(folder / "shipped", model_version="old").folder
    registry.PAUSES = ()
    assert in_child(store.description) == 0
    gc.freeze()  # no child looks through what is the parent's
    told = {}
    told["hand-over"] = killed(
        lambda step: hand_over(folder, step),
        lambda step: look_handed_over(folder, step),
        die_at_call,
    )
    new = write_version(folder / "new", model_version="new")
    assert in_child(lambda: registry.hand_over("", new.folder, "job", epochs())) == 0
    told["promotion"] = killed(
        lambda _: registry.promote(ZOE, "new", "old"),
        lambda step: (look(step), back("old", "new")),
    )
    assert in_child(lambda: registry.promote(ZOE, "new", "old")) == 0
    told["rollback"] = killed(
        lambda _: registry.rollback(ZOE, "old", "new"),
        lambda step: (look(step), back("new", "old")),
    )
    json.dump(told, sys.stdout)
