"""python -m model work FOLDER: what runs on a host, the same on every one.

Train on the films of the folder, once or in several runs (runs.py), read its test split, hand the
bundle over to MLflow. Each step leaves in the folder what tells that it is done, so whatever ends
this process, the next one goes on from there; result.json comes last of all. The folder's files are
named in `job_host`.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.bundle import Bundle, open_bundle
from model.config import settings
from model.errors import BundleError, DataError, PneumoscopeError, TrainingError
from model.files import write_json
from model.language import N_, _
from model.training import gpu_use, runs
from model.training.job_host import BUNDLE, CHAMPION, FILMS, RESULT, RUN, RUN_ID, SPEC
from model.training.job_store import JobSpec
from model.training.processes import locked
from model.training.runs import Run
from model.versions import tracking

FAILED = 2
UNPACKED, STEPS = "films", "steps.json"
FOLLOW_SECONDS = 2.0
ORPHAN_SECONDS = 60.0  # after so long Ray has ended what a killed process had begun elsewhere
_LEFT_OVER = ".*"  # how `model.files` begins the name of a file that is not yet whole
_FULL = N_("The disk of the computer that trains is full: free some space there, then retry.")
_MEMORY = N_(
    "The memory of the computer that trains is full: end other programs there, then retry."
)
UNREAD = N_("The version cannot be promoted, for its test set could not be read: {why}")
# Part of what the system or a Keras back end says, and what it means.
_FAULTS = (
    ("no space left", _FULL), ("disk quota", _FULL), ("memoryerror", _MEMORY),
    ("out of memory", _MEMORY), ("resource_exhausted", _MEMORY), ("oom when", _MEMORY),
)  # fmt: skip


def work(folder: Path, many: runs.Many = runs.one_after_another) -> int:
    """Brings the job in `folder` to its end; 0, or 2 and in result.json why not.

    many: how several runs are done.
    """
    folder = folder.resolve()
    started = _now()
    try:
        result = _finish(folder, many)
    except Exception as error:  # whatever it is, the page is to say it
        traceback.print_exc()
        result = {"error": type(error).__name__, "message": why(error)}
        tracking.end_run(_read(folder / STEPS).get("run_id", ""), "FAILED")
    result |= {"started": started, "ended": _now()}
    write_json(folder / RESULT, result)
    print(json.dumps({"result": result}), flush=True)
    return FAILED if "error" in result else 0


def why(error: BaseException) -> str:
    """One sentence for the page; what the error itself says may hold paths and stays in the log."""
    if isinstance(error, PneumoscopeError):
        return str(error)
    said = f"{type(error).__name__} {error}".lower()
    other = f"The program has a fault ({type(error).__name__}); its log tells more."
    return next((meaning for part, meaning in _FAULTS if part in said), other)


def _finish(folder: Path, many: runs.Many) -> dict[str, Any]:
    """All steps that are not done yet; what result.json says."""
    (folder / RESULT).unlink(missing_ok=True)
    spec = spec_of(folder)
    job_id = str(_read(folder / SPEC).get("job_id", folder.name))
    serve_champion(folder)
    tracking.be_patient()
    data = unpack(folder)
    bundle = finished(folder) or _tracked(folder, job_id, spec, data, many)
    unread = _judge(folder, bundle, data) if (data / "test").is_dir() else {}
    run_id = hand_over(folder, job_id, bundle)
    _done(folder, run_id=run_id)
    # Hundreds of MB that the bundle makes needless.
    for name in (UNPACKED, CHAMPION, RUN, runs.RUNS):
        shutil.rmtree(folder / name, ignore_errors=True)
    return {"model_version": bundle.model_version, "run_id": run_id, **unread}


def _judge(folder: Path, bundle: Bundle, data: Path) -> dict[str, str]:
    """Reads the test split, unless that is done; why it cannot be read, as a message.

    That loses no finished training: its version is handed over as it is.
    """
    if _read(folder / STEPS).get("evaluated") == bundle.model_version:
        return {}
    try:
        evaluate(bundle, data)
    except PneumoscopeError as error:
        traceback.print_exc()
        return {"message": _(UNREAD, why=error)}
    _done(folder, evaluated=bundle.model_version)
    return {}


def spec_of(folder: Path) -> JobSpec:
    """What was asked for."""
    return JobSpec.parse(_read(folder / SPEC))


def serve_champion(folder: Path) -> None:
    """In this process: its segmenter and its weights are wanted where training asks for them."""
    os.environ["XRAY_BUNDLE"] = str(folder / CHAMPION)
    settings.cache_clear()


def unpack(folder: Path) -> Path:
    """The films as a data folder. Raises DataError for an archive that is not whole."""
    target, part = folder / UNPACKED, folder / f"{UNPACKED}.part"
    if not target.exists():
        shutil.rmtree(part, ignore_errors=True)
        try:
            with zipfile.ZipFile(folder / FILMS) as archive:
                archive.extractall(part)
        except (FileNotFoundError, zipfile.BadZipFile) as error:
            raise DataError(
                _("the films of the retraining set, whole"),
                _("none") if isinstance(error, FileNotFoundError) else _("a damaged archive"),
                _("Freeze the set again and start a new training."),
            ) from None
        part.rename(target)
    return target


def finished(folder: Path) -> Bundle | None:
    """The bundle, if it is trained already."""
    try:
        return open_bundle(folder / BUNDLE)
    except BundleError:
        return None


def _tracked(folder: Path, job_id: str, spec: JobSpec, data: Path, many: runs.Many) -> Bundle:
    """The training, its epochs told to MLflow while it goes on.

    Of several runs MLflow gets the epochs of the one that becomes the version, with its bundle.
    """
    told = {"set": spec.set_sha256, "config": spec.config, **_recipe(spec)}
    run_id = tracking.start_run(job_id, told, _read(folder / STEPS).get("run_id", ""))
    _done(folder, run_id=run_id)
    # By this line who finds that it was stopped or killed ends the run in MLflow.
    print(json.dumps({RUN_ID: run_id}), flush=True)
    with gpu_use.followed():
        if len(runs.of(spec)) > 1:
            return _several(folder, data, spec, many)
        with _followed(folder / RUN / "curves.jsonl", run_id):
            return train(spec, data, folder)


def _several(folder: Path, data: Path, spec: JobSpec, many: runs.Many) -> Bundle:
    """All runs that are not done yet, then the version. Raises what the first that fails raised."""
    wanted = runs.of(spec)

    def one(run: Run) -> None:
        told = {"run": wanted.index(run) + 1, "runs": len(wanted), **asdict(run)}
        print(json.dumps(told), flush=True)
        train_one(spec, data, folder, run)

    failed = many([run for run in wanted if not finished(runs.place(folder, run))], one)
    for run in wanted:
        if run in failed:
            raise failed[run]
    return runs.settle(folder, wanted)


def train_one(spec: JobSpec, data: Path, folder: Path, run: Run) -> Bundle:
    """One of several runs, to its bundle. Raises TrainingError while another process is at it."""
    gc.collect()  # what the run before it has left in the memory of the GPU
    place = runs.place(folder, run)
    with locked(place / "lock", ORPHAN_SECONDS) as lock:
        if lock is None:
            raise TrainingError(
                _("a training that is alone in its folder"), _("another one in it"),
                _("Retry in a minute."),
            )  # fmt: skip
        return finished(place) or train(spec, data, place, run)


def _recipe(spec: JobSpec) -> dict[str, Any]:
    from model.nn.recipe import recipe

    return asdict(recipe(spec.config, spec.settings()))


def train(spec: JobSpec, data: Path, folder: Path, run: Run | None = None) -> Bundle:
    """As `python -m model train`, but for where it writes. run: one of several."""
    from model.nn.dataset import turned
    from model.nn.recipe import recipe
    from model.nn.release import release
    from model.nn.start import divided
    from model.nn.train import train as fit

    for path in [*(folder / RUN).rglob(_LEFT_OVER), *(folder / BUNDLE).glob(_LEFT_OVER)]:
        path.unlink(missing_ok=True)  # of a process that was killed while it wrote
    chosen = recipe(spec.config, spec.settings())
    split = divided(chosen, data)
    if run:
        split = turned(split, run.fold, spec.folds, chosen.seed)
        chosen = replace(chosen, seed=run.seed)
    trained = fit(chosen, split, folder / RUN)
    return release(trained, folder / BUNDLE, folder / RUN)


def evaluate(bundle: Bundle, data: Path) -> None:
    """Reads the test split and keeps all that the pages show of it with the bundle.

    The classifier computes with TensorFlow. What was trained with another back end is read by a
    process of its own, on the processor: this one still holds the memory of the GPU.
    Raises PneumoscopeError if the split cannot be read.
    """
    from model.nn import gpus

    print("Reading the test split", flush=True)
    if gpus.backend() != "tensorflow":
        _evaluate_beside(bundle, data)
        return
    from model.nn import evaluate as evaluation
    from model.nn.classifier import Classifier
    from model.nn.dataset import read_folder

    examples = read_folder(data, "test")
    evaluation.keep(Classifier.load(bundle.folder), examples, "test", data)


def _evaluate_beside(bundle: Bundle, data: Path) -> None:
    command = [sys.executable, "-m", "model", "evaluate", "--keep", "--split", "test"]
    command += ["--data", str(data), "--bundle", str(bundle.folder)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    print(ended.stderr, flush=True)
    said = ended.stderr.strip().splitlines()[-1:] or [""]
    if ended.returncode == FAILED:
        todo = _("Start another training.")
        raise TrainingError(_("a test split that can be read with TensorFlow"), said[0], todo)
    if ended.returncode:
        raise RuntimeError(f"exit status {ended.returncode}: {said[0]}")


def hand_over(folder: Path, job_id: str, bundle: Bundle) -> str:
    """Registers the bundle; the same one again is registered once. Returns the id of its run."""
    from model.versions import registry

    print("Handing the version over to MLflow", flush=True)
    run_id = _read(folder / STEPS).get("run_id", "")
    return registry.hand_over(run_id, bundle.folder, job_id, bundle.training["curves"])


@contextmanager
def _followed(curves: Path, run_id: str) -> Iterator[None]:
    """Tells MLflow of each epoch that is written meanwhile; a training never waits for it."""
    ended = threading.Event()

    def lines() -> list[str]:
        text = curves.read_text() if curves.exists() else ""
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def follow(told: int) -> None:
        while not ended.wait(FOLLOW_SECONDS):
            for line in lines()[told:]:
                if ended.is_set():
                    return  # an MLflow that is down takes seconds for each; `hand_over` adds them
                tracking.log_epoch(run_id, json.loads(line))
                told += 1

    thread = threading.Thread(target=follow, args=(len(lines()),), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _done(folder: Path, **steps: str) -> None:
    write_json(folder / STEPS, {**_read(folder / STEPS), **steps})


def _read(path: Path) -> dict[str, Any]:
    """The object in a file; {} where there is none."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
