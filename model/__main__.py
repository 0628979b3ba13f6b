"""python -m model ...: parses and calls, nothing else."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from model import commands, doctor
from model.errors import PneumoscopeError
from model.people import users
from model.people.access import ROLES
from model.retraining import retraining_commands
from model.training import jobs_commands
from model.versions import registry_commands


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit status is 0, or 2 when it failed."""
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold bytes that are no Unicode: show them escaped, do not stop.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    arguments = vars(_parser().parse_args(argv))
    run = arguments.pop("run")
    try:
        status: int = run(**arguments)
        sys.stdout.flush()
    except PneumoscopeError as error:
        print(error, file=sys.stderr)
        return commands.FAILED
    except BrokenPipeError:  # `| head` has read enough; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return commands.FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="Pneumoscope")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = subparsers.add_parser("predict", help="read X-rays: probability and decision")
    predict.add_argument("files", nargs="+", metavar="FILE")
    predict.add_argument("--json", action="store_true", dest="as_json", help="one object a line")
    predict.add_argument("--threshold", type=float, help="0..1; else the default operating point")
    predict.add_argument("--heatmaps", type=Path, metavar="DIR", help="write overlay and heatmap")
    predict.set_defaults(run=commands.predict)

    evaluate = subparsers.add_parser("evaluate", help="figures of a bundle on labelled X-rays")
    evaluate.add_argument("--data", type=Path, required=True, help="holds NORMAL and PNEUMONIA")
    evaluate.add_argument("--split", help="a folder of --data, such as test")
    evaluate.add_argument("--bundle", type=Path, help="another bundle than the served one")
    evaluate.add_argument("--json", action="store_true", dest="as_json")
    evaluate.add_argument("--keep", action="store_true", help="keep it all for the pages")
    evaluate.add_argument("--report", type=Path, metavar="DIR", help="write PDF, PNG and CSV")
    evaluate.set_defaults(run=commands.evaluate)

    train = subparsers.add_parser("train", help="train a network and write its bundle")
    train.add_argument("--data", type=Path, required=True)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--config", default="default", help="a preset of model/nn/recipe.py")
    train.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    train.set_defaults(run=commands.train)

    calibrate = subparsers.add_parser("calibrate", help="fit operating points and gate anew")
    calibrate.add_argument("--data", type=Path, required=True, help="what it was trained on")
    calibrate.add_argument("--bundle", type=Path, required=True, help="what is changed, in place")
    calibrate.add_argument("--others", type=Path, help="other chest X-rays, not to be refused")
    calibrate.set_defaults(run=commands.calibrate)

    compare = subparsers.add_parser("compare", help="train and read the networks compared")
    compare.add_argument("names", nargs="*", metavar="NAME", help="only these; else all")
    compare.add_argument("--data", type=Path, required=True, help="holds train and test")
    compare.add_argument("--out", type=Path, required=True, help="folder for their bundles")
    compare.set_defaults(run=commands.compare)

    _add_users(subparsers.add_parser("users", help="local accounts: who may sign in"))

    reviews = subparsers.add_parser("reviews", help="what readers said")
    actions = reviews.add_subparsers(required=True, metavar="ACTION")
    export = actions.add_parser("export", help="all reviews to standard output")
    export.add_argument("--format", choices=("csv", "jsonl"), default="jsonl", dest="kind")
    export.set_defaults(run=users.export_reviews)

    jobs_commands.add_to(subparsers)
    registry_commands.add_to(subparsers)

    sets = subparsers.add_parser("retraining-set", help="labelled X-rays and reviews, frozen")
    freeze = sets.add_subparsers(required=True, metavar="ACTION").add_parser(
        "freeze", help="write a set to train on; prints its hash"
    )
    freeze.add_argument("--data", type=Path, required=True, help="a folder or ZIP, as for train")
    freeze.add_argument("--name", required=True, help="what people call it")
    freeze.set_defaults(run=retraining_commands.freeze)

    check = subparsers.add_parser("doctor", help="check this installation")
    check.set_defaults(run=doctor.doctor)
    return parser


def _add_users(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="name, role, state, since when")
    for name, help_, *takes in (
        ("add", "a new account", "--role", "--password-stdin"),
        ("role", "another role", "role"),
        ("deactivate", "it can no longer sign in"),
        ("activate", "it can sign in again"),
        ("password", "a new password", "--password-stdin"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("name", metavar="NAME")
        if "role" in takes:
            action.add_argument("role", choices=ROLES)
        if "--role" in takes:
            action.add_argument("--role", choices=ROLES, required=True)
        if "--password-stdin" in takes:
            action.add_argument("--password-stdin", action="store_true", help="do not ask for it")
    parser.set_defaults(run=users.users)


if __name__ == "__main__":
    sys.exit(main())
