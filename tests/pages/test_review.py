"""The page where clinicians review verdict and heatmap, used without a browser."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from model.clinic import kept_images, review_queue, reviews, worklists
from model.clinic.reviews import Region, Review
from model.errors import InputError, StoreError
from model.people.access import Actor
from model.prediction import Gate, OperatingPoint, Prediction
from pages.shared import review_services, services
from pages.shared.review import case, dashboard, films, queue
from tests.model.review_cases import ANN, BOB, CAT, HOSTILE, film, reading, review, sha256
from tests.pages.conftest import read_with
from tests.pages.spanish import spanish

ROOT = Path(__file__).resolve().parents[2]
APP = f"""
import streamlit as st
from pages.shared import frame
frame.begin()
st.navigation([st.Page({str(ROOT / "pages" / "review.py")!r}, title="Review")]).run()
frame.end()
"""
PROBABILITY = 0.9


class FakeClassifier:
    """Calls every film pneumonia, but refuses those in `refused`."""

    refused: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.bundle = services.bundle()

    def predict(self, xrays: list[Any], overruled: bool = False) -> list[Prediction]:
        return [self._of(xray) for xray in xrays]

    def _of(self, xray: Any) -> Prediction:
        version = services.bundle().model_version
        if xray.sha256 in self.refused:
            gate = Gate("refused", 9.0, "It is a colour picture.")
            return Prediction(None, None, None, gate, version)
        gate = Gate("accepted", 1.0, "Like the others.")
        return Prediction(PROBABILITY, 2.2, np.full((7, 7), 0.5, np.float32), gate, version)


@pytest.fixture(autouse=True)
def home(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home and a quick classifier."""
    read_with(FakeClassifier(), monkeypatch)


class Page:
    """The page in one reader's session."""

    def __init__(
        self, actor: Actor | None = ANN, *seeds: int, blinded: bool = False, language: str = "en"
    ) -> None:
        self.at = AppTest.from_string(APP, default_timeout=60)
        self.at.session_state["language"] = language
        if actor:
            self.at.session_state["auth.actor"] = actor
        if seeds:
            opened = [services.Reading(f"{seed}.png", film(seed)) for seed in seeds]
            self.at.session_state["read.readings"] = {one.id: one for one in opened}
        self.at.session_state["review.blinded"] = blinded
        self.run()

    def run(self) -> "Page":
        self.at.run()
        assert not self.at.exception
        return self

    def answer(self, **said: Any) -> "Page":
        """Such as label="viral"; comment and keep too."""
        for name, value in said.items():
            self.field(name).set_value(value)
        return self

    def field(self, name: str) -> Any:
        kinds = (*self.at.radio, *self.at.text_area, *self.at.checkbox)
        [found] = [one for one in kinds if (one.key or "").startswith(f"review.{name}.")]
        return found

    def asks(self, name: str) -> bool:
        return any((one.key or "").startswith(f"review.{name}.") for one in self.at.radio)

    @property
    def may_keep(self) -> bool:
        return any((one.key or "").startswith("review.keep.") for one in self.at.checkbox)

    def store(self) -> "Page":
        [button] = [b for b in self.at.button if (b.key or "").startswith("review.store.")]
        button.click()
        return self.run()

    def choose(self, image: str) -> "Page":
        self.at.selectbox(key="review.chosen").set_value(image)
        return self.run()

    def open(self) -> "Page":
        self.at.query_params["tab"] = "Dashboard"
        return self.run()

    @property
    def film(self) -> dict[str, Any]:
        [block] = [c for c in self.at.get("bidi_component") if c.key == "review.viewer"]
        length = int.from_bytes(block.proto.bytes[:4], "little")
        return json.loads(block.proto.bytes[4 : 4 + length])

    @property
    def text(self) -> str:
        at = self.at
        parts = (*at.markdown, *at.caption, *at.info, *at.warning, *at.success, *at.error)
        html = [block.proto.body for block in at.get("html")]
        return "\n".join([*(part.value for part in parts), *html])


FULL = {"label": "viral", "confidence": "sure", "verdict": "agree", "heatmap": "partly"}


def stored() -> list[Review]:
    return sorted(reviews.latest(ANN), key=lambda one: one.id)


