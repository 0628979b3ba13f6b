"""Labelled films to train on: a folder of the server, or a ZIP archive, with one layout.

    NORMAL/ and PNEUMONIA/, or train/ and test/ (and val/) that each have both

Folders may lie in another one, as they do in most archives. Nothing is unpacked to a disk; what an
archive or a folder may hold is decided in `model.clinic.archive`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from model import preprocessing, xray
from model.clinic import archive
from model.errors import DataError, InputError, PneumoscopeError
from model.language import _
from model.preprocessing import Prepared
from model.retraining import near_duplicates
from model.retraining.manifest import LABELS, SUFFIXES
from model.retraining.near_duplicates import Fingerprint
from model.xray import XRay

MAX_FILES = 50_000
TRAIN, TEST = "train", "test"
PARTS = {"train": TRAIN, "val": TRAIN, "test": TEST}  # the 16 of val/ are too few to choose on
TOLERANCE = 2  # levels of grey of 255, between a film and its small copy
_AS_THEY_ARE = ("JPEG", "PNG")
_SIDES = (preprocessing.BASE_PX, 2 * preprocessing.BASE_PX, 4 * preprocessing.BASE_PX)


@dataclass(frozen=True)
class Left:
    """A file that is left out, or shown for its own sake, and why.

    image_sha256, label ("normal", "pneumonia" or ""): of reviewed images.
    """

    file: str
    reason: str
    image_sha256: str = ""
    label: str = ""


@dataclass(frozen=True)
class Labelled:
    """A file in a class folder. part: TRAIN or TEST. read: its bytes, or XRayError."""

    name: str
    label: str
    part: str
    read: Callable[[], bytes]


def find(base: Path) -> tuple[list[Labelled], list[Left]]:
    """The labelled files in the folder or the ZIP archive by name, and images elsewhere in it.

    Raises DataError when there is no folder NORMAL/ or PNEUMONIA/ with a file, InputError for an
    archive that is refused, too many files, and what cannot be read at all.
    """
    found: list[Labelled] = []
    elsewhere: list[Left] = []
    files = _files(base)
    for film in files:
        parts = film.name.split("/")
        label = parts[-2].upper() if len(parts) > 1 else ""
        if label in LABELS:
            part = PARTS.get(parts[-3].lower(), TRAIN) if len(parts) > 2 else TRAIN
            found.append(Labelled(film.name, label, part, film.read))
        elif PurePosixPath(film.name).suffix.lower() in SUFFIXES:
            elsewhere.append(Left(film.name, _("Not in a folder NORMAL or PNEUMONIA.")))
    if not found:
        raise DataError(
            _(
                "a folder or ZIP archive with NORMAL/ and PNEUMONIA/, or with train/ and test/ "
                "that each have both"
            ),
            _("{n} files, none of them in such a folder", n=len(files)),
            _("Sort the X-rays into folders of these names."),
        )
    return sorted(found, key=lambda one: one.name), elsewhere


def _files(base: Path) -> list[archive.Film]:
    if base.is_dir():
        return archive.from_folder(base, MAX_FILES)
    try:
        size = base.stat().st_size
        data = base.read_bytes() if size <= archive.MAX_BYTES else b""
    except OSError as error:
        raise InputError(
            _("a folder or a ZIP archive of labelled X-rays"),
            error.strerror or type(error).__name__,
            _("Check that it is there and may be read."),
        ) from None
    if not data.startswith(b"PK"):
        limit = f"{archive.MAX_BYTES / 1e9:g} GB"
        is_large = size and not data
        received = _("one of {n:.1f} GB", n=size / 1e9) if is_large else _("another file")
        raise InputError(
            _("a ZIP archive of at most {limit}", limit=limit), received, _("Choose another.")
        )
    return archive.from_uploads([(base.name, data)], MAX_FILES)


def look(
    films: Sequence[Labelled], progress: Callable[[float], object]
) -> tuple[list[tuple[Labelled, Fingerprint]], list[Left]]:
    """Reads every film once: what can be read with its fingerprint, and the others with why.

    progress(share of the work) is called as it goes on.
    """
    good: list[tuple[Labelled, Fingerprint]] = []
    bad: list[Left] = []
    with ThreadPoolExecutor() as pool:  # decoders work outside Python's lock
        for i, (film, found) in enumerate(zip(films, pool.map(_look, films), strict=True), 1):
            if isinstance(found, Fingerprint):
                good.append((film, found))
            else:
                bad.append(Left(film.name, found))
            progress(i / len(films))
    return good, bad


def _look(film: Labelled) -> Fingerprint | str:
    try:
        return near_duplicates.fingerprint(xray.read(film.read(), film.name))
    except PneumoscopeError as error:
        return str(error)


def small(film: XRay, data: bytes) -> bytes:
    """The file of a film for training, whose bytes are `data`.

    A JPEG or PNG of at most 224 px stays as it is; anything else becomes what `small_png` gives.
    """
    if film.kind in _AS_THEY_ARE and max(film.pixels.shape) <= preprocessing.BASE_PX:
        return data
    return small_png(film.display())


def small_png(shown: np.ndarray) -> bytes:
    """A film as shown, (H, W) uint8, as a grey PNG of which `preprocessing.prepare` makes the same.

    That is what `prepare` gives, 224 x 224. One film in 20 has a dark edge that becomes flat when
    it is made small, and would be cut off: it is kept twice or four times as large, or whole.
    """
    prepared = preprocessing.prepare(shown)
    for side in _SIDES:
        if max(shown.shape) <= side:
            break
        small = _cut(shown, prepared, side)
        change = preprocessing.prepare(small).grey.astype(int) - prepared.grey
        if np.abs(change).max() <= TOLERANCE:
            return cv2.imencode(".png", small)[1].tobytes()
    return cv2.imencode(".png", shown)[1].tobytes()


def _cut(shown: np.ndarray, prepared: Prepared, side: int) -> np.ndarray:
    """The part of a film that is used, as a positive, at this size."""
    height, width = shown.shape
    top, bottom, left, right = prepared.box
    rows = slice(round(top * height), round(bottom * height))
    used = preprocessing.resize(shown[rows, round(left * width) : round(right * width)], side)
    return 255 - used if prepared.is_negative else used
