"""Base data and what clinicians said of films -> a frozen set to train on, split by child.

    found = propose(actor, folder_or_zip)     # what a set would hold; nothing is written
    frozen = freeze(actor, found, "autumn")   # XRAY_HOME/retraining/SHA-256/
    open_set(frozen.sha256).films             # one file that travels to where it is trained

The test part is the locked test set: `test/` of XRAY_DATA, else of the base data. Its films are
refused everywhere else, by content and by resemblance, also where only its list is here
(`locked_test`). Which reviews count is decided in `adjudication`, what is the same film in
`near_duplicates`, which children are validated on in `retraining_split`. Of a reviewed film nobody
knows the child, unless it is one of the base data: it is trained on and never validated on.
Nobody guesses: a film with two labels is left out and listed, unless an admin approved one.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model import store, xray
from model.clinic import kept_images
from model.errors import DataError, InputError
from model.language import _
from model.people.access import Actor, require
from model.retraining import base_data
from model.retraining import retraining_files as files
from model.retraining.adjudication import approve as approve
from model.retraining.adjudication import since as since
from model.retraining.base_data import TEST
from model.retraining.manifest import REVIEW
from model.retraining.retraining_files import Candidate
from model.retraining.retraining_proposal import Progress, ignore
from model.retraining.retraining_proposal import Proposal as Proposal
from model.retraining.retraining_proposal import propose as propose

MAX_NAME = 80  # characters


@dataclass(frozen=True)
class RetrainingSet:
    """A frozen set. created, counts: see `Manifest`. folder: with films.zip."""

    sha256: str
    name: str
    created: str
    by: str
    counts: dict[str, int]
    folder: Path

    @property
    def films(self) -> Path:
        """Manifest and films in one file; unpacked, it is a folder for `train --data`."""
        return self.folder / files.FILMS


def freeze(
    actor: Actor, proposal: Proposal, name: str, progress: Progress | None = None
) -> RetrainingSet:
    """Writes films and manifest, whole or not at all; by an admin.

    The same films with the same labels are the same set, which keeps its first name. Raises
    DataError when the proposal has a problem or its films have changed since, StoreError when it
    cannot be written.
    """
    require(actor, "admin")
    name = store.text(name.strip())
    if not 1 <= len(name) <= MAX_NAME:
        received = _("{n} characters", n=len(name)) if name else _("none")
        raise InputError(
            _("a name of at most {n} characters", n=MAX_NAME), received, _("Type a name.")
        )
    if proposal.problem:
        raise proposal.problem
    read = _reader(actor, proposal)
    folder = files.write(actor, name, proposal.entries, read, progress or ignore, proposal.created)
    return _described(folder)


def sets(actor: Actor) -> list[RetrainingSet]:
    """All sets whose manifest can be read, newest first; for an admin. `open_set` checks films."""
    require(actor, "admin")
    found = []
    for folder in files.folders():
        with contextlib.suppress(DataError):
            found.append(_described(folder))
    return sorted(found, key=lambda one: one.created, reverse=True)


def open_set(sha256: str) -> RetrainingSet:
    """The set with this hash, every film of it checked. Raises DataError when it is not whole."""
    folder = files.folder_of(sha256)
    files.check(folder)
    return _described(folder)


def _described(folder: Path) -> RetrainingSet:
    told = files.manifest_of(folder.name)
    return RetrainingSet(told.sha256, told.name, told.created, told.by, told.counts, folder)


def _reader(actor: Actor, proposal: Proposal) -> Callable[[Candidate], bytes]:
    """Gives each film of the proposal for training. Raises DataError for one that has changed."""
    of_base = {film.name: film.read for film in base_data.find(proposal.base)[0]}
    of_test = of_base
    if proposal.test_base != proposal.base:
        of_test = {film.name: film.read for film in base_data.find(proposal.test_base)[0]}

    def read(one: Candidate) -> bytes:
        if one.source == REVIEW:
            return base_data.small_png(kept_images.film(actor, one.image_sha256))
        there = of_test if one.split == TEST else of_base
        data = there[one.name]() if one.name in there else b""
        if hashlib.sha256(data).hexdigest() != one.image_sha256:
            raise DataError(
                _("base data as they were looked at"),
                _("another {name}", name=one.name),
                _("Look again, then freeze."),
            )
        return base_data.small(xray.read(data, one.name), data)

    return read
