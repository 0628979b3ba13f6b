"""How long will a training take? From the epochs of earlier trainings on the same host.

    seconds = training_time.estimate("lungs", [], 4694, [Pace(96, 0.019), Pace(128, 0.034)])

A step costs about as much as the image has area (DESIGN.md), so an image size that was never
trained is told from the nearest that was.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.nn.recipe import recipe


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


def estimate(
    config: str, changes: Sequence[str], num_images: int, known: Sequence[Pace]
) -> float | None:
    """Seconds of all epochs together; None when nothing is known.

    Raises ConfigError for a config or a change that is none.
    """
    wanted = recipe(config, list(changes))
    if not known:
        return None
    total = 0.0
    for size_px, epochs in zip(wanted.size_px, wanted.epochs, strict=True):
        near = min(known, key=lambda pace: abs(math.log(pace.size_px / size_px)))
        total += epochs * num_images * near.seconds_per_image * (size_px / near.size_px) ** 2
    return total
