"""A bundle on a split: what it says of every X-ray, and the figures that follow.

Files go the way of an upload (`xray.read`, gate, forward pass), so the figures are those of use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from model import metrics, xray
from model.bundle import Bundle, write_card
from model.errors import DataError
from model.nn.classifier import BATCH_SIZE, Classifier
from model.nn.dataset import Example
from model.nn.release import as_evaluation


@dataclass(frozen=True, eq=False)
class Readings:
    """What a classifier says of the examples that its gate lets through, in their order."""

    examples: list[Example]
    logits: np.ndarray  # (N,) before calibration
    num_refused: int


def read_all(classifier: Classifier, examples: Sequence[Example]) -> Readings:
    """Reads every example, with a progress bar on standard error.

    Raises DataError when nothing passes the gate, XRayError for a file that cannot be read.
    """
    kept: list[Example] = []
    logits: list[float] = []
    starts = range(0, len(examples), BATCH_SIZE)
    for start in track(starts, "Reading X-rays", console=Console(stderr=True)):
        batch = examples[start : start + BATCH_SIZE]
        films = [xray.read(example.path.read_bytes(), example.path.name) for example in batch]
        for example, prediction in zip(batch, classifier.predict(films), strict=True):
            if prediction.logit is not None:
                kept.append(example)
                logits.append(prediction.logit)
    if not kept:
        raise DataError(
            "at least one chest X-ray", f"{len(examples)} refused images", "Give other data."
        )
    return Readings(kept, np.array(logits, np.float32), len(examples) - len(kept))


def figures(bundle: Bundle, readings: Readings) -> dict[str, Any]:
    """The JSON object of `evaluate --json`, at the default operating point."""
    labels = np.array([example.label for example in readings.examples])
    probabilities = metrics.calibrate(readings.logits, bundle.temperature)
    patients = [example.patient for example in readings.examples]
    threshold = bundle.operating_point().threshold
    return metrics.figures(labels, probabilities, threshold, patients) | {
        "n_refused": readings.num_refused,
        "model_version": bundle.model_version,
    }


def record(bundle: Bundle, split: str, readings: Readings) -> None:
    """Keeps labels and logits of a split in the bundle's card, where the pages find them."""
    description = f"{split} split ({len(readings.examples)} X-rays)"
    evaluation = as_evaluation(description, readings.examples, readings.logits)
    write_card(replace(bundle, evaluations={**bundle.evaluations, split: evaluation}))
