"""What MLflow says of a training that is stopped or killed."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.training import jobs
from model.training.job_host import CANCELLED, ENDED, LOST, RUNNING, SUCCEEDED
from model.training.jobs import Job
from model.training.local_host import LocalHost
from model.versions import tracking
from tests.model.job_cases import (
    ADMIN,
    SPEC,
    hold,
    let_go,
    set_up,
    wait_for,
    wait_held,
    wait_until,
)  # fmt: skip

IMPATIENT = LocalHost((sys.executable, "-m", "tests.model.impatient_work"))


@pytest.fixture
def control(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Jobs that only pretend to train, but tell MLflow; the folder that says where they wait."""
    set_up(monkeypatch, tmp_path)
    monkeypatch.setattr(jobs, "host_of", lambda name: IMPATIENT)
    (tmp_path / "control").mkdir()
    monkeypatch.setenv("STUB_CONTROL", str(tmp_path / "control"))
    yield tmp_path / "control"
    for job in jobs.jobs(ADMIN):
        jobs.cancel(ADMIN, job.id)


def begun(control: Path) -> Job:
    """A job that waits at the end of its second epoch."""
    hold(control, "epoch 1")
    job = jobs.submit(ADMIN, SPEC)
    wait_held(control)
    assert jobs.job(ADMIN, job.id).state == RUNNING
    return job


def run_of(job: Job) -> Any:
    """The run of a job in MLflow; there is one, whatever happened."""
    with tracking.asked() as client:
        experiment = client.get_experiment_by_name(tracking.NAME).experiment_id
        [found] = client.search_runs([experiment], f"tags.job_id = '{job.id}'")
    return found


def epochs_of(job: Job) -> list[int]:
    with tracking.asked() as client:
        told = client.get_metric_history(run_of(job).info.run_id, "loss")
    return sorted({metric.step for metric in told})


def wait_for_status(job: Job, status: str) -> None:
    wait_for(lambda: run_of(job).info.status == status, f"MLflow does not say {status}")


def kill(home: Path, job: Job) -> None:
    told = json.loads((home / "jobs" / job.id / "process.json").read_text())
    os.kill(told["pid"], signal.SIGKILL)


def test_a_training_that_is_stopped_or_killed_ends_its_run_and_a_retry_goes_on_with_it(
    control: Path, sqlite_home: Path
):
    job = begun(control)
    assert run_of(job).info.status == "RUNNING"
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
    wait_for_status(job, "KILLED")
    hold(control, "epoch 2")
    jobs.retry(ADMIN, job.id)
    wait_held(control)
    assert run_of(job).info.status == "RUNNING"
    kill(sqlite_home, job)
    assert wait_until(job, *ENDED).state == LOST
    wait_for_status(job, "KILLED")
    let_go(control)
    ended = wait_until(jobs.retry(ADMIN, job.id), *ENDED)
    assert ended.state == SUCCEEDED, ended.message
    assert run_of(job).info.status == "FINISHED"
    assert epochs_of(job) == [0, 1, 2]
