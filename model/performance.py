"""How good is this model version, on whom, and when does it fail? Figures from files, no network.

Everything comes from the bundle's card and from files beside it that commands write:
`comparison/NAME.json` (`python -m model compare`) and those of `model.evaluated`. What is missing
gives an empty result or a row that says why. The page, the report and the notebook take their
figures from here.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from model import bundle as bundles
from model import metrics
from model.bundle import Bundle, Evaluation
from model.config import ROOT
from model.errors import PneumoscopeError
from model.evaluated import (
    DATASET,
    FILES,
    GATE,
    HEATMAPS,
    ROBUSTNESS,
    SHORTCUTS,
    Change,
    ChangeFigures,
    DataSet,
    dataset,
    gate,
    heatmaps,
    robustness,
    shortcuts,
    split_of,
    why_missing,
)
from model.language import N_
from model.metrics import Confusion, Estimate, Rate
from model.operating_points import operating_points
from model.prediction import OperatingPoint
from model.retraining.manifest import kind_of

__all__ = [
    "DATASET", "FILES", "GATE", "HEATMAPS", "ROBUSTNESS", "SHORTCUTS", "Calibration", "Change",
    "ChangeFigures", "Choice", "DataSet", "Row", "Subgroup", "calibration", "champion", "dataset",
    "gate", "heatmaps", "kind_of", "robustness", "rows", "shortcuts", "split_of", "subgroups",
    "threshold_choice", "why_missing",
]  # fmt: skip

SHIPPED = ROOT / "model" / "weights" / "comparison"
COMPARED = {
    "mlp": N_("Multilayer perceptron"),
    "dense": N_("Dense baseline, regularised"),
    "dense_128": N_("Dense baseline, 128 px"),
    "cnn": N_("CNN with augmentation"),
    "cnn_150": N_("Four-block CNN, 150 px"),
    "vgg16_frozen": N_("VGG16, frozen ImageNet features"),
    "default": N_("VGG16, before it learned to look at the lungs"),
    "cnn_150_grouped": N_("Four-block CNN, 150 px"),
    "cnn_150_ungrouped": N_("Four-block CNN, 150 px"),
    "grouped": N_("VGG16, short training"),
    "ungrouped": N_("VGG16, short training"),
}
KINDS = {
    "bacteria": N_("Bacterial pneumonia against all normal"),
    "virus": N_("Viral pneumonia against all normal"),
}
PROTOCOLS = ("official", "grouped", "ungrouped")
_UNSEEN = Rate(float("nan"), 0.0, 1.0, 0, 0)
_NOBODY = Confusion(0, 0, 0, 0)
_NO_ARRAY = np.empty(0)


@dataclass(frozen=True, eq=False)
class Row:
    """One network of the comparison at its own default operating point, on its test X-rays.

    missing: one sentence why there are no figures, else "". Precision is PPV, recall sensitivity.
    files, patients, labels and probabilities (N,): of its test X-rays. curves: one dict an epoch.
    """

    name: str
    title: str
    protocol: str
    is_champion: bool = False
    missing: str = ""
    num_parameters: int | None = None
    size_px: int = 0
    n: int = 0
    n_positive: int = 0
    threshold: float = float("nan")
    accuracy: Rate = _UNSEEN
    precision: Rate = _UNSEEN
    recall: Rate = _UNSEEN
    specificity: Rate = _UNSEEN
    npv: Rate = _UNSEEN
    f1: Estimate = metrics.UNKNOWN
    auroc: Estimate = metrics.UNKNOWN
    ece: float = float("nan")
    confusion: Confusion = _NOBODY
    files: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    labels: np.ndarray = field(default_factory=lambda: _NO_ARRAY)
    probabilities: np.ndarray = field(default_factory=lambda: _NO_ARRAY)
    curves: list[dict[str, Any]] = field(default_factory=list)


def champion(bundle: Bundle) -> Row:
    """The served network's row, on `split_of(bundle)`."""
    title = f"{bundle.network.upper()}, as served"
    return replace(_row(bundle, bundle.network, title), is_champion=True)


def rows(bundle: Bundle) -> list[Row]:
    """The official protocol, smallest network first and the champion last, then protocol 2."""
    found = [_compared(bundle, name) for name in COMPARED] + [champion(bundle)]
    place = {row.name: i for i, row in enumerate(found)}  # keeps the pairs of protocol 2 together

    def key(row: Row) -> tuple[bool, bool, float, int]:
        size = float("inf") if row.num_parameters is None else row.num_parameters
        return row.protocol != "official", row.is_champion, size, place[row.name]

    return sorted(found, key=key)


def _compared(bundle: Bundle, name: str) -> Row:
    suffix = name.rsplit("_", 1)[-1]
    protocol = suffix if suffix in PROTOCOLS else "official"
    empty = Row(name, COMPARED[name], protocol)
    path = bundle.folder / "comparison" / f"{name}.json"
    if not path.is_file():
        path = SHIPPED / path.name
    try:
        card = json.loads(path.read_text())
        if card.get("missing"):
            return replace(empty, missing=str(card["missing"]))
        compared = bundles.read_card(path)
        if "test" not in compared.evaluations:
            return replace(empty, missing=N_("It has not been read on its test X-rays."))
        return replace(_row(compared, name, COMPARED[name]), protocol=protocol)
    except OSError:
        return replace(empty, missing=N_("Not trained here: run `python -m model compare`."))
    except (KeyError, TypeError, ValueError, AttributeError, PneumoscopeError):
        return replace(empty, missing=f"Its card, {path.name}, is damaged or of another format.")


