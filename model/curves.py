"""Curves behind the figures: ROC, precision and recall, reliability.

Arrays as in `model.metrics`: labels (N,) of 0 and 1, probabilities (N,), pneumonia at or above a
threshold. Pages import this module for their first paint, so it needs numpy alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.errors import ConfigError, DataError
from model.language import _
from model.metrics import Rate, checked, wilson


@dataclass(frozen=True, eq=False)
class Curve:
    """Points (K,) in the order of falling thresholds."""

    x: np.ndarray  # (K,)
    y: np.ndarray  # (K,)
    thresholds: np.ndarray  # (K,)


@dataclass(frozen=True)
class Bin:
    """X-rays with a probability in [low, high): what was said, and how many have pneumonia."""

    low: float
    high: float
    mean_probability: float
    share: Rate


def roc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Curve:
    """x = 1 - specificity, y = sensitivity, at each distinct probability, from (0, 0) to (1, 1).

    The first threshold is infinite: nobody is called ill. Points on a straight line between their
    neighbours are left out, which leaves the curve as it is (as scikit-learn's roc_curve does).

    Raises DataError for unusable arrays or only one class.
    """
    found, alarms, thresholds = _counts(labels, probabilities)  # (K,) each
    if not found[-1] or not alarms[-1]:
        raise DataError(
            _("X-rays with and without pneumonia"),
            _("one class only"),
            _("Give a split that has both."),
        )
    found, alarms = np.append(0, found), np.append(0, alarms)  # (K + 1,)
    thresholds = np.append(np.inf, thresholds)
    straight = (np.diff(found, 2) == 0) & (np.diff(alarms, 2) == 0)  # (K - 1,)
    kept = np.concatenate([[True], ~straight, [True]])
    return Curve(alarms[kept] / alarms[-1], found[kept] / found[-1], thresholds[kept])


def precision_recall(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Curve:
    """x = recall (sensitivity), y = precision (PPV), at each distinct probability.

    Raises DataError for unusable arrays or when no X-ray has pneumonia.
    """
    found, alarms, thresholds = _counts(labels, probabilities)  # (K,) each
    if not found[-1]:
        raise DataError(_("X-rays with pneumonia"), _("none"), _("Give a split that has some."))
    return Curve(found / found[-1], found / (found + alarms), thresholds)


def reliability(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> list[Bin]:
    """The bins of equal width that hold X-rays, lowest first; the last bin holds 1 too.

    The diagram of Niculescu-Mizil & Caruana 2005, with Wilson's interval on each share.
    Raises DataError for unusable arrays, ConfigError for less than one bin.
    """
    if bins < 1:
        raise ConfigError(_("at least one bin"), str(bins), _("10 is usual."))
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)  # (N,)
    filled = np.unique(bin_of)  # (B,)
    return [
        Bin(
            low=int(i) / bins,
            high=(int(i) + 1) / bins,
            mean_probability=float(probabilities[bin_of == i].mean()),
            share=wilson(int(labels[bin_of == i].sum()), int((bin_of == i).sum())),
        )
        for i in filled
    ]


def _counts(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives (K,), and the K distinct probabilities as thresholds, falling."""
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    order = np.argsort(-probabilities, kind="stable")  # (N,)
    probabilities = probabilities[order]
    last = np.append(np.flatnonzero(np.diff(probabilities)), probabilities.size - 1)  # (K,)
    found = np.cumsum(labels[order])[last]  # (K,)
    return found, last + 1 - found, probabilities[last]
