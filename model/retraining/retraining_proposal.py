"""What a retraining set would hold, and everything that would be left out, with the reason.

Nobody guesses: a film with two labels is left out and listed, unless an admin approved one of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from model import store
from model.clinic import kept_images
from model.config import settings
from model.errors import DataError, PneumoscopeError
from model.language import N_, _
from model.people.access import Actor, require
from model.retraining import adjudication, base_data, locked_test, near_duplicates, promotable
from model.retraining.base_data import TEST, Labelled, Left
from model.retraining.manifest import (
    BASE,
    REVIEW,
    TRAINING,
    UNKNOWN_CHILD,
    VALIDATION,
    patient_key,
)
from model.retraining.near_duplicates import NUM_BITS, Fingerprint
from model.retraining.promotable import Film
from model.retraining.retraining_files import Candidate, paths
from model.retraining.retraining_split import Together, champions_fold, problem, same, validated

Progress = Callable[[float], object]
SAME = N_("The same picture as {file}, which is in as {label}.")
NEARLY = N_("Nearly the same picture as {file}, which is in as {label}.")


@dataclass(frozen=True)
class Proposal:
    """What a set would hold, and what it would not, each file with the reason.

    created: UTC, when films and reviews were looked at. near_duplicates are in the set, in one part
    of it. test_base: where the test part comes from. warning: see `promotable`. problem: why it
    cannot be frozen, if so.
    """

    created: str
    base: Path
    test_base: Path
    entries: tuple[Candidate, ...]
    conflicts: tuple[Left, ...]
    waiting: tuple[Left, ...]
    duplicates: tuple[Left, ...]
    near_duplicates: tuple[Left, ...]
    refused: tuple[Left, ...]
    bad: tuple[Left, ...]
    warning: str = ""
    problem: DataError | None = None


@dataclass(frozen=True)
class _Film:
    """A film that may be trained on."""

    name: str
    label: str
    source: str
    patient: str
    seen: Fingerprint
    is_approved: bool = False


@dataclass
class _Lists:
    """What `Proposal` lists, while it is found."""

    conflicts: list[Left] = field(default_factory=list)
    waiting: list[Left] = field(default_factory=list)
    duplicates: list[Left] = field(default_factory=list)
    near_duplicates: list[Left] = field(default_factory=list)
    refused: list[Left] = field(default_factory=list)
    bad: list[Left] = field(default_factory=list)


def propose(actor: Actor, base: Path, progress: Progress | None = None) -> Proposal:
    """What a set of the base data and the reviews would hold; for an admin.

    base: a folder or a ZIP archive, see `base_data`. progress: called with the share of the
    work that is done. Raises DataError and InputError for what is no base data at all.
    """
    require(actor, "admin")
    created = store.now()  # what is reviewed from now on may not be in it
    lists = _Lists()
    labelled, lists.bad = base_data.find(base)
    test_base, wanted = _with_locked(base, labelled, lists)
    looked, bad = base_data.look(wanted, progress or ignore)
    lists.bad += bad
    tests = [pair for pair in looked if pair[0].part == TEST]
    films = [
        _Film(one.name, one.label, BASE, patient_key(Path(one.name).stem), seen)
        for one, seen in looked
        if one.part != TEST
    ]
    children = {film.patient for film in films}
    films = _reviewed(actor, films, lists)
    films = _without_locked(films, [seen for _, seen in tests], lists)
    together = Together()
    films = _near(_once(films, together, lists), together, lists)
    locked = [
        Candidate(one.name, seen.sha256, one.label, BASE, patient_key(Path(one.name).stem), TEST)
        for one, seen in tests
    ]
    warning = promotable.warning(
        [Film(one.label, Path(path).name) for path, one in zip(paths(locked), locked, strict=True)],
        [seen for _, seen in tests],
    )
    entries = (*locked, *_divided(films, together, children))
    found = {name: tuple(listed) for name, listed in vars(lists).items()}
    return Proposal(
        created, base, test_base, entries, **found, warning=warning, problem=problem(entries)
    )


def ignore(share: float) -> None:
    """For who does not want to know how far it is."""


def _with_locked(
    base: Path, labelled: Sequence[Labelled], lists: _Lists
) -> tuple[Path, list[Labelled]]:
    """Where the locked test set lies, and its films with those that may be trained on."""
    data = settings().data
    if data is None or not (data / TEST).is_dir() or data.resolve() == base.resolve():
        return base, list(labelled)
    reason = _("In test/: the test part is the locked test set of this server, not this one.")
    lists.refused += [Left(film.name, reason) for film in labelled if film.part == TEST]
    locked = [film for film in base_data.find(data)[0] if film.part == TEST]
    return data, locked + [film for film in labelled if film.part != TEST]


def _reviewed(actor: Actor, films: Sequence[_Film], lists: _Lists) -> list[_Film]:
    """The films and those of settled reviews, without those that readers do not settle."""
    added: list[_Film] = []
    doubted: list[tuple[Fingerprint, str]] = []
    for one in adjudication.adjudicate(actor):
        name = f"review-{one.image_sha256[:16]}"
        left = Left(name, one.reason, one.image_sha256, one.label)
        if one.state == adjudication.WAITING:
            lists.waiting.append(left)
            continue
        seen, fault = _seen(actor, one.image_sha256)
        if one.state != adjudication.SETTLED:
            doubted.append((seen, one.reason))
            to = lists.conflicts if one.state == adjudication.CONFLICT else lists.bad
            to.append(left)
        elif fault:
            lists.bad.append(replace(left, reason=fault))
        else:
            label = one.label.upper()
            added.append(_Film(name, label, REVIEW, name, seen, one.is_approved))
    return _without_doubted([*films, *added], doubted, lists)


def _seen(actor: Actor, image_sha256: str) -> tuple[Fingerprint, str]:
    """Of a kept film; where its file cannot be read, what tells of it still, and why."""
    try:
        shown = kept_images.film(actor, image_sha256)
    except PneumoscopeError as error:
        return Fingerprint(image_sha256, "", ""), str(error)
    return near_duplicates.of_shown(image_sha256, shown), ""


def _without_doubted(
    films: Sequence[_Film], doubted: Sequence[tuple[Fingerprint, str]], lists: _Lists
) -> list[_Film]:
    """A film whose label readers do not settle is left out in every form; not one approved."""
    found = near_duplicates.found_in([film.seen for film in films], [seen for seen, _ in doubted])
    kept = []
    for film, index in zip(films, found, strict=True):
        if index is None or film.is_approved:
            kept.append(film)
        else:
            lists.conflicts.append(_left(film, doubted[index][1]))
    return kept


def _without_locked(
    films: Sequence[_Film], tests: Sequence[Fingerprint], lists: _Lists
) -> list[_Film]:
    locked = [*locked_test.read(), *tests]
    kept = []
    reasons = locked_test.why_refused([film.seen for film in films], locked)
    for film, reason in zip(films, reasons, strict=True):
        if reason:
            lists.refused.append(_left(film, reason))
        else:
            kept.append(film)
    return kept


def _once(films: Sequence[_Film], together: Together, lists: _Lists) -> list[_Film]:
    """Each picture once; films of one picture are of one child."""
    kept = []
    for group in same([(film.seen.sha256, film.seen.pixels) for film in films]):
        equal = [films[i] for i in group]
        together.join(film.patient for film in equal)
        one = _one_label(equal, lists)
        if one is None:
            continue
        kept.append(one)
        lists.duplicates += [
            Left(film.name, _(SAME, file=one.name, label=one.label))
            for film in equal
            if film is not one
        ]
    return kept


def _near(films: Sequence[_Film], together: Together, lists: _Lists) -> list[_Film]:
    """Without films that are nearly the same under two labels; the others are of one child."""
    gone: set[int] = set()
    for i, j, bits in near_duplicates.near_pairs([film.seen.perceptual for film in films]):
        pair = films[i], films[j]
        together.join(film.patient for film in pair)
        says = f"{bits} of {NUM_BITS} bits differ"
        if pair[0].label == pair[1].label:
            reason = f"Nearly the same picture as {pair[0].name}: {says}."
            lists.near_duplicates.append(Left(pair[1].name, reason))
            continue
        one = _one_label(pair, lists)
        for k in (i, j):
            if films[k] is not one:
                gone.add(k)
                if one is not None:
                    reason = _(NEARLY, file=one.name, label=one.label)
                    lists.duplicates.append(Left(films[k].name, reason))
    return [film for k, film in enumerate(films) if k not in gone]


def _one_label(equal: Sequence[_Film], lists: _Lists) -> _Film | None:
    """The film that stands for all that are the same; None, and listed, when labels differ.

    Where an admin approved one label of two, that one holds.
    """
    if len({film.label for film in equal}) == 1:
        return equal[0]
    approved = [film for film in equal if film.is_approved]
    if len({film.label for film in approved}) == 1:
        return approved[0]
    said = ", ".join(_("{file} is {label}", file=film.name, label=film.label) for film in equal)
    reason = _("The same picture under two labels: {said}.", said=said)
    lists.conflicts += [_left(film, reason) for film in equal]
    return None


def _left(film: _Film, reason: str) -> Left:
    if film.source == BASE:
        return Left(film.name, reason)
    return Left(film.name, reason, film.seen.sha256, film.label.lower())


def _divided(
    films: Sequence[_Film], together: Together, children: Iterable[str]
) -> list[Candidate]:
    """children: those of the base data. Whose a reviewed film is nobody knows unless it is theirs.

    All such films share one key, so that no division ever has two of one child on both sides.
    """
    known = {together.first(child) for child in children}
    firsts = [together.first(film.patient) for film in films]
    keys = [first if first in known else UNKNOWN_CHILD for first in firsts]
    labels: dict[str, set[str]] = defaultdict(set)
    for film, key in zip(films, keys, strict=True):
        labels[key].add(film.label)
    chosen = validated(labels, known, {together.first(child) for child in champions_fold()})
    return [
        Candidate(
            film.name, film.seen.sha256, film.label, film.source, key,
            VALIDATION if key in chosen else TRAINING,
        )
        for film, key in zip(films, keys, strict=True)
    ]  # fmt: skip
