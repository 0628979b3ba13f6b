"""python -m model jobs|work ...: trainings from the command line, whose user is trusted."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_to(subparsers: Any) -> None:
    """The parsers of `jobs` and `work`."""
    jobs_ = subparsers.add_parser("jobs", help="trainings on this computer or a GPU host")
    actions = jobs_.add_subparsers(required=True, metavar="ACTION")
    _add_submit(actions.add_parser("submit", help="train on a retraining set; prints the job's id"))
    list_ = actions.add_parser("list", help="all, newest first")
    list_.add_argument("--json", action="store_true", dest="as_json", help="one object a line")
    list_.set_defaults(run=list_jobs)
    for name, run, help_ in (
        ("logs", logs, "what it has printed"),
        ("cancel", cancel, "stop it"),
        ("retry", retry, "go on after the last finished epoch"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("job_id", metavar="ID")
        action.set_defaults(run=run)
    work_ = subparsers.add_parser("work", help="what a host runs: bring a job to its end")
    work_.add_argument("folder", type=Path, metavar="FOLDER")
    work_.set_defaults(run=work)


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("set_sha256", metavar="SET", help="SHA-256 of the frozen retraining set")
    parser.add_argument("--host", default="local", help="local, or ray")
    parser.add_argument("--config", default="lungs", help="a preset of model/nn/recipe.py")
    parser.add_argument("--init", default="champion", help="champion, imagenet or scratch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-minutes", type=float, default=0, help="0 for no limit")
    parser.add_argument(
        "--folds", type=int, default=1,
        help="of a cross-validation from scratch or imagenet, 1 for none",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1, help="train with so many, keep the best")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.set_defaults(run=submit)


def submit(host: str, changes: list[str], **spec: Any) -> int:
    """Asks for a training and prints its id."""
    from model.people.access import COMMAND_LINE
    from model.retraining import promotable
    from model.training import jobs

    job = jobs.submit(COMMAND_LINE, jobs.JobSpec(**spec, changes=tuple(changes)), host)
    print(job.id)
    for said in (job.message, promotable.warning_of(job.spec.set_sha256)):
        if said:
            print(said, file=sys.stderr)
    return 0


def list_jobs(as_json: bool) -> int:
    """One job a line: id, state, host, when it was asked for (UTC), by whom, result or message."""
    from model.people.access import COMMAND_LINE
    from model.training import jobs

    for job in jobs.jobs(COMMAND_LINE):
        if as_json:
            print(json.dumps({**asdict(job), "todo": job.todo}))
        else:
            said = job.model_version or job.message
            print(job.id, job.state, job.host, job.created, job.by, said, sep="\t")
    return 0


def logs(job_id: str) -> int:
    """Prints the end of what the job has printed."""
    from model.people.access import COMMAND_LINE
    from model.training import jobs

    print(jobs.log(COMMAND_LINE, job_id), end="")
    return 0


def cancel(job_id: str) -> int:
    """Stops the job and prints its state."""
    from model.people.access import COMMAND_LINE
    from model.training import jobs

    return _print_state(jobs.cancel(COMMAND_LINE, job_id))


def retry(job_id: str) -> int:
    """Starts the job again, where it stopped, and prints its state."""
    from model.people.access import COMMAND_LINE
    from model.training import jobs

    return _print_state(jobs.retry(COMMAND_LINE, job_id))


def work(folder: Path) -> int:
    """See `model.training.job_work`; 0, or 2 when the job did not come to its end."""
    from model.training import job_work

    return job_work.work(folder)


def _print_state(job: Any) -> int:
    print(job.state, job.message, sep="\t" if job.message else "")
    return 0
