"""A retraining set on disk: `XRAY_HOME/retraining/SHA-256/` with manifest.json and films.zip.

films.zip holds the manifest too and is all that a training needs: unpacked, it is a data folder
with train/ and test/. A set is written beside its place and moved there by one rename.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from model import store
from model.config import settings
from model.errors import DataError, plain_faults
from model.language import _
from model.people import audit
from model.people.access import Actor
from model.retraining import manifest
from model.retraining.manifest import REVIEW, SUFFIXES, TEST, Entry, Manifest

FILMS = "films.zip"
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the same films give the same archive
_FORGOTTEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Candidate:
    """A film that is to go into a set. name: in the base data; of a review "review-SHA-256".

    The others are fields of `manifest.Entry`.
    """

    name: str
    image_sha256: str
    label: str
    source: str
    patient: str
    split: str


def folder_of(sha256: str) -> Path:
    """Where the set with this hash lies. Raises DataError for what is no hash."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):  # it becomes a path
        raise DataError(
            _("the SHA-256 of a retraining set"), _("something else"), _("Choose a set.")
        )
    return _top() / sha256


def folders() -> list[Path]:
    """Those of all sets."""
    found = _top().iterdir() if _top().is_dir() else ()
    return sorted(path for path in found if re.fullmatch("[0-9a-f]{64}", path.name))


def write(
    actor: Actor,
    name: str,
    candidates: Sequence[Candidate],
    read: Callable[[Candidate], bytes],
    progress: Callable[[float], object],
    created: str = "",
) -> Path:
    """Writes a set and gives its folder; a set that is there already stays as it is.

    read: the file of a candidate for training. created: UTC, "" for now. Raises StoreError when
    the disk does not take it.
    """
    with _disk():
        _top().mkdir(parents=True, exist_ok=True)
        _remove_forgotten()
        new = Path(tempfile.mkdtemp(prefix=".", dir=_top()))
    try:
        with _disk(), zipfile.ZipFile(new / FILMS, "w") as archive:
            entries = _pack(archive, candidates, read, progress)
            sha256 = manifest.hash_of(entries)
            made = Manifest(sha256, name, created or store.now(), actor.name, entries)
            manifest.write(new / manifest.FILE, made)
            _add(archive, manifest.FILE, (new / manifest.FILE).read_bytes())
        _move(actor, new, made)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder_of(sha256)


def manifest_of(sha256: str) -> Manifest:
    """What the set with this hash holds. Raises DataError when its manifest cannot be read."""
    path = folder_of(sha256) / manifest.FILE
    return _read_manifest(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=32)
def _read_manifest(path: Path, _changed_ns: int) -> Manifest:
    return manifest.read(path)


def check(folder: Path) -> Manifest:
    """The manifest of a set, all of whose films are as they were frozen.

    Raises DataError when one is not, or when there is no such set.
    """
    if not folder.is_dir():
        raise DataError(
            _("a retraining set that is there"), _("none with this hash"), _("Freeze it again.")
        )
    found = manifest.read(folder / manifest.FILE)
    wanted = {entry.path: entry.sha256 for entry in found.entries}
    wanted[manifest.FILE] = hashlib.sha256((folder / manifest.FILE).read_bytes()).hexdigest()
    whole = False
    with (
        contextlib.suppress(OSError, zipfile.BadZipFile, ValueError, NotImplementedError, EOFError),
        zipfile.ZipFile(folder / FILMS) as archive,
    ):
        names = archive.namelist()
        whole = sorted(names) == sorted(wanted) and all(
            hashlib.sha256(archive.read(name)).hexdigest() == wanted[name] for name in names
        )
    if not whole or found.sha256 != folder.name:
        raise DataError(
            _("a retraining set as it was frozen"),
            _("one whose files were changed or damaged since"),
            _("Restore its folder from a backup, or freeze the set again."),
        )
    return found


def _pack(
    archive: zipfile.ZipFile,
    candidates: Sequence[Candidate],
    read: Callable[[Candidate], bytes],
    progress: Callable[[float], object],
) -> tuple[Entry, ...]:
    """Sorted by path. The films are made small by several threads and written by this one."""
    named = sorted(zip(paths(candidates), candidates, strict=True), key=lambda pair: pair[0])
    entries = []
    with ThreadPoolExecutor() as pool:
        packed = pool.map(read, [candidate for _, candidate in named])
        try:
            for (path, one), data in zip(named, packed, strict=True):
                _add(archive, path, data)
                sha256 = hashlib.sha256(data).hexdigest()
                entries.append(
                    Entry(
                        path,
                        sha256,
                        one.image_sha256,
                        one.label,
                        one.source,
                        one.patient,
                        one.split,
                    )
                )
                progress(len(entries) / len(named))
        finally:
            pool.shutdown(cancel_futures=True)
    return tuple(entries)


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    """Without packing: images are packed already."""
    info = zipfile.ZipInfo(path, _OLDEST)
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


def paths(candidates: Sequence[Candidate]) -> list[str]:
    """A path for each in the data folder; a second file of a name gets a number.

    Names stay, as the figures of a version name films by them.
    """
    taken: set[str] = set()
    found = {}
    for one in sorted(candidates, key=lambda one: (one.split == TEST, one.label, one.name)):
        top = "test" if one.split == TEST else "train"
        name = PurePosixPath(_plain(one))
        path, number = f"{top}/{one.label}/{name}", 1
        while path.lower() in taken:
            number += 1
            path = f"{top}/{one.label}/{name.stem}-{number}{name.suffix}"
        taken.add(path.lower())
        found[one] = path
    return [found[one] for one in candidates]


def _plain(one: Candidate) -> str:
    """The name of the file, as any file system takes it, with the suffix of an image."""
    name = re.sub(r"[^\w.() +-]", "_", PurePosixPath(one.name).name).lstrip(".")
    stem, suffix = PurePosixPath(name).stem[:100], PurePosixPath(name).suffix
    if one.source == REVIEW or suffix.lower() not in SUFFIXES:
        return f"{name[:100]}.png"
    return f"{stem}{suffix}"


def _move(actor: Actor, new: Path, made: Manifest) -> None:
    """Gives the set its place and records it, while nobody else writes."""
    place = folder_of(made.sha256)
    with store.writing() as connection, _disk():
        if place.exists():
            try:
                check(place)
            except DataError:
                shutil.rmtree(place)  # nothing can use it: the same films take its place
            else:
                return
        audit.append(
            connection, actor.name, "retraining set frozen", made.sha256,
            name=made.name, **made.counts,
        )  # fmt: skip
        with (new / FILMS).open("rb+") as file:
            os.fsync(file.fileno())
        new.chmod(0o755)
        new.rename(place)


def _remove_forgotten() -> None:
    """What a killed process has left. A younger one may belong to somebody who is at work."""
    for path in _top().glob(".*"):
        if time.time() - path.stat().st_mtime > _FORGOTTEN_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _top() -> Path:
    return settings().home / "retraining"


def _disk() -> contextlib.AbstractContextManager[None]:
    return plain_faults(
        _("a folder for retraining sets that can be written"),
        _("Nothing was frozen. Free some disk space or give the server the right to write."),
    )
