"""Each operating point keeps its rule, and no other threshold keeps it better."""

import math

import numpy as np
import pytest

from model import metrics
from model.errors import DataError
from model.operating_points import operating_points
from tests.model.metrics_cases import LABELS, PROBABILITIES, random_set


def rates_at(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float
) -> tuple[float, float]:
    counts = metrics.confusion(labels, probabilities, threshold)
    return counts.sensitivity.value, counts.specificity.value


def test_operating_points_by_hand() -> None:
    points = operating_points(LABELS, PROBABILITIES, "six X-rays")
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
                points = operating_points(labels, probabilities, "random")
                at = {p.name: rates_at(labels, probabilities, p.threshold) for p in points}
                threshold = {p.name: p.threshold for p in points}
                assert list(at) == ["screening", "default", "balanced", "rule-in"]
                assert at["screening"][0] >= 0.99
                assert at["default"][0] >= 0.95
                assert at["rule-in"][1] >= 0.99
                for other in np.append(probabilities, [0, 1]):
                    sensitivity, specificity = rates_at(labels, probabilities, other)
                    assert sum(at["balanced"]) >= sensitivity + specificity - 1e-12
                    # Whatever else keeps a rule gives no better rate on the other side.
                    if sensitivity >= 0.99:
                        assert specificity <= at["screening"][1]
                    if sensitivity >= 0.95:
                        assert specificity <= at["default"][1]
                    if specificity >= 0.99 and other >= threshold["default"]:
                        assert sensitivity <= at["rule-in"][0]
                assert threshold["screening"] <= threshold["default"] <= threshold["rule-in"]


def test_thresholds_are_half_way_and_short() -> None:
    for point in operating_points([0, 1], [0.111111, 0.777777], "two"):
        assert point.threshold == 0.44
    # Two decimals would leave the gap, and call the normal X-ray pneumonia.
    for point in operating_points([0, 1], [0.50001, 0.50004], "two"):
        assert 0.50001 < point.threshold < 0.50004
        assert point.threshold == round(point.threshold, 6)


def test_thresholds_between_neighbouring_floats() -> None:
    low = 0.3
    high = math.nextafter(low, 1)
    for point in operating_points([0, 1], [low, high], "two"):
        assert rates_at(np.array([0, 1]), np.array([low, high]), point.threshold) == (1, 1)


def test_rule_in_of_a_network_that_errs_little_is_not_laxer_than_its_default() -> None:
    labels, probabilities = [0] * 100 + [1] * 100, [*np.linspace(0, 0.3, 100)] + [0.9] * 100
    points = {p.name: p.threshold for p in operating_points(labels, probabilities, "200")}
    assert points["default"] == points["rule-in"] == 0.6  # .3 to .9 clears 99 %, and so does .299


def test_balanced_takes_the_middle_of_ties() -> None:
    # J is 1/3 in the gaps below .2, .5 and .8, less between them.
    labels, probabilities = [1, 0, 0, 1, 0, 1], [0.2, 0.1, 0.4, 0.5, 0.7, 0.8]
    points = {p.name: p.threshold for p in operating_points(labels, probabilities, "six")}
    assert points["balanced"] == 0.45


def test_operating_points_of_a_constant_network() -> None:
    points = operating_points([0, 1, 1], [0.5, 0.5, 0.5], "three")
    assert [(p.name, p.threshold) for p in points] == [
        ("screening", 0.25),
        ("default", 0.25),
        ("balanced", 0.25),
        ("rule-in", 0.75),
    ]


def test_saturated_probabilities() -> None:
    # Nothing up to 1 clears a normal X-ray at exactly 1, so there is no rule-in.
    points = operating_points([0, 1], [1, 1], "two")
    assert [p.name for p in points] == ["screening", "default", "balanced"]
    # The ill child at exactly 0 is found at threshold 0 only.
    points = operating_points([0, 1], [0.5, 0], "two")
    assert points[0].threshold == 0


def test_one_class_gives_no_operating_points() -> None:
    with pytest.raises(DataError, match="0 with, 2 without"):
        operating_points([0, 0], [0.1, 0.2], "two")
