"""The default host: jobs run on this computer, one at a time, in the order of asking.

`start` leaves a ticket in the job's folder and wakes the runner, a process of its own that works
through all tickets and ends. Each job is a process too, so neither needs the server or a page.

A job's process holds a lock on a file of its folder from its birth to its death, whichever way it
dies: that tells whether it lives, and nothing is ever worked on twice. To stop it, it is known by
its number and the time of its start together: the system gives the number away again.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.config import ROOT, settings
from model.errors import PneumoscopeError, StoreError, plain_faults
from model.files import write_json
from model.language import N_, _
from model.training import local_checks
from model.training.job_host import (
    CANCELLED,
    FAILED,
    LOG,
    LOST,
    QUEUED,
    RESULT,
    RUNNING,
    SPEC,
    Check,
    Seen,
    seen_in_result,
)  # fmt: skip
from model.training.processes import is_held, kill_group, locked, start_of

WORK = (sys.executable, "-m", "model", "work")
# What is known of an attempt, a file each, every one with one writer: who asks, or the runner.
TICKET, BEGUN, PROCESS, EXIT, STOP = (
    "ticket.json", "begun.json", "process.json", "exit.json", "stop.json"
)  # fmt: skip
LOCK, RUNNER = "lock", "runner.lock"
POLL_SECONDS = 0.2
STOP_SECONDS = 10  # how long `cancel` waits for the end of a process
LOG_BYTES = 4 * 1024**2
FULL_BYTES = 20 * 1000**2  # with less free not even the runner can begin
NICE = 10  # readings of the pages go first

_NO_FOLDER = Seen(LOST, N_("The job's folder is no longer there."))
_FULL = N_("The disk is full: free some space.")
_runners: list[subprocess.Popen[bytes]] = []  # kept, so that they are reaped when they end


@dataclass(frozen=True)
class LocalHost:
    """`job_host.Host` on this computer. command: what works on a folder, given behind it."""

    command: tuple[str, ...] = WORK

    def start(self, job_id: str, attempt: int, folder: Path) -> str:
        """Queues the attempt. Raises StoreError for a folder that is gone or cannot be written."""
        if not (folder / SPEC).exists():
            raise StoreError(
                _("the folder of the job"), _("none"), _("Start a new training instead.")
            )
        with _disk():
            if not _told(folder, TICKET, attempt):
                ticket = {"attempt": attempt, "queued": time.time_ns()}
                write_json(folder / TICKET, ticket)
            self._wake()
        return f"{job_id}/{attempt}"

    def look(self, handle: str) -> Seen:
        """See `Host`. Starts the runner again if jobs wait and it was killed."""
        folder, attempt = _find(handle)
        if not _told(folder, TICKET, attempt):
            return _NO_FOLDER
        hindered = ""
        try:
            with _disk():
                if _waiting():
                    self._wake()
        except PneumoscopeError as error:
            hindered = str(error)  # of those that wait; one that runs is none the worse for it
        try:
            with _disk():
                seen = _seen(folder, attempt)
        except PneumoscopeError as error:
            return Seen(LOST, str(error))
        return replace(seen, message=hindered) if hindered and seen.state == QUEUED else seen

    def log(self, handle: str) -> str:
        """The end of what all attempts have printed, at most LOG_BYTES."""
        try:
            with (_find(handle)[0] / LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def cancel(self, handle: str) -> None:
        """The runner stops the process; waits until it has ended. Raises StoreError."""
        folder, attempt = _find(handle)
        if self.look(handle).state not in (QUEUED, RUNNING):
            return
        with _disk():
            write_json(folder / STOP, {"attempt": attempt})
            until = time.monotonic() + STOP_SECONDS
            while is_held(folder / LOCK) and time.monotonic() < until:
                self._wake()
                time.sleep(POLL_SECONDS)

    def check(self) -> list[Check]:
        """Locks, disk, memory and GPU of this computer."""
        return local_checks.check(_jobs())

    def _wake(self) -> None:
        """Starts the runner, in a session of its own, unless there is one."""
        _runners[:] = [runner for runner in _runners if runner.poll() is None]
        if is_held(_jobs() / RUNNER):
            return
        with (_jobs() / "runner.txt").open("ab") as log:
            _runners.append(
                subprocess.Popen(
                    [sys.executable, "-m", "model.training.local_host", *self.command],
                    cwd=ROOT,
                    env={**os.environ, "XRAY_HOME": str(settings().home.resolve())},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )


def run_queue(command: tuple[str, ...]) -> None:
    """What the runner does: all jobs that wait, one after another; then it ends."""
    os.nice(NICE)
    while True:
        with locked(_jobs() / RUNNER) as runner:
            if runner is None:
                return
            _watch_orphans()
            while waiting := _waiting():
                _run(waiting[0], command)
        if not _waiting():  # else one came while the lock was let go
            return


def _run(folder: Path, command: tuple[str, ...]) -> None:
    """One attempt, from its ticket to its end."""
    attempt = int(_read(folder / TICKET)["attempt"])
    with locked(folder / LOCK, seconds=5) as lock:
        if lock is None or _told(folder, STOP, attempt):
            return
        (folder / RESULT).unlink(missing_ok=True)  # of the attempt before
        began = {"attempt": attempt, "started": _now()}
        write_json(folder / BEGUN, began)
        with (folder / LOG).open("ab") as log:
            log.write(f"Attempt {attempt}, {began['started']}\n".encode())
            log.flush()
            process = subprocess.Popen(
                [*command, str(folder)],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # the log is looked at meanwhile
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),  # the lock is the process's own: it ends with it
            )
        with contextlib.suppress(OSError):  # a full disk: who waits here can stop it without
            told = {"pid": process.pid, "started": start_of(process.pid)}
            write_json(folder / PROCESS, told)
    while process.poll() is None:
        if _told(folder, STOP, attempt):
            kill_group(process.pid)
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(OSError):  # `_seen` says of a full disk what is to be said
        left = {"attempt": attempt, "status": process.returncode, "ended": _now()}
        write_json(folder / EXIT, left)


def _watch_orphans() -> None:
    """Waits for a job whose runner was killed, and stops it if that is asked for."""
    for ticket in _tickets():
        folder = ticket.parent
        while is_held(folder / LOCK):
            process = _read(folder / PROCESS)
            pid, started = int(process.get("pid", 0)), process.get("started", "")
            is_it = started and start_of(pid) == started
            if is_it and _told(folder, STOP, _read(ticket).get("attempt", 0)):
                kill_group(pid)
            time.sleep(POLL_SECONDS)


def _tickets() -> list[Path]:
    """Of all jobs; a folder that is half deleted, `.gone-...`, is none any more."""
    found = _jobs().glob(f"*/{TICKET}")
    return [path for path in found if not path.parent.name.startswith(".")]


def _waiting() -> list[Path]:
    """Folders whose last attempt has not begun and is not to be stopped, first come first."""
    queue = []
    for path in _tickets():
        ticket = _read(path)
        attempt = int(ticket.get("attempt", 0))
        is_known = any(_told(path.parent, name, attempt) for name in (BEGUN, STOP))
        if attempt and not is_known:
            queue.append((int(ticket.get("queued", 0)), path.parent))
    return [folder for _, folder in sorted(queue)]


def _seen(folder: Path, attempt: int) -> Seen:
    """The order matters: who has begun and then holds no lock is gone, and has said what it had."""
    begun = _told(folder, BEGUN, attempt)
    if not begun:
        waits = Seen(QUEUED, _FULL if _is_full(folder) else "")
        return Seen(CANCELLED) if _told(folder, STOP, attempt) else waits
    is_alive, started = is_held(folder / LOCK), str(begun["started"])
    if result := _read(folder / RESULT):
        return seen_in_result({"started": started, **result})
    stop = _told(folder, STOP, attempt)
    if is_alive:
        return Seen(RUNNING, N_("It is being stopped.") if stop else "", "", started)
    if stop:
        return Seen(CANCELLED, "", "", started)
    left = _told(folder, EXIT, attempt)
    status = int(left["status"]) if left else None
    if (status is None or status > 0) and _is_full(folder):  # its last words did not fit either
        return Seen(FAILED, _FULL, "", started)
    return _gone(started, status)


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < FULL_BYTES


def _gone(started: str, status: int | None) -> Seen:
    """A process that has left no result; its exit status is None where nobody waited for it."""
    if status is None:
        said = N_("The job's process is gone, as after a restart of the computer.")
        return Seen(LOST, said, "", started)
    if status >= 0:
        said = f"The job ended with exit status {status} before it could say why; see its log."
        return Seen(FAILED, said, "", started)
    said = f"The job's process was stopped from outside (signal {-status})."
    if status == -signal.SIGKILL:
        said += " When nobody did that, the memory of this computer has run out."
    return Seen(LOST, said, "", started)


def _jobs() -> Path:
    return (settings().home / "jobs").resolve()


def _find(handle: str) -> tuple[Path, int]:
    job_id, _slash, attempt = handle.partition("/")
    return _jobs() / job_id, int(attempt)


def _read(path: Path) -> dict[str, Any]:
    """The object in a file; {} where there is none."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _told(folder: Path, name: str, attempt: int) -> dict[str, Any]:
    """What a file says of this attempt; {} where it is of another one."""
    told = _read(folder / name)
    return told if told.get("attempt") == attempt else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _disk() -> contextlib.AbstractContextManager[None]:
    return plain_faults(
        _("a folder for jobs that can be written"),
        _("Free some space, or set XRAY_HOME."),
    )


if __name__ == "__main__":
    run_queue(tuple(sys.argv[1:]) or WORK)
