"""The page Worklist, used as a clinician uses it, but without a browser."""

import io
import json
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from model import store
from model.clinic import reviews, worklists
from model.clinic.archive import Film
from model.config import settings
from model.people.access import Actor
from model.prediction import Gate, Prediction
from model.versions.registered import shipped_version
from model.xray import XRay
from pages.shared import worklist_services
from pages.shared.operating_points import Thresholds
from tests.model.review_cases import BOB, review
from tests.pages.conftest import read_with
from tests.pages.spanish import spanish

ROOT = Path(__file__).resolve().parents[2]
ANN = Actor("ann", "clinician")
SERVED = shipped_version()
EVIL = "<img src=x onerror=alert(1)>.png"


def film(grey: int) -> bytes:
    """A film of this mean grey."""
    return cv2.imencode(".png", np.full((30, 40), grey, np.uint8))[1].tobytes()


class Fake:
    """Says the mean grey; a black film is refused."""

    bundle = SimpleNamespace(preprocessing="grey-standardise-2", model_version=SERVED)

    def predict(self, xrays: Sequence[XRay], overruled: bool = False) -> list[Prediction]:
        return [self._judge(one) for one in xrays]

    def _judge(self, one: XRay) -> Prediction:
        grey = float(one.pixels.mean()) / 255
        if not grey:
            gate = Gate("refused", 9.0, "It is no chest X-ray.")
            return Prediction(None, None, None, gate, SERVED)
        gate = Gate("accepted", 1.0, "Like the others.")
        return Prediction(grey, 0.1, np.full((2, 2), grey, np.float32), gate, SERVED)


