"""X-rays by hand, and sets drawn at random, to take figures of."""

import numpy as np

from model import metrics

# Six X-rays by hand: at .5 they are 2 TP, 1 FN, 1 FP, 2 TN.
LABELS = [1, 1, 1, 0, 0, 0]
PROBABILITIES = [0.9, 0.5, 0.3, 0.7, 0.2, 0.1]


def random_set(
    rng: np.random.Generator, size: int, decimals: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that rank better than chance, both classes there."""
    labels = np.append([0, 1], rng.integers(0, 2, size - 2))
    logits = rng.normal(scale=2, size=size) + 2 * labels - 1
    return labels, metrics.calibrate(logits, 1).round(decimals)
