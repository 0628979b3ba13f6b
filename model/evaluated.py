"""What `python -m model evaluate --keep` leaves beside a bundle's card.

Robustness, data set, and where the network looks, whose values are those of `model.looks`.

A missing or foreign file gives an empty result, never an exception; `why_missing` says why.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from model import metrics
from model.bundle import Bundle
from model.language import _
from model.looks import GateFigures, Heatmaps, Shortcuts
from model.metrics import UNKNOWN, Estimate, Rate, wilson

FORMAT = 1
FILES = ROBUSTNESS, DATASET, SHORTCUTS, HEATMAPS, GATE = (
    "robustness.json", "dataset.json", "shortcuts.json", "heatmaps.json", "gate.json"
)  # fmt: skip
Found = TypeVar("Found")


@dataclass(frozen=True)
class ChangeFigures:
    """What is left of the figures under a change; n counts the X-rays that were not refused."""

    n: int
    auroc: Estimate
    sensitivity: Rate
    specificity: Rate


@dataclass(frozen=True, eq=False)
class Change:
    """The test split under one change; refused X-rays are left out of the arrays (N,)."""

    name: str
    title: str
    labels: np.ndarray
    probabilities: np.ndarray
    patients: np.ndarray
    num_refused: int

    def figures(self, threshold: float) -> ChangeFigures:
        """At a threshold; a change under which everything is refused has unknown figures."""
        if not self.labels.size:
            return ChangeFigures(0, UNKNOWN, wilson(0, 0), wilson(0, 0))
        counts = metrics.confusion(self.labels, self.probabilities, threshold)
        auroc = metrics.auroc(self.labels, self.probabilities, self.patients)
        return ChangeFigures(self.labels.size, auroc, counts.sensitivity, counts.specificity)


def split_of(bundle: Bundle) -> str:
    """The split whose figures count: the test split, or the first that the card has."""
    return "test" if "test" in bundle.evaluations else next(iter(bundle.evaluations))


def robustness(bundle: Bundle) -> list[Change]:
    """The changes of `robustness.json`, first the X-rays as they are; else empty."""
    return _measured(bundle, ROBUSTNESS, lambda told: _changes(told, bundle.temperature)) or []


def refused(bundle: Bundle) -> dict[tuple[int, str], str]:
    """Label and file -> patient of X-rays of the split that the gate refused as they are.

    Of `robustness.json`, for the card has no logit of them; empty where nothing says so.
    """

    def parse(told: Mapping[str, Any]) -> dict[tuple[int, str], str]:
        [logits] = [change["logits"] for change in told["changes"] if change["name"] == "none"]
        films = zip(told["labels"], told["files"], told["patients"], logits, strict=True)
        return {
            (label, str(f)): str(patient) for label, f, patient, logit in films if logit is None
        }

    return _measured(bundle, ROBUSTNESS, parse) or {}


def shortcuts(bundle: Bundle) -> Shortcuts | None:
    """`shortcuts.json`: with the lungs alone and without them, and the heat in the lungs."""
    return _measured(bundle, SHORTCUTS, Shortcuts.from_json)


def heatmaps(bundle: Bundle) -> Heatmaps | None:
    """`heatmaps.json`: whether the heatmaps can be believed."""
    return _measured(bundle, HEATMAPS, Heatmaps.from_json)


def gate(bundle: Bundle) -> GateFigures | None:
    """`gate.json`: what the gate lets through and what it refuses."""
    return _measured(bundle, GATE, GateFigures.from_json)


def _measured(
    bundle: Bundle, file: str, parse: Callable[[Mapping[str, Any]], Found]
) -> Found | None:
    """None when the file is missing, damaged, or of another model version or split."""
    told = _read(bundle.folder / file)
    if told.get("model_version") != bundle.model_version or told.get("split") != split_of(bundle):
        return None
    return _parsed(told, parse)


def _parsed(told: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], Found]) -> Found | None:
    try:
        return parse(told)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        return None


def _changes(told: Mapping[str, Any], temperature: float) -> list[Change]:
    labels = np.array(told["labels"], int)  # (N,)
    patients = np.array(told["patients"])  # (N,)
    return [_change(change, labels, patients, temperature) for change in told["changes"]]


def _change(
    told: Mapping[str, Any], labels: np.ndarray, patients: np.ndarray, temperature: float
) -> Change:
    logits = np.array([np.nan if logit is None else logit for logit in told["logits"]], float)
    read = ~np.isnan(logits)  # (N,)
    return Change(
        told["name"],
        told["title"],
        labels[read],
        metrics.calibrate(logits[read], temperature),
        patients[read],
        int((~read).sum()),
    )


@dataclass(frozen=True)
class SplitCounts:
    """How many X-rays and children a split has; bacterial and viral by file name."""

    split: str
    normal: int
    pneumonia: int
    bacterial: int
    viral: int
    patients: int


@dataclass(frozen=True)
class ImageSize:
    """How many X-rays have this size in pixels."""

    width: int
    height: int
    count: int


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many X-rays of each class lie between edges (B + 1,)."""

    edges: np.ndarray
    normal: np.ndarray  # (B,)
    pneumonia: np.ndarray  # (B,)


