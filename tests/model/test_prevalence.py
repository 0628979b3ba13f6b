"""Where another share of the children is ill: PPV, NPV, and so many of a hundred."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from model.errors import ConfigError
from model.metrics import Confusion, wilson
from model.prevalence import natural_numbers, predictive_values


def test_predictive_values_by_hand() -> None:
    # 1000 children, 100 ill: 90 found, 10 missed, 180 called back, 720 cleared.
    ppv, npv = predictive_values(wilson(90, 100), wilson(80, 100), 0.1)
    assert ppv.value == pytest.approx(90 / 270)
    assert npv.value == pytest.approx(720 / 730)
    assert ppv.low < ppv.value < ppv.high
    assert npv.low < npv.value < npv.high


def test_predictive_values_at_the_prevalence_of_the_set_are_the_sets() -> None:
    counts = Confusion(380, 30, 204, 10)
    ppv, npv = predictive_values(counts.sensitivity, counts.specificity, 390 / 624)
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
        ppv, _ = predictive_values(wilson(int(k_ill), 390), wilson(int(k_well), 234), prevalence)
        covered += ppv.low <= truth <= ppv.high
    assert covered >= 940  # 950 less one and a half standard errors


def test_predictive_values_without_any_call_are_unknown() -> None:
    ppv, npv = predictive_values(wilson(0, 10), wilson(10, 10), 0.1)
    assert math.isnan(ppv.value)
    assert (ppv.low, ppv.high) == (0, 1)
    assert npv.value == pytest.approx(0.9)


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, math.nan])
def test_predictive_values_need_a_prevalence(prevalence: float) -> None:
    with pytest.raises(ConfigError):
        predictive_values(wilson(9, 10), wilson(9, 10), prevalence)


def test_natural_numbers_by_hand() -> None:
    found = natural_numbers(0.95, 0.91, 0.12)
    assert astuple(found) == (12, 11, 1, 8, 80)


def test_natural_numbers_add_up_and_are_nearest() -> None:
    rng = np.random.default_rng(8)
    for sensitivity, specificity, prevalence in rng.random((500, 3)):
        out_of = int(rng.integers(1, 1001))
        n = natural_numbers(sensitivity, specificity, prevalence, out_of)
        assert n.ill == n.found + n.missed
        assert n.ill + n.called_back + n.cleared == out_of
        assert min(astuple(n)) >= 0
        assert abs(n.ill - prevalence * out_of) <= 0.5
        assert abs(n.found - sensitivity * n.ill) <= 0.5
        assert abs(n.cleared - specificity * (out_of - n.ill)) <= 0.5


def test_natural_numbers_at_the_ends() -> None:
    assert astuple(natural_numbers(1, 1, 0)) == (0, 0, 0, 0, 100)
    assert astuple(natural_numbers(1, 0, 0.5, 10)) == (5, 5, 0, 5, 0)
    # Ties are counted against the network, also 1.5 children of 10, in floats 1.5000000000000002.
    assert natural_numbers(1, 1, 0.85, 10).ill == 9
    assert astuple(natural_numbers(0.5, 0.5, 0.5, 1)) == (1, 0, 1, 0, 0)
    assert astuple(natural_numbers(0.9, 0.5, 0.85, 20)) == (17, 15, 2, 2, 1)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_natural_numbers_refuse_what_is_no_share(share: float) -> None:
    for arguments in [(share, 0.5, 0.5), (0.5, share, 0.5), (0.5, 0.5, share)]:
        with pytest.raises(ConfigError):
            natural_numbers(*arguments)
    with pytest.raises(ConfigError):
        natural_numbers(0.5, 0.5, 0.5, out_of=0)
