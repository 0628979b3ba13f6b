"""What the performance report recommends follows from the figures."""

from dataclasses import replace

import pytest

from model.metrics import wilson
from model.performance_report import advice


def with_recall(gathered, found, of):
    return replace(gathered, row=replace(gathered.row, recall=wilson(found, of)))


@pytest.mark.parametrize(
    ("found", "of", "said"),
    [
        (990, 1000, "keeps its promise"),
        (96, 100, "Do not promise a sensitivity of 95 % yet"),
        (90, 100, "Do not rely on the default threshold"),
    ],
)
def test_sensitivity_is_judged_by_value_and_lower_end(gathered, found, of, said):
    assert said in advice.recommendations(with_recall(gathered, found, of))[0]


@pytest.mark.parametrize(
    ("ece", "said"), [(0.03, "may be read as a probability"), (0.0301, "not as a percentage")]
)
def test_calibration_is_judged_at_03(gathered, ece, said):
    calibrated = replace(gathered, calibration=replace(gathered.calibration, ece_after=ece))
    assert sum(said in each for each in advice.recommendations(calibrated)) == 1


def test_the_change_of_lowest_specificity_is_named(gathered):
    title = min(gathered.changes[1:], key=lambda pair: pair[1].specificity.value)[0].title
    [said] = [a for a in advice.recommendations(gathered) if "Specificity is lowest" in a]
    assert f"under “{title}”" in said
    kept = [(change, replace(f, specificity=wilson(85, 100))) for change, f in gathered.changes]
    unhurt = advice.recommendations(replace(gathered, changes=kept))
    assert any("Accept the usual changes" in each for each in unhurt)


def test_a_difference_between_kinds_is_claimed_only_without_overlap(gathered):
    groups = gathered.subgroups
    assert len(groups) == 3
    assert any("No difference between" in a for a in advice.recommendations(gathered))
    apart = [groups[0], replace(groups[1], sensitivity=wilson(50, 100)),
             replace(groups[2], sensitivity=wilson(95, 100))]  # fmt: skip
    said = advice.headlines(replace(gathered, subgroups=apart))
    assert "Expect bacterial pneumonia to be missed more often." in said


def test_without_files_nothing_is_recommended_about_them(gathered):
    alone = replace(gathered, changes=[], networks=[], choices=[])
    said = " ".join(advice.recommendations(alone))
    for word in ("under “", "network", "Either way", "children were kept apart"):
        assert word not in said