@dataclass(frozen=True, eq=False)
class DataSet:
    """The X-rays that a version was trained and judged on, as counts and means; no single image.

    mean_image: class -> (H, W) uint8. brightness and contrast: mean and standard deviation of the
    grey values of each film. image_sizes: most frequent first, and `other_sizes` X-rays beside
    them. file_sizes: (width, height) of single files, where the command has written them.
    duplicates: groups of identical files, the files in them, and how many groups lie across
    splits and across labels.
    """

    description: str
    splits: tuple[SplitCounts, ...]
    image_sizes: tuple[ImageSize, ...]
    other_sizes: int
    mean_image: Mapping[str, np.ndarray]
    brightness: Histogram
    contrast: Histogram
    duplicates: Mapping[str, int]
    patients_across_splits: int
    file_sizes: Mapping[str, tuple[int, int]]


def dataset(bundle: Bundle) -> DataSet | None:
    """`dataset.json`; None when it is missing or damaged."""
    return _parsed(_read(bundle.folder / DATASET), _data_set)


def _data_set(told: Mapping[str, Any]) -> DataSet:
    sizes = [size for size in told["image_sizes"] if "width" in size]
    others = [size for size in told["image_sizes"] if "width" not in size]
    return DataSet(
        description=str(told["description"]),
        splits=tuple(SplitCounts(**split) for split in told["splits"]),
        image_sizes=tuple(ImageSize(**size) for size in sizes),
        other_sizes=sum(int(other.get("other", other.get("count", 0))) for other in others),
        mean_image={
            name: np.array(told["mean_image"][name], np.uint8)  # (H, W)
            for name in ("normal", "pneumonia")
        },
        brightness=_histogram(told["brightness"]),
        contrast=_histogram(told["contrast"]),
        duplicates={
            name: int(told["duplicates"][name])
            for name in ("groups", "images", "across_splits", "across_labels")
        },
        patients_across_splits=int(told["patients_across_splits"]),
        file_sizes={name: (w, h) for name, (w, h) in told.get("file_sizes", {}).items()},
    )


def _histogram(told: Mapping[str, Any]) -> Histogram:
    edges = np.array(told["edges"], float)  # (B + 1,)
    normal, pneumonia = np.array(told["normal"], int), np.array(told["pneumonia"], int)  # (B,)
    if not len(edges) - 1 == len(normal) == len(pneumonia):
        raise ValueError("histogram")
    return Histogram(edges, normal, pneumonia)


def why_missing(bundle: Bundle, file: str) -> str:
    """One sentence why a file of FILES gives nothing; "" when it gives something."""
    path = bundle.folder / file
    if not path.is_file():
        return _(
            "This version comes without {file}: run `python -m model evaluate --keep` with the "
            "data set to write it.",
            file=file,
        )
    told = _read(path)
    if file != DATASET:
        version = told.get("model_version", bundle.model_version)
        if version != bundle.model_version:
            return _(
                "{file} was measured with another version, {version}: run `python -m model "
                "evaluate --keep` with the data set to write it.",
                file=file,
                version=version,
            )
        if told.get("split", split_of(bundle)) != split_of(bundle):
            return _(
                "{file} was measured on another split, {split}: run `python -m model evaluate "
                "--keep` with the data set to write it.",
                file=file,
                split=told["split"],
            )
    readers: dict[str, Callable[[Bundle], object]] = {
        ROBUSTNESS: robustness, DATASET: dataset, SHORTCUTS: shortcuts, HEATMAPS: heatmaps,
        GATE: gate,
    }  # fmt: skip
    usable = readers[file](bundle) not in (None, [])
    if usable:
        return ""
    return _(
        "{file} is damaged or of another format: run `python -m model evaluate --keep` with the "
        "data set to write it.",
        file=file,
    )


def _read(path: Path) -> dict[str, Any]:
    """The object in a file of ours; empty when there is none."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and told.get("format") == FORMAT else {}
