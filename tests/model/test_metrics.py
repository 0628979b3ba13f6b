"""Figures against hand-made sets, published constants, SciPy and scikit-learn."""

import json
import math
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, roc_auc_score

from model import metrics
from model.errors import ConfigError, DataError
from model.metrics import Confusion, wilson
from tests.model.metrics_cases import LABELS, PROBABILITIES, random_set

# Wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_newcombe_printed_it(k: int, n: int, low: float, high: float) -> None:
    rate = wilson(k, n)
    assert (rate.value, rate.numerator, rate.denominator) == (k / n, k, n)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_scipys() -> None:
    for n in range(1, 40):
        for k in range(n + 1):
            expected = binomtest(k, n).proportion_ci(method="wilson")
            assert (wilson(k, n).low, wilson(k, n).high) == pytest.approx(tuple(expected))


def test_wilson_stays_in_0_to_1_and_around_its_value() -> None:
    for n in (1, 7, 624, 10**6):
        for k in (0, 1, n - 1, n):
            rate = wilson(k, n)
            assert 0 <= rate.low <= rate.value <= rate.high <= 1
        assert wilson(0, n).low == 0
        assert wilson(n, n).high == 1


def test_wilson_of_nothing_is_unknown() -> None:
    rate = wilson(0, 0)
    assert math.isnan(rate.value)
    assert (rate.low, rate.high) == (0, 1)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_wilson_refuses_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(DataError):
        wilson(k, n)


# Confusion


def test_confusion_by_hand() -> None:
    counts = metrics.confusion(LABELS, PROBABILITIES, 0.5)
    assert counts == Confusion(2, 1, 2, 1)
    assert (counts.sensitivity.numerator, counts.sensitivity.denominator) == (2, 3)
    assert counts.f1 == pytest.approx(2 / 3)


def test_each_rate_has_its_own_counts() -> None:
    counts = Confusion(true_positives=2, false_positives=3, true_negatives=5, false_negatives=7)
    assert counts.sensitivity == wilson(2, 9)
    assert counts.specificity == wilson(5, 8)
    assert counts.ppv == wilson(2, 5)
    assert counts.npv == wilson(5, 12)
    assert counts.accuracy == wilson(7, 17)
    assert counts.f1 == pytest.approx(4 / 14)


def test_threshold_itself_is_positive_and_the_ends_are_allowed() -> None:
    assert metrics.confusion(LABELS, PROBABILITIES, 0.7).false_positives == 1
    assert metrics.confusion(LABELS, PROBABILITIES, 0.7000001).false_positives == 0
    assert metrics.confusion(LABELS, PROBABILITIES, 0) == Confusion(3, 3, 0, 0)
    assert metrics.confusion(LABELS, PROBABILITIES, 1) == Confusion(0, 0, 3, 3)


def test_nobody_ill_and_nobody_called_ill() -> None:
    counts = metrics.confusion([0, 0], [0.1, 0.2], 0.5)
    assert counts.specificity.value == 1
    assert all(math.isnan(v) for v in (counts.sensitivity.value, counts.ppv.value, counts.f1))
    assert metrics.f1([0, 0], [0.1, 0.2], 0.5) is metrics.UNKNOWN


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([], []),
        ([0, 1], [0.5]),
        ([[0, 1]], [[0.5, 0.5]]),
        ([0, 2], [0.5, 0.5]),
        ([0, math.nan], [0.5, 0.5]),
        ([0, 1], [0.5, math.nan]),
        ([0, 1], [0.5, 1.5]),
        ([0, 1], [-0.5, 0.5]),
    ],
)
def test_unusable_arrays(labels: list[float], probabilities: list[float]) -> None:
    with pytest.raises(DataError):
        metrics.confusion(labels, probabilities, 0.5)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ConfigError):
        metrics.figures(LABELS, PROBABILITIES, threshold)


# AUROC and F1


def test_auroc_by_hand() -> None:
    # 9 pairs; .5 and .3 lose to .7: 7 of 9. A tie counts half.
    assert metrics.auroc(LABELS, PROBABILITIES).value == pytest.approx(7 / 9)
    assert metrics.auroc([0, 1], [0.5, 0.5]).value == 0.5


def test_auroc_and_f1_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    for decimals in (1, 16):  # with and without ties
        labels, probabilities = random_set(rng, 200, decimals)
        found = metrics.auroc(labels, probabilities)
        assert found.value == pytest.approx(roc_auc_score(labels, probabilities))
        assert found.low < found.value < found.high
        score = metrics.f1(labels, probabilities, 0.4)
        assert score.value == pytest.approx(f1_score(labels, probabilities >= 0.4))
        assert score.low < score.value < score.high


