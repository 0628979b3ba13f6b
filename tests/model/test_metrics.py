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

# Six X-rays by hand: at .5 they are 2 TP, 1 FN, 1 FP, 2 TN.
LABELS = [1, 1, 1, 0, 0, 0]
PROBABILITIES = [0.9, 0.5, 0.3, 0.7, 0.2, 0.1]


def random_set(
    rng: np.random.Generator, size: int, decimals: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that rank better than chance, both classes there."""
    labels = np.append([0, 1], rng.integers(0, 2, size - 2))
    logits = rng.normal(scale=2, size=size) + 2 * labels - 1
    return labels, metrics.calibrate(logits, 1).round(decimals)


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


# Operating points


def rates_at(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float
) -> tuple[float, float]:
    counts = metrics.confusion(labels, probabilities, threshold)
    return counts.sensitivity.value, counts.specificity.value


def test_operating_points_by_hand() -> None:
    points = metrics.operating_points(LABELS, PROBABILITIES, "six X-rays")
    assert [(p.name, p.threshold) for p in points] == [
        ("screening", 0.25),  # between .2 and .3: all three found
        ("default", 0.25),
        ("balanced", 0.25),  # J = 1 + 2/3 - 1; at (.7, .9] it is only 1/3
        ("rule-in", 0.8),  # between .7 and .9: all three cleared
    ]
    assert {p.chosen_on for p in points} == {"six X-rays"}


def test_operating_points_keep_their_rules_and_no_threshold_keeps_them_better() -> None:
    rng = np.random.default_rng(6)
    for size in (2, 5, 40, 150):
        for decimals in (1, 2, 3, 16):  # from many ties to none
            for _ in range(5):
                labels, probabilities = random_set(rng, size, decimals)
                if not (probabilities[labels == 0] < 1).all():
                    continue
                points = metrics.operating_points(labels, probabilities, "random")
                at = {p.name: rates_at(labels, probabilities, p.threshold) for p in points}
                threshold = {p.name: p.threshold for p in points}
                assert list(at) == ["screening", "default", "balanced", "rule-in"]
                assert at["screening"][0] >= 0.99
                assert at["default"][0] >= 0.95
                assert at["rule-in"][1] >= 0.95
                for other in np.append(probabilities, [0, 1]):
                    sensitivity, specificity = rates_at(labels, probabilities, other)
                    assert sum(at["balanced"]) >= sensitivity + specificity - 1e-12
                    # Whatever else keeps a rule gives no better rate on the other side.
                    if sensitivity >= 0.99:
                        assert specificity <= at["screening"][1]
                    if sensitivity >= 0.95:
                        assert specificity <= at["default"][1]
                    if specificity >= 0.95:
                        assert sensitivity <= at["rule-in"][0]
                assert threshold["screening"] <= threshold["default"]


def test_thresholds_are_half_way_and_short() -> None:
    for point in metrics.operating_points([0, 1], [0.111111, 0.777777], "two"):
        assert point.threshold == 0.44
    # Two decimals would leave the gap, and call the normal X-ray pneumonia.
    for point in metrics.operating_points([0, 1], [0.50001, 0.50004], "two"):
        assert 0.50001 < point.threshold < 0.50004
        assert point.threshold == round(point.threshold, 6)


def test_thresholds_between_neighbouring_floats() -> None:
    low = 0.3
    high = math.nextafter(low, 1)
    for point in metrics.operating_points([0, 1], [low, high], "two"):
        assert rates_at(np.array([0, 1]), np.array([low, high]), point.threshold) == (1, 1)


def test_balanced_takes_the_middle_of_ties() -> None:
    # J is 1/3 in the gaps below .2, .5 and .8, less between them.
    labels, probabilities = [1, 0, 0, 1, 0, 1], [0.2, 0.1, 0.4, 0.5, 0.7, 0.8]
    points = {p.name: p.threshold for p in metrics.operating_points(labels, probabilities, "six")}
    assert points["balanced"] == 0.45


def test_operating_points_of_a_constant_network() -> None:
    points = metrics.operating_points([0, 1, 1], [0.5, 0.5, 0.5], "three")
    assert [(p.name, p.threshold) for p in points] == [
        ("screening", 0.25),
        ("default", 0.25),
        ("balanced", 0.25),
        ("rule-in", 0.75),
    ]


def test_saturated_probabilities() -> None:
    # Nothing up to 1 clears a normal X-ray at exactly 1, so there is no rule-in.
    points = metrics.operating_points([0, 1], [1, 1], "two")
    assert [p.name for p in points] == ["screening", "default", "balanced"]
    # The ill child at exactly 0 is found at threshold 0 only.
    points = metrics.operating_points([0, 1], [0.5, 0], "two")
    assert points[0].threshold == 0


def test_one_class_gives_no_operating_points() -> None:
    with pytest.raises(DataError, match="0 with, 2 without"):
        metrics.operating_points([0, 0], [0.1, 0.2], "two")


# At another prevalence


def test_predictive_values_by_hand() -> None:
    # 1000 children, 100 ill: 90 found, 10 missed, 180 called back, 720 cleared.
    ppv, npv = metrics.predictive_values(wilson(90, 100), wilson(80, 100), 0.1)
    assert ppv.value == pytest.approx(90 / 270)
    assert npv.value == pytest.approx(720 / 730)
    assert ppv.low < ppv.value < ppv.high
    assert npv.low < npv.value < npv.high


def test_predictive_values_at_the_prevalence_of_the_set_are_the_sets() -> None:
    counts = Confusion(380, 30, 204, 10)
    ppv, npv = metrics.predictive_values(counts.sensitivity, counts.specificity, 390 / 624)
    assert ppv.value == pytest.approx(counts.ppv.value)
    assert npv.value == pytest.approx(counts.npv.value)


def test_predictive_values_cover_the_truth() -> None:
    rng = np.random.default_rng(7)
    sensitivity, specificity, prevalence = 0.95, 0.9, 0.12
    found = sensitivity * prevalence
    truth = found / (found + (1 - specificity) * (1 - prevalence))
    draws = zip(
        rng.binomial(390, sensitivity, 1000), rng.binomial(234, specificity, 1000), strict=True
    )
    covered = 0
    for k_ill, k_well in draws:
        ppv, _ = metrics.predictive_values(
            wilson(int(k_ill), 390), wilson(int(k_well), 234), prevalence
        )
        covered += ppv.low <= truth <= ppv.high
    assert covered >= 940  # 950 less one and a half standard errors


def test_predictive_values_without_any_call_are_unknown() -> None:
    ppv, npv = metrics.predictive_values(wilson(0, 10), wilson(10, 10), 0.1)
    assert math.isnan(ppv.value)
    assert (ppv.low, ppv.high) == (0, 1)
    assert npv.value == pytest.approx(0.9)


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, math.nan])
def test_predictive_values_need_a_prevalence(prevalence: float) -> None:
    with pytest.raises(ConfigError):
        metrics.predictive_values(wilson(9, 10), wilson(9, 10), prevalence)


def test_natural_numbers_by_hand() -> None:
    found = metrics.natural_numbers(0.95, 0.91, 0.12)
    assert astuple(found) == (12, 11, 1, 8, 80)


def test_natural_numbers_add_up_and_are_nearest() -> None:
    rng = np.random.default_rng(8)
    for sensitivity, specificity, prevalence in rng.random((500, 3)):
        out_of = int(rng.integers(1, 1001))
        n = metrics.natural_numbers(sensitivity, specificity, prevalence, out_of)
        assert n.ill == n.found + n.missed
        assert n.ill + n.called_back + n.cleared == out_of
        assert min(astuple(n)) >= 0
        assert abs(n.ill - prevalence * out_of) <= 0.5
        assert abs(n.found - sensitivity * n.ill) <= 0.5
        assert abs(n.cleared - specificity * (out_of - n.ill)) <= 0.5


def test_natural_numbers_at_the_ends() -> None:
    assert astuple(metrics.natural_numbers(1, 1, 0)) == (0, 0, 0, 0, 100)
    assert astuple(metrics.natural_numbers(1, 0, 0.5, 10)) == (5, 5, 0, 5, 0)
    # Ties are counted against the network, also 1.5 children of 10, in floats 1.5000000000000002.
    assert metrics.natural_numbers(1, 1, 0.85, 10).ill == 9
    assert astuple(metrics.natural_numbers(0.5, 0.5, 0.5, 1)) == (1, 0, 1, 0, 0)
    assert astuple(metrics.natural_numbers(0.9, 0.5, 0.85, 20)) == (17, 15, 2, 2, 1)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_natural_numbers_refuse_what_is_no_share(share: float) -> None:
    for arguments in [(share, 0.5, 0.5), (0.5, share, 0.5), (0.5, 0.5, share)]:
        with pytest.raises(ConfigError):
            metrics.natural_numbers(*arguments)
    with pytest.raises(ConfigError):
        metrics.natural_numbers(0.5, 0.5, 0.5, out_of=0)


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
        "m.operating_points([0, 1], [0, 1], ''); print([k for k in sys.modules"
        " if k.partition('.')[0] in ('scipy', 'sklearn')])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
