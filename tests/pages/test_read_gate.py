"""Read an X-ray: what the gate refuses or finds unusual, and who overrules it."""

import html
from dataclasses import replace
from typing import Any

import pytest

from model.errors import StoreError
from model.people import audit
from model.people.access import Actor
from model.prediction import Gate
from pages.shared import drawing, services
from tests.pages.read_cases import Read, blank, colour_photograph
from tests.pages.read_cases import classifier as classifier
from tests.pages.read_cases import page as page


def overrules() -> list[audit.Entry]:
    """What the audit trail says of overruled gates, newest first."""
    entries = audit.entries(Actor("tester", "admin"))
    return [entry for entry in entries if entry.action == "gate overruled"]


def test_a_colour_photograph_is_refused_with_the_reason(page: Read, classifier: Any) -> None:
    passes = classifier.num_passes
    page.upload(holiday__jpg=colour_photograph())
    assert page.errors == []
    [warning] = [element.value for element in page.at.warning]
    assert "Refused" in warning
    assert "colour picture" in warning
    assert page.verdict == ""
    assert page.probability == ""
    assert not page.at.slider
    assert not page.at.get("download_button")
    assert page.film["heats"] == []
    assert page.film["empty"] == "Refused, so no heatmap."
    assert classifier.num_passes == passes


@pytest.fixture
def unusual(classifier: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The gate finds every film unusual, for this reason."""
    predict, reason = classifier.predict, "The film is brighter than those it was trained on."

    def find_unusual(_: Any, *args: Any, **options: Any) -> Any:
        gate = Gate("unusual", 2.5, reason)
        return [replace(prediction, gate=gate) for prediction in predict(*args, **options)]

    monkeypatch.setattr(type(classifier), "predict", find_unusual)
    return reason


def test_an_unusual_film_has_its_probability_under_a_warning(page: Read, unusual: str) -> None:
    page.sample("pneumonia-1.jpg")
    [warning] = page.warnings
    assert unusual in warning
    assert "The figures below were measured on other films." in warning
    assert page.probability
    assert page.verdict
    assert "gate: unusual" in page.facts
    order = [element.type for element in page.at.main]
    assert order.index("warning") < order.index("markdown")  # the first is the verdict
    assert page.film["note"] == "synthetic"


def test_a_refusal_is_overruled_in_two_steps_and_recorded(page: Read, classifier: Any) -> None:
    recorded, passes = len(overrules()), classifier.num_passes
    page.upload(holiday__jpg=colour_photograph())
    [button] = [b for b in page.at.button if b.label == "Read against the refusal"]
    assert button.disabled
    page.at.checkbox[0].check().run()
    assert page.probability == ""
    assert len(overrules()) == recorded
    assert classifier.num_passes == passes

    page.overrule()
    assert page.errors == []
    assert classifier.num_passes == passes + 1
    [reading] = page.readings.values()
    assert reading.prediction
    assert page.probability == html.unescape(drawing.probability(reading.prediction.probability))
    assert page.verdict
    assert len(page.film["heats"]) == 1
    entry = overrules()[0]
    assert (entry.actor, entry.subject) == ("visitor", reading.id)
    assert entry.details["status"] == "refused"
    assert "colour picture" in entry.details["reason"]
    assert entry.details["model_version"] == services.bundle().model_version

    page.slide(0.2).go("about").go("read").slide(0.9)
    [warning] = page.warnings
    assert "Read against the gate's refusal" in warning
    assert "colour picture" in warning
    assert page.film["note"] == "read against the gate's refusal"
    assert "gate: refused, overruled" in page.facts
    assert len(overrules()) == recorded + 1


def test_overruling_counts_for_one_image(page: Read) -> None:
    page.upload(first__jpg=colour_photograph(), second__jpg=colour_photograph(seed=4))
    page.at.checkbox[0].check().run()
    page.choose("second.jpg")
    assert not page.at.checkbox[0].value
    page.choose("first.jpg").overrule()
    assert page.probability
    recorded = len(overrules())
    for title, read in (("second.jpg", False), ("first.jpg", True), ("second.jpg", False)):
        page.choose(title)
        assert bool(page.probability) == read
        assert any("Refused" in warning for warning in page.warnings) != read
    page.sample("normal-1.jpg")
    assert page.warnings == []
    assert page.film["note"] == "synthetic"
    # The same file once more is another reading.
    page.upload(again__jpg=colour_photograph())
    assert page.probability == ""
    assert len(overrules()) == recorded


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StoreError("a disk", "a full one", "Free some space."), "Free some space."),
        (RuntimeError("secret"), "Ask the administrator"),
    ],
)
def test_what_cannot_be_recorded_is_not_read(
    page: Read,
    classifier: Any,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    words: str,
) -> None:
    def fail(*_: Any, **details: Any) -> None:
        raise failure

    monkeypatch.setattr(audit, "record", fail)
    passes = classifier.num_passes
    page.upload(blank__png=blank()).overrule()
    [sentence] = page.errors
    assert "could not be recorded, so the image was not read" in sentence
    assert words in sentence
    assert "secret" not in sentence
    assert page.probability == ""
    assert page.film["heats"] == []
    assert classifier.num_passes == passes
    monkeypatch.undo()  # the disk has space again
    page.overrule()
    assert page.errors == []
    assert page.probability


def test_the_share_of_the_heat_in_the_lungs_is_shown(page: Read) -> None:
    page.sample("pneumonia-1.jpg")
    [reading] = page.readings.values()
    prediction = reading.prediction
    assert prediction
    assert prediction.heat_in_lungs
    assert f"{100 * prediction.heat_in_lungs:.0f} % of the heat lies in the lungs" in page.text
    assert f"which cover {100 * prediction.lungs_area:.0f} % of the film" in page.text
    assert page.film["lungs"].count("M") == 2  # two outlines