def test_auroc_interval_is_about_hanley_and_mcneils() -> None:
    labels, probabilities = random_set(np.random.default_rng(2), 624)
    found = metrics.auroc(labels, probabilities)
    a, positives = found.value, labels.sum()
    negatives = labels.size - positives
    # Hanley & McNeil 1982, equations 1 and 2
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (positives - 1) * (q1 - a * a) + (negatives - 1) * (q2 - a * a)
    width = 2 * 1.96 * math.sqrt(variance / (positives * negatives))
    assert found.high - found.low == pytest.approx(width, rel=0.15)


def test_intervals_draw_whole_patients() -> None:
    """The same X-ray twice says nothing new: with patients known, the interval must not shrink."""
    labels, probabilities = random_set(np.random.default_rng(3), 100)
    patients = np.char.mod("person%03d", np.arange(100))
    twice = [np.tile(array, 2) for array in (labels, probabilities)]
    for figure in (metrics.auroc, lambda *a, **k: metrics.f1(*a, 0.5, **k)):
        once = figure(labels, probabilities)
        grouped = figure(*twice, groups=np.tile(patients, 2))
        ungrouped = figure(*twice)
        assert astuple(grouped) == pytest.approx(astuple(once))
        assert ungrouped.high - ungrouped.low < 0.85 * (once.high - once.low)


def test_bootstrap_is_reproducible_and_its_seed_counts() -> None:
    labels, probabilities = random_set(np.random.default_rng(4), 100)
    assert metrics.auroc(labels, probabilities) == metrics.auroc(labels, probabilities)
    assert metrics.auroc(labels, probabilities) != metrics.auroc(labels, probabilities, seed=1)


def test_f1_has_an_interval_where_the_bootstrap_has_nothing_to_draw() -> None:
    # J = 0 of 4 and 4 of 4, Wilson: 0 to z² / (n + z²), and n / (n + z²) to 1
    z2 = 1.96**2
    missed = metrics.f1([1, 1, 1, 0, 0], [0.1, 0.1, 0.1, 0.1, 0.9], 0.5)
    assert astuple(missed) == pytest.approx((0, 0, 2 * z2 / (4 + 2 * z2)), abs=1e-3)
    found = metrics.f1([1, 1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9, 0.1], 0.5)
    assert astuple(found) == pytest.approx((1, 2 * 4 / (8 + z2), 1), abs=1e-3)


def test_one_patient_tells_nothing_of_others() -> None:
    assert astuple(metrics.f1([1], [0.3], 0.5)) == (0, 0, 1)
    assert metrics.figures([1], [0.3], 0.5)["f1_ci"] == [0, 1]
    labels, probabilities = random_set(np.random.default_rng(5), 40)
    same = ["somebody"] * 40
    for figure in (metrics.f1(labels, probabilities, 0.5, same),
                   metrics.auroc(labels, probabilities, same)):  # fmt: skip
        assert 0 < figure.value < 1
        assert (figure.low, figure.high) == (0, 1)
    difference = metrics.auroc_difference(labels, 1 - probabilities, probabilities, same)
    assert (difference.low, difference.high) == (-1, 1)


def test_auroc_of_degenerate_sets() -> None:
    assert metrics.auroc([1, 1], [0.2, 0.9]) is metrics.UNKNOWN
    assert astuple(metrics.auroc([0, 1] * 20, [0.1, 0.9] * 20)) == (1, 1, 1)
    # Resamples without one of the classes are left out, not counted as NaN.
    assert astuple(metrics.auroc([0, 1], [0.1, 0.9])) == (1, 1, 1)


def test_groups_must_be_one_for_each_xray() -> None:
    with pytest.raises(DataError, match="one patient for each of 6"):
        metrics.auroc(LABELS, PROBABILITIES, groups=["a", "b"])


# Calibration


def test_ece_by_hand() -> None:
    # Two bins: {.1, .2, .3} with 1 of 3 ill, mean .2; {.5, .7, .9} with 2 of 3 ill, mean .7.
    by_hand = 0.5 * abs(1 / 3 - 0.2) + 0.5 * abs(2 / 3 - 0.7)
    assert metrics.ece(LABELS, PROBABILITIES, bins=2) == pytest.approx(by_hand)


