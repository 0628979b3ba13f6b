"""Wires worklists and their reading in the background to the page; rights are checked below it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from model.config import settings
from model.errors import InputError, PneumoscopeError
from model.language import N_, _
from model.people.access import Actor, require
from model.phrases import translated
from pages.shared import services
from pages.shared.operating_points import Thresholds
from pages.shared.services import Reading

if TYPE_CHECKING:
    from model.clinic.archive import Film
    from model.clinic.batch import BatchReader, Progress
    from model.clinic.worklists import File, Worklist

ERROR, PENDING = "error", "pending"
SORTS = (
    N_("Most suspicious first"), N_("Least suspicious first"), N_("File name"), N_("As given")
)  # fmt: skip
DECISIONS = {
    "pneumonia": N_("Pneumonia likely"),
    "refer": N_("Uncertain: refer"),
    "normal": N_("Pneumonia unlikely"),
    "refused": N_("No decision"),
    ERROR: N_("Not readable"),
    PENDING: N_("Not read yet"),
}
EARLIER = N_("Read by {version}, served earlier: decided at its own threshold, {threshold:g}.")
NO_CARD = N_("Read by {version}, served earlier: no decision, as its thresholds are not here.")


@dataclass(frozen=True)
class Row:
    """One file of a list as the table shows it. decision: a key of `DECISIONS`."""

    position: int
    file: str
    decision: str
    probability: float | None
    gate: str
    review: str
    remark: str
    image: str
    model_version: str
    time: str


@st.cache_resource(show_spinner=False)
def _reader() -> "BatchReader":
    """One for the server: it reads on whatever its pages do."""
    from model.clinic.batch import BatchReader

    services.classifier()  # from here on it loads
    return BatchReader(lambda: services.classifier().result())


def lists(actor: Actor) -> "list[Worklist]":
    """The reader's own lists, newest first."""
    from model.clinic import worklists

    return worklists.lists(actor)


def folders() -> dict[str, Path]:
    """The folders that the configuration allows and those in them, by the name to be shown.

    That is the end of the path, as much of it as tells it from those of the others.
    """
    from model.clinic import archive

    found: dict[Path, int] = {}  # and how many parts of the path are shown at least
    for folder in settings().folders:
        found |= {folder: 1, **{folder / name: 2 for name in archive.subfolders(folder)}}
    ends = Counter(path.parts[-num:] for path in found for num in range(1, len(path.parts)))
    named = {}
    for path, least in found.items():
        tails = (path.parts[-num:] for num in range(least, len(path.parts)))
        own = next((tail for tail in tails if ends[tail] == 1), None)
        named["/".join(own) if own else str(path)] = path
    return named


def films(actor: Actor, uploads: Sequence[tuple[str, bytes]], folder: str | None) -> "list[Film]":
    """What was given: uploads, or else a folder by its name in `folders`. Raises InputError."""
    from model.clinic import archive

    require(actor, "clinician")
    if uploads or folder is None:
        return archive.from_uploads(uploads)
    if folder not in folders():
        raise InputError(
            _("a folder that the configuration allows"), _("another"), _("Choose another.")
        )
    return archive.from_folder(folders()[folder])


def create(actor: Actor, name: str, given: "Sequence[Film]") -> int:
    """A new list, whose reading begins; its number. Nothing stays if its films find no room."""
    from model.clinic import worklists

    number = worklists.create(actor, name, [film.name for film in given])
    try:
        _reader().give(actor, number, dict(enumerate(given)))
    except PneumoscopeError:
        worklists.delete(actor, number)
        raise
    _reader().start(actor, number)
    return number


def give_again(actor: Actor, number: int, given: "Sequence[Film]") -> int:
    """Films of a list from before a restart, by their names; how many belong to it.

    Those still pending are read.
    """
    from model import store
    from model.clinic import worklists

    positions = {file.file: file.position for file in worklists.files(actor, number)}
    named = [(positions.get(store.text(film.name)), film) for film in given]
    found = {position: film for position, film in named if position is not None}
    if found:
        _reader().give(actor, number, found)
        _reader().start(actor, number)
    return len(found)


def go_on(actor: Actor, number: int, again: Collection[int] = ()) -> None:
    """Reads what is pending, and these positions once more, as far as their films are at hand."""
    _reader().start(actor, number, again)


def cancel(actor: Actor, number: int) -> None:
    """Ends the reading of a list; what was read stays."""
    _reader().cancel(actor, number)


def delete(actor: Actor, number: int) -> None:
    """Deletes a list and lets its films go."""
    from model.clinic import worklists

    _reader().forget(actor, number)
    worklists.delete(actor, number)


def progress(actor: Actor, number: int) -> "Progress | None":
    """How far the reading is; None where no film of the list is at hand."""
    return _reader().progress(actor, number)


