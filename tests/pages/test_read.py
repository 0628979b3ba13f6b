"""The page that reads one X-ray, used as a visitor uses it, but without a browser."""

import html
import re
import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from pages.shared import drawing, services
from tests.pages.read_cases import (
    KEPT,
    LIKELY,
    SAMPLES,
    UNLIKELY,
    Read,
    default_threshold,
    sample_bytes,
    small_film,
)
from tests.pages.read_cases import classifier as classifier
from tests.pages.read_cases import page as page


def test_before_the_first_film_it_says_what_to_do() -> None:
    page = Read()
    assert page.errors == []
    assert page.verdict == ""
    assert any("Drop an X-ray above" in block.value for block in page.at.get("html"))
    assert len([b for b in page.at.button if b.key.startswith("read.sample.")]) == len(SAMPLES)
    assert not page.at.pills
    assert any("Not a medical device" in caption.value for caption in page.at.caption)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_click_on_a_sample_reads_it_as_its_label_says(page: Read, name: str) -> None:
    page.sample(name)
    assert page.errors == []
    [reading] = page.readings.values()
    assert reading.prediction
    assert page.probability == html.unescape(drawing.probability(reading.prediction.probability))
    assert page.verdict == (LIKELY if SAMPLES[name] == "pneumonia" else UNLIKELY)
    assert page.thresholds[0] == default_threshold()
    assert page.film["film_id"] == reading.id
    assert page.film["note"] == "synthetic"
    assert page.at.button(key="read.overlay").label == "Overlay as PNG"


def test_facts_of_a_dicom_file_are_shown(page: Read) -> None:
    page.sample("pneumonia-4.dcm")
    [facts] = [c.value for c in page.at.caption if c.value.startswith("DICOM")]
    [film] = [reading.xray for reading in page.readings.values()]
    assert film
    assert f"{film.pixels.shape[1]} x {film.pixels.shape[0]} px" in facts
    assert f"age {film.age_years:.1f} years" in facts
    assert services.bundle().model_version in facts


def test_of_several_files_the_readable_ones_are_shown_and_the_others_say_why(page: Read) -> None:
    page.upload(
        notes__jpg=b"Dear colleague, please see ...",
        film__jpg=sample_bytes(),
        empty__png=b"",
        other__jpg=sample_bytes("normal-2.jpg"),
    )
    notes, empty = page.errors
    assert "Received: a text document (notes.jpg" in notes
    assert "Received: an empty file (empty.png" in empty
    assert page.verdict
    assert page.film["film_id"] == services.decode(sample_bytes(), "").id
    assert page.film["note"] == ""
    assert page.titles == ["film.jpg", "other.jpg"]
    page.choose("other.jpg")
    assert page.film["film_id"] == services.decode(sample_bytes("normal-2.jpg"), "").id
    assert len(page.errors) == 2
    assert page.verdict


def test_a_file_that_cannot_be_read_is_said_so_even_after_a_good_one(page: Read) -> None:
    page.upload(film__jpg=sample_bytes())
    page.upload(film__jpg=sample_bytes(), broken__jpg=sample_bytes()[:400])
    [sentence] = page.errors
    assert "broken.jpg" in sentence
    page.upload(film__jpg=sample_bytes())
    assert page.errors == []


def test_two_films_of_the_same_name_can_both_be_chosen(page: Read) -> None:
    page.upload_all([("IM0001.png", small_film(width)) for width in (100, 120)])
    widths = []
    for title in page.titles:
        page.choose(title)
        widths.append(page.film["size"][0])
    assert sorted(widths) == [100, 120]
    # A threshold is no reason to show another child's film.
    page.slide(0.3)
    assert page.film["size"][0] == widths[-1]


def test_only_a_film_costs_a_forward_pass(page: Read, classifier: Any) -> None:
    passes = classifier.num_passes
    page.sample("pneumonia-3.jpg")
    assert classifier.num_passes == passes + 1
    page.slide(0.1).slide(0.9).type(typed=0.4, band=0.05, prevalence=30.0)
    page.at.button(key="read.point.screening").click().run()
    assert classifier.num_passes == passes + 1
    page.sample("normal-3.jpg").choose("pneumonia-3.jpg")
    assert classifier.num_passes == passes + 2


def test_readings_are_bounded(page: Read) -> None:
    films = [(f"{width}.png", small_film(width)) for width in range(80, 82 + KEPT)]
    page.upload_all(films)
    assert len(page.readings) == len(page.titles) == KEPT
    assert page.film["size"][0] == 80
    page.sample("normal-1.jpg")
    assert len(page.readings) == KEPT
    assert page.film["note"] == "synthetic"


def test_no_session_sees_the_films_of_another(page: Read) -> None:
    page.upload(film__jpg=sample_bytes())
    other = Read()
    assert other.verdict == ""
    assert "read.readings" not in other.at.session_state or not other.readings


def test_the_film_is_shown_while_the_classifier_loads(
    classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading: Future[Any] = Future()
    monkeypatch.setattr(services, "_loading", lambda: loading)
    page = Read()
    waited: list[str] = []
    holds = services.classifier_ready

    def ready(wait_seconds: float = 0.0) -> bool:
        waited.append("in a run" if wait_seconds else "at once")
        return holds(wait_seconds)

    monkeypatch.setattr(services, "classifier_ready", ready)
    threading.Timer(0.5, lambda: loading.set_result(classifier)).start()
    started = time.monotonic()
    page.sample("pneumonia-1.jpg")
    assert time.monotonic() - started > 0.4
    assert "in a run" in waited
    assert page.verdict == LIKELY


def test_an_unexpected_exception_is_one_plain_sentence(
    page: Read, classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such tensor in /srv/secret/Mustermann.dcm")

    monkeypatch.setattr(type(classifier), "predict", fail)
    page.upload(film__jpg=sample_bytes())
    [sentence] = page.errors
    assert "could not read this X-ray" in sentence
    assert "There is no verdict" in sentence
    everything = repr(page.at.main) + page.text + sentence
    assert not re.search("Traceback|RuntimeError|secret|Mustermann", everything)
    assert page.verdict == ""
    assert page.film["empty"] == "No verdict, so no heatmap."

    monkeypatch.undo()
    page.sample("normal-2.jpg")
    assert page.errors == []
    assert page.verdict


def test_films_whose_verdict_was_shown_are_known_to_blinded_reviews() -> None:
    page = Read().sample("normal-1.jpg").sample("pneumonia-1.jpg")
    page.choose(page.titles[-1])
    assert page.at.session_state["film.seen"] == set(page.readings)
