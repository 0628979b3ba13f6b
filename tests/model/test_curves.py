"""Curves against scikit-learn and against values that one can count by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from model import curves, metrics
from model.errors import ConfigError, DataError

LABELS = [0, 0, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.2, 0.2, 0.6, 0.6, 0.9]


def made_up(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities (300,); few decimals give many ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=300) < 0.6).astype(int)
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1).round(decimals)
    return labels, probabilities


def test_roc_by_hand():
    curve = curves.roc(LABELS, PROBABILITIES)
    # At .6 two of three are found for one alarm of three: on the line from .9 to .2, so left out.
    assert curve.x.tolist() == pytest.approx([0, 0, 2 / 3, 1])
    assert curve.y.tolist() == pytest.approx([0, 1 / 3, 1, 1])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.2, 0.1]


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_roc_is_that_of_scikit_learn(decimals):
    labels, probabilities = made_up(decimals, decimals)
    x, y, thresholds = roc_curve(labels, probabilities, drop_intermediate=True)
    curve = curves.roc(labels, probabilities)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(roc_auc_score(labels, probabilities))
    assert set(thresholds) >= set(curve.thresholds)
    # scikit-learn drops a point only if the step before equals the step after, as here.
    assert curve.x == pytest.approx(x)
    assert curve.y == pytest.approx(y)


def test_roc_leaves_out_only_points_on_straight_lines():
    labels, probabilities = made_up(4, 9)
    full = roc_curve(labels, probabilities, drop_intermediate=False)
    curve = curves.roc(labels, probabilities)
    assert len(curve.x) < len(full[0]) / 2
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(np.trapezoid(full[1], full[0]))


def test_an_operating_point_lies_on_the_curves():
    labels, probabilities = made_up(5, 2)
    counts = metrics.confusion(labels, probabilities, 0.5)
    recall, precision = counts.sensitivity.value, counts.ppv.value
    curve = curves.precision_recall(labels, probabilities)
    at = np.flatnonzero(curve.thresholds >= 0.5)[-1]
    assert (curve.x[at], curve.y[at]) == pytest.approx((recall, precision))
    roc = curves.roc(labels, probabilities)
    below = np.interp(1 - counts.specificity.value, roc.x, roc.y)
    assert below >= recall - 1e-9


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_precision_recall_is_that_of_scikit_learn(decimals):
    labels, probabilities = made_up(decimals, decimals)
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    curve = curves.precision_recall(labels, probabilities)
    # Theirs rises with the threshold and ends with a point (0, 1) that no threshold has.
    assert curve.x == pytest.approx(recall[-2::-1])
    assert curve.y == pytest.approx(precision[-2::-1])
    assert curve.thresholds == pytest.approx(thresholds[::-1])


def test_reliability_by_hand():
    first, second, last = curves.reliability([0, 1, 1, 0, 1], [0.1, 0.45, 0.35, 0.5, 1.0], bins=3)
    assert (first.low, first.high) == pytest.approx((0, 1 / 3))
    assert (first.mean_probability, first.share) == (0.1, metrics.wilson(0, 1))
    assert second.mean_probability == pytest.approx(1.3 / 3)
    assert second.share == metrics.wilson(2, 3)
    assert (last.high, last.mean_probability, last.share) == (1.0, 1.0, metrics.wilson(1, 1))


def test_reliability_is_that_of_scikit_learn():
    labels, probabilities = made_up(6, 9)
    share, mean = calibration_curve(labels, probabilities, n_bins=10)
    bins = curves.reliability(labels, probabilities)
    assert [b.share.value for b in bins] == pytest.approx(share)
    assert [b.mean_probability for b in bins] == pytest.approx(mean)
    assert sum(b.share.denominator for b in bins) == len(labels)


def test_reliability_adds_up_to_the_calibration_error():
    labels, probabilities = made_up(7, 9)
    gaps = sum(
        abs(b.share.value - b.mean_probability) * b.share.denominator / len(labels)
        for b in curves.reliability(labels, probabilities, bins=15)
    )
    assert gaps == pytest.approx(metrics.ece(labels, probabilities))


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [([0, 1], [0.5]), ([], []), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, float("nan")])],
)
def test_unusable_arrays_are_refused(labels, probabilities):
    for curve in (curves.roc, curves.precision_recall, curves.reliability):
        with pytest.raises(DataError):
            curve(labels, probabilities)


def test_one_class_has_no_curve_and_no_bins_is_no_choice():
    for labels in ([0, 0], [1, 1]):
        with pytest.raises(DataError, match="one class"):
            curves.roc(labels, [0.1, 0.9])
    with pytest.raises(DataError, match="with pneumonia"):
        curves.precision_recall([0, 0], [0.1, 0.9])
    with pytest.raises(ConfigError, match="at least one bin"):
        curves.reliability([0, 1], [0.1, 0.9], bins=0)
