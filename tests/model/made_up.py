"""A bundle folder with all the files that a report and the notebook are made from, no network.

The probabilities are drawn, the weights are six bytes: enough for everything that is computed from
files.
"""

import json
from pathlib import Path

import numpy as np

from model import preprocessing
from model.bundle import CARD, FORMAT, Bundle, Evaluation, open_bundle, write_card
from model.nn.changes import CHANGES
from model.prediction import OperatingPoint

VERSION = "vgg16-20200101-00000000"
NETWORKS = {"mlp": 1.2, "cnn": 2.0, "cnn_150": 2.4, "grouped": 3.0, "ungrouped": 3.6}


def made_up_bundle(folder: Path, num_images: int = 80, seed: int = 0) -> Bundle:
    """Writes card, comparison, robustness.json and dataset.json into `folder`, and opens it."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").write_bytes(b"no net")
    bundle = _bundle(folder, "vgg16", 3.2, num_images, rng)
    _write_comparison(bundle, num_images, rng)
    _write_robustness(bundle, rng)
    _write_dataset(bundle)
    return bundle


def evaluation(split: str, separation: float, num_images: int, rng: np.random.Generator):
    """Half of the X-rays with pneumonia, two of each patient; larger separation, fewer errors."""
    half = num_images // 2
    labels = np.repeat([0, 1], half)
    logits = rng.normal((labels - 0.4) * 2 * separation, 2.0)
    kinds = ("bacteria", "virus")
    files = [f"IM-{i // 2:04}-{i:04}.jpeg" for i in range(half)]
    files += [f"person{i // 2}_{kinds[i // 2 % 2]}_{i}.jpeg" for i in range(half)]
    patients = [f"normal{i // 2}" for i in range(half)] + [f"person{i // 2}" for i in range(half)]
    description = f"{split} split ({2 * half} X-rays)"
    return Evaluation(description, tuple(files), labels, logits.astype(np.float32), tuple(patients))


def _bundle(
    folder: Path, network: str, separation: float, num_images: int, rng: np.random.Generator
) -> Bundle:
    found = {
        "validation": evaluation("validation", separation + 0.6, num_images, rng),
        "changed": evaluation("validation", separation - 0.2, num_images, rng),
        "test": evaluation("test", separation, num_images, rng),
    }
    points = [
        ("screening", 0.15, "highest threshold with sensitivity of at least 99 %"),
        ("default", 0.45, "highest threshold with sensitivity of at least 95 %"),
        ("balanced", 0.55, "largest sum of sensitivity and specificity (Youden's J)"),
        ("rule-in", 0.75, "lowest threshold with specificity of at least 95 %"),
    ]
    training = {
        "recipe": {"network": network},
        "backend": "tensorflow",
        "data_sha256": "0123456789abcdef" * 4,
        "num_training": 400,
        "num_validation": num_images,
        "num_parameters": int(1e5 * separation**3),
        "curves": [_epoch(i, separation) for i in range(6)],
        "released": "2020-01-01T00:00:00+00:00",
    }
    bundle = Bundle(
        folder=folder,
        model_version=VERSION,
        network=network,
        weights_file="model.keras",
        input_px=128,
        preprocessing=preprocessing.KNOWN[-1],
        temperature=1.4,
        heat_floor=0.1,
        operating_points=tuple(OperatingPoint(n, t, "validation fold", r) for n, t, r in points),
        evaluations=found,
        training=training,
    )
    write_card(bundle)
    return open_bundle(folder)


def _epoch(number: int, separation: float) -> dict[str, float]:
    loss, right = 0.6 * 0.8**number, 1 - 0.4 * 0.8**number / separation
    return {
        "stage": 0, "epoch": number, "size_px": 128, "seconds": 1.0,
        "loss": loss, "accuracy": right,
        "validation_loss": loss + 0.05, "validation_accuracy": right - 0.02,
        "validation_auroc": right, "changed_loss": loss + 0.1, "changed_accuracy": right - 0.04,
        "changed_auroc": right - 0.02,
    }  # fmt: skip


def _write_comparison(bundle: Bundle, num_images: int, rng: np.random.Generator) -> None:
    kept = bundle.folder / "comparison"
    kept.mkdir(exist_ok=True)
    card = (bundle.folder / CARD).read_bytes()
    for name, separation in NETWORKS.items():
        network = name if name in ("mlp", "cnn", "cnn_150") else "vgg16"
        _bundle(bundle.folder, network, separation, num_images, rng)
        (bundle.folder / CARD).replace(kept / f"{name}.json")
    (bundle.folder / CARD).write_bytes(card)
    missing = {"format": FORMAT, "name": "vgg16_frozen", "missing": "No ImageNet weights here."}
    (kept / "vgg16_frozen.json").write_text(json.dumps(missing))


def _write_robustness(bundle: Bundle, rng: np.random.Generator) -> None:
    test = bundle.evaluations["test"]
    changes = []
    for place, (name, (title, _)) in enumerate(CHANGES.items()):
        shift = 0.0 if name == "none" else rng.normal(0.4, 0.8)
        logits: list[float | None] = [round(float(z) + shift, 4) for z in test.logits]
        if name == "contrast-double":
            logits = [None if i % 9 == 0 else z + 3 for i, z in enumerate(logits)]  # type: ignore
        changes.append({"name": name, "title": title, "logits": logits, "place": place})
    told = {
        "format": 1,
        "model_version": bundle.model_version,
        "split": "test",
        "description": test.description,
        "files": list(test.files),
        "labels": test.labels.tolist(),
        "patients": list(test.patients),
        "changes": changes,
    }
    (bundle.folder / "robustness.json").write_text(json.dumps(told))


def _write_dataset(bundle: Bundle) -> None:
    row = {"normal": 100, "pneumonia": 300, "bacterial": 200, "viral": 100, "patients": 180}
    image = np.linspace(20, 200, 64 * 64).reshape(64, 64).astype(int).tolist()
    counts = {
        "edges": [0, 64, 128, 192, 256],
        "normal": [5, 50, 40, 5],
        "pneumonia": [9, 90, 90, 9],
    }
    told = {
        "format": 1,
        "description": "made up",
        "data_sha256": bundle.training["data_sha256"],
        "splits": [{"split": "train"} | row, {"split": "test"} | row],
        "image_sizes": [{"width": 224, "height": 224, "count": 800}],
        "mean_image": {"normal": image, "pneumonia": image},
        "brightness": counts,
        "contrast": counts,
        "duplicates": {"groups": 3, "images": 6, "across_splits": 0, "across_labels": 0},
        "patients_across_splits": 0,
    }
    (bundle.folder / "dataset.json").write_text(json.dumps(told))
