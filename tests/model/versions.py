"""Made-up model versions, with all files that commands write beside a card, for tests."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model import preprocessing
from model.bundle import CARD, Bundle, Evaluation, open_bundle, write_card
from model.files import write_json
from model.prediction import OperatingPoint

VERSION = "vgg16-20200102-0123abcd"
CHANGES = {"none": "As it is", "darker": "Brightness - 20 %", "jpeg": "JPEG quality 20"}
POINTS = (
    OperatingPoint("screening", 0.1, "a fold of 40 X-rays", "finds 99 %"),
    OperatingPoint("default", 0.4, "a fold of 40 X-rays", "finds 95 %"),
    OperatingPoint("balanced", 0.5, "a fold of 40 X-rays", "largest sum"),
    OperatingPoint("rule-in", 0.8, "a fold of 40 X-rays", "clears 95 %"),
)


def evaluation(name: str, seed: int, num_images: int = 60, distance: float = 2.5) -> Evaluation:
    """Two thirds with pneumonia, half of it viral, two X-rays a child; logits `distance` apart."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(num_images) % 3 > 0).astype(int)
    files = []
    for i, label in enumerate(labels):
        kind = "virus" if (i // 2) % 2 else "bacteria"
        files.append(f"person{i // 2}_{kind}_{i}.jpeg" if label else f"IM-{i // 2:04}-{i:04}.jpeg")
    logits = rng.normal(0, 1.5, num_images) + distance * (labels - 0.5)
    patients = [f"{'person' if label else 'normal'}{i // 2}" for i, label in enumerate(labels)]
    return Evaluation(
        f"{name} ({num_images} X-rays)",
        tuple(files),
        labels,
        np.round(logits, 3).astype(np.float32),
        tuple(patients),
    )


def epochs(count: int = 3) -> list[dict[str, Any]]:
    """Curves as `train` writes them."""
    return [
        {
            "stage": 0,
            "epoch": epoch,
            "size_px": 64,
            "loss": 0.6 / (epoch + 1),
            "accuracy": 0.8 + 0.05 * epoch,
            "validation_loss": 0.7 / (epoch + 1),
            "validation_accuracy": 0.75 + 0.05 * epoch,
            "validation_auroc": 0.9,
            "seconds": 1.0,
        }
        for epoch in range(count)
    ]


def write_version(folder: Path, **changes: Any) -> Bundle:
    """A bundle with card and made-up weights; `changes` are fields of `Bundle`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").write_bytes(b"no network")
    plain = Bundle(
        folder=folder,
        model_version=VERSION,
        network="vgg16",
        weights_file="model.keras",
        input_px=64,
        preprocessing=list(preprocessing.KNOWN)[-1],
        temperature=0.5,
        heat_floor=0.2,
        operating_points=POINTS,
        evaluations={
            "validation": evaluation("validation fold", 1),
            "changed": evaluation("validation fold, changed", 2, distance=1.5),
            "test": evaluation("test split", 3),
        },
        training={
            "data_sha256": "0123456789abcdef" * 4,
            "num_training": 4694,
            "num_validation": 522,
            "num_parameters": 14_715_201,
            "curves": epochs(),
        },
    )
    write_card(replace(plain, **changes))
    return open_bundle(folder)


def write_compared(
    bundle: Bundle, name: str, num_parameters: int, distance: float = 1.5, **changes: Any
) -> None:
    """`comparison/NAME.json`, the card of a network that is better for a larger `distance`."""
    aside = bundle.folder / "aside"
    write_version(
        aside,
        model_version=f"{name}-1",
        network="mlp",
        evaluations={"test": evaluation("test split", num_parameters % 97, distance=distance)},
        training={"num_parameters": num_parameters, "curves": epochs(5)},
        **changes,
    )
    target = bundle.folder / "comparison" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    (aside / CARD).replace(target)


def write_missing(bundle: Bundle, name: str, why: str) -> None:
    """`comparison/NAME.json` of a network that could not be trained."""
    write_json(
        bundle.folder / "comparison" / f"{name}.json", {"format": 1, "name": name, "missing": why}
    )


def write_robustness(bundle: Bundle, **changes: Any) -> None:
    """Darker costs .5 of each logit of the ill; under JPEG the first two films are refused."""
    test = bundle.evaluations["test"]
    logits = {
        "none": test.logits.tolist(),
        "darker": (test.logits - 2 * test.labels).tolist(),
        "jpeg": [None, None, *test.logits[2:].tolist()],
    }
    told = {
        "format": 1,
        "model_version": bundle.model_version,
        "split": "test",
        "description": "test split under changes",
        "files": test.files,
        "labels": test.labels.tolist(),
        "patients": test.patients,
        "changes": [
            {"name": name, "title": title, "logits": logits[name]}
            for name, title in CHANGES.items()
        ],
    }
    write_json(bundle.folder / "robustness.json", told | changes)


def write_dataset(bundle: Bundle, **changes: Any) -> None:
    """Two splits of X-rays of one size."""
    grey = np.tile(np.arange(64) * 4, (64, 1))
    histogram = {"edges": [0, 100, 200, 255], "normal": [1, 2, 1], "pneumonia": [2, 5, 3]}
    told = {
        "format": 1,
        "description": "Chest X-rays, made up",
        "data_sha256": "0" * 64,
        "splits": [
            split_counts("train", normal=1341, bacterial=2530, viral=1345, patients=2790),
            split_counts("test", normal=234, bacterial=242, viral=148, patients=433),
        ],
        "image_sizes": [{"width": 224, "height": 224, "count": 5840}],
        "mean_image": {"normal": grey.tolist(), "pneumonia": grey[:, ::-1].tolist()},
        "brightness": histogram,
        "contrast": histogram,
        "duplicates": {"groups": 30, "images": 61, "across_splits": 0, "across_labels": 1},
        "patients_across_splits": 7,
    }
    write_json(bundle.folder / "dataset.json", told | changes)


def split_counts(
    split: str, normal: int, bacterial: int, viral: int, patients: int
) -> Mapping[str, Any]:
    """One entry of `splits`."""
    return {
        "split": split,
        "normal": normal,
        "pneumonia": bacterial + viral,
        "bacterial": bacterial,
        "viral": viral,
        "patients": patients,
    }


def write_all(folder: Path) -> Bundle:
    """A version with every file: two networks beside it, a pair of protocol 2, one missing."""
    bundle = write_version(folder)
    write_compared(bundle, "cnn", 1_200_000, 2.0)
    write_compared(bundle, "mlp", 300_000, 1.0)
    write_compared(bundle, "cnn_150_grouped", 1_000_000, 1.5)
    write_compared(bundle, "cnn_150_ungrouped", 1_000_000, 4.0)
    write_missing(bundle, "vgg16_frozen", "The ImageNet weights could not be fetched.")
    write_robustness(bundle)
    write_dataset(bundle)
    return bundle


def change_json(path: Path, **changes: Any) -> None:
    """Other values for some keys of a file."""
    write_json(path, json.loads(path.read_text()) | changes)
