"""What `doctor` says of this computer as a place for trainings."""

import os
import shutil
import subprocess
from pathlib import Path

from model.errors import PneumoscopeError
from model.training.job_host import Check
from model.training.processes import is_held, locked

DISK_GB, MEMORY_GB = 5, 4  # what a training of VGG16 takes


def check(folder: Path) -> list[Check]:
    """Locks, disk, memory and GPU. folder: where the jobs are."""
    return [_locks(folder), _disk(folder), _memory(), _gpu()]


def _locks(folder: Path) -> Check:
    path = folder / "doctor.lock"
    try:
        with locked(path):
            held = is_held(path)
        path.unlink()
    except OSError as error:
        said = error.strerror or type(error).__name__
        return Check("locks", False, said, "Set XRAY_HOME to a folder on a local disk.")
    except PneumoscopeError as error:
        return Check("locks", False, error.received, error.todo)
    hint = "" if held else "Set XRAY_HOME to a folder on a local disk."
    return Check("locks", held, "files can be locked" if held else "locks do not hold", hint)


def _disk(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    hint = "" if free >= DISK_GB else f"A training needs about {DISK_GB} GB: free some space."
    return Check("disk", not hint, f"{free:.0f} GB free", hint)


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return Check("memory", True, "not known on this system")
    hint = "" if total >= MEMORY_GB else f"A training needs about {MEMORY_GB} GB: add memory."
    return Check("memory", not hint, f"{total:.0f} GB", hint)


def _gpu() -> Check:
    """Not a fault: a training on the processor takes hours instead of minutes."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return Check("gpu", True, "none: a training takes hours; set XRAY_RAY_ADDRESS for a host")
    return Check("gpu", True, ", ".join(said.stdout.split("\n")).strip(", "))
