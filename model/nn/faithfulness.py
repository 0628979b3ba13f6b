"""Can a heatmap be believed? What the network says when its hottest places are taken away.

Three checks, all of which a heatmap could fail: deletion and insertion against maps that know
nothing of the film (Petsiuk 2018, arXiv:1806.07421), cascading randomisation of the network
(Adebayo 2018, arXiv:1810.03292), and films that were drawn with the opacity in a known place.

What is followed is the probability, as in the paper: it is what a reader is shown, and no single
film can outweigh the others as it could with logits. What is taken away is blurred, in deletion
too: mean grey would bring in hard edges, and a film without detail says as little.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from rich.console import Console
from rich.progress import track

from model import metrics, xray
from model.config import ROOT
from model.language import N_
from model.metrics import Z95, Estimate
from model.nn.classifier import BATCH_SIZE, Classifier
from model.nn.dataset import Example, load_greys
from model.nn.randomisation import randomise
from model.preprocessing import pixel_values

SAMPLES = ROOT / "assets" / "samples"
MAX_FILMS, MAX_RANDOMISED = 200, 50
# Shares of the pixels, closer where most of the change is: 22 passes a film.
FRACTIONS = np.array([0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1])
# Of the side. The spots of a bronchopneumonia and the vessels are gone, the outline of the chest
# is not: a network that was trained with hidden lungs says .5 of such a film.
BLUR_SIGMA = 0.05

GRAD_CAM = "grad_cam"
TITLES = {
    GRAD_CAM: N_("Grad-CAM"),
    "random": N_("Random map"),
    "gaussian": N_("Centred Gaussian map"),
}
CONTROLS = ("random", "gaussian")

Read = Callable[[np.ndarray], np.ndarray]  # pixel_values (N, S, S, 3) -> what is followed (N,)


@dataclass(frozen=True, eq=False)
class Curves:
    """What the network says of N films at each of FRACTIONS.

    deletion: the hottest pixels are blurred; falls soon if the map is right. insertion: all else
    is blurred; rises soon if the map is right. Both (N, F).
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def deletion_areas(self) -> np.ndarray:
        """Area under the curve of each film, (N,): low is good."""
        return np.trapezoid(self.deletion, FRACTIONS, axis=1)

    @property
    def insertion_areas(self) -> np.ndarray:
        """Area under the curve of each film, (N,): high is good."""
        return np.trapezoid(self.insertion, FRACTIONS, axis=1)


def choose(examples: Sequence[Example], called: np.ndarray, seed: int = 0) -> list[Example]:
    """Up to 200 of the films that are called pneumonia (N,) bool, one of each patient, drawn.

    Only those have evidence to take away. One of each patient, as the tests and intervals here
    take films as independent. The order is random.
    """
    rng = np.random.default_rng(seed)
    of_patient: dict[str, Example] = {}
    for i in rng.permutation(np.flatnonzero(called)):
        of_patient.setdefault(examples[i].patient, examples[i])
    return list(of_patient.values())[:MAX_FILMS]


def curves(
    read: Read, values: np.ndarray, maps: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, Curves]:
    """Deletion and insertion curves of each map: (N, h, w) >= 0, any grid, one for each film.

    values: pixel_values (N, S, S, 3). The maps are stretched over the film as they are shown.
    Pixels of equal heat, such as those without any, follow in the order of a random map.
    """
    num_films, num_fractions = len(values), len(FRACTIONS)
    found = {name: Curves(*np.empty((2, num_films, num_fractions), np.float64)) for name in maps}
    ties = np.random.default_rng([seed, 1]).random(
        (num_films, *next(iter(maps.values())).shape[1:])
    )
    starts = range(0, num_films, BATCH_SIZE)
    for start in track(starts, "Taking the heat away", console=Console(stderr=True)):
        batch = slice(start, start + BATCH_SIZE)
        whole, soft = values[batch], blurred(values[batch])
        ends = read(whole), read(soft)
        for name, heat in maps.items():
            hotter = _hotter(heat[batch], ties[batch], values.shape[1])
            _fill(found[name].deletion[batch], ends, read, hotter, soft, whole)
            _fill(found[name].insertion[batch], ends[::-1], read, hotter, whole, soft)
    return found