def test_a_visitor_is_asked_to_sign_in() -> None:
    page = Page(None, 1)
    assert [title.value for title in page.at.title] == ["Sign in"]
    assert not page.at.get("bidi_component") or "review.viewer" not in str(page.at.main)


def test_without_a_film_it_says_where_cases_come_from() -> None:
    assert queue.EMPTY in Page().text


def test_a_review_is_stored_whole_and_the_next_case_opens() -> None:
    page = Page(ANN, 1, 2)
    first = page.film["film_id"]
    assert [heat["name"] for heat in page.film["heats"]] == ["Grad-CAM"]
    assert "Pneumonia likely" in page.text
    page.answer(**FULL, comment=HOSTILE).store()
    [review] = stored()
    said = [review.label, review.confidence, review.verdict, review.heatmap, review.comment]
    assert said == ["viral", "sure", "agree", "partly", HOSTILE]
    assert (review.image_sha256, review.probability) == (first, PROBABILITY)
    assert review.threshold == services.bundle().operating_point().threshold
    assert review.model_version == services.bundle().model_version
    assert review.heatmap_sha256 == reviews.heatmap_hash(np.full((7, 7), 0.5, np.float32))
    assert (review.reader, review.role, review.blinded) == ("ann", "clinician", False)
    assert page.film["film_id"] != first
    assert "Stored: viral." in page.text
    assert kept_images.kept(ANN) == []


def test_what_is_missing_is_said_and_nothing_is_stored() -> None:
    page = Page(ANN, 1).answer(label="viral", heatmap="right").store()
    assert "Still to choose: how sure you are, verdict." in page.text
    assert stored() == []
    assert page.field("label").value == "viral"


def test_blinded_the_model_comes_after_the_own_label_and_both_are_recorded() -> None:
    page = Page(ANN, 1, blinded=True)
    assert page.film["heats"] == []
    assert page.film["empty"] == ""
    assert case.HIDDEN in page.text
    for word in ("Pneumonia likely", "probability", "0.9"):
        assert word not in page.text.replace(queue.BLINDED_HELP, "")
    assert not page.asks("verdict")
    page.answer(label="normal", confidence="unsure").store()
    [blind] = stored()
    assert (blind.label, blind.verdict, blind.blinded) == ("normal", "", True)
    assert blind.probability == PROBABILITY

    assert len(page.film["heats"]) == 1
    assert "Pneumonia likely" in page.text
    assert page.field("label").value == "normal"
    page.answer(label="bacterial", verdict="agree", heatmap="right").store()
    [last] = stored()
    assert (last.label, last.blind_label, last.corrects) == ("bacterial", "normal", blind.id)
    assert "blinded, label then: normal" in page.text


def test_in_blinded_mode_a_verdict_that_was_seen_is_not_called_unseen() -> None:
    page = Page(ANN, 1)  # here it is shown
    page.at.toggle(key="review.blinded.switch").set_value(True)
    page.run()
    assert case.SEEN in page.text
    page.answer(**FULL).store()
    assert not stored()[0].blinded


def test_in_blinded_mode_the_queue_says_nothing_of_the_model() -> None:
    say(BOB, "normal", 1)
    title = {b: Page(ANN, 1, blinded=b).at.selectbox[0].options[0] for b in (True, False)}
    assert review_queue.MODEL in title[False]
    assert title[True] == "1.png"


