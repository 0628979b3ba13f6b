"""Images on which the gate is tried: films that are wrong, and what is no film at all.

Made from the films of a split, scikit-learn's photographs and chance; the same for the same seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

from model.language import N_
from model.nn.gate import REFUSED_FROM, UNUSUAL_FROM
from model.prediction import Gate

SIDE_PX = 224
HISTOGRAM_EDGES = np.linspace(0, 4, 41)  # of the score; the last bin takes what lies beyond
Make = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Group:
    """Images of one kind, each (H, W) uint8 as shown.

    is_chest: they are frontal chest X-rays, which the gate is not to refuse.
    """

    name: str
    title: str
    is_chest: bool
    images: list[np.ndarray]


def _part(top: float, bottom: float, left: float, right: float) -> Make:
    """The part of a film between these shares of its sides."""

    def cut(film: np.ndarray, _: np.random.Generator) -> np.ndarray:
        height, width = film.shape
        rows = slice(round(top * height), round(bottom * height))
        return film[rows, round(left * width) : round(right * width)]

    return cut


def _quarters(film: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Each quarter in the place of the one opposite."""
    return np.roll(film, (film.shape[0] // 2, film.shape[1] // 2), axis=(0, 1))


def _noise(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of any grain with the mean and the contrast of the film."""
    fine = rng.normal(0, 1, (SIDE_PX, SIDE_PX))
    noise = cv2.GaussianBlur(fine, (0, 0), float(rng.uniform(0.3, 12)))
    values = film.mean() + film.std() * noise / noise.std()
    return np.clip(values, 0, 255).astype(np.uint8)


def _shapes(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft overlapping ellipses and lines, as bones and organs overlap."""
    page = np.full((SIDE_PX, SIDE_PX), film.mean() / 2, np.float32)
    for _ in range(int(rng.integers(3, 12))):
        drawn = np.zeros_like(page)
        middle, end = rng.integers(0, SIDE_PX, (2, 2)).tolist()
        if rng.random() < 0.5:
            axes = rng.integers(8, 80, 2).tolist()
            cv2.ellipse(drawn, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, cv2.FILLED)
        else:
            cv2.line(drawn, middle, end, 1.0, int(rng.integers(6, 40)))
        page += float(rng.uniform(-70, 90)) * drawn
    soft = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(1, 3)))
    return np.clip(soft + rng.normal(0, 3, page.shape), 0, 255).astype(np.uint8)


def _photograph(_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of one of scikit-learn's two photographs, in grey."""
    photographs = _photographs()
    grey = photographs[int(rng.integers(len(photographs)))]
    sides = rng.uniform(0.4, 0.95, 2) * min(grey.shape)
    height, width = sides.astype(int)
    top = int(rng.integers(grey.shape[0] - height))
    left = int(rng.integers(grey.shape[1] - width))
    return grey[top : top + height, left : left + width]


@cache
def _photographs() -> list[np.ndarray]:
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in load_sample_images().images]


KINDS: dict[str, tuple[str, bool, Make]] = {
    "mirrored": (N_("The X-rays mirrored"), True, lambda film, _: film[:, ::-1]),
    "negatives": (N_("The X-rays as negatives"), True, lambda film, _: 255 - film),
    "upside_down": (N_("Upside down"), False, lambda film, _: np.rot90(film, 2)),
    "on_the_left_side": (
        N_("Turned by 90 degrees to the left"), False, lambda film, _: np.rot90(film),
    ),
    "on_the_right_side": (
        N_("Turned by 90 degrees to the right"), False, lambda film, _: np.rot90(film, 3),
    ),
    "one_lung": (N_("One half of the film"), False, _part(0, 1, 0, 0.5)),
    "shoulder": (N_("Only a shoulder"), False, _part(0, 0.4, 0, 0.4)),
    "belly": (N_("Only the belly"), False, _part(0.72, 1, 0, 1)),
    "quarters": (N_("Quarters exchanged"), False, _quarters),
    "noise": (N_("Noise"), False, _noise),
    "shapes": (N_("Drawn shapes"), False, _shapes),
    "photographs": (N_("Photographs in grey"), False, _photograph),
}  # fmt: skip


def other_images(films: Sequence[np.ndarray], seed: int = 0, count: int = 100) -> list[Group]:
    """`count` images of each kind from films as shown, each (H, W) uint8."""
    rng = np.random.default_rng(seed)
    groups = []
    for name, (title, is_chest, make) in KINDS.items():
        chosen = rng.permutation(len(films))[:count]
        images = [np.ascontiguousarray(make(films[i], rng)) for i in chosen]
        groups.append(Group(name, title, is_chest, images))
    return groups


def figures(judged: Sequence[tuple[Group, Sequence[Gate]]]) -> dict[str, Any]:
    """What `gate.json` says but for its head: counts of the three answers, and the scores.

    judged: what the gate said of the images of each group; first the X-rays of the split.
    """
    (_, of_split), *rest = judged
    wrong = [gate for group, gates in rest if not group.is_chest for gate in gates]
    return {
        "groups": [_row(group, gates) for group, gates in judged],
        "unusual_from": UNUSUAL_FROM,
        "refused_from": REFUSED_FROM,
        "histogram": {
            "edges": [round(float(edge), 3) for edge in HISTOGRAM_EDGES],
            "split": _histogram(of_split),
            "others": _histogram(wrong),
        },
    }


def _row(group: Group, gates: Sequence[Gate]) -> dict[str, Any]:
    answers = [gate.status for gate in gates]
    return {
        "name": group.name,
        "title": group.title,
        "is_chest": group.is_chest,
        "num_images": len(gates),
        **{status: answers.count(status) for status in ("accepted", "unusual", "refused")},
    }


def _histogram(gates: Sequence[Gate]) -> list[int]:
    scores = np.clip([gate.score for gate in gates], 0, HISTOGRAM_EDGES[-1])
    return [int(count) for count in np.histogram(scores, HISTOGRAM_EDGES)[0]]
