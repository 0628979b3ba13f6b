"""What the data set is, for the page that explores it: counts, sizes, greys, duplicates.

Everything is of the films as they are shown, before the preprocessing, in one pass over the files.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from model import preprocessing, xray
from model.nn.dataset import LABELS, Example, data_hash, read_folder
from model.retraining.manifest import kind_of

FORMAT = 1
SPLITS = ("train", "val", "test")
KINDS = {"bacterial": "bacteria", "viral": "virus"}  # of `kind_of`
CLASSES = {label: name.lower() for name, label in LABELS.items()}
MEAN_PX = 64
MAX_SIZES = 40
BRIGHTNESS_EDGES = np.linspace(0, 255, 33)  # mean grey of a film
CONTRAST_EDGES = np.linspace(0, 128, 33)  # standard deviation of its greys: 127.5 is the most

Splits = Mapping[str, Sequence[Example]]


def read_splits(folder: Path) -> dict[str, list[Example]]:
    """The splits of a data set that lie in `folder`, by name; none for a folder of one split.

    Raises DataError for a split with an empty class folder.
    """
    found = [s for s in SPLITS if all((folder / s / label).is_dir() for label in LABELS)]
    return {split: read_folder(folder, split) for split in found}


def facts(splits: Splits) -> dict[str, Any]:
    """The content of dataset.json. Shows a progress bar on standard error.

    Raises XRayError for a file that cannot be read.
    """
    everything = [example for examples in splits.values() for example in examples]
    return {
        "format": FORMAT,
        "description": f"{len(everything)} X-rays ({', '.join(splits)})",
        "data_sha256": data_hash(everything),
        "splits": [_counts(split, examples) for split, examples in splits.items()],
        **_pictures(everything),
        "duplicates": duplicates(splits),
        "patients_across_splits": patients_across_splits(splits),
    }


def _counts(split: str, examples: Sequence[Example]) -> dict[str, Any]:
    labels = Counter(CLASSES[example.label] for example in examples)
    found = Counter(kind_of(example.path.name) for example in examples if example.label)
    kinds = {name: found[kind] for name, kind in KINDS.items()}
    patients = len({example.patient for example in examples})
    return {"split": split, **labels, **kinds, "patients": patients}


def _pictures(examples: Sequence[Example]) -> dict[str, Any]:
    """Sizes, mean image and histograms: all that takes the decoded films."""
    sizes: list[tuple[int, int]] = []  # (width, height) of each film
    sums = {label: np.zeros((MEAN_PX, MEAN_PX)) for label in CLASSES}
    bright: dict[int, list[float]] = {label: [] for label in CLASSES}
    contrast: dict[int, list[float]] = {label: [] for label in CLASSES}
    for example in track(examples, "Looking at the data set", console=Console(stderr=True)):
        film = xray.read(example.path.read_bytes(), example.path.name).display()
        sizes.append((film.shape[1], film.shape[0]))
        sums[example.label] += preprocessing.resize(film, MEAN_PX)
        bright[example.label].append(float(film.mean()))
        contrast[example.label].append(float(film.std()))
    return {
        "image_sizes": _sizes(Counter(sizes)),
        # For figures by size; where all are the same there is nothing to tell.
        "file_sizes": _file_sizes(examples, sizes) if len(set(sizes)) > 1 else {},
        "mean_image": {
            name: np.rint(sums[label] / max(len(bright[label]), 1)).astype(int).tolist()
            for label, name in CLASSES.items()
        },
        "brightness": _histograms(bright, BRIGHTNESS_EDGES),
        "contrast": _histograms(contrast, CONTRAST_EDGES),
    }


def _file_sizes(
    examples: Sequence[Example], sizes: Sequence[tuple[int, int]]
) -> dict[str, list[int]]:
    return {example.path.name: list(size) for example, size in zip(examples, sizes, strict=True)}


def _sizes(sizes: Counter[tuple[int, int]]) -> list[dict[str, Any]]:
    """The most frequent first; how many are left in one line, "other"."""
    rows = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    told: list[dict[str, Any]] = [
        {"width": width, "height": height, "count": count}
        for (width, height), count in rows[:MAX_SIZES]
    ]
    if other := sum(count for _, count in rows[MAX_SIZES:]):
        told.append({"other": other})
    return told


def _histograms(values: Mapping[int, Sequence[float]], edges: np.ndarray) -> dict[str, Any]:
    counts = {
        name: np.histogram(values[label], edges)[0].tolist() for label, name in CLASSES.items()
    }
    return {"edges": edges.tolist(), **counts}


def duplicates(splits: Splits) -> dict[str, int]:
    """Groups of files with the same bytes, files in them, groups over several splits or labels."""
    groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for split, examples in splits.items():
        for example in examples:
            groups[example.sha256].append((split, example.label))
    twins = [group for group in groups.values() if len(group) > 1]
    return {
        "groups": len(twins),
        "images": sum(len(group) for group in twins),
        "across_splits": sum(len({split for split, _ in group}) > 1 for group in twins),
        "across_labels": sum(len({label for _, label in group}) > 1 for group in twins),
    }


def patients_across_splits(splits: Splits) -> int:
    """Patient keys that occur in more than one split. Splits may number their children anew."""
    seen = Counter(
        key for examples in splits.values() for key in {example.patient for example in examples}
    )
    return sum(count > 1 for count in seen.values())
