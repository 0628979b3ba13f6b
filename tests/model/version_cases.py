"""Made-up model versions, with all files that commands write beside a card, for tests."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model import preprocessing
from model.bundle import CARD, PARTS, Bundle, Evaluation, open_bundle, write_card
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
    """A bundle with card, made-up weights and parts; `changes` are fields of `Bundle`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.keras", *PARTS):
        (folder / name).write_bytes(b"made up, of no use")
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


def about(bundle: Bundle, **told: Any) -> dict[str, Any]:
    """What every measured file begins with, and what it says."""
    head = {"format": 1, "model_version": bundle.model_version, "split": "test"}
    return head | {"description": "test split (60 X-rays)", "num_xrays": 60} | told


def estimate(value: float, half_width: float = 0.02) -> dict[str, float]:
    """An estimate as the files have it."""
    return {"value": value, "low": value - half_width, "high": value + half_width}


def write_shortcuts(
    bundle: Bundle, only: float = 0.975, removed: float = 0.71, ratio: float = 2.1, **changes: Any
) -> None:
    """AUROC of the worst variant without lungs is `removed`; heat in eight films."""
    variants = [
        ("as_is", "As it is", "whole", 0.985),
        ("lungs_only_grey", "Lungs only, grey around", "lungs_only", only),
        ("lungs_only_black", "Lungs only, black around", "lungs_only", only - 0.05),
        ("lungs_black", "Lungs black", "lungs_removed", removed - 0.1),
        ("lungs_blurred", "Lungs blurred", "lungs_removed", removed),
    ]
    told = about(
        bundle,
        variants=[
            {"name": name, "title": title, "kind": kind, "auroc": estimate(auroc, 0.01)}
            for name, title, kind, auroc in variants
        ],
        lungs_only_auroc=only,
        lungs_removed_auroc=removed,
        heat={
            "num_xrays": 8,
            "share": estimate(0.25 * ratio),
            "area": 0.25,
            "ratio": estimate(ratio, 0.15),
            "shares": [round(0.25 * ratio + 0.02 * i, 3) for i in range(-4, 4)],
            "areas": [0.2, 0.22, 0.24, 0.25, 0.25, 0.26, 0.28, 0.3],
        },
    )
    write_json(bundle.folder / "shortcuts.json", told | changes)


def write_heatmaps(
    bundle: Bundle, deletion: float = 0.2, p: float = 1e-6, passes: bool = True, **changes: Any
) -> None:
    """Grad-CAM of this area under the deletion curve, against .5 at random; three samples."""
    fractions = [i / 20 for i in range(21)]

    def faded(auc: float, falls: bool) -> dict[str, Any]:
        power = (1 - auc) / auc if falls else auc / (1 - auc)
        curve = [(1 - x) ** power if falls else 1 - (1 - x) ** power for x in fractions]
        return {"curve": [round(0.95 * y, 4) for y in curve], "auc": estimate(auc)}

    rows = [
        ("grad_cam", "Grad-CAM", True, deletion, 0.8, ("random", "gaussian")),
        ("random", "Random map", False, 0.5, 0.5, ()),
        ("gaussian", "Centred Gaussian", False, 0.42, 0.6, ()),
    ]
    told = about(
        bundle,
        fractions=fractions,
        maps=[
            {
                "name": name,
                "title": title,
                "is_offered": is_offered,
                "deletion": faded(falling, True),
                "insertion": faded(rising, False),
                "against": [{"name": r, "deletion_p": p, "insertion_p": p} for r in rivals],
            }
            for name, title, is_offered, falling, rising, rivals in rows
        ],
        randomisation={
            "layers": ["logit", "block5_conv3", "block4_conv3", "block1_conv1"],
            "similarity": [0.8, 0.5, 0.2, 0.1 if passes else 0.7],
            "random_pairs": 0.35,
            "passes": passes,
        },
        samples=[
            {"name": "left.png", "expected": "left", "centre": [0.31, 0.55], "is_right": True},
            {"name": "right.png", "expected": "right", "centre": [0.7, 0.5], "is_right": True},
            {"name": "none.png", "expected": "left", "centre": None, "is_right": False},
        ],
    )
    write_json(bundle.folder / "heatmaps.json", told | changes)


def write_gate(bundle: Bundle, lost: int = 0, passed: int = 0, **changes: Any) -> None:
    """Of 60 X-rays `lost` are refused, of 40 noise images `passed` are accepted."""
    groups = [
        ("test", "Test split", True, [60 - lost, 0, lost]),
        ("turned_90", "Turned by 90 degrees", False, [0, 1, 59]),
        ("noise", "Noise", False, [passed, 0, 40 - passed]),
    ]
    told = about(
        bundle,
        groups=[
            {"name": name, "title": title, "is_chest": is_chest, "num_images": sum(counts)}
            | dict(zip(("accepted", "unusual", "refused"), counts, strict=True))
            for name, title, is_chest, counts in groups
        ],
        unusual_from=1.0,
        refused_from=2.0,
        histogram={
            "edges": [0, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4],
            "split": [8, 40, 12, 0, 0, 0, 0, 0],
            "others": [0, 0, 0, 1, 9, 30, 50, 10],
        },
    )
    write_json(bundle.folder / "gate.json", told | changes)


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
    write_shortcuts(bundle)
    write_heatmaps(bundle)
    write_gate(bundle)
    return bundle


def read_json(path: Path) -> dict[str, Any]:
    """What a file says."""
    return json.loads(path.read_text())


def change_json(path: Path, **changes: Any) -> None:
    """Other values for some keys of a file."""
    write_json(path, read_json(path) | changes)
