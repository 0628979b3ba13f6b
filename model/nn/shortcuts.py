"""Does a network need the lungs, and does it look at them?

Networks trained on the films of Kermany et al. still tell pneumonia (AUROC .95 to .98) when the
lungs are blacked out: they read what is beside them. So the lungs are taken away, or all the rest
is, and the AUROC is taken again; and the heat of the films called pneumonia is counted in the
lungs. The shape of the lungs can be seen in every variant: where it tells, .5 is out of reach.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from model import metrics
from model.language import N_
from model.metrics import UNKNOWN, Estimate
from model.nn.augmentation import inpainted
from model.nn.lungs import lung_share
from model.preprocessing import pixel_values

# The masks are those of a machine, a pixel or two off at the rim: this much around them counts as
# lung too, so that no bright rim of it is left when it is taken away. 2 % of the side.
MARGIN_PX = 4
# No structure as fine as a rib or a vessel is left, a whole dense lobe still shows as a haze.
BLUR_SIGMA_PX = 16
BATCH_SIZE = 16

Kind = Literal["whole", "lungs_only", "lungs_removed"]
Variant = Callable[[np.ndarray, np.ndarray], np.ndarray]
Read = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def widened(lungs: np.ndarray) -> np.ndarray:
    """A mask (H, W) bool with MARGIN_PX around it. Its edge is hard: a soft one would shine on."""
    side = 2 * MARGIN_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(lungs.astype(np.uint8), kernel).astype(bool)


def _even(grey: np.ndarray, kept: np.ndarray, level: float | None = None) -> np.ndarray:
    """What is not kept at one level, by default the mean of what is: nothing else is told by it."""
    if level is None:
        level = float(grey[kept].mean()) if kept.any() else 0.0
    return np.where(kept, grey, np.uint8(round(level)))


def _blurred(grey: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    return np.where(lungs, cv2.GaussianBlur(grey, (0, 0), BLUR_SIGMA_PX), grey)


def _inpainted(grey: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    return np.where(lungs, np.rint(inpainted(grey, lungs)).astype(np.uint8), grey)


# Each takes a prepared film (224, 224) uint8 and its widened lungs (224, 224) bool. The first of
# the lungs-only variants is the one that counts, the worst of those without lungs.
VARIANTS: dict[str, tuple[str, Kind, Variant]] = {
    "as_is": (N_("As it is"), "whole", lambda grey, lungs: grey),
    "lungs_only_grey": (N_("Lungs only, grey around"), "lungs_only", _even),
    "lungs_only_black": (
        N_("Lungs only, black around"),
        "lungs_only",
        lambda grey, lungs: _even(grey, lungs, 0),
    ),
    "lungs_black": (N_("Lungs black"), "lungs_removed", lambda grey, lungs: _even(grey, ~lungs, 0)),
    "lungs_grey": (N_("Lungs grey"), "lungs_removed", lambda grey, lungs: _even(grey, ~lungs)),
    "lungs_blurred": (N_("Lungs blurred"), "lungs_removed", _blurred),
    "lungs_inpainted": (N_("Lungs filled in from around them"), "lungs_removed", _inpainted),
}


def measure(
    read: Read,
    greys: Sequence[np.ndarray],
    masks: np.ndarray,
    labels: np.ndarray,
    patients: Sequence[str],
    *,
    input_px: int,
    temperature: float,
    threshold: float,
) -> dict[str, Any]:
    """What `shortcuts.json` says beside its head: AUROC of every variant, and the heat.

    read: pixel_values (N, input_px, input_px, 3) -> logits (N,), evidence (N, h, w), such as
    `Classifier.evidence`. greys: prepared films, (224, 224) uint8; masks: their lungs
    (N, 224, 224) bool; labels (N,) 0/1. Films in which no lungs were found are only counted.
    temperature, threshold: the bundle's; heat is that of films at or above the threshold.
    """
    found = np.asarray(masks.any(axis=(1, 2)))  # (N,)
    films = [grey for grey, has_lungs in zip(greys, found, strict=True) if has_lungs]
    masks, labels, groups = masks[found], labels[found], np.asarray(patients)[found]
    logits, shares = _read_all(read, films, masks, input_px)
    probabilities = metrics.calibrate(logits["as_is"], temperature)  # (N,)
    shown = (probabilities >= threshold) & ~np.isnan(shares)  # (N,)
    return {
        "num_xrays": len(films),
        "num_without_lungs": int((~found).sum()),
        **_aurocs(logits, labels, groups, temperature),
        "heat": _heat(shares[shown], masks[shown].mean(axis=(1, 2)), groups[shown]),
    }


def headline(measured: dict[str, Any]) -> dict[str, float | None]:
    """The three figures of `evaluate --json`; None for what cannot be known."""
    return {
        "lungs_only_auroc": measured["lungs_only_auroc"],
        "lungs_removed_auroc": measured["lungs_removed_auroc"],
        "heat_in_lungs_ratio": measured["heat"]["ratio"]["value"],
    }


def _read_all(
    read: Read, films: Sequence[np.ndarray], masks: np.ndarray, input_px: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Logits (N,) of every variant, and the share of the films' heat in the lungs as they are."""
    logits: dict[str, list[float]] = {name: [] for name in VARIANTS}
    shares: list[float] = []
    starts = range(0, len(films), BATCH_SIZE)
    for start in track(starts, "Taking the lungs away", console=Console(stderr=True)):
        batch = slice(start, start + BATCH_SIZE)
        pairs = list(zip(films[batch], map(widened, masks[batch]), strict=True))
        for name, (_, kind, change) in VARIANTS.items():
            changed = [change(film, lungs) for film, lungs in pairs]
            said, evidence = read(pixel_values(changed, input_px))  # (n,), (n, h, w)
            logits[name] += said.tolist()
            if kind == "whole":
                shares += [lung_share(*pair) for pair in zip(evidence, masks[batch], strict=True)]
    return {name: np.array(values) for name, values in logits.items()}, np.array(shares)


def _aurocs(
    logits: dict[str, np.ndarray], labels: np.ndarray, patients: np.ndarray, temperature: float
) -> dict[str, Any]:
    """What is told of the variants, and the two figures that count."""
    found = {
        name: metrics.auroc(labels, metrics.calibrate(values, temperature), patients)
        if values.size
        else UNKNOWN
        for name, values in logits.items()
    }

    def of_kind(kind: Kind) -> list[float]:
        return [found[name].value for name, variant in VARIANTS.items() if variant[1] == kind]

    return {
        "variants": [
            {"name": name, "title": title, "kind": kind, "auroc": _told(found[name])}
            for name, (title, kind, _) in VARIANTS.items()
        ],
        "lungs_only_auroc": _number(of_kind("lungs_only")[0]),
        "lungs_removed_auroc": _number(max(of_kind("lungs_removed"))),
    }


def _heat(shares: np.ndarray, areas: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    """Of these films (M,): how much of the heat and of the film is lung, and how the two compare.

    The ratio is that of the means: 1 for heat that knows nothing of the lungs.
    """
    return {
        "num_xrays": len(shares),
        "share": _told(metrics.ratio(shares, np.ones_like(shares), patients)),
        "area": float(areas.mean()) if areas.size else None,
        "ratio": _told(metrics.ratio(shares, areas, patients)),
        "shares": [round(float(share), 4) for share in shares],
        "areas": [round(float(area), 4) for area in areas],
    }


def _told(estimate: Estimate) -> dict[str, float | None]:
    return {"value": _number(estimate.value), "low": estimate.low, "high": estimate.high}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
