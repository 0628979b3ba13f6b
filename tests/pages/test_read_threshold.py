"""Read an X-ray: the threshold, and everything that moves with it."""

from typing import Any

import pytest

from pages.shared import services
from tests.pages.read_cases import (
    LIKELY,
    REFER,
    UNLIKELY,
    Read,
    colour_photograph,
    default_threshold,
    sample_bytes,
)
from tests.pages.read_cases import classifier as classifier
from tests.pages.read_cases import page as page


def test_the_slider_moves_everything_that_depends_on_the_threshold(page: Read) -> None:
    page.sample("pneumonia-1.jpg")
    bundle = services.bundle()
    split = "test" if "test" in bundle.evaluations else next(iter(bundle.evaluations))
    labels, probabilities = bundle.evaluations[split].labels, bundle.probabilities(split)
    for threshold, words in ((0.0, LIKELY), (1.0, UNLIKELY), (0.37, None)):
        page.slide(threshold)
        assert page.thresholds == (threshold, threshold, f"{threshold:g}")
        assert words in (None, page.verdict)
        found = int((probabilities[labels == 1] >= threshold).sum())
        cleared = int((probabilities[labels == 0] < threshold).sum())
        assert f"{found} of {(labels == 1).sum()} with pneumonia" in page.text
        assert f"{cleared} of {(labels == 0).sum()} without" in page.text
        assert f"threshold {threshold:g}," in page._markdown()[0]


def test_a_typed_threshold_counts_to_the_last_digit(page: Read) -> None:
    page.sample("pneumonia-2.jpg")
    [reading] = page.readings.values()
    assert reading.prediction
    probability = reading.prediction.probability
    assert probability
    page.type(typed=probability)
    assert page.thresholds == (probability, probability, f"{probability:g}")
    assert page.verdict == LIKELY  # at the threshold is pneumonia
    page.type(typed=min(1.0, probability + 1e-6))
    assert page.verdict == UNLIKELY


def test_operating_points_are_one_click_away(page: Read) -> None:
    page.sample("normal-1.jpg")

    def kind(name: str) -> str:
        return page.at.button(key=f"read.point.{name}").proto.type

    assert kind("default") == "primary"
    points = services.bundle().operating_points
    assert {"default", "screening"} <= {point.name for point in points}
    for point in points:
        page.at.button(key=f"read.point.{point.name}").click().run()
        assert page.thresholds == (point.threshold, point.threshold, f"{point.threshold:g}")
        assert kind(point.name) == "primary"
    page.slide(0.0)
    assert {kind(point.name) for point in points if point.threshold} == {"secondary"}


def test_inside_the_band_it_refers(page: Read) -> None:
    page.sample("pneumonia-1.jpg")
    [reading] = page.readings.values()
    assert reading.prediction
    page.type(typed=reading.prediction.probability, band=0.05)
    assert page.verdict == REFER
    page.type(band=0.0)
    assert page.verdict == LIKELY


def test_prevalence_changes_the_hundred_children(page: Read) -> None:
    page.sample("normal-2.jpg").slide(0.0)
    assert "12 have pneumonia: 12 found, 0 missed" in page.text
    assert "88 are called back, 0 cleared" in page.text
    assert "right in 12 %" in page.text  # if all are called positive, PPV is the prevalence
    page.type(prevalence=40.0)
    assert "40 have pneumonia: 40 found, 0 missed" in page.text
    assert "right in 40 %" in page.text


def test_the_threshold_of_the_address_is_taken_up(classifier: Any) -> None:
    page = Read(t="0.42").sample("normal-1.jpg")
    assert page.thresholds == (0.42, 0.42, "0.42")


@pytest.mark.parametrize("rubbish", ["rubbish", "7", "-0.1", "nan", "inf", ""])
def test_an_address_without_a_usable_threshold_is_ignored(classifier: Any, rubbish: str) -> None:
    page = Read(t=rubbish).sample("normal-1.jpg")
    assert page.errors == []
    assert page.thresholds[:2] == (default_threshold(), default_threshold())


@pytest.mark.parametrize("detour", ["a film without a verdict", "another page"])
def test_what_was_set_outlives_a_detour(page: Read, detour: str) -> None:
    page.sample("normal-1.jpg").sample("normal-2.jpg")
    page.slide(0.42).type(band=0.05, prevalence=30.0)
    if detour == "another page":
        page.go("about").go("read")
    else:
        page.upload(holiday__jpg=colour_photograph()).choose("normal-2.jpg")
    assert page.errors == []
    assert page.film["film_id"] == services.decode(sample_bytes("normal-2.jpg"), "").id
    assert page.titles[-1] == "normal-1.jpg"
    numbers = [page.at.number_input(key=f"read.{name}").value for name in ("band", "prevalence")]
    assert [*page.thresholds[:2], *numbers] == [0.42, 0.42, 0.05, 30.0]
