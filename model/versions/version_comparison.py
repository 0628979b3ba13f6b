"""Two model versions on the same X-rays: what would change if one took the place of the other.

Each is judged at its own default operating point, from the logits in its card: no forward pass. A
film that only one of them refuses has no verdict from it and counts as not found, or not cleared.
Films of one name and label are the same, unless both versions keep the fingerprints of their test
films (locked_test.py) and these tell other pictures.
Intervals of differences come from a bootstrap that draws whole patients (model/metrics.py); the p
values of sensitivity and specificity from McNemar's exact test (McNemar 1947, Psychometrika 12).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model import metrics
from model.bundle import Bundle
from model.errors import BundleError
from model.evaluated import refused, split_of
from model.metrics import Estimate, Rate
from model.prediction import OperatingPoint
from model.retraining import locked_test, near_duplicates
from model.retraining.near_duplicates import Fingerprint

MARGIN = 0.01  # a sensitivity that is lower by more than this needs a reason
# Perceptual hashes in bits: 48 full-size films of Kermany et al. are up to 32 from their copies at
# 224 px; of 500 films of the training split none is nearer than 52 to any of the test split.
ALIKE = 42
TOLERATED = 0.05  # of the films: a border that is cut off at one size alone leads further than that
Film = tuple[int, str]  # label and file name


@dataclass(frozen=True)
class Change:
    """A figure of champion and challenger, and challenger less champion."""

    champion: Estimate
    challenger: Estimate
    difference: Estimate


@dataclass(frozen=True)
class RateChange(Change):
    """Of a share of films. lost: right before, wrong now; gained: the other way round.

    p: how likely such an uneven change, or one more uneven, is by chance (McNemar, exact).
    """

    champion: Rate
    challenger: Rate
    lost: int
    gained: int
    p: float


@dataclass(frozen=True)
class Differing:
    """A film on whose decision they differ. A probability is None where the gate refused it."""

    file: str
    label: int
    champion: float | None
    challenger: float | None
    is_gained: bool  # the challenger is right


@dataclass(frozen=True)
class Comparison:
    """Of a challenger with the champion on one split.

    problems: why they cannot be compared, which forbids promotion; the figures are None then. note:
    what could not be checked of the films, "" if nothing. Both are English, see `model.phrases`.
    points: the default operating points, champion's first. differing: losses first, those with
    pneumonia before those without. needs_reason: sensitivity is lower by more than MARGIN.
    """

    split: str
    champion_version: str
    challenger_version: str
    points: tuple[OperatingPoint, OperatingPoint]
    problems: tuple[str, ...]
    n: int = 0
    auroc: Change | None = None
    sensitivity: RateChange | None = None
    specificity: RateChange | None = None
    differing: tuple[Differing, ...] = ()
    note: str = ""

    @property
    def needs_reason(self) -> bool:
        """Whether promotion needs a typed reason; true as well where sensitivity is unknown."""
        return self.sensitivity is None or not self.sensitivity.difference.value >= -MARGIN


def compare(champion: Bundle, challenger: Bundle, split: str = "test") -> Comparison:
    """Compares two checked versions, about .2 s for 624 X-rays.

    Raises BundleError for a version without a default operating point.
    """
    points = champion.operating_point(), challenger.operating_point()
    versions = champion.model_version, challenger.model_version
    problems, note = tuple(_problems(champion, challenger, split)), ""
    if not problems and split == locked_test.SPLIT:
        problem, note = _pictures(champion, challenger)
        problems = (problem,) if problem else ()
    if problems:
        return Comparison(split, *versions, points, problems)
    before, after = _Said(champion, split), _Said(challenger, split)
    films = sorted(before.films)
    labels = np.array([label for label, _ in films])  # (N,)
    patients = np.array([before.films[film] for film in films])  # (N,)
    old, new = before.right(films), after.right(films)  # (N,) bool each
    ill = labels == 1
    return Comparison(
        split,
        *versions,
        points,
        (),
        n=len(films),
        auroc=_auroc(before, after),
        sensitivity=_rate(old[ill], new[ill], patients[ill]),
        specificity=_rate(old[~ill], new[~ill], patients[~ill]),
        differing=_differing(films, before, after),
        note=note,
    )


class _Said:
    """What one version says of the films of a split that it or the other one has read."""

    def __init__(self, bundle: Bundle, split: str) -> None:
        found = bundle.evaluations[split]
        keys: list[Film] = [
            (int(label), file) for label, file in zip(found.labels, found.files, strict=True)
        ]
        self.threshold = bundle.operating_point().threshold
        self.probabilities = dict(zip(keys, bundle.probabilities(split).tolist(), strict=True))
        self.films = dict(zip(keys, found.patients, strict=True))
        if split == split_of(bundle):
            self.films |= refused(bundle)

    def right(self, films: list[Film]) -> np.ndarray:
        """(N,) bool: called what its label says. A refused film is neither found nor cleared."""
        return np.array([self.is_right(film) for film in films])

    def is_right(self, film: Film) -> bool:
        probability = self.probabilities.get(film)
        return probability is not None and (probability >= self.threshold) == bool(film[0])


def _problems(champion: Bundle, challenger: Bundle, split: str) -> list[str]:
    """Why the two cannot be compared, in sentences; [] if they can."""
    for bundle in (champion, challenger):
        if split not in bundle.evaluations:
            return [f"{bundle.model_version} was not evaluated on the locked test set."]
    before, after = _Said(champion, split), _Said(challenger, split)
    missing, other = before.films.keys() - after.films.keys(), after.films.keys() - before.films
    version = challenger.model_version
    if len(after.films) < len(before.films) and not other:
        return [
            f"The evaluation of {version} is not complete: {len(missing)} of {len(before.films)} "
            "X-rays of the locked test set are missing."
        ]
    if missing or other:
        return [
            f"{version} was evaluated on another test set: {len(missing)} X-rays of the "
            f"champion's are missing, {len(other)} are others or have another label."
        ]
    return []


def num_unlike(films: Sequence[Fingerprint], judged: Sequence[Fingerprint]) -> int:
    """How many of the films look like none of those that a version was judged on, in any size."""
    hashes = [one.perceptual for one in films], [one.perceptual for one in judged]
    return near_duplicates.nearest(*hashes, ALIKE).count(None)


def _pictures(champion: Bundle, challenger: Bundle) -> tuple[str, str]:
    """A problem with, and a note on, what stands behind the same names; "" for none."""
    seen = []
    for bundle in (champion, challenger):
        version = bundle.model_version
        try:
            seen.append(locked_test.read_list(bundle.folder))
        except BundleError:
            return (
                f"The fingerprints of the test films of {version} are damaged: restore its "
                f"{locked_test.FILE}."
            ), ""
        if not seen[-1]:
            return "", (
                "That the films are the same was checked by name and label only, for "
                f"{version} keeps no fingerprints of its test films."
            )
    before, after = seen
    missing, other = num_unlike(before, after), num_unlike(after, before)
    if missing > TOLERATED * len(before) or other > TOLERATED * len(after):
        return (
            f"{challenger.model_version} was evaluated on other pictures under the same names: "
            f"{missing} X-rays of the champion's are missing, {other} are others."
        ), ""
    if not (missing or other):
        return "", ""
    return "", (
        f"{missing} of the champion's X-rays and {other} of {challenger.model_version} look "
        "different under the same names, as a few do at another size."
    )


def _auroc(before: _Said, after: _Said) -> Change:
    """On the films that both have read: a refusal has no rank."""
    both = sorted(before.probabilities.keys() & after.probabilities.keys())
    labels = np.array([label for label, _ in both])
    patients = np.array([before.films[film] for film in both])
    old = np.array([before.probabilities[film] for film in both])
    new = np.array([after.probabilities[film] for film in both])
    return Change(
        metrics.auroc(labels, old, patients),
        metrics.auroc(labels, new, patients),
        metrics.auroc_difference(labels, old, new, patients),
    )


def _rate(old: np.ndarray, new: np.ndarray, patients: np.ndarray) -> RateChange:
    """old, new: (N,) bool, right or not."""
    lost, gained = int((old & ~new).sum()), int((new & ~old).sum())
    return RateChange(
        metrics.wilson(int(old.sum()), old.size),
        metrics.wilson(int(new.sum()), new.size),
        metrics.ratio(new.astype(float) - old, np.ones(old.size), patients),
        lost,
        gained,
        mcnemar(lost, gained),
    )


def mcnemar(lost: int, gained: int) -> float:
    """The exact two-sided p value: whether so uneven a split of the changes may be chance."""
    from scipy.stats import binomtest  # .6 s to import

    return float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0


def _differing(films: list[Film], before: _Said, after: _Said) -> tuple[Differing, ...]:
    found = [
        Differing(
            file,
            label,
            before.probabilities.get((label, file)),
            after.probabilities.get((label, file)),
            after.is_right((label, file)),
        )
        for label, file in films
        if before.is_right((label, file)) != after.is_right((label, file))
    ]
    return tuple(sorted(found, key=lambda film: (film.is_gained, -film.label, film.file)))
