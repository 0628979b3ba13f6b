"""How good are these probabilities? Figures with 95 % intervals, and calibration.

Arrays are labels (N,) of 0 and 1 with 1 = pneumonia, and calibrated probabilities (N,) in 0..1.
A probability at or above the threshold counts as pneumonia.

Rates carry Wilson intervals, which take X-rays as independent: with several X-rays of a patient
they are a little narrow. AUROC and F1 are no proportions; their intervals come from a bootstrap
that draws whole patients.

Pages import this module for their first paint, so it needs numpy alone: SciPy, which takes .6 s to
import, is imported by the one function that optimises.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.bootstrap import RESAMPLES as RESAMPLES
from model.bootstrap import are_of_one, interval, resamples
from model.errors import ConfigError, DataError
from model.prediction import check_range

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; a figure that cannot be known is NaN in 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Rate(Estimate):
    """A proportion: numerator of denominator."""

    numerator: int
    denominator: int


UNKNOWN = Estimate(math.nan, 0.0, 1.0)


def wilson(k: int, n: int) -> Rate:
    """k of n with Wilson's score interval (Wilson 1927; Newcombe 1998, method 3).

    n = 0 gives NaN in 0..1. Raises DataError unless 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise DataError("a count between 0 and its total", f"{k} of {n}", "Count again.")
    if n == 0:
        return Rate(math.nan, 0.0, 1.0, 0, 0)
    centre = (k + Z95**2 / 2) / (n + Z95**2)
    half_width = Z95 / (n + Z95**2) * math.sqrt(k * (n - k) / n + Z95**2 / 4)
    # Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    low = 0.0 if k == 0 else centre - half_width
    high = 1.0 if k == n else centre + half_width
    return Rate(k / n, low, high, k, n)


@dataclass(frozen=True)
class Confusion:
    """Counts of X-rays at one threshold."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def sensitivity(self) -> Rate:
        """Of those with pneumonia, how many are found."""
        return wilson(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> Rate:
        """Of those without, how many are cleared."""
        return wilson(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def ppv(self) -> Rate:
        """Of those called pneumonia, how many have it, at the prevalence of this set."""
        return wilson(self.true_positives, self.true_positives + self.false_positives)

    @property
    def npv(self) -> Rate:
        """Of those called normal, how many are, at the prevalence of this set."""
        return wilson(self.true_negatives, self.true_negatives + self.false_negatives)

    @property
    def accuracy(self) -> Rate:
        """Of all, how many are called right."""
        right = self.true_positives + self.true_negatives
        return wilson(right, right + self.false_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), NaN for 0 / 0; no proportion, so its interval is in `f1`."""
        called_or_ill = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / called_or_ill if called_or_ill else math.nan


def confusion(labels: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float) -> Confusion:
    """Counts at a threshold; some 50 microseconds for 6000 X-rays, so a slider may call it.

    Raises DataError for unusable arrays, ConfigError for a threshold outside 0..1.
    """
    check_range("threshold", threshold, 0, 1)
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    called = probabilities >= threshold  # (N,)
    true_positives = int(np.count_nonzero(called & labels))
    false_positives = int(np.count_nonzero(called)) - true_positives
    false_negatives = int(np.count_nonzero(labels)) - true_positives
    true_negatives = labels.size - true_positives - false_positives - false_negatives
    return Confusion(true_positives, false_positives, true_negatives, false_negatives)


def auroc(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
) -> Estimate:
    """Area under the ROC curve: how often a pneumonia ranks above a normal X-ray, ties half.

    The Mann-Whitney form (Hanley & McNeil 1982), with the percentile interval of 1000 bootstrap
    resamples of `groups` (N,), the patients; None takes each X-ray as its own. One class alone
    gives NaN in 0..1, one patient alone the interval 0..1; a perfect ranking gives 1 to 1, as the
    bootstrap sees no error to draw.

    Raises DataError for unusable arrays.
    """
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    if labels.all() or not labels.any():
        return UNKNOWN
    weights = resamples(labels.size, groups, seed)  # (R, N)
    value, won, pairs = _pairs_won(labels, probabilities, weights)
    return Estimate(value, *((0.0, 1.0) if are_of_one(weights) else interval(won, pairs)))


def auroc_difference(
    labels: npt.ArrayLike,
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    groups: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
) -> Estimate:
    """AUROC of the probabilities `after` less that of those `before`, on the same X-rays.

    The interval is that of `auroc`, both figures from the same resamples: paired, so that what is
    difficult for both does not widen it. One class alone gives NaN in -1..1, one patient alone
    that interval.

    Raises DataError for unusable arrays.
    """
    labels, before = checked(labels, before)  # (N,), (N,)
    after = checked(labels, after)[1]  # (N,)
    if labels.all() or not labels.any():
        return Estimate(math.nan, -1.0, 1.0)
    weights = resamples(labels.size, groups, seed)  # (R, N)
    old, old_won, pairs = _pairs_won(labels, before, weights)
    new, new_won, _ = _pairs_won(labels, after, weights)
    difference = (-1.0, 1.0) if are_of_one(weights) else interval(new_won - old_won, pairs)
    return Estimate(new - old, *difference)


