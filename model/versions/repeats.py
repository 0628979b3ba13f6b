"""How far the figures of a training scatter: its other folds and seeds, from the version's card."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from model.bundle import Bundle
from model.training.runs import FRESH


@dataclass(frozen=True)
class Spread:
    """AUROC on the validation of n runs, at least two: mean, standard deviation, range."""

    n: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Repeats:
    """auroc: of the version. folds: runs with other patients, by one seed. seeds: by chance alone.

    None where there is one run of the kind. model/training/runs.py says how the version is chosen,
    and from what no folds can start: none are told of a version that did.
    """

    auroc: float
    folds: Spread | None
    seeds: Spread | None


def of(bundle: Bundle) -> Repeats | None:
    """What was kept of several runs; None for a version of a single one, as all older ones are."""
    told = bundle.training.get("repeats")
    if not told:
        return None
    first = told[0]["seed"]
    seeds = [run["validation_auroc"] for run in told if run["fold"] == 0]
    folds = [run["validation_auroc"] for run in told if run["seed"] == first]
    is_fair = bundle.training.get("recipe", {}).get("init") in FRESH
    return Repeats(max(seeds), _spread(folds) if is_fair else None, _spread(seeds))


def _spread(values: Sequence[float]) -> Spread | None:
    if len(values) < 2:
        return None
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return Spread(len(values), mean, deviation, min(values), max(values))
