"""Jobs as processes of this computer: in order, stopped, killed, found again; nothing done twice.

What works on a folder is `stub_work`, whose steps only pretend and wait where they are told to.
"""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.config import ROOT
from model.training import jobs, local_host, processes
from model.training.job_host import CANCELLED, ENDED, FAILED, LOST, QUEUED, RUNNING, SUCCEEDED
from model.training.jobs import Job
from tests.model.job_cases import (
    ADMIN,
    SPEC,
    STUB,
    hold,
    let_go,
    set_up,
    wait_for,
    wait_held,
    wait_until,
)

WHOLE = ["epoch 0", "epoch 1", "epoch 2", "trained", "evaluated", "handed over"]


@pytest.fixture
def control(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder by which `stub_work` is told where to wait; no process outlives the test."""
    set_up(monkeypatch, tmp_path)
    monkeypatch.setattr(jobs, "host_of", lambda name: STUB)
    folder = tmp_path / "control"
    folder.mkdir()
    monkeypatch.setenv("STUB_CONTROL", str(folder))
    yield folder
    for job in jobs.jobs(ADMIN):
        jobs.cancel(ADMIN, job.id)
    wait_idle(sqlite_home)


def wait_idle(home: Path) -> None:
    """Until no process of jobs is left."""
    runner = home / "jobs" / local_host.RUNNER
    wait_for(lambda: not processes.is_held(runner), "the runner goes on")


def steps(control: Path, job_id: str = "") -> list[str]:
    """What was done, of all jobs or of one."""
    path = control / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.partition(" ")[2] for line in lines if line.startswith(job_id)]


def pid_of(home: Path, job: Job) -> int:
    path = home / "jobs" / job.id / local_host.PROCESS
    wait_for(path.exists, "no process")
    return int(json.loads(path.read_text())["pid"])


def runner_of(home: Path) -> int:
    """The number of the runner: the parent of the process of a job."""
    pids = [json.loads(path.read_text())["pid"] for path in home.glob("jobs/*/process.json")]
    said = subprocess.run(["ps", "-o", "ppid=", "-p", str(pids[-1])], capture_output=True)
    return int(said.stdout)


def submit_and_die(point: str) -> None:
    """Another process asks for a training and is killed at this point."""
    program = f"""
import os, signal, pytest
from pathlib import Path
from model.training import job_store, jobs
from tests.model.job_cases import ADMIN, SPEC, STUB, set_up

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_after(do):
    return lambda *given: (do(*given), die())

with pytest.MonkeyPatch.context() as patch:
    folder = Path(os.environ["XRAY_HOME"]).parent / "{point}"
    folder.mkdir()
    set_up(patch, folder)
    jobs.host_of = lambda name: STUB
    if "{point}" == "stored":
        job_store.add = dies_after(job_store.add)
    if "{point}" == "prepared":
        job_store.add = die
    if "{point}" == "taken":
        type(STUB).start = dies_after(type(STUB).start)
    jobs.submit(ADMIN, SPEC)
    die()
"""
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


def test_a_job_runs_to_its_end(control: Path, sqlite_home: Path):
    job = wait_until(jobs.submit(ADMIN, SPEC), *ENDED)
    assert (job.state, job.message, job.model_version) == (SUCCEEDED, "", f"vgg16-{job.id}")
    assert job.created < job.started < job.ended
    assert steps(control) == ["epoch 0", "epoch 1", "epoch 2", "trained", "handed over"]
    assert [line["epoch"] for line in jobs.curves(ADMIN, job.id)] == [0, 1, 2]
    left = {path.name for path in (sqlite_home / "jobs" / job.id).iterdir()}
    assert {"bundle", "log.txt", "result.json"} <= left
    assert not left & {"films", "champion", "run"}  # they take space and are no longer needed


def test_the_log_is_there_while_it_runs(control: Path):
    hold(control, "epoch 1")
    job = jobs.submit(ADMIN, SPEC)
    wait_held(control)
    assert jobs.job(ADMIN, job.id).state == RUNNING
    assert "Attempt 1" in jobs.log(ADMIN, job.id)
    assert [line["epoch"] for line in jobs.curves(ADMIN, job.id)] == [0, 1]
    let_go(control)
    assert wait_until(job, *ENDED).state == SUCCEEDED


def test_jobs_run_one_after_another_in_the_order_of_asking(control: Path):
    hold(control, "epoch 1")
    first, second, third = (jobs.submit(ADMIN, SPEC) for _ in range(3))
    wait_held(control)
    assert [job.state for job in jobs.jobs(ADMIN)] == [QUEUED, QUEUED, RUNNING]
    assert jobs.cancel(ADMIN, second.id).state == CANCELLED
    let_go(control)
    assert wait_until(third, *ENDED).state == SUCCEEDED
    assert jobs.job(ADMIN, first.id).ended < jobs.job(ADMIN, third.id).started
    assert steps(control, second.id) == []
    assert steps(control, first.id) + steps(control, third.id) == steps(control)


def test_a_job_that_waits_while_the_disk_is_full_says_so(control: Path, monkeypatch):
    hold(control, "epoch 1")
    jobs.submit(ADMIN, SPEC)
    second = jobs.submit(ADMIN, SPEC)
    with monkeypatch.context() as patch:
        patch.setattr(local_host, "FULL_BYTES", float("inf"))
        assert "The disk is full" in jobs.job(ADMIN, second.id).message
    assert jobs.job(ADMIN, second.id).message == ""


def test_a_running_job_is_stopped_and_goes_on_when_retried(control: Path, sqlite_home: Path):
    hold(control, "epoch 1")
    job = jobs.submit(ADMIN, SPEC)
    wait_held(control)
    pid = pid_of(sqlite_home, job)
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
    assert not processes.start_of(pid)
    let_go(control)
    assert wait_until(jobs.retry(ADMIN, job.id), *ENDED).state == SUCCEEDED
    assert steps(control) == ["epoch 0", "epoch 1", "epoch 2", "trained", "handed over"]
    assert [line["epoch"] for line in jobs.curves(ADMIN, job.id)] == [0, 1, 2]


def test_a_job_that_fails_says_why_and_the_next_one_runs(control: Path, sqlite_home: Path):
    hold(control, "epoch 0")
    first, bad = jobs.submit(ADMIN, SPEC), jobs.submit(ADMIN, SPEC)
    wait_held(control)
    films = sqlite_home / "jobs" / bad.id / "films.zip"
    films.unlink()
    films.write_bytes(b"half an archive")
    last = jobs.submit(ADMIN, SPEC)
    let_go(control)
    assert wait_until(last, *ENDED).state == SUCCEEDED
    failed = jobs.job(ADMIN, bad.id)
    assert (failed.state, jobs.job(ADMIN, first.id).state) == (FAILED, SUCCEEDED)
    assert "a damaged archive" in failed.message
    assert "DataError" in jobs.log(ADMIN, bad.id)


def test_a_process_that_ends_without_a_word_has_failed(control: Path, monkeypatch):
    host = local_host.LocalHost((sys.executable, "-c", "raise SystemExit(3)"))
    monkeypatch.setattr(jobs, "host_of", lambda name: host)
    job = wait_until(jobs.submit(ADMIN, SPEC), FAILED)
    assert "exit status 3" in job.message


# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("killed_at", "goes_on_with"),
    [
        ("epoch 1", "epoch 2"),
        ("trained", "evaluated"),
        ("evaluated", "evaluated"),  # its word that it is done is missing: it is read again
        ("handed over", "handed over"),  # likewise; the registry takes a version once
    ],
)
def test_a_job_that_is_killed_is_lost_and_a_retry_finishes_it(
    control: Path, sqlite_home: Path, tmp_path: Path, killed_at: str, goes_on_with: str
):
    with zipfile.ZipFile(tmp_path / "set" / "films.zip", "a") as archive:
        archive.writestr("test/NORMAL/one.jpeg", b"film")
    hold(control, killed_at)
    job = jobs.submit(ADMIN, SPEC)
    wait_held(control)
    os.kill(pid_of(sqlite_home, job), signal.SIGKILL)
    wait_for(lambda: "signal 9" in jobs.job(ADMIN, job.id).message, "nobody saw how it ended")
    lost = jobs.job(ADMIN, job.id)
    assert lost.state == LOST
    assert "after the last finished epoch" in lost.todo
    let_go(control)
    ended = wait_until(jobs.retry(ADMIN, job.id), *ENDED)
    assert (ended.state, ended.model_version) == (SUCCEEDED, f"vgg16-{job.id}")
    before, after = WHOLE.index(killed_at), WHOLE.index(goes_on_with)
    assert steps(control) == WHOLE[: before + 1] + WHOLE[after:]
    assert [path.name for path in control.glob("registered-*")] == [f"registered-vgg16-{job.id}"]


@pytest.mark.parametrize("point", ["stored", "taken", "answered"])
def test_a_job_whose_server_is_killed_runs_once(control: Path, point: str):
    submit_and_die(point)
    job = wait_until(jobs.jobs(ADMIN)[0], *ENDED)
    assert (job.state, job.attempt) == (SUCCEEDED, 1)
    assert steps(control) == ["epoch 0", "epoch 1", "epoch 2", "trained", "handed over"]


def test_a_server_that_is_killed_before_the_job_is_stored_has_asked_for_nothing(control: Path):
    submit_and_die("prepared")
    assert jobs.jobs(ADMIN) == []
    assert wait_until(jobs.submit(ADMIN, SPEC), *ENDED).state == SUCCEEDED


def test_a_job_goes_on_without_its_runner_and_the_queue_after_it(control: Path, sqlite_home: Path):
    hold(control, "epoch 1")
    first, second = jobs.submit(ADMIN, SPEC), jobs.submit(ADMIN, SPEC)
    wait_held(control)
    os.kill(runner_of(sqlite_home), signal.SIGKILL)
    assert [job.state for job in jobs.jobs(ADMIN)] == [QUEUED, RUNNING]
    let_go(control)
    assert wait_until(second, *ENDED).state == SUCCEEDED
    ended = jobs.job(ADMIN, first.id)
    assert (ended.state, ended.attempt) == (SUCCEEDED, 1)
    assert steps(control, first.id) + steps(control, second.id) == steps(control)


def test_a_job_without_its_runner_is_stopped(control: Path, sqlite_home: Path):
    hold(control, "epoch 1")
    job = jobs.submit(ADMIN, SPEC)
    wait_held(control)
    os.kill(runner_of(sqlite_home), signal.SIGKILL)
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
    assert not processes.start_of(pid_of(sqlite_home, job))


def test_after_a_restart_of_the_computer_the_queue_goes_on(control: Path, sqlite_home: Path):
    hold(control, "epoch 1")
    first, second = jobs.submit(ADMIN, SPEC), jobs.submit(ADMIN, SPEC)
    wait_held(control)
    runner = runner_of(sqlite_home)
    os.kill(runner, signal.SIGKILL)
    os.kill(pid_of(sqlite_home, first), signal.SIGKILL)
    let_go(control)
    lost = wait_until(first, LOST)
    assert "restart of the computer" in lost.message
    assert wait_until(second, *ENDED).state == SUCCEEDED
    assert wait_until(jobs.retry(ADMIN, first.id), *ENDED).state == SUCCEEDED


def test_a_process_that_was_given_the_same_number_is_left_alone(
    control: Path, sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
):
    """A job without a runner, whose file names the number of somebody else's process."""
    monkeypatch.setattr(local_host, "STOP_SECONDS", 1)
    job = wait_until(jobs.submit(ADMIN, SPEC), *ENDED)
    wait_idle(sqlite_home)
    folder = sqlite_home / "jobs" / job.id
    (folder / "result.json").unlink()
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    told = {"pid": other.pid, "started": "of another one"}
    (folder / local_host.PROCESS).write_text(json.dumps(told))
    with processes.locked(folder / local_host.LOCK):
        assert STUB.look(f"{job.id}/1").state == RUNNING
        STUB.cancel(f"{job.id}/1")
        assert STUB.look(f"{job.id}/1").message == "It is being stopped."
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_result_is_never_lost(control: Path, sqlite_home: Path):
    """Whatever else is gone: the last word of a job is there, so it has ended well."""
    job = wait_until(jobs.submit(ADMIN, SPEC), *ENDED)
    wait_idle(sqlite_home)
    folder = sqlite_home / "jobs" / job.id
    for name in (local_host.EXIT, local_host.PROCESS, local_host.LOCK):
        (folder / name).unlink()
    assert STUB.look(f"{job.id}/1").state == SUCCEEDED


# --- this computer --------------------------------------------------------------------------------


def test_a_lock_belongs_to_the_process_that_was_given_it(tmp_path: Path):
    path = tmp_path / "lock"
    with processes.locked(path) as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
        with processes.locked(path) as second:
            assert second is None
    assert processes.is_held(path)
    assert processes.start_of(child.pid) not in ("", processes.start_of(os.getpid()))
    child.kill()
    child.wait()
    assert not processes.is_held(path)
    assert processes.start_of(child.pid) == ""


def test_a_folder_that_cannot_be_written_says_so(control: Path, sqlite_home: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local_host, "write_json", full)
    job = jobs.submit(ADMIN, SPEC)
    assert job.state == QUEUED
    assert "No space left on device" in job.message
    monkeypatch.undo()


def test_the_doctor_finds_locks_disk_memory_and_gpu(sqlite_home: Path):
    found = {check.name: check for check in local_host.LocalHost().check()}
    assert list(found) == ["locks", "disk", "memory", "gpu"]
    assert found["locks"].ok
    assert found["disk"].found.endswith("GB free")