def _fill(
    lines: np.ndarray,
    ends: tuple[np.ndarray, ...],
    read: Read,
    hotter: np.ndarray,
    hot: np.ndarray,
    cold: np.ndarray,
) -> None:
    """Fills lines (n, F): the hottest pixels are those of `hot`, the others those of `cold`."""
    lines[:, 0], lines[:, -1] = ends
    for at, fraction in enumerate(FRACTIONS[1:-1], start=1):
        lines[:, at] = read(np.where(hotter < fraction, hot, cold))


def _hotter(heat: np.ndarray, ties: np.ndarray, size_px: int) -> np.ndarray:
    """Share of the film's pixels that are hotter than each: (n, S, S, 1), 0 for the hottest."""
    found = np.empty((len(heat), size_px * size_px), np.float32)
    for i, pair in enumerate(zip(heat, ties, strict=True)):
        spread, order = (
            cv2.resize(m.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_LINEAR)
            for m in pair
        )
        hottest_first = np.lexsort((order.ravel(), spread.ravel()))[::-1]
        found[i, hottest_first] = np.arange(size_px * size_px) / (size_px * size_px)
    return found.reshape(-1, size_px, size_px, 1)


def blurred(values: np.ndarray) -> np.ndarray:
    """pixel_values (N, S, S, 3) without detail."""
    sigma = BLUR_SIGMA * values.shape[1]
    return np.stack([cv2.GaussianBlur(film, (0, 0), sigma) for film in values])


