"""How long will a training take? By earlier trainings on the same host.

    seconds = training_time.estimate("lungs", [], 4694, [Pace(96, 0.019), Pace(128, 0.034)])

A step costs about as much as the image has area (DESIGN.md), so an image size that was never
trained is told from the nearest that was.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model.nn.recipe import recipe
from model.training.job_store import Job


@dataclass(frozen=True)
class Pace:
    """What an image costs in an epoch at this size, with its share of the validation."""

    size_px: int
    seconds_per_image: float


def paces(curves: Sequence[Mapping[str, Any]], num_images: int) -> list[Pace]:
    """The median of each size over the epochs of one run, of `num_images` images each.

    curves: lines as a run prints them, with `size_px` and `seconds`; others are left out.
    """
    seconds: dict[int, list[float]] = defaultdict(list)
    for line in curves:
        took = line.get("seconds")
        if isinstance(took, (int, float)) and 0 < took < math.inf and "size_px" in line:
            seconds[int(line["size_px"])].append(float(took))
    return [
        Pace(size_px, statistics.median(took) / max(num_images, 1))
        for size_px, took in sorted(seconds.items())
    ]


def beside_epochs(job: Job, curves: Sequence[Mapping[str, Any]]) -> float:
    """Seconds that an earlier training took beside its epochs: films read, the test set judged.

    0 where its times do not tell: it was retried, had several runs, or began unseen.
    """
    if job.attempt > 1 or (job.spec.folds, job.spec.seeds) != (1, 1):
        return 0.0
    if not (job.started and job.ended):
        return 0.0
    took = datetime.fromisoformat(job.ended) - datetime.fromisoformat(job.started)
    epochs = sum(float(line["seconds"]) for line in curves if line.get("seconds"))
    return max(0.0, took.total_seconds() - epochs)


def estimate(
    config: str,
    changes: Sequence[str],
    num_images: int,
    known: Sequence[Pace],
    beside: float = 0.0,
    runs: int = 1,
) -> float | None:
    """Seconds of a training; None when nothing is known.

    beside: seconds for each image beside all epochs. runs: trainings, one after another.
    Raises ConfigError for a config or a change that is none.
    """
    wanted = recipe(config, list(changes))
    if not known:
        return None
    total = 0.0
    for size_px, epochs in zip(wanted.size_px, wanted.epochs, strict=True):
        near = min(known, key=lambda pace: abs(math.log(pace.size_px / size_px)))
        total += epochs * num_images * near.seconds_per_image * (size_px / near.size_px) ** 2
    return runs * total + num_images * beside