def _row(bundle: Bundle, name: str, title: str) -> Row:
    evaluation = bundle.evaluations[split_of(bundle)]
    labels, threshold = evaluation.labels, bundle.operating_point().threshold
    probabilities = bundle.probabilities(split_of(bundle))  # (N,)
    counts = metrics.confusion(labels, probabilities, threshold)
    num_parameters = bundle.training.get("num_parameters")
    return Row(
        name=name,
        title=title,
        protocol="official",
        num_parameters=None if num_parameters is None else int(num_parameters),
        size_px=bundle.input_px,
        n=len(labels),
        n_positive=int(labels.sum()),
        threshold=threshold,
        accuracy=counts.accuracy,
        precision=counts.ppv,
        recall=counts.sensitivity,
        specificity=counts.specificity,
        npv=counts.npv,
        f1=metrics.f1(labels, probabilities, threshold, evaluation.patients),
        auroc=metrics.auroc(labels, probabilities, evaluation.patients),
        ece=metrics.ece(labels, probabilities),
        confusion=counts,
        files=evaluation.files,
        patients=evaluation.patients,
        labels=labels,
        probabilities=probabilities,
        curves=list(bundle.training.get("curves", [])),
    )


@dataclass(frozen=True)
class Subgroup:
    """The champion on a part of a split; kind: "bacteria" or "virus", where it is one of these."""

    name: str
    n: int
    n_positive: int
    sensitivity: Rate
    specificity: Rate
    auroc: Estimate
    kind: str = ""


def subgroups(bundle: Bundle, split: str, threshold: float) -> list[Subgroup]:
    """All; each kind of pneumonia against all normal X-rays; small and large originals.

    The kind is in the names of the data set of Kermany et al. 2018. Sizes are those of
    `dataset.json`; where all X-rays have the same there are no such groups.
    """
    evaluation = bundle.evaluations[split]
    well = evaluation.labels == 0  # (N,)
    groups = [(N_("All"), "", np.ones_like(well))]
    for kind, title in KINDS.items():
        of_kind = np.array([kind_of(name) == kind for name in evaluation.files], bool)  # (N,)
        groups.append((title, kind, well | of_kind))
    groups += _by_size(bundle, evaluation)
    seen = [group for group in groups if evaluation.labels[group[-1]].any() or group is groups[0]]
    return [_subgroup(bundle, split, threshold, *group) for group in seen]


def _by_size(bundle: Bundle, evaluation: Evaluation) -> list[tuple[str, str, np.ndarray]]:
    known = dataset(bundle)
    sizes = known.file_sizes if known else {}
    if len(set(sizes.values())) < 2 or not set(evaluation.files) <= set(sizes):
        return []
    areas = np.array([sizes[name][0] * sizes[name][1] for name in evaluation.files])  # (N,)
    middle = float(np.median(areas))
    return [
        (f"Originals below {middle / 1e6:.1f} megapixels", "", areas < middle),
        (f"Originals of {middle / 1e6:.1f} megapixels and more", "", areas >= middle),
    ]


def _subgroup(
    bundle: Bundle, split: str, threshold: float, name: str, kind: str, inside: np.ndarray
) -> Subgroup:
    labels = bundle.evaluations[split].labels[inside]
    probabilities = bundle.probabilities(split)[inside]
    patients = np.array(bundle.evaluations[split].patients)[inside]
    counts = metrics.confusion(labels, probabilities, threshold)
    auroc = metrics.auroc(labels, probabilities, patients)
    return Subgroup(
        name, len(labels), int(labels.sum()), counts.sensitivity, counts.specificity, auroc, kind
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Probabilities (N,) as the network gives them and after temperature scaling."""

    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray
    temperature: float
    ece_before: float
    ece_after: float


def calibration(bundle: Bundle, split: str) -> Calibration:
    """What the temperature did on a split."""
    labels = bundle.evaluations[split].labels
    before = metrics.calibrate(bundle.evaluations[split].logits, 1.0)
    after = bundle.probabilities(split)
    return Calibration(
        labels,
        before,
        after,
        bundle.temperature,
        metrics.ece(labels, before),
        metrics.ece(labels, after),
    )


@dataclass(frozen=True)
class Choice:
    """One operating point chosen twice, and what each threshold does on the test split."""

    name: str
    plain: OperatingPoint
    on_plain: Confusion
    shipped: OperatingPoint
    on_shipped: Confusion


def threshold_choice(bundle: Bundle) -> list[Choice]:
    """Thresholds from the validation fold as it is against those of the bundle, on the test split.

    The bundle's come from the fold as it is and changed as hospitals change films. Empty when the
    card lacks one of the three sets: then its points come from the plain fold alone.
    """
    if not {"validation", "changed", "test"} <= set(bundle.evaluations):
        return []
    fold = bundle.evaluations["validation"]
    plain = operating_points(fold.labels, bundle.probabilities("validation"), fold.description)
    labels, probabilities = bundle.evaluations["test"].labels, bundle.probabilities("test")

    def counts(point: OperatingPoint) -> Confusion:
        return metrics.confusion(labels, probabilities, point.threshold)

    shipped = {point.name: point for point in bundle.operating_points}
    return [
        Choice(p.name, p, counts(p), shipped[p.name], counts(shipped[p.name]))
        for p in plain
        if p.name in shipped
    ]