def test_a_correction_is_a_new_record_that_names_the_old_one() -> None:
    page = Page(ANN, 1).answer(**FULL, comment="<b>left</b>").store()
    assert "&lt;b&gt;left&lt;/b&gt;" in page.text
    assert not page.at.get("download_button")  # what readers said is exported on the Dashboard
    page.at.button(key="review.correct").click()
    page.run()
    assert page.field("label").value == "viral"
    assert page.field("comment").value == "<b>left</b>"
    page.answer(label="normal", verdict="disagree").store()
    old, new = reviews.history(ANN, film(1).sha256)
    assert (new.corrects, new.label, old.label) == (old.id, "normal", "viral")
    assert "corrected since" in page.text


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StoreError("a disk", "a full one", "Free some space."), "Free some space"),
        (RuntimeError("secret"), "Ask the administrator"),
    ],
)
def test_when_the_store_fails_the_form_keeps_what_was_entered(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, words: str
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    def locked(*_: Any) -> None:
        raise StoreError("a database", "a locked one", "Try again.")

    page = Page(ANN, 1)
    with monkeypatch.context() as patch:
        patch.setattr(reviews, "add", fail)
        patch.setattr(review_queue, "queue", locked)
        page.answer(**FULL, comment="shadow").store()
    assert words in page.text.replace("\\", "")
    assert "secret" not in page.text
    assert "locked" in page.text
    assert page.field("comment").value == "shadow"
    page.store()
    assert [(one.label, one.comment) for one in stored()] == [("viral", "shadow")]


def say(actor: Actor, label: str, seed: int, keep: bool = False, **changes: Any) -> Review:
    xray = film(seed)
    new = review(label=label, image_sha256=xray.sha256, **changes)
    return reviews.add(actor, new, f"{actor.name} {seed}", xray if keep else None)


def test_the_same_form_sent_twice_is_one_review_and_two_forms_are_refused() -> None:
    read = services.Reading("a", film(1))
    services.predict(read)
    said = review_services.Said("viral", "sure", "agree", "right", (), "", False)
    send = [review_services.store(ANN, read, said, 0.4, key, None, False) for key in "aa"]
    assert send[0] == send[1]
    with pytest.raises(InputError, match="Open the case again"):  # another tab of the same reader
        review_services.store(ANN, read, said, 0.4, "b", None, False)
    assert review_services.store(BOB, read, said, 0.4, "c", None, False).reader == "bob"
    assert len(reviews.history(ANN, film(1).sha256)) == 2


def test_a_kept_film_is_there_for_the_second_reader_without_the_first_ones_answers() -> None:
    page = Page(ANN, 1).answer(**{**FULL, "label": "normal", "verdict": "disagree"}, keep=True)
    page.store()
    [kept] = kept_images.kept(ANN)
    assert kept.image_sha256 == film(1).sha256

    second = Page(BOB)
    assert second.film["film_id"] == film(1).sha256
    assert second.film["size"] == [30, 40]
    [option] = second.at.selectbox(key="review.chosen").options
    assert review_queue.MODEL in option
    assert case.SAID not in second.text
    second.answer(**FULL).store()
    assert case.SAID in second.text
    assert [one.label for one in stored()] == ["normal", "viral"]
    [option] = Page(CAT).at.selectbox(key="review.chosen").options
    assert review_queue.READERS in option


def test_a_film_that_is_not_at_hand_is_asked_for() -> None:
    say(BOB, "normal", 1)
    page = Page(ANN)
    assert films.GONE in page.text
    upload = page.at.file_uploader(key=f"review.file.{film(1).sha256}")
    other, right = (_png(film(seed)) for seed in (2, 1))
    upload.set_value([("x.png", other, "image/png")])
    assert films.OTHER in page.run().text
    page.at.file_uploader[0].set_value([("x.png", right, "image/png")])
    page.run()
    assert page.film["film_id"] == film(1).sha256


def _png(xray: Any) -> bytes:
    import cv2

    return cv2.imencode(".png", xray.pixels)[1].tobytes()


def test_what_a_worklist_has_read_is_in_the_queue_with_its_reasons() -> None:
    refused = {"probability": None, "logit": None, "gate_status": "refused"}
    threshold = services.bundle().operating_point().threshold
    near = {"probability": threshold + 0.01, "model_version": services.bundle().model_version}
    read = [reading("near", **near), reading("refused", **refused)]
    number = worklists.create(ANN, "list", ["a", "b"])
    worklists.save_readings(ANN, number, dict(enumerate(read)))
    options = Page(ANN).at.selectbox(key="review.chosen").options
    assert [sha256("refused")[:8] in options[0], sha256("near")[:8] in options[1]] == [True, True]
    assert review_queue.REFUSED in options[0]
    assert review_queue.UNCERTAIN in options[1]
    assert f"probability {threshold + 0.01:.2f}" in options[1]


def test_of_a_refused_image_no_verdict_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClassifier, "refused", frozenset({film(1).sha256}))
    page = Page(ANN, 1)
    assert "It is a colour picture" in page.text
    assert not page.asks("verdict")
    assert not page.asks("heatmap")
    assert not page.may_keep
    page.answer(label="unusable image", confidence="sure").store()
    [review] = stored()
    assert (review.gate_status, review.probability, review.verdict) == ("refused", None, "")


