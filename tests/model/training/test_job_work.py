"""`python -m model work FOLDER`: a whole training, and why one fails, in one sentence."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model.__main__ import main
from model.bundle import Bundle, open_bundle
from model.config import ROOT
from model.errors import DataError, StoreError, TrainingError
from model.nn import gpus
from model.training import job_work, jobs, runs
from model.training.job_host import FAILED, SUCCEEDED, seen_in_log
from model.training.jobs import JobSpec
from model.training.processes import locked
from model.training.runs import Run
from model.versions import registry, tracking
from tests.model.job_cases import ADMIN, SET, StubHost, set_up, wait_for
from tests.model.version_cases import write_version

TINY = JobSpec(SET, "mlp", "scratch", changes=("size_px=16", "epochs=2", "folds=3", "batch_size=8"))


@pytest.fixture
def folder(
    sqlite_home: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of a job, as a host gets it."""
    set_up(monkeypatch, tmp_path, tiny_data)
    monkeypatch.setattr(jobs, "host_of", lambda name: StubHost())
    monkeypatch.setenv("XRAY_BUNDLE", "")  # `work` sets it for its own process
    job = jobs.submit(ADMIN, TINY)
    return sqlite_home / "jobs" / job.id


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done; no step does more than a version of the tests needs."""
    done: list[str] = []

    def train(spec: JobSpec, data: Path, folder: Path) -> Bundle:
        done.append("train")
        return write_version(folder / "bundle", model_version="vgg16-new")

    monkeypatch.setattr(job_work, "train", train)
    monkeypatch.setattr(job_work, "evaluate", lambda *_: done.append("evaluate"))
    monkeypatch.setattr(registry, "hand_over", lambda *_: done.append("hand over") or "run")
    monkeypatch.setattr(tracking, "start_run", lambda *_: "run")
    monkeypatch.setattr(tracking, "end_run", lambda run, status: done.append(status))
    return done


def result(folder: Path) -> dict[str, str]:
    return json.loads((folder / "result.json").read_text())


def test_a_training_is_done_read_and_handed_over(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A real one, of a tiny network, with a real MLflow in the home, in a process of its own.

    It has three runs, of which two divide the films anew.
    """
    ask(folder, folds=3)
    run = subprocess.run(
        [sys.executable, "-m", "model", "work", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = result(folder)
    bundle = open_bundle(folder / "bundle")
    assert told["model_version"] == bundle.model_version
    assert told["started"] < told["ended"]
    assert set(bundle.evaluations) == {"validation", "changed", "test"}
    assert len(bundle.evaluations["test"].files) == 8
    assert bundle.training["recipe"]["network"] == "mlp"
    assert len(bundle.training["curves"]) == 2
    assert seen_in_log(run.stdout).state == SUCCEEDED
    host = StubHost()
    host.text = run.stdout
    monkeypatch.setattr(jobs, "host_of", lambda name: host)
    assert [line["epoch"] for line in jobs.curves(ADMIN, folder.name)] == [0, 1]
    repeats = bundle.training["repeats"]
    assert [(one["fold"], one["seed"]) for one in repeats] == [(0, 0), (1, 0), (2, 0)]
    assert all(0 <= one["validation_auroc"] <= 1 for one in repeats)
    assert not (folder / "runs").exists()
    version = registry.challenger()
    assert (version.model_version, version.job_id) == (bundle.model_version, folder.name)
    assert version.run_id == told["run_id"]


def test_what_is_done_is_not_done_again(folder: Path, steps: list[str]):
    assert job_work.work(folder) == 0
    assert steps == ["train", "evaluate", "hand over"]
    steps.clear()
    (folder / "result.json").unlink()  # killed before its last word
    assert job_work.work(folder) == 0
    assert steps == ["hand over"]
    assert result(folder)["model_version"] == "vgg16-new"


# --- several runs ---------------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process had ended there."""


def ask(folder: Path, **changes: int) -> None:
    """Has the job ask for several runs."""
    told = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({**told, **changes}))


@pytest.fixture
def several(folder: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A job of four runs. By its name, what a run raises; a run is named by fold and seed."""
    raises: dict[str, BaseException] = {}

    def train(spec: JobSpec, data: Path, place: Path, run: Run) -> Bundle:
        steps.append(f"{run.fold}-{run.seed}")
        if (error := raises.get(place.name)) is not None:
            raise error
        return write_version(place / "bundle", model_version=f"vgg16-{place.name}")

    monkeypatch.setattr(job_work, "train", train)
    ask(folder, folds=3, seeds=2)
    return raises


def test_after_a_kill_only_the_runs_that_are_missing_are_done(
    folder: Path, steps: list[str], several: dict
):
    several["1-0"] = Killed()
    with pytest.raises(Killed):
        job_work.work(folder)
    assert steps == ["0-0", "0-1", "1-0"]
    several.clear()
    assert job_work.work(folder) == 0
    assert steps[3:] == ["1-0", "2-0", "evaluate", "hand over"]
    assert result(folder)["model_version"] == "vgg16-0-0"
    assert not (folder / "runs").exists()


def test_a_run_that_fails_fails_the_job_after_the_others_are_done(
    folder: Path, steps: list[str], several: dict
):
    several["0-1"] = TrainingError("a finite loss", "NaN", "Retry with a smaller rate.")
    assert job_work.work(folder) == 2
    assert steps == ["0-0", "0-1", "1-0", "2-0", "FAILED"]
    assert "a smaller rate" in result(folder)["message"]
    steps.clear()
    several.clear()
    assert job_work.work(folder) == 0
    assert steps == ["0-1", "evaluate", "hand over"]


def test_a_kill_after_the_version_was_chosen_loses_nothing(
    folder: Path, steps: list[str], several: dict, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runs, "open_bundle", lambda at: killed() if at.parent == folder else
                      open_bundle(at))  # fmt: skip
        with pytest.raises(Killed):
            job_work.work(folder)
    steps.clear()
    assert job_work.work(folder) == 0
    assert steps == ["evaluate", "hand over"]
    assert len(open_bundle(folder / "bundle").training["repeats"]) == 4


def test_a_run_that_another_process_is_at_is_left_alone(
    folder: Path, steps: list[str], several: dict, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_work, "ORPHAN_SECONDS", 0.0)
    with locked(runs.place(folder, Run(0, 1)) / "lock"):
        assert job_work.work(folder) == 2
    assert "0-1" not in steps
    assert "Retry in a minute" in result(folder)["message"]


def test_without_mlflow_the_training_is_kept_and_a_retry_only_hands_it_over(
    folder: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
):
    def down(*_: object) -> str:
        raise StoreError("an answer of MLflow", "none", registry.SAFE)

    with monkeypatch.context() as patch:
        patch.setattr(registry, "hand_over", down)
        assert main(["work", str(folder)]) == 2
    assert "bundle is safe in the folder of the job" in result(folder)["message"]
    assert open_bundle(folder / "bundle").model_version == "vgg16-new"
    assert steps == ["train", "evaluate", "FAILED"]
    assert main(["work", str(folder)]) == 0
    assert steps[3:] == ["hand over"]


def test_what_another_back_end_trained_is_read_by_a_process_of_its_own(
    tiny_bundle: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle = open_bundle(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    monkeypatch.setattr(gpus, "backend", lambda: "jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    job_work.evaluate(bundle, tiny_data)
    assert len(open_bundle(bundle.folder).evaluations["test"].files) == 8


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(2, TrainingError, "nothing passes. Add films."), (-9, RuntimeError, "exit status -9")],
)
def test_why_that_process_failed_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, error: type, said: str
):
    ended = subprocess.CompletedProcess([], status, stderr="Loading\nnothing passes. Add films.\n")
    monkeypatch.setattr(gpus, "backend", lambda: "jax")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(error, match=said):
        job_work.evaluate(write_version(tmp_path, model_version="vgg16-new"), tmp_path)


def test_a_version_whose_test_set_cannot_be_read_is_handed_over_and_says_so(
    folder: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys
):
    def refuses(*_: object) -> None:
        raise DataError("films that the gate accepts", "none of 8", "Add films.")

    monkeypatch.setattr(job_work, "evaluate", refuses)
    assert job_work.work(folder) == 0
    assert steps == ["train", "hand over"]
    seen = seen_in_log(capsys.readouterr().out)
    assert (seen.state, seen.model_version) == (SUCCEEDED, "vgg16-new")
    assert "cannot be promoted" in seen.message
    assert "none of 8" in seen.message


def test_a_set_without_test_split_is_not_read(folder: Path, steps: list[str]):
    with zipfile.ZipFile(folder / "films.zip", "w") as archive:
        archive.writestr("train/NORMAL/one.jpeg", b"film")
    assert job_work.work(folder) == 0
    assert steps == ["train", "hand over"]


def test_a_bundle_that_is_not_whole_is_trained_anew(folder: Path, steps: list[str]):
    write_version(folder / "bundle", model_version="vgg16-new")
    (folder / "bundle" / "model.keras").write_bytes(b"half")
    assert job_work.work(folder) == 0
    assert steps[0] == "train"


def test_what_a_killed_process_was_writing_is_removed(folder: Path, tmp_path: Path):
    left = folder / "run" / "checkpoints" / ".tmp1.weights.h5"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with pytest.raises(DataError, match="NORMAL"):
        job_work.train(TINY, tmp_path / "no data", folder)
    assert not left.exists()


def test_each_epoch_is_told_while_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[int] = []
    monkeypatch.setattr(job_work, "FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr(tracking, "log_epoch", lambda run, line: told.append(line["epoch"]))
    curves = tmp_path / "curves.jsonl"
    curves.write_text('{"epoch": 0}\n')  # told before it was killed
    with job_work._followed(curves, "run"):
        with curves.open("a") as file:
            file.write('{"epoch": 1}\n{"epoch": 2}\n{"epo')
        wait_for(lambda: len(told) >= 2, "the epochs are not told")
    assert told == [1, 2]


# --- why a training failed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TrainingError("a finite loss", "NaN", "Retry with a smaller rate."), "a smaller rate"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "disk of the computer .* is full"),
        (MemoryError(), "memory of the computer .* is full"),
        (RuntimeError("RESOURCE_EXHAUSTED: while allocating"), "memory of the computer"),
        (RuntimeError("CUDA out of memory"), "memory of the computer"),
        (ZeroDivisionError("person7.jpeg"), r"a fault \(ZeroDivisionError\); its log tells more"),
    ],
)
def test_a_failure_says_why_in_one_sentence(
    folder: Path, steps: list[str], monkeypatch, capsys, error: Exception, said: str
):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(job_work, "train", fails)
    assert job_work.work(folder) == 2
    told = result(folder)
    assert told["error"] == type(error).__name__
    assert re.search(said, told["message"])
    assert "person7" not in told["message"]
    out, err = capsys.readouterr()
    assert "Traceback" in err
    assert seen_in_log(out).state == FAILED
    assert steps == ["FAILED"]  # of the run in MLflow


@pytest.mark.parametrize("films", [b"no archive", None])
def test_films_that_are_not_there_or_damaged_say_so(folder: Path, steps: list[str], films):
    (folder / "films.zip").unlink()
    if films:
        (folder / "films.zip").write_bytes(films)
    assert job_work.work(folder) == 2
    assert "Freeze the set again" in result(folder)["message"]
    assert steps == ["FAILED"]


def test_a_set_of_one_class_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with zipfile.ZipFile(folder / "films.zip", "w") as archive:
        archive.writestr("train/NORMAL/one.jpeg", b"film")
    monkeypatch.setattr(tracking, "start_run", lambda *_: "")
    assert job_work.work(folder) == 2
    assert "none in train/PNEUMONIA" in result(folder)["message"]
