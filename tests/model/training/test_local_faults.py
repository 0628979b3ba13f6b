"""A full disk, a folder half deleted, a runner that cannot start, as the host here sees them.

Without its runner: what it would find or leave is written by the test.
"""

import sys
from pathlib import Path

import pytest

from model.files import write_json
from model.training import local_host, processes
from model.training.job_host import FAILED, LOST, QUEUED, RUNNING
from model.training.local_host import BEGUN, EXIT, LOCK, PROCESS, STOP, TICKET, LocalHost

HOST = LocalHost()


@pytest.fixture
def folder(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a job that waits; nobody works on it."""
    monkeypatch.setattr(LocalHost, "_wake", lambda self: None)
    return wait_in(sqlite_home / "jobs" / "job")


def wait_in(folder: Path) -> Path:
    write_json(folder / TICKET, {"attempt": 1, "queued": 1})
    return folder


def begin_in(folder: Path) -> None:
    write_json(folder / BEGUN, {"attempt": 1, "started": "2026-11-21T10:00:00.000000Z"})


@pytest.mark.parametrize("status", [None, 1])
def test_on_a_full_disk_the_last_word_of_a_job_is_that(
    folder: Path, monkeypatch: pytest.MonkeyPatch, status: int | None
):
    """Neither its result nor, mostly, its exit status could be written."""
    begin_in(folder)
    if status:
        write_json(folder / EXIT, {"attempt": 1, "status": status})
    assert "disk" not in HOST.look("job/1").message
    monkeypatch.setattr(local_host, "FULL_BYTES", float("inf"))
    seen = HOST.look("job/1")
    assert (seen.state, seen.message) == (FAILED, "The disk is full: free some space.")


def test_one_that_was_killed_is_lost_on_a_full_disk_too(folder: Path, monkeypatch):
    begin_in(folder)
    write_json(folder / EXIT, {"attempt": 1, "status": -9})
    monkeypatch.setattr(local_host, "FULL_BYTES", float("inf"))
    seen = HOST.look("job/1")
    assert (seen.state, "signal 9" in seen.message) == (LOST, True)


def test_a_runner_that_can_note_nothing_still_waits_for_its_job_and_stops_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: Path, value: object) -> None:
        if path.name in (PROCESS, EXIT):
            write_json(folder / STOP, {"attempt": 1})
            raise OSError(28, "No space left on device", str(path))
        write_json(path, value)

    monkeypatch.setattr(local_host, "write_json", full)
    local_host._run(folder, (sys.executable, "-c", "import time; time.sleep(60)"))
    assert not processes.is_held(folder / LOCK)


def test_what_is_half_deleted_is_not_run_again(folder: Path):
    assert local_host._waiting() == [folder]
    folder.rename(folder.with_name(".gone-job"))
    assert local_host._waiting() == []


def test_a_ticket_that_nobody_can_read_keeps_no_other_one_waiting(folder: Path):
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / TICKET).write_text("{")
    assert local_host._waiting() == [folder]


def test_a_runner_that_cannot_start_is_said_of_those_that_wait_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """No path of the server in it, and who runs is not lost for that."""

    def refused(host: LocalHost) -> None:
        raise PermissionError(13, "Permission denied", "/srv/secret/runner.txt")

    running = wait_in(folder.with_name("running"))
    begin_in(running)
    monkeypatch.setattr(LocalHost, "_wake", refused)
    waits = HOST.look("job/1")
    assert (waits.state, "Received: Permission denied." in waits.message) == (QUEUED, True)
    assert "/srv" not in waits.message
    with processes.locked(running / LOCK):
        assert HOST.look("running/1").state == RUNNING
