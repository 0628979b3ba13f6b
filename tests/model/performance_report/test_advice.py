"""What the performance report recommends follows from the figures."""

from dataclasses import replace

import numpy as np
import pytest

from model import metrics
from model.bundle import open_bundle
from model.config import ROOT
from model.metrics import wilson
from model.performance_report import advice, content
from tests.model.performance_report_cases import SOURCE


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


def about_networks(gathered, others):
    """What is said of the served network beside these: {name: a factor of what it knows}."""
    served = next(row for row in gathered.networks if row.is_champion)
    rng = np.random.default_rng(5)
    rows = [served]
    for name, share in others.items():
        guessed = rng.random(served.n)
        said = share * served.probabilities + (1 - share) * guessed
        if share > 1:
            said = 0.1 + 0.8 * served.labels
        rows.append(
            replace(
                served, name=name, title=f"The {name}", is_champion=False, probabilities=said,
                auroc=metrics.auroc(served.labels, said, served.patients),
            )
        )  # fmt: skip
    advised = advice.recommendations(replace(gathered, networks=rows, changes=[], choices=[]))
    return [each for each in advised if "Its AUROC is" in each]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "Keep the network that is served."),
        (1.0, "The network that is served may stay."),
        (1.1, "Consider the other network."),
    ],
)
def test_another_network_is_advised_only_where_the_paired_difference_shows_one(
    gathered, share, said
):
    [advised] = about_networks(gathered, {"cnn": share})
    assert advised.startswith(f"<b>{said}</b>")
    assert ("so none is shown" in advised) == (share == 1)


def test_its_own_past_is_told_and_never_advised(gathered):
    [advised] = about_networks(gathered, {"cnn": 0.0, "default": 1.1})
    assert advised.startswith("<b>Keep the network that is served.</b>")
    assert "(The cnn)" in advised
    assert "Before it learned to look at the lungs it was 1.000" in advised
    assert about_networks(gathered, {"default": 1.1}) == []


def test_networks_read_on_other_films_are_not_compared(gathered):
    renamed = [
        row if row.is_champion else replace(row, files=tuple(f"other-{f}" for f in row.files))
        for row in gathered.networks
    ]
    [advised] = [a for a in advice.recommendations(replace(gathered, networks=renamed))
                 if "Its AUROC is" in a]  # fmt: skip
    assert advised.startswith("<b>The network that is served may stay.</b>")
    assert "cannot be compared" in advised


def test_the_shipped_version_is_not_sent_back_to_the_one_before():
    shipped = open_bundle(ROOT / "model" / "weights")
    advised = advice.recommendations(content.gather(shipped, SOURCE))
    [network] = [each for each in advised if "Its AUROC is" in each]
    assert "Consider the other" not in network
    assert "so none is shown" in network  # against itself before
    [leak] = [each for each in advised if "children were kept apart" in each]
    assert leak.count(" points)") == 2  # the CNN's and the VGG16's, which goes the other way
    assert "(-0.2 points)" in leak
    assert "no leak is shown, nor excluded" in leak


def test_a_leak_is_claimed_only_without_overlap(gathered):
    def said(found):
        rows = [
            replace(row, accuracy=wilson(found, 1000)) if row.protocol == "ungrouped" else row
            for row in gathered.networks
        ]
        [leak] = [each for each in advice.recommendations(replace(gathered, networks=rows))
                  if "children were kept apart" in each]  # fmt: skip
        return leak

    assert "The intervals do not overlap." in said(1000)
    assert "no leak is shown" in said(800)


def test_without_files_nothing_is_recommended_about_them(gathered):
    alone = replace(gathered, changes=[], networks=[], choices=[])
    said = " ".join(advice.recommendations(alone))
    for word in ("under “", "network", "Either way", "children were kept apart"):
        assert word not in said
