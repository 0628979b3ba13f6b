"""How far readers agree with one another and with the model, and whether the films have changed.

    summary = agreement.summary(actor)
    summary.readers[0].kappa.value

Pneumonia of any kind is one label here. Where a reader labelled the film before seeing the model,
that label counts.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.clinic import reviews
from model.clinic.review_queue import group, model_group
from model.clinic.reviews import Review
from model.language import N_, _
from model.metrics import RESAMPLES, UNKNOWN, Estimate, Rate, wilson
from model.people.access import Actor

MODEL = N_("model")
UNUSABLE = "unusable image"
# Of drift: the critical value of the Kolmogorov-Smirnov test at .1 %, and what is too small to
# matter however many films there are.
KS_CRITICAL, KS_SMALL = 1.95, 0.1
MIN_FILMS = 50
ONE_ALIKE = N_("cannot be computed: {who} said the same of every film")
BOTH_ALIKE = N_("cannot be computed: each of the two said the same of every film")
HIGHER = N_(
    "The last {n} films have higher probabilities than those that the model version was validated "
    "on: other children, other films, or a fault. Its figures may not hold for them."
)
LOWER = N_(
    "The last {n} films have lower probabilities than those that the model version was validated "
    "on: other children, other films, or a fault. Its figures may not hold for them."
)


@dataclass(frozen=True)
class Pair:
    """Two readers, or a reader and the model, on the `num_images` images that both judged.

    no_kappa: why kappa cannot be computed, or "".
    """

    first: str
    second: str
    num_images: int
    agreement: Rate
    kappa: Estimate
    no_kappa: str


@dataclass(frozen=True)
class Summary:
    """All reviews, the last of each reader and image.

    labels, heatmaps: how often each was chosen. readers, with_model: see Pair. overrides: of the
    reviews with a verdict, how many disagree; by month (UTC) and by model version, both sorted.
    """

    num_reviews: int
    num_images: int
    labels: dict[str, int]
    heatmaps: dict[str, int]
    readers: tuple[Pair, ...]
    with_model: tuple[Pair, ...]
    overrides: Rate
    overrides_by_month: dict[str, Rate]
    overrides_by_version: dict[str, Rate]


@dataclass(frozen=True)
class Drift:
    """Probabilities now against those of the validation.

    distance: the largest difference between the two cumulative distributions, 0..1.
    warning: a sentence, or "".
    """

    num_now: int
    distance: float
    warning: str


def summary(actor: Actor) -> Summary:
    """Of all that is stored; for a clinician."""
    last = reviews.latest(actor)
    said: dict[str, dict[str, Review]] = defaultdict(dict)
    for review in last:
        said[review.reader][review.image_sha256] = review
    pairs = itertools.combinations(sorted(said), 2)
    return Summary(
        num_reviews=len(last),
        num_images=len({review.image_sha256 for review in last}),
        labels=_counts([review.label for review in last], reviews.LABELS),
        heatmaps=_counts([review.heatmap for review in last], reviews.HEATMAPS),
        readers=tuple(
            pair for a, b in pairs if (pair := _between(a, said[a], b, said[b])).num_images
        ),
        with_model=tuple(
            pair for name in sorted(said) if (pair := _with_model(name, said[name])).num_images
        ),
        overrides=_overrides(last),
        overrides_by_month=_by(last, lambda review: review.time[:7]),
        overrides_by_version=_by(last, lambda review: review.model_version),
    )


def kappa(first: Sequence[str], second: Sequence[str], seed: int = 0) -> Estimate:
    """Cohen's kappa of two readers' labels, in order of the images, with a 95 % interval.

    Cohen 1960: (observed - expected agreement) / (1 - expected). The interval is of a bootstrap
    over images. NaN where one of the two gave one label alone: then the agreement expected by
    chance is the observed one whatever the other said, and kappa is 0 or 0 / 0.
    """
    if min(len(set(first)), len(set(second))) < 2:
        return UNKNOWN
    names = sorted({*first, *second})
    table = np.zeros((len(names), len(names)))  # (L, L) counts
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1
    value = float(_kappa(table[None])[0])
    # Drawing images again is drawing the cells of the table again.
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(first), (table / len(first)).ravel(), RESAMPLES)
    values = _kappa(drawn.reshape(-1, *table.shape))  # (R,)
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return Estimate(value, min(float(low), value), max(float(high), value))


def _kappa(tables: np.ndarray) -> np.ndarray:
    """(R, L, L) counts -> (R,)."""
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
    rest = 1 - expected
    known = rest > 1e-12
    return np.where(known, (observed - expected) / np.where(known, rest, 1), np.nan)


def drift(now: Sequence[float], validation: Sequence[float]) -> Drift:
    """Have the probabilities of the films read now (N,) left those of the validation (M,)?

    The two-sample Kolmogorov-Smirnov test. A warning does not say that the model is wrong: more
    sick children shift the probabilities as well.
    """
    if len(now) < MIN_FILMS or not len(validation):
        return Drift(len(now), math.nan, "")
    a, b = np.sort(now), np.sort(validation)
    both = np.concatenate([a, b])
    shares = [np.searchsorted(values, both, "right") / len(values) for values in (a, b)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    critical = KS_CRITICAL * math.sqrt((len(a) + len(b)) / (len(a) * len(b)))
    if distance <= max(critical, KS_SMALL):
        return Drift(len(now), distance, "")
    higher = np.median(a) > np.median(b)
    return Drift(len(now), distance, _(HIGHER if higher else LOWER, n=len(now)))


def _between(a: str, by_a: dict[str, Review], b: str, by_b: dict[str, Review]) -> Pair:
    both = sorted(by_a.keys() & by_b.keys())
    first, second = ([group(by[image].first_label) for image in both] for by in (by_a, by_b))
    return _pair(a, first, b, second)


def _with_model(name: str, by_image: dict[str, Review]) -> Pair:
    """Pneumonia or not, on what the reader found usable and the model did not refuse.

    A refusal that was overruled stays one: no figure of the model holds for such an image.
    """
    reader, model = [], []
    for review in by_image.values():
        said = model_group(review) if review.gate_status != "refused" else None
        if said and review.first_label != UNUSABLE:
            reader.append(str(group(review.first_label) == "pneumonia"))
            model.append(str(said == "pneumonia"))
    return _pair(name, reader, MODEL, model)


def _pair(a: str, first: list[str], b: str, second: list[str]) -> Pair:
    num_equal = sum(x == y for x, y in zip(first, second, strict=True))
    rate, missing = wilson(num_equal, len(first)), _no_kappa(a, first, b, second)
    return Pair(a, b, len(first), rate, kappa(first, second), missing)


def _no_kappa(a: str, first: list[str], b: str, second: list[str]) -> str:
    """Why kappa cannot be computed, or ""."""
    alike = [name for name, said in ((a, first), (b, second)) if len(set(said)) == 1]
    if len(alike) == 2:
        return BOTH_ALIKE
    return ONE_ALIKE.format(who=alike[0]) if alike else ""


def _overrides(said: Sequence[Review]) -> Rate:
    verdicts = [review.verdict for review in said if review.verdict]
    return wilson(verdicts.count("disagree"), len(verdicts))


def _by(said: Sequence[Review], key: Callable[[Review], str]) -> dict[str, Rate]:
    parts: dict[str, list[Review]] = defaultdict(list)
    for review in said:
        if review.verdict:
            parts[key(review)].append(review)
    return {name: _overrides(parts[name]) for name in sorted(parts)}


def _counts(chosen: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(chosen)
    return {name: counts[name] for name in names}
