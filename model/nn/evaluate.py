"""A bundle on a split: what it says of every X-ray, and the figures that follow.

Files go the way of an upload (`xray.read`, gate, forward pass), so the figures are those of use.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from model import metrics, xray
from model.bundle import FORMAT, Bundle, write_card
from model.errors import DataError
from model.files import write_json
from model.nn import dataset_facts
from model.nn.changes import CHANGES
from model.nn.classifier import BATCH_SIZE, Classifier
from model.nn.dataset import Example
from model.nn.release import as_evaluation
from model.xray import XRay

ROBUSTNESS, DATA_SET = "robustness.json", "dataset.json"


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
    return accepted(examples, read_changed(classifier, examples, ("none",))["none"])


def read_changed(
    classifier: Classifier, examples: Sequence[Example], names: Iterable[str] = CHANGES
) -> dict[str, list[float | None]]:
    """Logits of every example under each of these changes; None where the gate refuses.

    Each file is decoded once. Raises XRayError for one that cannot be read.
    """
    logits: dict[str, list[float | None]] = {name: [] for name in names}
    starts = range(0, len(examples), BATCH_SIZE)
    for start in track(starts, "Reading X-rays", console=Console(stderr=True)):
        batch = examples[start : start + BATCH_SIZE]
        films = [xray.read(example.path.read_bytes(), example.path.name) for example in batch]
        for name, kept in logits.items():
            changed = [_changed(film, name) for film in films]
            kept += [prediction.logit for prediction in classifier.predict(changed)]
    return logits


def _changed(film: XRay, name: str) -> XRay:
    """The film as if the hospital had sent it changed: what is shown is all there is."""
    return replace(film, pixels=CHANGES[name][1](film.display()), window=(0, 255))


def accepted(examples: Sequence[Example], logits: Sequence[float | None]) -> Readings:
    """The examples that have a logit. Raises DataError when none has."""
    pairs = [(e, logit) for e, logit in zip(examples, logits, strict=True) if logit is not None]
    if not pairs:
        raise DataError(
            "at least one chest X-ray", f"{len(examples)} refused images", "Give other data."
        )
    kept = [example for example, _ in pairs]
    return Readings(
        kept, np.array([logit for _, logit in pairs], np.float32), len(examples) - len(kept)
    )


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


def keep(classifier: Classifier, examples: Sequence[Example], split: str, data: Path) -> Readings:
    """Reads a split as it is and under every change, and keeps all that the pages show of it.

    That is the split's evaluation in the card, robustness.json and, when `data` holds splits,
    dataset.json. Raises as `read_all`.
    """
    logits = read_changed(classifier, examples)
    readings = accepted(examples, logits["none"])
    record(classifier.bundle, split, readings)
    record_changed(classifier.bundle, split, examples, logits)
    record_data_set(classifier.bundle, data)
    return readings


def record(bundle: Bundle, split: str, readings: Readings) -> None:
    """Keeps labels and logits of a split in the bundle's card, where the pages find them."""
    description = f"{split} split ({len(readings.examples)} X-rays)"
    evaluation = as_evaluation(description, readings.examples, readings.logits)
    write_card(replace(bundle, evaluations={**bundle.evaluations, split: evaluation}))


def record_changed(
    bundle: Bundle,
    split: str,
    examples: Sequence[Example],
    logits: Mapping[str, Sequence[float | None]],
) -> None:
    """Writes robustness.json beside the card: logits under each change, None where refused."""
    rounded = {
        name: [None if logit is None else round(logit, 4) for logit in values]
        for name, values in logits.items()
    }
    value = {
        "format": FORMAT,
        "model_version": bundle.model_version,
        "split": split,
        "description": f"{split} split ({len(examples)} X-rays) under changes that hospitals make",
        "files": [example.path.name for example in examples],
        "labels": [example.label for example in examples],
        "patients": [example.patient for example in examples],
        "changes": [
            {"name": name, "title": CHANGES[name][0], "logits": values}
            for name, values in rounded.items()
        ],
    }
    write_json(bundle.folder / ROBUSTNESS, value)


def record_data_set(bundle: Bundle, data: Path) -> None:
    """Writes dataset.json beside the card when `data` holds splits; else nothing."""
    splits = dataset_facts.read_splits(data)
    if splits:
        facts = dataset_facts.facts(splits)
        write_json(bundle.folder / DATA_SET, facts | {"model_version": bundle.model_version})