def test_what_may_be_kept_is_a_film_and_tells_a_blinded_reader_nothing() -> None:
    reading = services.Reading("1.png", film(1))
    taken = FakeClassifier()._of(reading.xray)
    refusal = Gate("refused", 2.0, "It is a colour picture.")
    reading.prediction = replace(taken, gate=refusal, overruled=True)
    page = Page()
    page.at.session_state["read.readings"] = {reading.id: reading}
    assert page.run().may_keep  # somebody has said, on record, that it is a film
    assert not Page(ANN, 2, blinded=True).may_keep


def test_a_kept_film_whose_file_was_refused_gets_no_verdict() -> None:
    """The kept picture is without the colours for which the gate refuses a photograph."""
    say(BOB, "normal", 1, keep=True, gate_status="refused")  # and overruled it
    for blinded in (True, False):
        page = Page(ANN, blinded=blinded)
        assert page.film["film_id"] == film(1).sha256
        assert "Pneumonia likely" not in page.text
        assert case.SEEN not in page.text
    assert review_services.REFUSED in page.text
    assert not page.asks("verdict")
    page.answer(label="unusable image", confidence="sure").store()
    assert [one.gate_status for one in stored()] == ["refused", "refused"]


def test_a_film_that_a_version_could_not_read_is_read_by_the_one_served_since() -> None:
    reading = services.Reading("1.png", film(1), error="It is broken.", served="before")
    page = Page()
    page.at.session_state["read.readings"] = {reading.id: reading}
    assert "It is broken." not in page.run().text
    assert page.asks("verdict")


def test_a_film_that_an_earlier_version_has_read_is_judged_at_its_own_threshold() -> None:
    served = services.bundle()
    own = OperatingPoint("default", PROBABILITY + 0.05, "validation fold", "the default rule")
    earlier = replace(served, model_version="vgg16-earlier", operating_points=(own,))
    reading = services.Reading("1.png", film(1), bundle=earlier)
    reading.prediction = replace(FakeClassifier()._of(reading.xray), model_version="vgg16-earlier")
    page = Page()
    page.at.session_state["read.readings"] = {reading.id: reading}
    assert "Pneumonia unlikely" in page.run().text
    assert f"threshold {own.threshold:g}" in page.text
    page.answer(**FULL | {"verdict": "disagree"}).store()
    [first] = stored()
    assert (first.model_version, first.threshold) == ("vgg16-earlier", own.threshold)

    say(ANN, "normal", 1)  # in another session, of what another version said of the film
    page.run().at.button(key="review.correct").click()
    page.run().answer(comment="typed").store()
    *_, last = reviews.history(ANN, reading.id)
    assert (last.corrects, last.model_version, last.comment) == (first.id, "vgg16-earlier", "typed")


def test_a_clinician_sends_a_film_from_the_page_read() -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    read = [services.Reading(f"{seed}.png", film(seed)) for seed in (1, 2)]
    at.session_state["read.readings"] = {one.id: one for one in read}
    at.session_state["read.shown"] = read[0].id
    at.run()
    assert all(button.key != "read.review" for button in at.button)  # a visitor may not
    at.session_state["auth.actor"] = ANN
    at.run()
    at.button(key="read.review").click().run()
    assert not at.exception
    assert at.session_state["review.shown"] == read[0].id
    assert at.selectbox(key="review.chosen").value == read[0].id


def test_next_and_previous() -> None:
    page = Page(ANN, 1, 2, 3)
    shown = [page.film["film_id"]]
    assert page.at.button(key="review-previous").disabled
    for _ in range(2):
        page.at.button(key="review-next").click()
        shown.append(page.run().film["film_id"])
    assert shown == [film(seed).sha256 for seed in (3, 2, 1)]
    assert page.at.button(key="review-next").disabled
    page.at.button(key="review-previous").click()
    assert page.run().film["film_id"] == shown[1]


