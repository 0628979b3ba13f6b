"""Locks that end with the process that holds them, and which process a number stands for."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model.errors import ConfigError


@contextlib.contextmanager
def locked(path: Path, seconds: float = 0.0) -> Iterator[int | None]:
    """The descriptor of a file that no other process has locked, or None; closed at the end.

    Waits up to `seconds` for another to let go. A process that is given the descriptor
    (`subprocess`, `pass_fds`) has the lock too: it is free when the last of them has ended.
    Raises ConfigError on a system without such locks, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + seconds
        while not (got := _try_lock(handle, shared=False)) and time.monotonic() < until:
            time.sleep(0.01)
        yield handle if got else None
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process has locked the file; as quick as a look."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(handle, shared=True)  # two that look do not see one another
    finally:
        os.close(handle)


def _try_lock(handle: int, *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        raise ConfigError(
            "Linux or macOS for trainings on this computer",
            sys.platform,
            "Run Pneumoscope in WSL, or train on a GPU host (XRAY_RAY_ADDRESS).",
        ) from None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start_of(pid: int) -> str:
    """When a process was started, in the system's own way of saying; "" for none.

    With its number it names one process for ever: numbers alone are given away again.
    """
    if Path("/proc/self/stat").exists():
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        # Fields 3 and 22 of proc(5): Z has ended and is only not yet reaped; ticks since boot.
        return "" if after_name[0] == "Z" else f"{boot} {after_name[19]}"
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def kill_group(pid: int) -> None:
    """Ends the process that leads a session of its own, and its children, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
