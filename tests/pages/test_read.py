"""The page that reads one X-ray, used as a visitor uses it, but without a browser."""

import html
import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from model import config
from model.bundle import CARD, open_bundle, read_card, write_card
from model.errors import StoreError
from model.people import audit
from model.people.access import Actor
from model.prediction import Gate
from model.versions import champion
from pages.shared import drawing, services

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {sample.path.name: sample.label for sample in services.samples()}
KEPT = 8  # films, as in pages/read.py
LIKELY, UNLIKELY, REFER = "Pneumonia likely", "Pneumonia unlikely", "Uncertain: refer for reading"


def unescaped(markdown: str) -> str:
    return re.sub(r"\\(\W)", r"\1", markdown)


class Read:
    """The page in one visitor's session: what is done to it, and what is then to be seen."""

    def __init__(self, **address: str) -> None:
        # Long enough for the classifier to load on a busy machine; each run takes 0.1 s after that.
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
        self.at.query_params.update(address)
        self.at.run()

    def sample(self, name: str) -> "Read":
        self.at.button(key=f"read.sample.{name}").click().run()
        return self

    def upload(self, **files: bytes) -> "Read":
        """Names with a double underscore for the dot: `film__jpg=...`."""
        return self.upload_all([(name.replace("__", "."), data) for name, data in files.items()])

    def upload_all(self, files: list[tuple[str, bytes]]) -> "Read":
        chosen = [(name, data, "application/octet-stream") for name, data in files]
        self.at.file_uploader(key="read.upload").set_value(chosen).run()
        return self

    def choose(self, title: str) -> "Read":
        ids = dict(zip(self.titles, reversed(self.readings), strict=True))
        self.at.pills[0].select(ids[title]).run()
        return self

    def slide(self, threshold: float) -> "Read":
        self.at.slider(key="read.slider").set_value(threshold).run()
        return self

    def type(self, **numbers: float) -> "Read":
        for name, number in numbers.items():
            self.at.number_input(key=f"read.{name}").set_value(number).run()
        return self

    def go(self, page: str) -> "Read":
        self.at.switch_page(f"pages/{page}.py").run()
        return self

    @property
    def readings(self) -> dict[str, services.Reading]:
        return self.at.session_state["read.readings"]

    @property
    def titles(self) -> list[str]:
        """What the visitor may choose from."""
        return [unescaped(option) for pills in self.at.pills for option in pills.options]

    @property
    def thresholds(self) -> tuple[float, float, str]:
        """On the slider, in the typed field and in the address."""
        slider, typed = self.at.slider(key="read.slider"), self.at.number_input(key="read.typed")
        return slider.value, typed.value, self.at.query_params.get("t", "")

    @property
    def film(self) -> dict[str, Any]:
        """The header of what the viewer was sent, see pages/shared/viewer."""
        [block] = [c for c in self.at.get("bidi_component") if c.key == "read.viewer"]
        length = int.from_bytes(block.proto.bytes[:4], "little")
        return json.loads(block.proto.bytes[4 : 4 + length])

    @property
    def text(self) -> str:
        """All words of the drawings, without their markup."""
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(self._markdown())))
        return html.unescape(text)

    @property
    def verdict(self) -> str:
        """The words of the decision; empty where there is none."""
        return next((words for words in (LIKELY, UNLIKELY, REFER) if words in self.text), "")

    @property
    def probability(self) -> str:
        found = re.search(r"probability of pneumonia ([<>]? ?[\d.]+)", self.text)
        return found.group(1) if found else ""

    @property
    def errors(self) -> list[str]:
        assert not self.at.exception
        return [unescaped(error.value) for error in self.at.error]

    @property
    def warnings(self) -> list[str]:
        return [warning.value for warning in self.at.warning]

    @property
    def facts(self) -> str:
        [facts] = [caption.value for caption in self.at.caption if " px · " in caption.value]
        return facts

    def overrule(self) -> "Read":
        """Both steps, for the film that is shown."""
        self.at.checkbox[0].check().run()
        [button] = [b for b in self.at.button if b.label == "Read against the refusal"]
        button.click().run()
        return self

    def _markdown(self) -> list[str]:
        return [element.value for element in self.at.markdown]


@pytest.fixture(scope="module")
def classifier() -> Any:
    """The one of the pages. It takes seconds to load; then every session shares it."""
    return services._loading().result()


@pytest.fixture
def page(classifier: Any) -> Read:
    return Read()


def sample_bytes(name: str = "normal-1.jpg") -> bytes:
    return (services.SAMPLES / name).read_bytes()