@pytest.fixture(autouse=True)
def served(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home, a folder of the server, the classifier above."""
    allowed = tmp_path / "incoming"
    (allowed / "monday").mkdir(parents=True)
    (allowed / "monday" / "x.png").write_bytes(film(50))
    monkeypatch.setenv("XRAY_FOLDERS", str(allowed))
    settings.cache_clear()
    read_with(Fake(), monkeypatch)
    worklist_services._reader.clear()


class Page:
    """The page in ann's session."""

    def __init__(self, actor: Actor | None = ANN, language: str = "en") -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        self.at.session_state["language"] = language
        if actor:
            self.at.session_state["auth.actor"] = actor
        self.at.run()
        self.at.switch_page("pages/worklist.py").run()

    def read(self, *files: tuple[str, bytes]) -> "Page":
        """Makes a list of these and waits until it is read."""
        chosen = [(name, data, "application/octet-stream") for name, data in files]
        self.at.file_uploader[0].set_value(chosen).run()
        self.at.button(key="worklist.read").click().run()
        return self.wait()

    def wait(self) -> "Page":
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if all(one.num_pending == 0 for one in worklists.lists(ANN)):
                break
            time.sleep(0.02)
        time.sleep(0.05)
        self.at.run()
        return self

    def choose(self, key: str, value: str) -> "Page":
        self.at.selectbox(key=f"worklist.{key}").select(value).run()
        return self

    def slide(self, threshold: float) -> "Page":
        self.at.slider(key="worklist.threshold").set_value(threshold).run()
        return self

    def press(self, key: str) -> "Page":
        self.at.button(key=f"worklist.{key}").click().run()
        return self

    @property
    def table(self) -> list[dict[str, object]]:
        return self.at.dataframe[0].value.to_dict("records")

    def column(self, name: str) -> list[object]:
        return [row[name] for row in self.table]

    @property
    def shown(self) -> str:
        """What the viewer shows: the beginning of the identity of a film."""
        [block] = [c for c in self.at.get("bidi_component") if c.key == "worklist.viewer"]
        length = int.from_bytes(block.proto.bytes[:4], "little")
        return str(json.loads(block.proto.bytes[4 : 4 + length])["film_id"])

    @property
    def text(self) -> str:
        elements = (*self.at.markdown, *self.at.caption, *self.at.warning, *self.at.error)
        return "\n".join(element.value for element in (*elements, *self.at.info))


def at(threshold: float) -> Thresholds:
    """This number, typed, for the version that is served."""
    return Thresholds(SERVED, threshold, "", 0.0)


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()


def test_a_visitor_is_asked_to_sign_in() -> None:
    page = Page(actor=None)
    assert not page.at.exception
    assert not page.at.file_uploader
    assert "This page is for clinicians." in page.text


def test_a_zip_goes_in_and_the_suspicious_ones_come_out_first() -> None:
    files = {"a__png": film(40), "b__png": film(200), "c__png": film(120), "d__txt": b"hello"}
    page = Page().read(("films.zip", zipped(**files, black__png=film(0))), (EVIL, film(250)))
    assert not page.at.exception
    order = [EVIL, "b.png", "c.png", "a.png", "black.png", "d.txt"]
    assert page.column("file") == order
    assert page.column("probability")[:2] == pytest.approx([250 / 255, 200 / 255])
    assert page.column("gate")[3:5] == ["accepted", "refused"]
    assert page.column("remark")[4] == "It is no chest X-ray."
    assert "a text document" in str(page.column("remark")[5])
    assert all(str(url).startswith("data:image/jpeg") for url in page.column("film")[:5])
    assert page.choose("sort", "As given").column("file")[0] == "a.png"
    assert page.choose("gate", "refused").column("file") == ["black.png"]
    page.choose("gate", "All").choose("decision", "Not readable")
    assert page.column("file") == ["d.txt"]


def test_the_decisions_follow_the_threshold_and_no_film_is_read_again() -> None:
    page = Page().read(("a.png", film(100)), ("b.png", film(150)))
    worklist_services._reader()._classifier = None  # whoever reads now fails
    assert page.slide(0.5).column("decision") == ["Pneumonia likely", "Pneumonia unlikely"]
    assert page.slide(0.3).column("decision") == ["Pneumonia likely"] * 2
    assert page.slide(0.9).column("decision") == ["Pneumonia unlikely"] * 2
    assert "Pneumonia unlikely: 2" in page.text


def test_cases_are_opened_one_after_the_other() -> None:
    page = Page().read(("a.png", film(100)), (EVIL, film(200)), ("c.png", film(150)))
    images = {row.file: row.image for row in worklist_services.rows(ANN, 1, at(0.5))}
    assert page.press("next").shown == images[EVIL]
    assert r"\<img src\=x" in page.text or r"\<img" in page.text
    assert page.press("next").shown == images["c.png"]
    assert page.press("next").shown == images["a.png"]
    assert page.at.button(key="worklist.next").disabled
    assert page.press("previous").shown == images["c.png"]
    assert page.slide(0.7).text.count("Pneumonia unlikely") >= 1


def test_no_probability_is_called_a_certainty_and_one_film_is_one() -> None:
    page = Page().read(("a.png", film(255)), ("b.png", film(1)), ("c.png", film(0)))
    assert page.column("said") == ["> 0.99", "< 0.01", ""]
    assert "3 films" in page.text
    assert "1 film" in page.choose("gate", "refused").text.splitlines()


def test_the_same_film_twice_is_said() -> None:
    page = Page().read(("a.png", film(100)), ("copy.png", film(100)))
    assert sorted(map(str, page.column("remark"))) == ["", "Same film as a.png."]


def test_what_another_reader_said_is_shown_after_ones_own_review() -> None:
    page = Page().read(("a.png", film(200)))
    image = worklist_services.rows(ANN, 1, at(0.5))[0].image
    reviews.add(BOB, review(image_sha256=image, label="viral"), "bob")
    page.at.run()
    assert page.column("review") == ["reviewed by others"]
    reviews.add(ANN, review(image_sha256=image, label="normal"), "ann")
    page.at.run()
    assert page.column("review") == ["bob: viral; ann: normal"]


def test_after_a_restart_the_list_is_there_and_films_are_given_again() -> None:
    Page().read(("a.png", film(100)))
    number = worklists.create(ANN, "Tuesday", ["a.png", "b.png"])
    said = worklists.files(ANN, 1)[0].reading
    assert said
    worklists.save_readings(ANN, number, {0: said})
    store.close()
    worklist_services._reader.clear()  # as a new process
    page = Page()
    assert "1 film was not read and cannot be now" in page.text
    assert page.column("file") == ["a.png", "b.png"]
    assert "not at hand" in page.press("next").text
    again = [u for u in page.at.file_uploader if "same ZIP as before" in u.label]
    files = [(n, film(g), "image/png") for n, g in (("a.png", 100), ("b.png", 150))]
    again[0].set_value(files).run()
    page.wait()
    assert "cannot be now" not in page.text
    assert page.column("file") == ["b.png", "a.png"]
    assert page.shown == said.image_sha256


def test_another_film_by_the_name_is_refused_and_the_right_one_asked_for() -> None:
    page = Page().read(("a.png", film(100)))
    said = worklists.files(ANN, 1)[0].reading
    other = {0: Film("a.png", lambda: film(150))}  # as when the file of a folder was replaced
    worklist_services._reader().give(ANN, 1, other)
    assert "another one by that name" in page.press("next").text
    [again] = [u for u in page.at.file_uploader if "same ZIP as before" in u.label]
    again.set_value([("a.png", film(100), "image/png")]).run()
    assert said
    assert page.shown == said.image_sha256
    worklist_services._reader().give(ANN, 1, other)
    worklist_services.go_on(ANN, 1, [0])
    page.wait()
    while worklist_services.progress(ANN, 1).state != "done":  # type: ignore[union-attr]
        page.wait()
    page.at.run()
    assert "is not the film that was read under this name" in page.text
    assert worklists.files(ANN, 1)[0].reading == said


def test_a_folder_of_the_server_that_the_configuration_allows() -> None:
    page = Page()
    [folders] = [box for box in page.at.selectbox if box.label == "Or a folder of the server"]
    assert folders.options == ["incoming", "incoming/monday"]
    folders.select("incoming").run()
    page.press("read").wait()
    assert page.column("file") == ["monday/x.png"]
    for folder in ("/", "..", "incoming/.."):
        with pytest.raises(worklist_services.InputError, match="configuration allows"):
            worklist_services.films(ANN, [], folder)


def test_folders_with_the_same_last_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [tmp_path / name for name in ("east/films", "west/films", "west/other")]
    for folder in given:
        (folder / "monday").mkdir(parents=True)
    monkeypatch.setenv("XRAY_FOLDERS", os.pathsep.join(map(str, given)))
    settings.cache_clear()
    names = {path: name for name, path in worklist_services.folders().items()}
    assert [names[folder] for folder in given] == ["east/films", "west/films", "other"]
    assert names[given[1] / "monday"] == "west/films/monday"
    assert len(names) == 6


def test_a_list_is_deleted() -> None:
    page = Page().read(("a.png", film(100)))
    page.press("delete.1")
    assert worklists.lists(ANN) == []
    assert "Make your first worklist" in page.text


def test_exports_hold_the_decisions_and_no_formula() -> None:
    Page().read(("=cmd.png", film(200)), ("b.txt", b"hello"))
    rows = worklist_services.export(ANN, 1, "csv", at(0.5)).split("\r\n")
    assert rows[1].startswith("'=cmd.png,read,,0.78")
    assert ",pneumonia,0.5," in rows[1]
    first, second = json.loads(worklist_services.export(ANN, 1, "json", at(0.9)))
    assert (first["file"], first["decision"]) == ("=cmd.png", "normal")
    assert (second["state"], second["decision"]) == ("error", None)
    from model.people import audit

    entries = audit.entries(Actor("zoe", "admin"))
    assert [e.action for e in entries].count("worklist exported") == 2


def test_in_spanish_what_is_shown_is_spanish_and_what_is_stored_is_not(tmp_path: Path) -> None:
    sentences = {
        "All": "Todas",
        "Pneumonia likely": "Neumonía probable",
        "No decision": "Sin decisión",
        "refused": "rechazada",
        "not reviewed": "sin revisar",
        "It is no chest X-ray.": "No es una radiografía de tórax.",
        "Same film as {file}.": "La misma radiografía que {file}.",
        "{n} hidden by the filters": "{n} ocultas por los filtros",
    }
    with spanish(tmp_path, sentences):
        page = Page(language="es").read(
            ("a.png", film(200)), ("b.png", film(200)), ("c.png", film(0)), ("d.txt", b"hello")
        )
        assert page.column("decision")[0] == "Neumonía probable"
        assert page.column("remark")[:2] == ["", "La misma radiografía que a.png."]
        assert page.column("review")[0] == "sin revisar"
        page.choose("decision", "No decision")  # chosen by what it is, not by its words
        assert page.column("gate") == ["rechazada"]
        assert page.column("remark") == ["No es una radiografía de tórax."]
        assert "Sin decisión: 1" in page.text
        assert "3 ocultas por los filtros" in page.text
        table = worklist_services.export(ANN, 1, "csv", at(0.5))
    stored = worklists.files(ANN, 1)
    assert stored[2].reading
    assert stored[2].reading.gate_reason == "It is no chest X-ray."
    assert stored[3].error.startswith("Expected ")
    assert ",pneumonia,0.5," in table
    assert "Neumonía" not in table