def test_what_the_browser_says_was_drawn_is_taken_as_far_as_it_is_a_region() -> None:
    box = {"kind": "box", "points": [[0.1, 0.2], [0.3, 0.4]]}
    found = review_services.regions([box, {"kind": "box"}, 7, {"kind": "box", "points": "ab"}])
    assert found == (Region("box", ((0.1, 0.2), (0.3, 0.4))),)
    assert review_services.as_drawn(found) == [box]
    assert review_services.regions(None) == ()


def test_the_dashboard_counts_and_says_what_is_unknown() -> None:
    assert dashboard.NOTHING in Page().open().text
    for seed in range(4):
        say(ANN, "viral" if seed else "normal", seed)
    text = Page().open().text
    assert "4 reviews of 4 films" in text
    assert "Between readers: unknown" in text
    for seed in range(4):
        say(BOB, "bacterial" if seed > 1 else "normal", seed)
    text = Page().open().text
    assert "ann and bob" in text
    assert "0.500" in text  # kappa: 3 of 4 agree, 1 in 2 expected
    assert "3/8" in text  # each "normal" disagrees with the verdict
    assert dashboard.TOO_FEW.format(n=0) in text  # the reviews are of another model version


def test_the_dashboard_warns_when_the_probabilities_have_moved(tmp_path: Path) -> None:
    version = services.bundle().model_version
    number = worklists.create(ANN, "list", [str(i) for i in range(60)])
    said = {i: reading(str(i), probability=0.99, model_version=version) for i in range(60)}
    worklists.save_readings(ANN, number, said)
    page = Page().open()
    assert "higher probabilities than those that the model version was validated on" in page.text
    assert "Kolmogorov-Smirnov" in page.text
    with spanish(tmp_path, {dashboard.OWN: "Las suyas.", "set": "conjunto"}):
        assert "Las suyas." in Page(language="es").open().text  # below the chart


def test_the_export_has_every_review_of_the_reader() -> None:
    say(ANN, "viral", 1)
    say(BOB, "normal", 1)
    [line] = review_services.export(ANN, "jsonl").decode().splitlines()
    assert json.loads(line)["label"] == "viral"
    assert review_services.export(ANN, "csv").startswith(b"\xef\xbb\xbfimage_sha256,")
    buttons = [button.label for button in Page().open().at.button]
    assert {"Reviews as CSV", "Reviews as JSON lines"} <= set(buttons)


def test_in_spanish_the_answers_are_stored_as_ever(tmp_path: Path) -> None:
    sentences = {
        "Your own label": "Su propia etiqueta",
        "viral": "vírica",
        "right": "derecha",  # a side of the body
        "Right": "Correcto",
        "Stored: {label}.": "Guardado: {label}.",
        "Pneumonia likely": "Neumonía probable",
        "Readers with the model": "Lectores con el modelo",
        "{reader} and {other}": "{reader} y {other}",
        "model": "modelo",
    }
    with spanish(tmp_path, sentences):
        page = Page(ANN, 1, 2, language="es")
        label, heatmap = page.field("label"), page.field("heatmap")
        assert label.label == "Su propia etiqueta"
        assert label.options[2] == "Vírica `3`"
        assert heatmap.options[0] == "Correcto `7`"
        assert "Neumonía probable" in page.text
        page.answer(**{**FULL, "heatmap": "right"}).store()
        assert "Guardado: vírica." in page.text
        page.open()
        assert "Lectores con el modelo" in page.text
        assert "ann y modelo" in page.text
    [one] = stored()
    assert (one.label, one.heatmap) == ("viral", "right")


def test_what_a_reader_has_typed_is_never_translated(tmp_path: Path) -> None:
    with spanish(tmp_path, {"viral": "vírica", "Comment": "Comentario"}):
        page = Page(ANN, 1, 2, language="es")
        page.answer(**FULL, comment="viral").store()
        page.choose(stored()[0].image_sha256)
        table = next(html for html in page.text.splitlines() if "Comentario" in html)
    assert "<td>vírica</td>" in table  # the label
    assert "<td>viral</td>" in table