def small_film(width: int) -> bytes:
    """A film of its own for each width."""
    film = cv2.imdecode(np.frombuffer(sample_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.imencode(".png", cv2.resize(film, (width, 100)))[1].tobytes()


def colour_photograph(seed: int = 3) -> bytes:
    y, x = np.mgrid[:240, :320] / 240
    noise = np.random.default_rng(seed).normal(0, 0.05, (240, 320, 3))
    rgb = np.stack([x / 1.4, y, 1 - x / 1.4], axis=-1) + noise  # (H, W, 3)
    file = io.BytesIO()
    Image.fromarray((255 * np.clip(rgb, 0, 1)).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def blank() -> bytes:
    return cv2.imencode(".png", np.full((300, 260), 90, np.uint8))[1].tobytes()


def overrules() -> list[audit.Entry]:
    """What the audit trail says of overruled gates, newest first."""
    entries = audit.entries(Actor("tester", "admin"))
    return [entry for entry in entries if entry.action == "gate overruled"]


def default_threshold() -> float:
    return services.bundle().operating_point().threshold


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


def test_only_a_film_costs_a_forward_pass(page: Read, classifier: Any) -> None:
    passes = classifier.num_passes
    page.sample("pneumonia-3.jpg")
    assert classifier.num_passes == passes + 1
    page.slide(0.1).slide(0.9).type(typed=0.4, band=0.05, prevalence=30.0)
    page.at.button(key="read.point.screening").click().run()
    assert classifier.num_passes == passes + 1
    page.sample("normal-3.jpg").choose("pneumonia-3.jpg")
    assert classifier.num_passes == passes + 2


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


def _forget() -> None:
    config.settings.cache_clear()


# The last ones: after them the classifier has to be loaded anew.


@pytest.fixture
def copied_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the bundle that is served until the test ends; to be spoilt."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    bundle = services.bundle()
    for file in bundle.folder.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    monkeypatch.setenv("XRAY_BUNDLE", str(folder))
    _forget()
    yield folder
    monkeypatch.undo()
    _forget()


def test_weights_with_one_wrong_bit_give_no_verdict(copied_bundle: Path) -> None:
    weights = (
        copied_bundle / json.loads((copied_bundle / "bundle.json").read_text())["weights"]["file"]
    )
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    page = Read().sample("pneumonia-1.jpg")
    [sentence] = page.errors
    assert "SHA-256" in sentence
    assert "gives no verdict" in sentence
    assert str(copied_bundle) not in sentence
    assert page.verdict == ""
    assert page.probability == ""
    assert page.film["heats"] == []


def test_without_a_bundle_the_film_is_shown_and_no_verdict(copied_bundle: Path) -> None:
    (copied_bundle / "bundle.json").unlink()
    page = Read().sample("normal-1.jpg")
    [sentence] = page.errors
    assert "bundle.json" in sentence
    assert page.verdict == ""
    assert page.film["film_id"]


@pytest.fixture
def promote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, float], None]]:
    """promote(name, shift): the shipped version by another name, its thresholds `shift` higher."""
    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    _forget()

    def serve(name: str, shift: float) -> None:
        folder = tmp_path / name
        shutil.copytree(champion.SHIPPED, folder)
        old = read_card(folder / CARD)
        points = [replace(p, threshold=p.threshold + shift) for p in old.operating_points]
        write_card(replace(old, model_version=name, operating_points=tuple(points)))
        copy = open_bundle(champion.materialise(folder))
        champion.switch(copy, "zoe", "2026-11-21T10:00:00.000000Z", "")

    yield serve
    monkeypatch.undo()
    _forget()


def test_every_session_reads_its_next_film_with_the_version_that_was_promoted(
    promote: Callable[[str, float], None],
) -> None:
    named, typed = Read().sample("pneumonia-1.jpg"), Read().sample("pneumonia-1.jpg")
    named.at.button(key="read.point.screening").click().run()
    typed.slide(0.42)
    old = services.bundle()
    before = named.thresholds

    promote("vgg16-promoted", 0.01)
    named.at.run()  # the film on the screen stays with the version that has read it
    assert named.thresholds == before
    assert f"model {old.model_version}" in named.facts
    assert "Another version is served by now" in named.at.info[0].value

    for page in (named, typed):
        page.sample("normal-1.jpg")
        assert page.errors == []
        assert "model vgg16-promoted" in page.facts
        assert not page.at.info
    new = services.bundle()
    assert new.model_version == "vgg16-promoted"
    screening = old.operating_point("screening").threshold + 0.01
    assert named.thresholds[:2] == pytest.approx((screening, screening))
    assert named.at.button(key="read.point.screening").proto.type == "primary"
    assert typed.thresholds == (0.42, 0.42, "0.42")

    named.choose("pneumonia-1.jpg")  # back to the film of before, with its own number
    assert named.thresholds == before
    named.at.button(key="read.again").click().run()
    assert "model vgg16-promoted" in named.facts
    assert named.thresholds[:2] == pytest.approx((screening, screening))


def test_a_champion_that_does_not_check_gives_no_verdict_until_another_is_served(
    promote: Callable[[str, float], None], tmp_path: Path
) -> None:
    promote("vgg16-promoted", 0.0)
    file = champion.served() / CARD
    file.write_text(file.read_text().replace('"temperature": ', '"temperature": 1'))
    page = Read().sample("pneumonia-1.jpg")
    assert page.verdict == ""
    [sentence] = page.errors
    assert "as it was promoted" in sentence
    assert str(tmp_path) not in sentence

    (tmp_path / "home" / "champion.json").write_text("{")
    page.sample("normal-1.jpg")
    assert page.verdict == ""
    assert "which version is served" in page.errors[0]

    (tmp_path / "home" / "champion.json").unlink()
    page.at.run()
    assert page.errors == []
    assert page.verdict
