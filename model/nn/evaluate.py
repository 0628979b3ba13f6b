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
from model.evaluated import DATASET, GATE, HEATMAPS, ROBUSTNESS, SHORTCUTS
from model.files import write_json
from model.nn import dataset_facts, faithfulness, gate_images, shortcuts
from model.nn.changes import CHANGES
from model.nn.classifier import BATCH_SIZE, Classifier
from model.nn.dataset import Example, load_greys
from model.nn.release import as_evaluation
from model.nn.trained import labels_of
from model.retraining import locked_test
from model.xray import XRay

UNKNOWN_LOOKS = dict.fromkeys(
    (
        "lungs_only_auroc",
        "lungs_removed_auroc",
        "heat_in_lungs_ratio",
        "deletion_auc",
        "insertion_auc",
        "gate_false_refusals",
    )
)


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
    labels = labels_of(readings.examples)
    probabilities = metrics.calibrate(readings.logits, bundle.temperature)
    patients = [example.patient for example in readings.examples]
    threshold = bundle.operating_point().threshold
    return metrics.figures(labels, probabilities, threshold, patients) | {
        "n_refused": readings.num_refused,
        "model_version": bundle.model_version,
    }


def looks(classifier: Classifier, readings: Readings) -> dict[str, float | None]:
    """Six figures of `evaluate --json`: what the network looks at, and whom its gate refuses.

    None for a network that has no lungs and no gate, and where nothing is called pneumonia.
    """
    if not classifier.bundle.parts:
        return UNKNOWN_LOOKS
    measured = _shortcuts(classifier, readings)
    return {
        **shortcuts.headline(measured),
        **faithfulness.headline(classifier, _called(classifier, readings)),
        "gate_false_refusals": _share_refused(readings),
    }


def keep(
    classifier: Classifier, examples: Sequence[Example], split: str, data: Path
) -> tuple[Readings, dict[str, float | None]]:
    """Reads a split as it is and under every change, and keeps all that the pages show of it.

    That is the split's evaluation in the card and robustness.json; when `data` holds splits,
    dataset.json; of the test split locked_test.json; for a network with lungs and gate
    shortcuts.json, heatmaps.json and gate.json.
    Gives also what `looks` gives. Raises as `read_all`.
    """
    logits = read_changed(classifier, examples)
    readings = accepted(examples, logits["none"])
    record(classifier.bundle, split, readings)
    record_changed(classifier.bundle, split, examples, logits)
    record_data_set(classifier.bundle, data)
    if split == locked_test.SPLIT:
        locked_test.write(classifier.bundle.folder, [example.path for example in examples])
    if not classifier.bundle.parts:
        return readings, UNKNOWN_LOOKS
    return readings, _record_looks(classifier, examples, split, readings)


def _record_looks(
    classifier: Classifier, examples: Sequence[Example], split: str, readings: Readings
) -> dict[str, float | None]:
    found = UNKNOWN_LOOKS | {"gate_false_refusals": _share_refused(readings)}
    measured = _shortcuts(classifier, readings)
    _write_looks(classifier.bundle, SHORTCUTS, split, measured)
    found |= shortcuts.headline(measured)
    called = _called(classifier, readings)
    if len(called) > 1:
        heat = faithfulness.figures(classifier, called)
        _write_looks(classifier.bundle, HEATMAPS, split, heat)
        for name in ("deletion", "insertion"):
            found[f"{name}_auc"] = heat["maps"][0][name]["auc"]["value"]
    _write_looks(classifier.bundle, GATE, split, _gate(classifier, examples, split))
    return found


def _write_looks(bundle: Bundle, file: str, split: str, measured: dict[str, Any]) -> None:
    head = {
        "format": FORMAT,
        "model_version": bundle.model_version,
        "split": split,
        "description": f"{split} split",
    }
    write_json(bundle.folder / file, head | measured)


def _share_refused(readings: Readings) -> float:
    return readings.num_refused / (readings.num_refused + len(readings.examples))


def _shortcuts(classifier: Classifier, readings: Readings) -> dict[str, Any]:
    greys = load_greys(readings.examples)
    starts = range(0, len(greys), BATCH_SIZE)
    masks = [classifier.find_lungs(greys[start : start + BATCH_SIZE]) for start in starts]
    return shortcuts.measure(
        classifier.evidence,
        greys,
        np.concatenate(masks),
        labels_of(readings.examples),
        [example.patient for example in readings.examples],
        input_px=classifier.bundle.input_px,
        temperature=classifier.bundle.temperature,
        threshold=classifier.bundle.operating_point().threshold,
    )


def _called(classifier: Classifier, readings: Readings) -> list[Example]:
    """Those that `faithfulness` takes, of those that are called pneumonia."""
    bundle = classifier.bundle
    probabilities = metrics.calibrate(readings.logits, bundle.temperature)
    called = probabilities >= bundle.operating_point().threshold
    return faithfulness.choose(readings.examples, called)


def _gate(classifier: Classifier, examples: Sequence[Example], split: str) -> dict[str, Any]:
    """The gate's answers on the split and on images made of it."""
    films = [
        _changed(xray.read(example.path.read_bytes(), example.path.name), "none")
        for example in examples
    ]
    shown = [film.pixels for film in films]
    own = gate_images.Group(split, f"The {split} split", True, shown)
    groups = [own, *gate_images.other_images(shown)]
    grey = replace(films[0], colourfulness=0.0)  # as all images that are made of films
    judged = []
    for group in track(groups, "Trying the gate", console=Console(stderr=True)):
        made = [replace(grey, pixels=image) for image in group.images]
        images = films if group is own else made
        judged.append((group, [found.gate for found in classifier.predict(images)]))
    return gate_images.figures(judged)


def record(bundle: Bundle, split: str, readings: Readings) -> None:
    """Keeps labels and logits of a split in the bundle's card, where the pages find them."""
    write_card(with_readings(bundle, split, readings))


def with_readings(bundle: Bundle, split: str, readings: Readings) -> Bundle:
    """The bundle with what was read of a split among its evaluations, on disk as before."""
    description = f"{split} split ({len(readings.examples)} X-rays)"
    evaluation = as_evaluation(description, readings.examples, readings.logits)
    return replace(bundle, evaluations={**bundle.evaluations, split: evaluation})


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
        write_json(bundle.folder / DATASET, facts | {"model_version": bundle.model_version})