def num_missing(actor: Actor, number: int) -> int:
    """How many files are pending whose films are not at hand, as after a restart."""
    from model.clinic import worklists

    held = at_hand(actor, number)
    return sum(position not in held for position in worklists.pending(actor, number))


def at_hand(actor: Actor, number: int) -> set[int]:
    """The positions whose films can be read now."""
    return _reader().held(actor, number)


def thumbnails(actor: Actor, number: int) -> dict[int, str]:
    """Small pictures as data URLs, by position."""
    return _reader().thumbnails(actor, number)


def rows(actor: Actor, number: int, thresholds: Thresholds) -> list[Row]:
    """The files of a list with their decisions at these thresholds, as given; no film is read."""
    from model.clinic import reviews, worklists

    said: dict[str, dict[str, str]] = {}
    for review in reviews.latest(actor):
        said.setdefault(review.image_sha256, {})[review.reader] = review.label
    first: dict[str, str] = {}
    files, found = worklists.files(actor, number), []
    versions = {file.reading.model_version for file in files if file.reading}
    numbers = {version: thresholds.of(version) for version in versions}
    for file in files:
        image = file.reading.image_sha256 if file.reading else ""
        same = first.setdefault(image, file.file) if image else file.file
        twin = _("Same film as {file}.", file=same) if same != file.file else ""
        threshold = numbers.get(file.reading.model_version) if file.reading else None
        remarks = [_earlier(file, threshold, thresholds.served), twin]
        told = _reviews(actor, said.get(image, {}))
        found.append(_row(file, threshold, thresholds.band, told, remarks))
    return found


def _reviews(actor: Actor, said: Mapping[str, str]) -> str:
    """Labels by reader, for who has given one: a second reader judges without the first."""
    if said and actor.name not in said:
        return _("reviewed by others")
    return "; ".join(f"{reader}: {_(label)}" for reader, label in said.items())


def _earlier(file: "File", threshold: float | None, served: str) -> str:
    if file.reading is None or file.reading.model_version == served:
        return ""
    version = file.reading.model_version
    if threshold is None:
        return _(NO_CARD, version=version)
    return _(EARLIER, version=version, threshold=threshold)


def _row(
    file: "File", threshold: float | None, band: float, review: str, remarks: Sequence[str]
) -> Row:
    said = file.reading
    if said is None:
        why = translated(file.error)
        return Row(file.position, file.file, file.state, None, "", "", why, "", "", "")
    decided = None if threshold is None else said.decide(threshold, band)
    reason = "" if said.gate_status == "accepted" else translated(said.gate_reason)
    return Row(
        file.position,
        file.file,
        decided.label if decided else "refused",
        said.probability,
        said.gate_status,
        review or _("not reviewed"),
        " ".join(filter(None, (reason, *remarks))),
        said.image_sha256,
        said.model_version,
        said.time,
    )


def chosen(found: Sequence[Row], sort: str, wanted: Mapping[str, str], search: str) -> list[Row]:
    """The rows to show. wanted: values of fields of Row; search: in file, review and remark."""
    words = search.casefold().split()
    kept = [
        row
        for row in found
        if all(getattr(row, name) == value for name, value in wanted.items() if value)
        and all(word in f"{row.file} {row.review} {row.remark}".casefold() for word in words)
    ]
    if sort == "As given":
        return kept
    if sort == "File name":
        return sorted(kept, key=lambda row: row.file.casefold())
    return sorted(kept, key=lambda row: _suspicion(row, -1 if sort == SORTS[0] else 1))


def _suspicion(row: Row, sign: int) -> tuple[Any, ...]:
    """Those with a probability by it, then what a person must look at, then the pending ones."""
    if row.probability is not None:
        return (0, sign * row.probability)
    return (1 + ["refused", ERROR, PENDING].index(row.decision), row.position)


def open_case(actor: Actor, number: int, row: Row) -> Reading | None:
    """The film of a row and what was said of it; None if the film has to be given again.

    Raises PneumoscopeError for a film that cannot be read or is another one by now.
    """
    film = _reader().film(actor, number, row.position)
    if film is None:
        return None
    reading = services.decode(film.read(), row.file)
    if row.image and reading.id != row.image:
        raise InputError(
            _("the film that was read"), _("another one by that name"), _("Give it again.")
        )
    reading.prediction = _reader().prediction(reading.id, row.model_version)
    if reading.prediction:
        reading.read_at = datetime.fromisoformat(row.time)
    return reading


def export(actor: Actor, number: int, kind: str, thresholds: Thresholds) -> str:
    """The list as "csv" or "json" text; that it was taken is recorded."""
    from model.clinic import worklists

    return worklists.export(actor, number, kind, thresholds.of, thresholds.band)