def _pairs_won(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """The AUROC, and in each resample of `weights` (R, N) the pairs won (R,) and all pairs (R,)."""
    ill = probabilities[labels][:, None]  # (P, 1)
    well = probabilities[~labels]  # (Q,)
    wins = (ill > well) + np.float32(0.5) * (ill == well)  # (P, Q) float32
    ill_weights, well_weights = weights[:, labels], weights[:, ~labels]  # (R, P), (R, Q)
    won = ((ill_weights @ wins) * well_weights).sum(1)  # (R,)
    pairs = ill_weights.sum(1) * well_weights.sum(1)  # (R,)
    return float(wins.mean(dtype=np.float64)), won, pairs


def f1(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    groups: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
) -> Estimate:
    """`Confusion.f1` with a bootstrap interval as in `auroc`; NaN in 0..1 if none is ill or called.

    At 0 and 1 the bootstrap has nothing to draw: the interval is then Wilson's of Jaccard's index
    J = TP / (TP + FP + FN), a proportion, as F1 = 2 J / (1 + J).

    Raises DataError for unusable arrays, ConfigError for a threshold outside 0..1.
    """
    counts = confusion(labels, probabilities, threshold)
    value = counts.f1
    if math.isnan(value):
        return UNKNOWN
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    called = probabilities >= threshold  # (N,)
    weights = resamples(labels.size, groups, seed)  # (R, N)
    if are_of_one(weights):
        return Estimate(value, 0.0, 1.0)
    if value in (0, 1):
        wrong = counts.false_positives + counts.false_negatives
        jaccard = wilson(counts.true_positives, counts.true_positives + wrong)
        return Estimate(value, *(2 * j / (1 + j) for j in (jaccard.low, jaccard.high)))
    found = weights @ (called & labels).astype(np.float32)  # (R,)
    called_or_ill = weights @ (called.astype(np.float32) + labels)  # (R,)
    return Estimate(value, *interval(2 * found, called_or_ill))


def ece(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 15) -> float:
    """Expected calibration error of the probability of pneumonia, 0..1.

    The mean over X-rays of |share of pneumonia - mean probability| of their bin (Naeini 2015, Guo
    2017 eq. 3, there of the predicted class's probability). Bins have equal width and hold their
    lower edge; the last holds 1 too.

    Raises DataError for unusable arrays, ConfigError for less than one bin.
    """
    if bins < 1:
        raise ConfigError("at least one bin", str(bins), "15 is usual.")
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)  # (N,)
    # count / N * |mean label - mean probability| = |sum of differences| / N
    gaps = np.bincount(bin_of, weights=labels - probabilities)
    return float(np.abs(gaps).sum() / labels.size)


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The temperature of least negative log likelihood (Guo 2017, temperature scaling), 0.1..10.

    logits: (N,), before calibration. The likelihood has one peak, but none inside the range when
    the logits separate the labels or rank them backwards: the answer is then an end of the range.

    Raises DataError for unusable arrays.
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, dtype=np.float64)  # (N,)
    if not np.isfinite(logits).all():
        raise DataError("finite logits", "NaN or infinity", "Train again: this network diverged.")
    labels, _ = checked(labels, calibrate(logits, 1.0))  # (N,)

    def negative_log_likelihood(log_temperature: float) -> float:
        scaled = logits * math.exp(-log_temperature)  # (N,)
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    bounds = (math.log(0.1), math.log(10))
    found = minimize_scalar(
        negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(math.exp(found.x))


def ratio(
    numerators: np.ndarray, denominators: np.ndarray, groups: Sequence[str] | np.ndarray | None
) -> Estimate:
    """Sum by sum over images (N,), with an interval that draws whole groups; unknown for none."""
    if not numerators.size:
        return UNKNOWN
    weights = resamples(numerators.size, groups, seed=0)  # (R, N)
    value = float(numerators.sum() / denominators.sum())
    return Estimate(value, *interval(weights @ numerators, weights @ denominators))


def calibrate(logits: npt.ArrayLike, temperature: float) -> np.ndarray:
    """sigmoid(logit / temperature) as float64, in the shape of `logits`; no overflow.

    Raises ConfigError for a temperature that is not a positive number.
    """
    if not 0 < temperature < math.inf:
        raise ConfigError("a temperature above 0", str(temperature), "1 leaves logits as they are.")
    return np.exp(-np.logaddexp(0, -np.asarray(logits, dtype=np.float64) / temperature))


def figures(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    groups: Sequence[str] | np.ndarray | None = None,
) -> dict[str, float | list[float] | None]:
    """The object of `python -m model evaluate --json`, without `model_version`.

    Plain Python numbers; what cannot be known is None with the interval [0, 1].
    Raises DataError for unusable arrays, ConfigError for a threshold outside 0..1.
    """
    counts = confusion(labels, probabilities, threshold)
    estimates = {
        "auroc": auroc(labels, probabilities, groups),
        "accuracy": counts.accuracy,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "ppv": counts.ppv,
        "npv": counts.npv,
        "f1": f1(labels, probabilities, threshold, groups),
    }
    result: dict[str, float | list[float] | None] = {
        "n": counts.accuracy.denominator,
        "n_positive": counts.sensitivity.denominator,
    }
    for name, estimate in estimates.items():
        result[name] = None if math.isnan(estimate.value) else estimate.value
        result[f"{name}_ci"] = [estimate.low, estimate.high]
    result["ece"] = ece(labels, probabilities)
    result["threshold"] = float(threshold)
    return result


def checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) bool and probabilities (N,) float64, or DataError."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != probabilities.shape or not labels.size:
        raise DataError(
            "one label and one probability for each of at least one X-ray",
            f"labels of shape {labels.shape}, probabilities of shape {probabilities.shape}",
            "Give two lists of the same length.",
        )
    if not ((labels == 0) | (labels == 1)).all():
        raise DataError("labels of 0 and 1", "other values", "Use 1 for pneumonia, 0 for normal.")
    # Written so that NaN fails.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise DataError(
            "probabilities between 0 and 1", "other values", "Calibrate the logits first."
        )
    return labels.astype(bool), probabilities
