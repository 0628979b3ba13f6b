"""Intervals of figures that are no proportions: a bootstrap that draws whole patients."""

from collections.abc import Sequence

import numpy as np

from model.errors import DataError

RESAMPLES = 1000


def resamples(num_images: int, groups: Sequence[str] | np.ndarray | None, seed: int) -> np.ndarray:
    """How often each X-ray is in each bootstrap resample of whole groups: (R, N) float32.

    groups: (N,) patients; None takes each X-ray as its own. Raises DataError for another shape.
    """
    names = np.arange(num_images) if groups is None else np.asarray(groups)
    if names.shape != (num_images,):
        raise DataError(
            f"one patient for each of {num_images} X-rays",
            f"groups of shape {names.shape}",
            "Give a list as long as the labels.",
        )
    _, group_of = np.unique(names, return_inverse=True)  # (N,)
    num_groups = int(group_of.max()) + 1
    shares = np.full(num_groups, 1 / num_groups)
    drawn = np.random.default_rng(seed).multinomial(num_groups, shares, size=RESAMPLES)  # (R, G)
    return drawn.astype(np.float32)[:, group_of]


def are_of_one(weights: np.ndarray) -> bool:
    """Whether resamples (R, N) are of one patient: each is the whole set, and none tells more."""
    return bool((weights == 1).all())


def interval(numerators: np.ndarray, denominators: np.ndarray) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of the resamples (R,) that have a denominator."""
    usable = denominators > 0
    low, high = np.quantile(numerators[usable] / denominators[usable], (0.025, 0.975))
    return float(low), float(high)