def controls(num_films: int, grid: tuple[int, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Maps (N, h, w) on the heatmap's grid that know nothing of the film.

    A random map of single pixels would be easier to beat: its holes are too small to hide
    anything. Only the order counts, so the Gaussian's width does not matter.
    """
    rng = np.random.default_rng([seed, 2])
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grid), indexing="ij")
    gaussian = np.exp(-2 * (rows**2 + columns**2))
    return {
        "random": rng.random((num_films, *grid)),
        "gaussian": np.broadcast_to(gaussian, (num_films, *grid)),
    }


def beats(ours: Curves, other: Curves) -> tuple[float, float]:
    """One-sided p of Wilcoxon's signed-rank test over the films, for deletion and insertion.

    1 where all areas are equal or there are no films.
    """
    return (
        _signed_rank(other.deletion_areas - ours.deletion_areas),
        _signed_rank(ours.insertion_areas - other.insertion_areas),
    )


def _signed_rank(gains: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(gains, alternative="greater").pvalue) if gains.any() else 1.0


def mean(values: np.ndarray) -> Estimate:
    """Mean over films of different patients (N,), and 1.96 standard errors to both sides."""
    if len(values) < 2:
        return metrics.UNKNOWN
    half_width = Z95 * values.std(ddof=1) / np.sqrt(len(values))
    return Estimate(*(float(values.mean() + half_width * side) for side in (0, -1, 1)))


def centre_of_heat(heat: np.ndarray) -> list[float] | None:
    """Centre of mass of a map (h, w) >= 0: x, y in 0..1 from the upper left; None without heat."""
    if not heat.any():
        return None
    rows, columns = (np.arange(side) + 0.5 for side in heat.shape)
    x = float(heat.sum(axis=0) @ columns / heat.sum() / heat.shape[1])
    y = float(heat.sum(axis=1) @ rows / heat.sum() / heat.shape[0])
    return [round(x, 4), round(y, 4)]


def on_samples(classifier: Classifier, folder: Path = SAMPLES) -> list[dict[str, Any]]:
    """For each synthetic film with an opacity: is the heat in the half in which it was drawn?"""
    entries = json.loads((folder / "samples.json").read_text("utf-8"))
    drawn = [entry for entry in entries if entry["label"] == "pneumonia"]
    files = [folder / entry["file"] for entry in drawn]
    films = [xray.read(path.read_bytes(), path.name) for path in files]
    found = []
    for entry, prediction in zip(drawn, classifier.predict(films, overruled=True), strict=True):
        assert prediction.heatmap is not None
        centre, expected = centre_of_heat(prediction.heatmap), entry["where"]["side"]
        side = None if centre is None else "left" if centre[0] < 0.5 else "right"
        found.append(
            {
                "name": entry["file"],
                "expected": expected,
                "centre": centre,
                "is_right": side == expected,
            }
        )
    return found


def headline(classifier: Classifier, chosen: Sequence[Example]) -> dict[str, float | None]:
    """The two figures of `evaluate --json` for Grad-CAM: areas under the mean curves, 0..1.

    chosen: of `choose`; None where it is empty. 22 passes a film, no control maps.
    """
    if not chosen:
        return {"deletion_auc": None, "insertion_auc": None}
    values, heat = _evidence(classifier, chosen)
    found = curves(_reader(classifier), values, {GRAD_CAM: heat})[GRAD_CAM]
    return {
        "deletion_auc": float(found.deletion_areas.mean()),
        "insertion_auc": float(found.insertion_areas.mean()),
    }


def figures(classifier: Classifier, chosen: Sequence[Example], seed: int = 0) -> dict[str, Any]:
    """What `heatmaps.json` says beside its head, for a bundle of a VGG16.

    chosen: of `choose`, at least two. 64 passes a film, and 15 of at most 50 with random layers.
    """
    values, heat = _evidence(classifier, chosen)
    maps = {GRAD_CAM: heat, **controls(len(values), heat.shape[1:], seed)}
    found = curves(_reader(classifier), values, maps, seed)
    own = keras.saving.load_model(classifier.bundle.weights, compile=False)
    randomised = randomise(own, values[:MAX_RANDOMISED], seed)
    return {
        "num_xrays": len(values),
        "fractions": FRACTIONS.tolist(),
        "maps": [_told(name, found) for name in maps],
        "randomisation": {
            "layers": randomised.layers,
            "similarity": [round(float(value), 4) for value in randomised.similarity],
            "random_pairs": round(randomised.random_pairs, 4),
            "passes": randomised.passes,
        },
        "samples": on_samples(classifier),
    }


def _evidence(classifier: Classifier, chosen: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    """pixel_values (N, S, S, 3) of the films and their Grad-CAM (N, h, w)."""
    values = pixel_values(load_greys(chosen), classifier.bundle.input_px)
    starts = range(0, len(values), BATCH_SIZE)
    heat = [classifier.evidence(values[start : start + BATCH_SIZE])[1] for start in starts]
    return values, np.concatenate(heat)


def _reader(classifier: Classifier) -> Read:
    temperature = classifier.bundle.temperature
    return lambda values: metrics.calibrate(classifier.evidence(values)[0], temperature)


def _told(name: str, found: Mapping[str, Curves]) -> dict[str, Any]:
    """A row of "maps"; what is no control is tested against the controls."""
    ours = found[name]
    rivals = [] if name in CONTROLS else [(rival, beats(ours, found[rival])) for rival in CONTROLS]
    return {
        "name": name,
        "title": TITLES[name],
        "is_offered": name not in CONTROLS,
        "deletion": _line(ours.deletion, ours.deletion_areas),
        "insertion": _line(ours.insertion, ours.insertion_areas),
        "against": [
            {"name": rival, "deletion_p": deletion, "insertion_p": insertion}
            for rival, (deletion, insertion) in rivals
        ],
    }


def _line(lines: np.ndarray, areas: np.ndarray) -> dict[str, Any]:
    return {
        "curve": [round(float(value), 4) for value in lines.mean(axis=0)],
        "auc": asdict(mean(areas)),
    }
