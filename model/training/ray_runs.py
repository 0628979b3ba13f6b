"""Several runs of a job at the same time, where its Ray cluster has room for them now.

The process of the job trains too, so nothing waits for room that never comes: helpers (Ray actors,
a GPU each where the cluster has GPUs) are asked for as far as there seems to be room, and each that
begins pulls from the same list. A helper may be on another computer: it lays out the job's folder
there, and its bundle comes back through Ray. A run whose helper was killed goes on from its last
checkpoint where that is on the same computer.
"""

import logging
import shutil
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model.bundle import CARD
from model.errors import PneumoscopeError, TrainingError
from model.files import write_whole
from model.language import _
from model.training import job_work, runs
from model.training.job_host import BUNDLE
from model.training.processes import locked
from model.training.ray_checks import CPUS
from model.training.ray_package import JOB
from model.training.ray_work import folder_of, lay_out
from model.training.runs import Left, Run, Train, WorkerLost

LAY_OUT_SECONDS = 900.0


def shared(job_id: str, todo: Sequence[Run], train: Train) -> Mapping[Run, Exception]:
    """`runs.Many` on the cluster that this process is a job of."""
    if len(todo) < 2:
        return runs.one_after_another(todo, train)
    import ray

    # Lines of helpers would get between the halves of those that the job's page is drawn from.
    ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
    left = Left(todo)
    each, number = room(ray.cluster_resources(), ray.available_resources())
    kind: Any = ray.remote(Helper)
    helpers = [kind.options(**each).remote(job_id) for _ in range(min(number, len(todo) - 1))]
    for helper in helpers:
        threading.Thread(target=_have_pull, args=(left, helper, job_id), daemon=True).start()
    left.pull(train)
    for helper in helpers:
        ray.kill(helper)
    return left.failed


def room(all_: Mapping[str, float], free: Mapping[str, float]) -> tuple[dict[str, int], int]:
    """What a helper asks for, and how many there is room for. What is in use counts as full.

    all_, free: resources as Ray counts them, of the whole cluster. A number that is too high, for
    what is free may lie on several computers, costs nothing: such a helper never begins.
    """
    if gpus := int(all_.get("GPU", 0)):
        cpus = min(CPUS, max(1, int(all_.get("CPU", 0)) // gpus))
        return {"num_gpus": 1, "num_cpus": cpus}, int(free.get("GPU", 0))
    return {"num_gpus": 0, "num_cpus": CPUS}, int(free.get("CPU", 0)) // CPUS


class Helper:
    """Trains runs of a job in a process of its own."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id

    def ready(self) -> None:
        """Returns when it has begun."""

    def train(self, run: Run) -> "dict[str, bytes] | Fault":
        """The files of the bundle. Errors are told: Ray could not raise every kind as it was."""
        folder = folder_of(self.job_id)
        try:
            with locked(folder / "laid-out.lock", LAY_OUT_SECONDS):
                if not (folder / job_work.UNPACKED).is_dir():  # here, or on this computer before
                    lay_out(Path(JOB), folder)
                data = job_work.unpack(folder)
            job_work.serve_champion(folder)
            bundle = job_work.train_one(job_work.spec_of(folder), data, folder, run)
            return {path.name: path.read_bytes() for path in _files(bundle.folder)}
        except PneumoscopeError as error:
            return Fault((error.expected, error.received, error.todo), traceback.format_exc())
        except Exception as error:
            wanted = _("a training that comes to its end")
            said = (wanted, type(error).__name__, job_work.why(error))
            return Fault(said, traceback.format_exc())


@dataclass(frozen=True)
class Fault:
    """Why a run failed: what was expected, what was received and what to do; for the log more."""

    said: tuple[str, str, str]
    trace: str


def _have_pull(left: Left, helper: Any, job_id: str) -> None:
    """Until nothing is left, or the helper is gone or never begins."""
    import ray
    from ray.exceptions import RayError

    def train(run: Run) -> None:
        _log(f"Beside it: {run}")
        try:
            told = ray.get(helper.train.remote(run))
        except RayError as error:
            _log(f"Beside it: {run} lost its process ({type(error).__name__})")
            raise WorkerLost from None
        if isinstance(told, Fault):
            _log(told.trace)
            raise TrainingError(*told.said)
        _keep(told, runs.place(folder_of(job_id), run))
        _log(f"Beside it: {run} is finished")

    try:
        ray.get(helper.ready.remote())
    except RayError:
        return
    left.pull(train, is_helper=True)
    ray.kill(helper)  # what it has is free for others


def _log(text: str) -> None:
    """In one go, for the training prints meanwhile."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _keep(files: Mapping[str, bytes], place: Path) -> None:
    """The bundle as the helper has it, the card last; nothing where it is already."""
    if job_work.finished(place):
        return
    shutil.rmtree(place / BUNDLE, ignore_errors=True)
    for name in sorted(files, key=lambda name: name == CARD):
        write_whole(place / BUNDLE / name, partial(Path.write_bytes, data=files[name]))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
