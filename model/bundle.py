"""A model version on disk: one folder with `bundle.json` and the weights that it names.

bundle.json holds all that a reading needs beside the weights: input size, preprocessing,
temperature, operating points, and label and logit of every image of the evaluation splits, so
that a threshold can be judged without a forward pass and without the data set. Whatever does not
check is refused with BundleError: no verdict from a bundle that is damaged or of another kind.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model import preprocessing
from model.errors import BundleError, ConfigError
from model.files import write_json
from model.metrics import calibrate
from model.prediction import OperatingPoint

FORMAT = 1
CARD = "bundle.json"
# Beside the weights of the served network: the lung segmenter and the statistics of the gate.
PARTS = ("lungs.keras", "lungs.json", "gate.npz")
NETWORKS = ("vgg16", "vgg16_frozen", "cnn_150", "cnn", "dense", "mlp")
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the network says on one split, in the order of the file names.

    labels (N,) 0/1, logits (N,) float32 before calibration, patients (N,) coarse keys.
    """

    description: str
    files: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    patients: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked model version.

    parts: SHA-256 of the files beside the weights that readings need, see PARTS.
    training: what the run wrote about itself.
    weights_sha256: of the weights, as the card says; "" before a card is written.
    """

    folder: Path
    model_version: str
    network: str
    weights_file: str
    input_px: int
    preprocessing: str
    temperature: float
    heat_floor: float
    operating_points: tuple[OperatingPoint, ...]
    evaluations: Mapping[str, Evaluation]
    training: Mapping[str, Any]
    parts: Mapping[str, str] = field(default_factory=dict)
    weights_sha256: str = ""

    @property
    def weights(self) -> Path:
        """The Keras file."""
        return self.folder / self.weights_file

    def operating_point(self, name: str = "default") -> OperatingPoint:
        """The named operating point. Raises BundleError when the bundle has none of that name."""
        for point in self.operating_points:
            if point.name == name:
                return point
        names = ", ".join(point.name for point in self.operating_points)
        raise BundleError(f"an operating point among {names}", name, "Choose one of them.")

    def probabilities(self, split: str) -> np.ndarray:
        """(N,) calibrated probabilities of an evaluation split."""
        return calibrate(self.evaluations[split].logits, self.temperature)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_bundle(folder: Path, is_outdated: bool = False) -> Bundle:
    """Reads and checks a bundle. Raises BundleError; never imports Keras.

    is_outdated: its preprocessing and its parts do not matter, because only its weights are used,
    as a start or to calibrate them anew.
    """
    bundle = read_card(folder / CARD)
    _check_weights(bundle.weights, bundle.weights_sha256)
    if is_outdated:
        return bundle
    if bundle.preprocessing not in preprocessing.KNOWN:
        known = ", ".join(preprocessing.KNOWN)
        raise _refuse(f"preprocessing that this code knows ({known})", bundle.preprocessing)
    # The other networks are for comparison: they have no gate.
    wanted = PARTS if bundle.network == "vgg16" else ()
    for name in {*wanted, *bundle.parts}:
        _check_part(folder / name, bundle.parts.get(name))
    return bundle


def read_card(path: Path) -> Bundle:
    """A card alone, whose weights need not be there: for figures, never for a verdict.

    Raises BundleError.
    """
    try:
        card = json.loads(path.read_text())
    except OSError:
        raise _refuse(f"{path.name} in the folder", "none that can be read") from None
    except ValueError:
        raise _refuse(f"a readable {path.name}", "damaged JSON") from None
    try:
        return _parse(path.parent, card)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise _refuse(f"a complete {path.name}", f"a card that lacks or garbles {error}") from None


def write_card(bundle: Bundle) -> None:
    """Writes `bundle.json` for the weights that already lie in the folder, whole or not at all."""
    weights = {
        "file": bundle.weights_file,
        "sha256": sha256_of(bundle.weights),
        "num_bytes": bundle.weights.stat().st_size,
    }
    evaluations = {
        name: {
            "description": evaluation.description,
            "files": evaluation.files,
            "labels": evaluation.labels.astype(int).tolist(),
            "logits": [round(float(logit), 4) for logit in evaluation.logits],
            "patients": evaluation.patients,
        }
        for name, evaluation in bundle.evaluations.items()
    }
    card = {
        "format": FORMAT,
        "model_version": bundle.model_version,
        "network": bundle.network,
        "weights": weights,
        "input_px": bundle.input_px,
        "preprocessing": bundle.preprocessing,
        "temperature": bundle.temperature,
        "heat_floor": bundle.heat_floor,
        "parts": {
            name: sha256_of(bundle.folder / name)
            for name in PARTS
            if (bundle.folder / name).is_file()
        },
        "operating_points": [asdict(point) for point in bundle.operating_points],
        "training": bundle.training,
        "evaluations": evaluations,
    }
    write_json(bundle.folder / CARD, card)


def _refuse(expected: str, received: str) -> BundleError:
    return BundleError(
        expected,
        received,
        "This model version gives no verdict: restore its folder from the repository or a backup, "
        "or run `python -m model train`.",
    )


def _parse(folder: Path, card: Mapping[str, Any]) -> Bundle:
    if card["format"] != FORMAT:
        raise _refuse(f"a bundle of format {FORMAT}", f"format {card['format']}")
    if card["network"] not in NETWORKS:
        raise _refuse(f"a network among {', '.join(NETWORKS)}", card["network"])
    temperature, heat_floor = float(card["temperature"]), float(card["heat_floor"])
    if not (0 < temperature < np.inf and 0 < heat_floor < np.inf):
        raise _refuse("a positive temperature and heat_floor", f"{temperature}, {heat_floor}")
    return Bundle(
        folder=folder,
        model_version=str(card["model_version"]),
        network=card["network"],
        weights_file=Path(card["weights"]["file"]).name,
        input_px=int(card["input_px"]),
        preprocessing=card["preprocessing"],
        temperature=temperature,
        heat_floor=heat_floor,
        operating_points=tuple(OperatingPoint(**point) for point in card["operating_points"]),
        evaluations={name: _evaluation(value) for name, value in card["evaluations"].items()},
        training=dict(card["training"]),
        parts={Path(name).name: str(sha256) for name, sha256 in card.get("parts", {}).items()},
        weights_sha256=str(card["weights"]["sha256"]),
    )


def _evaluation(value: Mapping[str, Any]) -> Evaluation:
    evaluation = Evaluation(
        description=value["description"],
        files=tuple(value["files"]),
        labels=np.array(value["labels"], int),
        logits=np.array(value["logits"], np.float32),
        patients=tuple(value["patients"]),
    )
    lengths = {len(evaluation.files), len(evaluation.labels), len(evaluation.logits)}
    if lengths != {len(evaluation.patients)} or not np.isfinite(evaluation.logits).all():
        raise ValueError("evaluations")
    return evaluation


def _check_part(path: Path, sha256: str | None) -> None:
    if sha256 is None:
        raise _refuse(f"a card that names {path.name}", "a card that does not")
    if not path.is_file():
        raise _refuse(f"{path.name} beside the card", "no such file")
    if sha256_of(path) != sha256:
        raise _refuse(f"{path.name} with the SHA-256 {sha256[:12]}... of the card", "another file")


def _check_weights(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise _refuse(f"the weights {path.name}", "no such file")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise BundleError(
                f"the weights {path.name}",
                "a Git-LFS pointer to them",
                "Run `git lfs pull` in the repository.",
            )
    if sha256_of(path) != sha256:
        raise _refuse(
            f"weights with the SHA-256 {sha256[:12]}... of the card",
            f"a file of {path.stat().st_size:,} bytes with another",
        )
