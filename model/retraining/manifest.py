"""What a frozen retraining set holds: `manifest.json`, with one hash over all of it.

It lies in the set and in its films.zip, so that a data folder that was unpacked from it knows the
child and the part of every film (`nn.dataset`).
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePath

from model.errors import DataError
from model.files import write_json
from model.language import N_, _

FILE = "manifest.json"
FORMAT = 1
LABELS = ("NORMAL", "PNEUMONIA")
SUFFIXES = {".jpeg", ".jpg", ".png", ".dcm", ".tif", ".tiff", ".bmp", ".webp"}
TRAINING, VALIDATION, TEST = SPLITS = (N_("training"), N_("validation"), N_("test"))
BASE, REVIEW = SOURCES = ("base", "review")
FROM_REVIEWS = N_("from reviews")
UNKNOWN_CHILD = "/"  # the key of all films of which nobody knows whose they are; no file's name
# Kermany et al. name their films in two ways: person12_bacteria_3, IM-0385-0001 and
# NORMAL2-IM-0385-0001 (their second release, and Kaggle's copy), or by kind, child and film,
# BACTERIA-198200-0002 (their third release).
_COUNTED = re.compile(r"(person|(?:NORMAL2-)?IM-)0*(\d+)", re.IGNORECASE)
_BY_CHILD = re.compile(r"(?:bacteria|virus|normal)-0*(\d+)-\d{4}(?![\d-])", re.IGNORECASE)
_KIND = re.compile(
    r"person\d+_(bacteria|virus)_|(bacteria|virus)-\d+-\d{4}(?![\d-])", re.IGNORECASE
)


@dataclass(frozen=True, order=True)
class Entry:
    """One film of a set.

    path: in the data folder, such as train/NORMAL/a.png. sha256: of that file. image_sha256: of
    the file it was made from. label: one of LABELS. source: "base" or "review". patient: films
    with the same key are in one part of training and validation, see `patient_key`; UNKNOWN_CHILD
    where nothing tells; the published test split numbers its children anew. split: one of SPLITS.
    """

    path: str
    sha256: str
    image_sha256: str
    label: str
    source: str
    patient: str
    split: str


COLUMNS = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Manifest:
    """The entries in order of their paths. sha256: over all entries.

    created: UTC, when base data and reviews were looked at.
    """

    sha256: str
    name: str
    created: str
    by: str
    entries: tuple[Entry, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many films are in each of SPLITS, and how many of all come from reviews."""
        counts = {name: sum(entry.split == name for entry in self.entries) for name in SPLITS}
        return {**counts, FROM_REVIEWS: sum(entry.source == REVIEW for entry in self.entries)}


def hash_of(entries: Iterable[Entry]) -> str:
    """SHA-256 over every field of every entry, whatever their order."""
    lines = sorted(json.dumps(astuple(entry)) for entry in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(path: Path, manifest: Manifest) -> None:
    """Writes the file whole or not at all."""
    value = {
        "format": FORMAT,
        "sha256": manifest.sha256,
        "name": manifest.name,
        "created": manifest.created,
        "by": manifest.by,
        "columns": COLUMNS,
        "entries": [astuple(entry) for entry in manifest.entries],
    }
    write_json(path, value)


def read(path: Path) -> Manifest:
    """Raises DataError unless the file is whole and its hash is that of its entries."""
    try:
        told = json.loads(path.read_text("utf-8"))
        entries = tuple(Entry(**dict(zip(COLUMNS, row, strict=True))) for row in told["entries"])
        known = all(
            entry.label in LABELS and entry.split in SPLITS and entry.source in SOURCES
            for entry in entries
        )
        if told["format"] != FORMAT or tuple(told["columns"]) != COLUMNS or not known:
            raise ValueError
        sha256 = hash_of(entries)
        if sha256 == told["sha256"]:
            return Manifest(sha256, told["name"], told["created"], told["by"], entries)
    except (OSError, ValueError, KeyError, TypeError):
        raise _refuse("one that is damaged or of another version of this program") from None
    raise _refuse("one that was changed after it was frozen")


def patient_key(stem: str) -> str:
    """Patient of a file of Kermany et al., by the number alone; else the file is its own patient.

    `person12_bacteria_3` and `person12_virus_9` may be two children: the coarser key keeps them
    together. `NORMAL2-IM-0385-0001` and `IM-0385-0001` likewise, `BACTERIA-7422-0001` and
    `NORMAL-7422-0001` too.
    """
    if match := _COUNTED.match(stem):
        return ("person" if match[1].lower() == "person" else "normal") + match[2]
    if match := _BY_CHILD.match(stem):
        return "child" + match[1]
    return stem


def kind_of(file: str) -> str:
    """ "bacteria" or "virus", from the name of a file of Kermany et al.; else ""."""
    match = _KIND.match(file)
    return (match[1] or match[2]).lower() if match else ""


def of_folder(folder: Path) -> dict[str, Entry] | None:
    """By their paths the entries of the manifest in a data folder; None where there is none."""
    if not (folder / FILE).exists():
        return None
    return {entry.path: entry for entry in read(folder / FILE).entries}


def find(entries: dict[str, Entry], path: PurePath, sha256: str) -> Entry:
    """The entry of this file. Raises DataError for a file that is new or was changed."""
    entry = entries.get(path.as_posix())
    if entry is None or entry.sha256 != sha256:
        raise changed("a file that is not in it" if entry is None else "a file that was changed")
    return entry


def changed(received: str) -> DataError:
    """Of a folder that is not what its manifest says."""
    return DataError(
        _("the X-rays of a retraining set as its {file} lists them", file=FILE),
        received,
        _("Unpack the set again, or remove {file} to use the folder without it.", file=FILE),
    )


def _refuse(received: str) -> DataError:
    return DataError(
        _("a retraining set with its {file} as it was frozen", file=FILE),
        received,
        _("Restore it from a backup, or freeze the set again."),
    )
