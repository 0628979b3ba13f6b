"""What a host of jobs is: it starts `python -m model work FOLDER` somewhere and finds it again.

`local_host` is this computer, `ray_host` a cluster. Neither knows the store: what a
host knows of a job is in its folder and on the host, so it is found again after any restart.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, LOST = STATES = (
    "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "LOST"
)  # fmt: skip
ENDED = (SUCCEEDED, FAILED, CANCELLED, LOST)

# A job's folder. These three are what a job is made of, and all that a host needs: what was asked
# for, the retraining set, and the bundle that was served when it was asked for.
SPEC, FILMS, CHAMPION = "spec.json", "films.zip", "champion"
# What `job_work` makes there: what the training keeps, the finished bundle, and at the very
# end `{"model_version", "run_id"}` or `{"error", "message"}`, both with "started" and "ended".
RUN, BUNDLE, RESULT = "run", "bundle", "result.json"
LOG = "log.txt"  # what it prints, by the host
RUN_ID = "run_id"  # in the log, once it is known: `{"run_id": "..."}`, the run in MLflow


@dataclass(frozen=True)
class Seen:
    """What a host says of one attempt at a job.

    state: one of STATES. message: one sentence why, "" while all is well. model_version: of the
    bundle, when SUCCEEDED. started and ended: UTC as `store.now` writes it, "" where not known.
    """

    state: str
    message: str = ""
    model_version: str = ""
    started: str = ""
    ended: str = ""


@dataclass(frozen=True)
class Check:
    """One line of `doctor`: what was found, and, unless ok, what to do about it."""

    name: str
    ok: bool
    found: str
    hint: str = ""


class Host(Protocol):
    """One place where jobs run.

    Every method may raise PneumoscopeError (ConfigError for a wrong setting, StoreError for a host
    that does not answer now); `look` does not: a host that does not answer is Seen as LOST, with a
    sentence, and the next look may find the job again.
    """

    def start(self, job_id: str, attempt: int, folder: Path) -> str:
        """Has the host work on the folder, now or when it is this job's turn; returns a handle.

        Called again with the same id and attempt it starts nothing anew and gives the same handle:
        whoever called it first may have died before the handle was kept. A higher attempt goes on
        in the same folder, and an earlier one that still runs is stopped first. The handle alone
        must do to find the job after a restart.
        """

    def look(self, handle: str) -> Seen:
        """What is known of that attempt now; must answer within seconds."""

    def log(self, handle: str) -> str:
        """What the job has printed so far, of all attempts where the host keeps them."""

    def cancel(self, handle: str) -> None:
        """Stops it, or takes it out of the queue; nothing happens to one that has ended."""

    def check(self) -> list[Check]:
        """What `doctor` says of the host; a host that does not answer is one failed Check."""


def seen_in_result(result: Mapping[str, Any]) -> Seen:
    """What `result.json` says: SUCCEEDED, or FAILED with the sentence why."""
    started, ended = str(result.get("started", "")), str(result.get("ended", ""))
    if "error" in result:
        return Seen(FAILED, str(result.get("message", "")), "", started, ended)
    message, version = str(result.get("message", "")), str(result.get("model_version", ""))
    return Seen(SUCCEEDED, message, version, started, ended)


def seen_in_log(log: str) -> Seen | None:
    """The same from the log, whose last line is `{"result": {...}}` when the job came to its end.

    For hosts whose folder cannot be read from here. None for a log without such a line.
    """
    for told in _told(log.splitlines()[-20:]):
        if isinstance(told.get("result"), dict):
            return seen_in_result(told["result"])
    return None


def run_in_log(log: str) -> str:
    """The run in MLflow of the last attempt that says one; "" where none does."""
    lines = [line for line in log.splitlines() if line.startswith(f'{{"{RUN_ID}"')]
    return next((str(told[RUN_ID]) for told in _told(lines)), "")


def epochs_in_log(log: str) -> list[dict[str, Any]]:
    """What model/nn/run_log.py has printed of each epoch, oldest first.

    Epochs that a retry did again are there once, as they were done last. Of several runs there are
    those of the one that has begun last here, with its number as `run`, of so many `runs`.
    """
    of_run: dict[Any, list[dict[str, Any]]] = {}
    begun: dict[str, Any] = {}
    for told in reversed(list(_told([line for line in log.splitlines() if line.startswith("{")]))):
        if {"run", "runs"} <= told.keys():
            begun = {"run": told["run"], "runs": told["runs"]}
        elif {"stage", "epoch", "loss"} <= told.keys():
            epochs = of_run.setdefault(begun.get("run"), [])
            while epochs and _place(epochs[-1]) >= _place(told):
                epochs.pop()
            epochs.append({**told, **begun})
    return of_run.get(begun.get("run"), [])


def _place(epoch: Mapping[str, Any]) -> tuple[int, int]:
    return int(epoch["stage"]), int(epoch["epoch"])


def _told(lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The objects among lines of a log, the last one first."""
    for line in reversed(lines):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield told
