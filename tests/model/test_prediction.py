"""A probability becomes a decision at a threshold; a refused X-ray gets none."""

import math
from typing import Any

import numpy as np
import pytest

from model.errors import BundleError, ConfigError
from model.prediction import Decision, Gate, OperatingPoint, Prediction, decide

ACCEPTED = Gate("accepted", 1.2, "Looks like the X-rays this version was trained on.")
REFUSED = Gate("refused", 99.0, "This is no chest X-ray.")


def predicted(probability: float | None, gate: Gate = ACCEPTED) -> Prediction:
    return Prediction(probability, 0.0, np.zeros((14, 14), np.float32), gate, "v1")


@pytest.mark.parametrize(
    ("probability", "threshold", "band", "label"),
    [
        (0.87, 0.42, 0.0, "pneumonia"),
        (0.41, 0.42, 0.0, "normal"),
        (0.42, 0.42, 0.0, "pneumonia"),  # at the threshold counts as pneumonia
        (0.0, 0.0, 0.0, "pneumonia"),  # threshold 0: everything
        (0.999999, 1.0, 0.0, "normal"),  # threshold 1: certainty only
        (1.0, 1.0, 0.0, "pneumonia"),
        (0.5, 0.5, 0.25, "refer"),
        (0.74, 0.5, 0.25, "refer"),
        (0.75, 0.5, 0.25, "pneumonia"),  # the ends of the band are outside it
        (0.25, 0.5, 0.25, "normal"),
        (0.26, 0.5, 0.25, "refer"),
        (0.0, 0.1, 0.2, "refer"),  # a band wider than the threshold leaves no "normal"
    ],
)
def test_decision(probability: float, threshold: float, band: float, label: Any) -> None:
    assert decide(predicted(probability), threshold, band) == Decision(
        label, threshold, band, probability
    )


def test_refused_xray_gets_no_decision() -> None:
    assert decide(predicted(None, REFUSED), 0.5) is None


def test_refused_xray_gets_no_decision_even_if_someone_left_a_probability() -> None:
    assert decide(predicted(0.99, REFUSED), 0.5) is None


@pytest.mark.parametrize("threshold", [-0.01, 1.01, math.nan, math.inf])
def test_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold between 0 and 1"):
        decide(predicted(0.5), threshold)
    with pytest.raises(ConfigError, match="threshold between 0 and 1"):
        OperatingPoint("default", threshold, "validation fold", "by hand")


@pytest.mark.parametrize("band", [-0.01, 0.51, math.nan])
def test_band_out_of_range(band: float) -> None:
    with pytest.raises(ConfigError, match=r"band between 0 and 0\.5"):
        decide(predicted(0.5), 0.5, band)


@pytest.mark.parametrize("probability", [math.nan, -0.1, 1.1])
def test_a_probability_that_is_none_gives_no_prediction(probability: float) -> None:
    """NaN >= threshold is False: without this check a broken network would call all normal."""
    with pytest.raises(BundleError, match="v1"):
        predicted(probability)
