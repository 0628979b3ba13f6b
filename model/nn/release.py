"""A trained network -> a bundle: calibrated, with operating points, weights and card on disk.

Runs under every Keras back end, because the GPU host that trains may have no TensorFlow.
"""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model import metrics, preprocessing
from model.bundle import Bundle, Evaluation, open_bundle, sha256_of, write_card
from model.files import write_whole
from model.nn import network
from model.nn.dataset import Batches, Example, load_greys
from model.nn.train import Trained
from model.prediction import OperatingPoint

WEIGHTS = "model.keras"
# A verdict of pneumonia gets a heatmap of full range in all but this share of validation films.
FLOOR_QUANTILE = 0.05


def release(trained: Trained, out: Path) -> Bundle:
    """Writes the bundle of `trained` into `out` and opens it again, which checks it.

    `out/run` holds what the run wrote about itself. The card is written last: a folder without it
    is no bundle.
    """
    labels = np.array([example.label for example in trained.validation])
    temperature = metrics.fit_temperature(trained.logits, labels)
    probabilities = metrics.calibrate(trained.logits, temperature)
    described = f"validation fold of the training split ({len(labels)} X-rays, patients apart)"
    points = metrics.operating_points(labels, probabilities, described)
    _save_network(trained.network, out / WEIGHTS)
    now = datetime.now(UTC)
    bundle = Bundle(
        folder=out,
        model_version=f"{trained.network.name}-{now:%Y%m%d}-{sha256_of(out / WEIGHTS)[:8]}",
        network=trained.network.name,
        weights_file=WEIGHTS,
        input_px=trained.network.input_shape[1],
        preprocessing=preprocessing.GREY_STANDARDISE_1,
        temperature=temperature,
        heat_floor=_heat_floor(trained, probabilities, points),
        operating_points=tuple(points),
        evaluations={"validation": as_evaluation(described, trained.validation, trained.logits)},
        training=_history(out / "run") | {"released": now.isoformat(timespec="seconds")},
    )
    write_card(bundle)
    return open_bundle(out)


def as_evaluation(description: str, examples: list[Example], logits: np.ndarray) -> Evaluation:
    """Examples and their logits (N,) as they stand in the bundle."""
    return Evaluation(
        description=description,
        files=tuple(example.path.name for example in examples),
        labels=np.array([example.label for example in examples]),
        logits=logits,
        patients=tuple(example.patient for example in examples),
    )


def _save_network(model: keras.Model, path: Path) -> None:
    """Saves a .keras file, compressed: weights rounded to bfloat16 shrink to less than half."""

    def write(temporary: Path) -> None:
        plain = temporary.with_name(f"{temporary.stem}-plain.keras")
        try:
            model.save(plain)
            with (
                zipfile.ZipFile(plain) as source,
                zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed,
            ):
                for name in source.namelist():
                    packed.writestr(name, source.read(name))
        finally:
            plain.unlink(missing_ok=True)

    write_whole(path, write)


def _heat_floor(trained: Trained, probabilities: np.ndarray, points: list[OperatingPoint]) -> float:
    """Evidence below which a heatmap is not stretched to full range (`gradcam.heatmap`)."""
    threshold = next(point.threshold for point in points if point.name == "default")
    positive = [
        example
        for example, probability in zip(trained.validation, probabilities, strict=True)
        if probability >= threshold
    ]
    if not positive:
        return 1.0
    strongest = _class_activation(trained.network, positive).max(axis=(1, 2))
    return max(float(np.quantile(strongest, FLOOR_QUANTILE)), 1e-6)


def _class_activation(model: keras.Model, examples: list[Example]) -> np.ndarray:
    """Evidence maps (N, h, w) without a gradient, for any back end.

    Behind global average pooling and one linear unit Grad-CAM equals the class activation map
    (Selvaraju 2017, section 3.1; Zhou 2016, arXiv:1512.04150) over the number of positions.
    """
    extractor = keras.Model(model.input, model.get_layer(network.LAST_CONV).output)
    batches = Batches(load_greys(examples), np.zeros(len(examples)), model.input_shape[1], 32)
    features = extractor.predict(batches, verbose=0)  # (N, h, w, C)
    kernel = model.get_layer("logit").get_weights()[0][:, 0]  # (C,)
    return np.maximum(features @ kernel, 0) / (features.shape[1] * features.shape[2])


def _history(run_dir: Path) -> dict[str, Any]:
    """What the run wrote: recipe, hash and size of its data, one line of curves an epoch."""
    run = json.loads((run_dir / "run.json").read_text())
    curves = (run_dir / "curves.jsonl").read_text().splitlines()
    return {
        "recipe": run["recipe"],
        "backend": run["backend"],
        "data_sha256": run["data_sha256"],
        "num_training": len(run["training"]),
        "num_validation": len(run["validation"]),
        "curves": [json.loads(line) for line in curves],
    }
