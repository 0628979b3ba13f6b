"""The thresholds that a model version comes with, chosen by rules on the X-rays of a set."""

import numpy as np
import numpy.typing as npt

from model.errors import DataError
from model.metrics import checked
from model.prediction import OperatingPoint


def operating_points(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, chosen_on: str
) -> list[OperatingPoint]:
    """Screening, default, balanced and rule-in, each of which keeps its rule on these X-rays.

    All thresholds between two neighbouring probabilities decide alike, so a threshold is put half
    way and rounded to two decimals, or to as many as keep it there. Rule-in is never below the
    default, where a good network has the specificity long before. It is left out if no threshold
    up to 1 keeps it, because too many normal X-rays have a probability of exactly 1.

    chosen_on: the set in words. Raises DataError for unusable arrays or only one class.
    """
    labels, probabilities = checked(labels, probabilities)  # (N,), (N,)
    ill, well = np.sort(probabilities[labels]), np.sort(probabilities[~labels])  # (P,), (Q,)
    if not ill.size or not well.size:
        raise DataError(
            "X-rays with and without pneumonia to choose operating points on",
            f"{ill.size} with, {well.size} without",
            "Add X-rays of the missing class.",
        )
    # A gap is (below, above]: above is a probability of the set, or 1.
    above = np.unique(np.append(probabilities, 1.0))  # (K,) ascending
    below = np.append(0.0, above[:-1])  # (K,)
    found = ill.size - np.searchsorted(ill, above)  # (K,)
    cleared = np.searchsorted(well, above)  # (K,)
    sensitivity, specificity = found / ill.size, cleared / well.size  # (K,), (K,)
    # Youden 1950, J = sensitivity + specificity - 1, in whole numbers so that ties are ties.
    youden = found * well.size + cleared * ill.size  # (K,)
    best = np.flatnonzero(youden == youden.max())
    middle = (best.size - 1) // 2
    default, clear = np.flatnonzero(sensitivity >= 0.95)[-1:], np.flatnonzero(specificity >= 0.99)
    rules = [
        ("screening", "highest threshold with sensitivity of at least 99 %",
         np.flatnonzero(sensitivity >= 0.99)[-1:]),
        ("default", "highest threshold with sensitivity of at least 95 %",
         default),
        ("balanced", "largest sum of sensitivity and specificity (Youden's J)",
         best[middle : middle + 1]),
        ("rule-in", "lowest threshold from the default on with specificity of at least 99 %",
         clear[clear >= default[0]][:1]),
    ]  # fmt: skip
    return [
        OperatingPoint(name, _between(float(below[gap]), float(above[gap])), chosen_on, rule)
        for name, rule, gaps in rules
        for gap in gaps
    ]


def _between(low: float, high: float) -> float:
    """A short decimal near the middle of (low, high]; `high` itself if the gap is too narrow."""
    for decimals in range(2, 17):
        threshold = round((low + high) / 2, decimals)
        if low < threshold <= high:
            return threshold
    return high
