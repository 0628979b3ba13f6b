"""Where a model version looks and what it refuses: values of three files beside a bundle's card.

`shortcuts.json`, `heatmaps.json` and `gate.json` are written by `python -m model evaluate --keep`
and opened by `model.evaluated`. `from_json` of each class raises KeyError, TypeError, ValueError or
AttributeError for a file that is damaged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from model.metrics import UNKNOWN, Estimate, Rate, wilson

Json = Mapping[str, Any]
KINDS = ("whole", "lungs_only", "lungs_removed")


@dataclass(frozen=True)
class Variant:
    """The same X-rays with something taken away; kind is one of KINDS."""

    name: str
    title: str
    kind: str
    auroc: Estimate


@dataclass(frozen=True, eq=False)
class HeatInLungs:
    """Of the heat of a heatmap, the share in the lungs, over X-rays called pneumonia.

    share and area: means, 0..1; ratio: share over area, 1 is chance. shares, areas (N,): of each.
    """

    share: Estimate
    area: float
    ratio: Estimate
    shares: np.ndarray  # (N,)
    areas: np.ndarray  # (N,)


@dataclass(frozen=True, eq=False)
class Shortcuts:
    """Does the network need the lungs? heat: None where no X-ray has heat and lungs.

    whole, only and removed: the X-rays as they are, nothing but the lungs to see, and the lungs
    taken away in the way that hurts least.
    """

    description: str
    num_xrays: int
    variants: tuple[Variant, ...]
    whole: Variant
    only: Variant
    removed: Variant
    heat: HeatInLungs | None

    @classmethod
    def from_json(cls, told: Json) -> Self:
        """`shortcuts.json`."""
        variants = tuple(
            Variant(str(v["name"]), str(v["title"]), str(v["kind"]), _estimate(v["auroc"]))
            for v in told["variants"]
        )
        of = {kind: [v for v in variants if v.kind == kind] for kind in KINDS}
        if not all(of.values()):
            raise ValueError("variants")
        return cls(
            description=str(told["description"]),
            num_xrays=int(told["num_xrays"]),
            variants=variants,
            whole=of["whole"][0],
            only=of["lungs_only"][0],
            removed=max(of["lungs_removed"], key=lambda v: (_known(v.auroc), v.auroc.value)),
            heat=_heat(told["heat"]),
        )


def _heat(told: Json | None) -> HeatInLungs | None:
    if not told or not told["shares"]:
        return None
    shares, areas = _array(told["shares"]), _array(told["areas"])  # (N,), (N,)
    if len(shares) != len(areas):
        raise ValueError("shares")
    share, ratio = _estimate(told["share"]), _estimate(told["ratio"])
    return HeatInLungs(share, float(told["area"]), ratio, shares, areas)


@dataclass(frozen=True, eq=False)
class Faded:
    """Deletion or insertion (Petsiuk 2018): what is left of the answer at each share of pixels."""

    curve: np.ndarray  # (F,)
    auc: Estimate


@dataclass(frozen=True)
class Against:
    """A paired test of a map against a control map: p of deletion and of insertion."""

    name: str
    deletion_p: float
    insertion_p: float


@dataclass(frozen=True, eq=False)
class MapFigures:
    """One way to draw a heatmap, or a control map, which has nothing in `against`."""

    name: str
    title: str
    is_offered: bool
    deletion: Faded
    insertion: Faded
    against: tuple[Against, ...]


@dataclass(frozen=True)
class Randomisation:
    """Cascading randomisation (Adebayo 2018): similarity to the true map, layer after layer.

    layers: from the logit backwards. random_pairs: similarity of maps of different X-rays.
    """

    layers: tuple[str, ...]
    similarity: tuple[float, ...]
    random_pairs: float
    passes: bool


@dataclass(frozen=True)
class Sample:
    """A synthetic X-ray with one opacity; centre of the heat as x, y in 0..1, None without heat."""

    name: str
    expected: str
    centre: tuple[float, float] | None
    is_right: bool


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """Can the heatmap be believed? fractions (F,): shares of the pixels deleted or inserted."""

    description: str
    num_xrays: int
    fractions: np.ndarray  # (F,)
    maps: tuple[MapFigures, ...]
    randomisation: Randomisation | None
    samples: tuple[Sample, ...]

    @property
    def offered(self) -> tuple[MapFigures, ...]:
        """The maps that a reader gets to see, the default first."""
        return tuple(each for each in self.maps if each.is_offered)

    def control(self, name: str) -> MapFigures:
        """A control map by its name."""
        return next(each for each in self.maps if each.name == name)

    @classmethod
    def from_json(cls, told: Json) -> Self:
        """`heatmaps.json`."""
        fractions = _array(told["fractions"])  # (F,)
        maps = tuple(_map(each, len(fractions)) for each in told["maps"])
        names = {each.name for each in maps}
        rivals = {rival.name for each in maps for rival in each.against}
        if not rivals <= names or not any(each.is_offered and each.against for each in maps):
            raise ValueError("maps")
        return cls(
            description=str(told["description"]),
            num_xrays=int(told["num_xrays"]),
            fractions=fractions,
            maps=maps,
            randomisation=_randomisation(told.get("randomisation")),
            samples=tuple(_sample(each) for each in told.get("samples", ())),
        )


def _map(told: Json, num_fractions: int) -> MapFigures:
    deletion, insertion = (
        Faded(_array(told[way]["curve"]), _estimate(told[way]["auc"]))
        for way in ("deletion", "insertion")
    )
    if {len(deletion.curve), len(insertion.curve)} != {num_fractions}:
        raise ValueError("curve")
    against = tuple(
        Against(str(rival["name"]), float(rival["deletion_p"]), float(rival["insertion_p"]))
        for rival in told["against"]
    )
    name, title, is_offered = str(told["name"]), str(told["title"]), bool(told["is_offered"])
    return MapFigures(name, title, is_offered, deletion, insertion, against)


def _randomisation(told: Json | None) -> Randomisation | None:
    if not told:
        return None
    layers = tuple(str(layer) for layer in told["layers"])
    similarity = tuple(float(value) for value in told["similarity"])
    if not layers or len(layers) != len(similarity):
        raise ValueError("similarity")
    return Randomisation(layers, similarity, float(told["random_pairs"]), bool(told["passes"]))


def _sample(told: Json) -> Sample:
    centre = told["centre"] and (float(told["centre"][0]), float(told["centre"][1]))
    return Sample(str(told["name"]), str(told["expected"]), centre or None, bool(told["is_right"]))


@dataclass(frozen=True)
class GateGroup:
    """Images of one kind and what the gate said of them; is_chest: frontal chest X-rays."""

    title: str
    is_chest: bool
    num_images: int
    accepted: Rate
    unusual: Rate
    refused: Rate


@dataclass(frozen=True, eq=False)
class GateFigures:
    """What the gate lets through; the first group is the split itself.

    unusual_from, refused_from: scores. edges (B + 1,); split and others (B,): images between.
    """

    description: str
    groups: tuple[GateGroup, ...]
    unusual_from: float
    refused_from: float
    edges: np.ndarray  # (B + 1,)
    split: np.ndarray  # (B,)
    others: np.ndarray  # (B,)

    @property
    def no_chests(self) -> Rate:
        """Refused of all images that are no frontal chest X-ray."""
        groups = [group for group in self.groups if not group.is_chest]
        return wilson(sum(g.refused.numerator for g in groups), sum(g.num_images for g in groups))

    @classmethod
    def from_json(cls, told: Json) -> Self:
        """`gate.json`."""
        histogram = told["histogram"]
        edges = _array(histogram["edges"])  # (B + 1,)
        split, others = np.array(histogram["split"], int), np.array(histogram["others"], int)
        if not 0 < len(edges) - 1 == len(split) == len(others):
            raise ValueError("histogram")
        return cls(
            description=str(told["description"]),
            groups=_groups(told["groups"]),
            unusual_from=float(told["unusual_from"]),
            refused_from=float(told["refused_from"]),
            edges=edges,
            split=split,
            others=others,
        )


def _groups(told: Sequence[Json]) -> tuple[GateGroup, ...]:
    groups = []
    for each in told:
        total = int(each["num_images"])
        counts = [int(each[status]) for status in ("accepted", "unusual", "refused")]
        if sum(counts) != total or min(counts) < 0:
            raise ValueError("groups")
        rates = [wilson(count, total) for count in counts]
        groups.append(GateGroup(str(each["title"]), bool(each["is_chest"]), total, *rates))
    if not groups:
        raise ValueError("groups")
    return tuple(groups)


def _estimate(told: Json | None) -> Estimate:
    """None, or a value of None, is unknown."""
    if told is None or told["value"] is None:
        return UNKNOWN
    return Estimate(float(told["value"]), float(told["low"]), float(told["high"]))


def _known(estimate: Estimate) -> bool:
    return not math.isnan(estimate.value)


def _array(told: Any) -> np.ndarray:
    """(K,) float64. Raises ValueError unless all are numbers."""
    array = np.array(told, float)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("numbers")
    return array