def test_ece_ends_and_extremes() -> None:
    assert metrics.ece([0, 1], [0, 1]) == 0
    assert metrics.ece([1, 0], [0, 1]) == 1
    assert metrics.ece([0, 0, 0, 1], [0.25] * 4) == 0
    # 0.5 belongs to the upper of two bins: with 1 it makes a mean of .75.
    assert metrics.ece([1, 0], [0.5, 1], bins=2) == pytest.approx(0.25)
    with pytest.raises(ConfigError):
        metrics.ece([0, 1], [0, 1], bins=0)


def test_calibrate_is_the_sigmoid_without_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        found = metrics.calibrate([-1e5, -40, 0, math.log(3), 1e5], 1)
    assert found == pytest.approx([0, math.exp(-40), 0.5, 0.75, 1], rel=1e-12)
    assert metrics.calibrate([2 * math.log(3)], 2) == pytest.approx([0.75])


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_calibrate_refuses_a_temperature(temperature: float) -> None:
    with pytest.raises(ConfigError):
        metrics.calibrate([0.0], temperature)


def test_temperature_by_hand() -> None:
    """Logits +-2 that are right in 3 of 4: best is sigmoid(2 / T) = 3/4, T = 2 / log 3."""
    logits, labels = [2, 2, 2, 2, -2, -2, -2, -2], [1, 1, 1, 0, 0, 0, 0, 1]
    temperature = metrics.fit_temperature(logits, labels)
    assert temperature == pytest.approx(2 / math.log(3), rel=1e-4)
    assert metrics.ece(labels, metrics.calibrate(logits, temperature)) < 1e-4


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 4.0])
def test_temperature_is_found_again(true_temperature: float) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(scale=3 * true_temperature, size=20_000)
    labels = rng.random(logits.size) < metrics.calibrate(logits, true_temperature)
    assert metrics.fit_temperature(logits, labels) == pytest.approx(true_temperature, rel=0.05)


def test_temperature_of_separated_and_backward_logits_is_an_end_of_the_range() -> None:
    assert metrics.fit_temperature([-3, 3], [0, 1]) == pytest.approx(0.1, rel=1e-3)
    assert metrics.fit_temperature([3, -3], [0, 1]) == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize("logits", [[math.nan, 1], [math.inf, 1], [1]])
def test_temperature_refuses_logits(logits: list[float]) -> None:
    with pytest.raises(DataError):
        metrics.fit_temperature(logits, [0, 1])


# The object of `evaluate --json`


def test_figures_are_the_contract_of_evaluate() -> None:
    found = metrics.figures(np.array(LABELS), np.array(PROBABILITIES, np.float32), 0.5)
    rates = ["auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"]
    assert set(found) == {
        "n", "n_positive", "ece", "threshold", *rates, *(f"{rate}_ci" for rate in rates)
    }  # fmt: skip
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["n"], found["n_positive"], found["threshold"]) == (6, 3, 0.5)
    assert found["auroc"] == pytest.approx(7 / 9)
    for rate in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"):
        assert found[rate] == pytest.approx(2 / 3)
    assert found["sensitivity_ci"] == [wilson(2, 3).low, wilson(2, 3).high]
    assert found["accuracy_ci"] == [wilson(4, 6).low, wilson(4, 6).high]


def test_figures_of_one_class_have_none_for_nan() -> None:
    found = metrics.figures([0, 0], [0.1, 0.2], 0.5)
    assert found["npv"] == 1
    json.dumps(found, allow_nan=False)
    for rate in ("auroc", "sensitivity", "ppv", "f1"):
        assert found[rate] is None
        assert found[f"{rate}_ci"] == [0, 1]
    assert found["specificity"] == 1


def test_figures_pass_the_patients_on() -> None:
    labels, probabilities = random_set(np.random.default_rng(9), 60)
    patients = np.repeat(np.arange(20), 3)
    with_patients = metrics.figures(labels, probabilities, 0.5, patients)
    without = metrics.figures(labels, probabilities, 0.5)
    assert {key for key in without if without[key] != with_patients[key]} == {"auroc_ci", "f1_ci"}


def test_the_page_needs_neither_scipy_nor_scikit_learn() -> None:
    code = (
        "import sys; from model import metrics as m; m.wilson(1, 2); m.figures([0, 1], [0, 1], .5);"
        "from model.operating_points import operating_points as o; o([0, 1], [0, 1], '');"
        "print([k for k in sys.modules if k.partition('.')[0] in ('scipy', 'sklearn')])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
