"""What a model version says about one X-ray, and the decision that follows.

Values only. A probability becomes a decision at a threshold, here and nowhere else:

    decide(prediction, threshold=0.42, band=0.05)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.errors import BundleError, ConfigError
from model.language import N_, _

# A decision as people read it, on the pages and in reports, by its label.
WORDS: Mapping[str, str] = {
    "pneumonia": N_("Pneumonia likely"),
    "normal": N_("Pneumonia unlikely"),
    "refer": N_("Uncertain: refer for reading"),
}
OVERRULED = N_("Read against the gate's refusal")


@dataclass(frozen=True)
class Gate:
    """Whether the X-ray is like those that the model version was trained on.

    score: how far it is from them; its scale is the gate's own, larger is stranger.
    reason: one sentence for the reader of the X-ray.
    """

    status: Literal["accepted", "unusual", "refused"]
    score: float
    reason: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one model version says about one X-ray; everything in it is of the same forward pass.

    probability: of pneumonia, 0..1, calibrated; None when refused.
    logit: before calibration; None when refused.
    heatmap: (h, w) float32, 0..1, over the whole film, on the network's grid, or a finer one where
        a border was left out of the reading; None when refused. All zero means that there is no
        evidence for pneumonia to show.
    lungs: (H, W) bool, over the whole film; None when refused or when none were found.
    heat_in_lungs, lungs_area: shares of the heat and of the film that lie in the lungs, 0..1; None
        without lungs or without heat.
    overruled: a reader has asked for it although the gate refused.

    Raises BundleError for a probability that is no number in 0..1: NaN compares as "below the
    threshold" and would read as "normal".
    """

    probability: float | None
    logit: float | None
    heatmap: np.ndarray | None  # (h, w)
    gate: Gate
    model_version: str
    lungs: np.ndarray | None = None  # (H, W)
    heat_in_lungs: float | None = None
    lungs_area: float | None = None
    overruled: bool = False

    def __post_init__(self) -> None:
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise BundleError(
                _("a probability between 0 and 1"),
                _(
                    "{probability} from model version {version}",
                    probability=self.probability,
                    version=self.model_version,
                ),
                _("Do not use this model version: go back to the one before it."),
            )


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with a name, and where it comes from.

    name: "screening", "default", "balanced" or "rule-in".
    chosen_on: the set, such as "validation fold, 522 X-rays, patient-grouped".
    rule: in words, such as "highest threshold with sensitivity of at least 95 %".

    Raises ConfigError for a threshold outside 0..1.
    """

    name: str
    threshold: float
    chosen_on: str
    rule: str

    def __post_init__(self) -> None:
        check_range("threshold", self.threshold, 0, 1)


@dataclass(frozen=True)
class Decision:
    """The probability at a threshold. "refer" is the uncertain band: a person must decide."""

    label: Literal["pneumonia", "normal", "refer"]
    threshold: float
    band: float
    probability: float


def decide(prediction: Prediction, threshold: float, band: float = 0.0) -> Decision | None:
    """Pneumonia at or above the threshold, normal below; None for a refused X-ray.

    A refusal that a reader has overruled gives a decision.

    threshold: 0..1. At 0 everything is pneumonia, at 1 only a probability of exactly 1.
    band: 0..0.5. A probability strictly nearer to the threshold than this is referred; 0 refers
        none. The band ends at 0 and 1, so a band wider than the threshold leaves no "normal".

    Raises ConfigError for a threshold or a band out of range.
    """
    check_range("threshold", threshold, 0, 1)
    check_range("band", band, 0, 0.5)
    probability = prediction.probability
    refused = prediction.gate.status == "refused" and not prediction.overruled
    if probability is None or refused:
        return None
    label: Literal["pneumonia", "normal", "refer"]
    if abs(probability - threshold) < band:
        label = "refer"
    else:
        label = "pneumonia" if probability >= threshold else "normal"
    return Decision(label, threshold, band, probability)


def probability_text(probability: float) -> str:
    """Two decimals; never a certainty that the network does not have."""
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else f"{probability:.2f}"


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises ConfigError unless low <= value <= high; NaN is out of every range."""
    if not low <= value <= high:
        raise ConfigError(
            _("a {name} between {low:g} and {high:g}", name=_(name), low=low, high=high),
            str(value),
            _("Set the {name} in this range.", name=_(name)),
        )
