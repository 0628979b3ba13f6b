"""A trained network -> a bundle: calibrated, with operating points, weights and card on disk.

Runs under every Keras back end, because the GPU host that trains may have no TensorFlow.
"""

import hashlib
import json
import shutil
import zipfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model import metrics, preprocessing
from model.bundle import PARTS, Bundle, Evaluation, open_bundle, sha256_of, write_card
from model.errors import DataError
from model.files import write_whole
from model.nn import gate, lungs, network
from model.nn.batches import Batches
from model.nn.dataset import Example, data_hash, divide, load_greys, load_others
from model.nn.run_log import CHECKPOINTS, HALVED, disk_has_room
from model.nn.start import validated_on
from model.nn.trained import Trained, labels_of, load_films, measure
from model.operating_points import operating_points
from model.prediction import OperatingPoint
from model.versions import champion

WEIGHTS = "model.keras"
# A verdict of pneumonia gets a heatmap of full range in all but this share of validation films.
FLOOR_QUANTILE = 0.05
SMALLEST_FLOOR = 1e-6


def release(trained: Trained, out: Path, run_dir: Path | None = None) -> Bundle:
    """Writes the bundle of `trained` into `out` and opens it again, which checks it.

    `run_dir`, `out/run` unless given, holds what the run wrote about itself; its checkpoints go.
    The lung segmenter is the served one's. The card comes last: a folder without it is no bundle.
    Raises TrainingError when the disk is full; the run can be started and released again.
    """
    run_dir = run_dir or out / "run"
    with disk_has_room():
        save_network(trained.network, out / WEIGHTS)
        if trained.gate:
            _copy_lungs(champion.served(), out)
        bundle = _write(trained, out, _history(run_dir))
    shutil.rmtree(run_dir / CHECKPOINTS, ignore_errors=True)
    return bundle


def _copy_lungs(served: Path, out: Path) -> None:
    """Raises BundleError unless the served segmenter is whole."""
    lungs.check(served)
    for name in (lungs.WEIGHTS, lungs.CARD):
        write_whole(out / name, partial(shutil.copyfile, served / name))


def recalibrate(bundle: Bundle, data: Path, others: Path | None = None) -> Bundle:
    """Fits temperature, operating points and gate of `bundle` anew, on the data of its training.

    The weights stay. Evaluations of other splits are dropped: they were of another version.
    others: a folder of chest X-rays of other hospitals that the gate is not to refuse; they need
    no label. Interrupted, it leaves the bundle as it was; killed in the moment between gate and
    card, one that does not check until this is started again. Raises DataError unless `data` is
    what it was trained on, XRayError for a file in `others` that cannot be read.
    """
    told = bundle.training["recipe"]
    fold = bundle.evaluations["validation"].patients  # maybe that of the bundle it started from
    drawn = divide(data, told.get("protocol", "official"), told["folds"], told["seed"])
    split = validated_on(drawn, fold)
    if data_hash([*split.training, *split.validation]) != bundle.training["data_sha256"]:
        raise DataError(
            f"the X-rays that {bundle.model_version} was trained on",
            f"other X-rays in {data.name}",
            "Give the data set of its training, unchanged.",
        )
    plain = keras.saving.load_model(bundle.weights, compile=False)
    films = load_films(split, told["seed"])
    trained = measure(plain, split, films, load_others(others) if others else ())
    return _write(trained, bundle.folder, dict(bundle.training))


def _write(trained: Trained, folder: Path, training: dict[str, Any]) -> Bundle:
    """The gate and the card for the weights in `folder`, calibrated on the validation fold.

    Two files cannot be replaced at once: both are, one right after the other, when all is known.
    """
    labels = labels_of(trained.validation)
    described = f"validation fold ({len(labels)} X-rays, patients apart)"
    changed = f"{described[:-1]}, each under a change that hospitals make)"
    # The fold as it is is too easy: thresholds chosen on it do not carry over to other films.
    both, all_labels = np.append(trained.logits, trained.changed_logits), np.tile(labels, 2)
    temperature = metrics.fit_temperature(both, all_labels)
    points = operating_points(
        all_labels,
        metrics.calibrate(both, temperature),
        f"{described[:-1]}, as they are and each under a change that hospitals make)",
    )
    heat_floor = _heat_floor(trained, temperature, points)
    if trained.gate:
        trained.gate.save(folder / gate.FILE)
    now = datetime.now(UTC)
    bundle = Bundle(
        folder=folder,
        model_version=f"{trained.network.name}-{now:%Y%m%d}-{_digest(folder, temperature, points)}",
        network=trained.network.name,
        weights_file=WEIGHTS,
        input_px=trained.network.input_shape[1],
        preprocessing=preprocessing.GREY_STANDARDISE_2,
        temperature=temperature,
        heat_floor=heat_floor,
        operating_points=tuple(points),
        evaluations={
            "validation": as_evaluation(described, trained.validation, trained.logits),
            "changed": as_evaluation(changed, trained.validation, trained.changed_logits),
        },
        training=training
        | {
            "num_parameters": trained.network.count_params(),
            "released": now.isoformat(timespec="seconds"),
        },
    )
    write_card(bundle)
    return open_bundle(folder)


def _digest(folder: Path, temperature: float, points: list[OperatingPoint]) -> str:
    """Tells versions apart that differ in what they say: files, preprocessing, calibration."""
    thresholds = [(point.name, point.threshold) for point in points]
    files = [sha256_of(folder / name) for name in (WEIGHTS, *PARTS) if (folder / name).exists()]
    said = (files, preprocessing.GREY_STANDARDISE_2, temperature, thresholds)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:8]


def as_evaluation(description: str, examples: list[Example], logits: np.ndarray) -> Evaluation:
    """Examples and their logits (N,) as they stand in the bundle."""
    return Evaluation(
        description=description,
        files=tuple(example.path.name for example in examples),
        labels=labels_of(examples),
        logits=logits,
        patients=tuple(example.patient for example in examples),
    )


def save_network(model: keras.Model, path: Path) -> None:
    """Saves a .keras file, compressed: weights rounded to bfloat16 shrink to less than half.

    Level 3 takes a quarter of the time of zlib's 6 and gives a file 4 % larger.
    """

    def write(temporary: Path) -> None:
        plain = temporary.with_name(f"{temporary.stem}-plain.keras")
        try:
            model.save(plain)
            with (
                zipfile.ZipFile(plain) as source,
                zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as packed,
            ):
                for name in source.namelist():
                    packed.writestr(name, source.read(name))
        finally:
            plain.unlink(missing_ok=True)

    write_whole(path, write)


def _heat_floor(trained: Trained, temperature: float, points: list[OperatingPoint]) -> float:
    """Evidence below which a heatmap is not stretched to full range (`gradcam.heatmap`).

    Only VGG16 ends in pooling and one unit; the other networks are for comparison and their
    heatmaps are always stretched.
    """
    if trained.network.name != "vgg16":
        return SMALLEST_FLOOR
    threshold = next(point.threshold for point in points if point.name == "default")
    probabilities = metrics.calibrate(trained.logits, temperature)
    positive = [
        example
        for example, probability in zip(trained.validation, probabilities, strict=True)
        if probability >= threshold
    ]
    if not positive:
        return 1.0
    strongest = _class_activation(trained.network, positive).max(axis=(1, 2))
    return max(float(np.quantile(strongest, FLOOR_QUANTILE)), SMALLEST_FLOOR)


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
        **{key: run[key] for key in (HALVED,) if key in run},
    }
