"""Files are written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_FULL = ("disk is full", "no space left", "disk quota", "file too large")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary file beside `path`, syncs it to disk and renames it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix="".join(path.suffixes))
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, a list of plain values on one line; whole or not at all."""
    text = _indented(value, "") + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text))


def sync(path: Path) -> None:
    """What a file holds, or the names in a folder, outlive a power cut. Raises OSError."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot, and need not
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_full(error: Exception) -> bool:
    """Whether a disk is, or a file would be too large, by the words of the system or of SQLite."""
    said = str(error).lower()
    return any(part in said for part in _FULL)


def _indented(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, Mapping) and value:
        lines = [f"{json.dumps(str(key))}: {_indented(item, inner)}" for key, item in value.items()]
        return "{\n" + inner + f",\n{inner}".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(
        isinstance(item, Mapping | list | tuple) for item in value
    ):
        lines = [_indented(item, inner) for item in value]
        return "[\n" + inner + f",\n{inner}".join(lines) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
