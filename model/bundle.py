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
from model.language import _
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
        raise BundleError(
            _("an operating point among {names}", names=names), name, _("Choose one of them.")
        )

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
        raise _refuse(
            _("preprocessing that this code knows ({known})", known=known), bundle.preprocessing
        )
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
        raise _refuse(
            _("{file} in the folder", file=path.name), _("none that can be read")
        ) from None
    except ValueError:
        raise _refuse(_("a readable {file}", file=path.name), _("damaged JSON")) from None
    try:
        return _parse(path.parent, card)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise _refuse(
            _("a complete {file}", file=path.name),
            _("a card that lacks or garbles {what}", what=error),
        ) from None


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
        _(
            "This model version gives no verdict: restore its folder from the repository or a "
            "backup, or run `python -m model train`."
        ),
    )


def _parse(folder: Path, card: Mapping[str, Any]) -> Bundle:
    if card["format"] != FORMAT:
        raise _refuse(
            _("a bundle of format {format}", format=FORMAT),
            _("format {format}", format=card["format"]),
        )
    if card["network"] not in NETWORKS:
        names = ", ".join(NETWORKS)
        raise _refuse(_("a network among {names}", names=names), card["network"])
    temperature, heat_floor = float(card["temperature"]), float(card["heat_floor"])
    if not (0 < temperature < np.inf and 0 < heat_floor < np.inf):
        raise _refuse(_("a positive temperature and heat_floor"), f"{temperature}, {heat_floor}")
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
        raise _refuse(_("a card that names {file}", file=path.name), _("a card that does not"))
    if not path.is_file():
        raise _refuse(_("{file} beside the card", file=path.name), _("no such file"))
    if sha256_of(path) != sha256:
        expected = _(
            "{file} with the SHA-256 {hash}... of the card", file=path.name, hash=sha256[:12]
        )
        raise _refuse(expected, _("another file"))


def _check_weights(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise _refuse(_("the weights {file}", file=path.name), _("no such file"))
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise BundleError(
                _("the weights {file}", file=path.name),
                _("a Git-LFS pointer to them"),
                _("Run `git lfs pull` in the repository."),
            )
    if sha256_of(path) != sha256:
        raise _refuse(
            _("weights with the SHA-256 {hash}... of the card", hash=sha256[:12]),
            _("a file of {size:,} bytes with another", size=path.stat().st_size),
        )
