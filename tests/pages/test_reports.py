"""Reports of a reading, asked for on the pages that show one, without a browser."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pypdf import PdfReader
from streamlit.testing.v1 import AppTest

from model import reading_report, xray
from model.clinic import reviews
from model.errors import StoreError
from model.people import audit
from model.people.access import COMMAND_LINE, Actor
from model.prediction import OVERRULED, Gate, Prediction
from pages.shared import reports, services, worklist_services
from pages.shared.review import case
from tests.model import images
from tests.model.report_cases import STUDY
from tests.model.review_cases import ANN, review
from tests.pages.conftest import read_with

ROOT = Path(__file__).resolve().parents[2]


def film(seed: int = 0) -> np.ndarray:
    """(H, W) uint8."""
    return images.film(60 + seed, 70)


def dicom(**elements: Any) -> bytes:
    return images.dicom(film(), **(STUDY | {"PatientName": "Ortega^Lucia"} | elements))


class FakeClassifier:
    """Calls every film pneumonia, but refuses those of 63 rows unless it is overruled."""

    @property
    def bundle(self) -> Any:
        return services.bundle()

    def predict(self, xrays: list[Any], overruled: bool = False) -> list[Prediction]:
        return [self._of(xray, overruled) for xray in xrays]

    def _of(self, film: Any, overruled: bool) -> Prediction:
        version, heat = self.bundle.model_version, np.full((7, 7), 0.5, np.float32)
        gate = Gate("accepted", 1.0, "Like the others.")
        if len(film.pixels) == 63:
            gate = Gate("refused", 9.0, "It is no chest X-ray.")
            if not overruled:
                return Prediction(None, None, None, gate, version)
        return Prediction(0.9, 2.2, heat, gate, version, overruled=overruled)


@pytest.fixture(autouse=True)
def home(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and a quick classifier."""
    read_with(FakeClassifier(), monkeypatch)
    worklist_services._reader.clear()
    return sqlite_home


class Page:
    """A page in somebody's session with these files open."""

    def __init__(self, *files: tuple[str, bytes], actor: Actor | None = None, name: str = "read"):
        self.name = name
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        if actor:
            self.at.session_state["auth.actor"] = actor
        for file, data in files:
            reading = services.decode(data, file)
            self.at.session_state["read.readings"] = {reading.id: reading}
            self.at.session_state["read.shown"] = reading.id
        self.at.run()
        if name != "read":
            self.at.switch_page(f"pages/{name}.py").run()
        assert not self.at.exception

    @property
    def offered(self) -> list[str]:
        return [option for menu in self.at.menu_button for option in menu.options]

    def ask(self, kind: str) -> tuple[str, bytes]:
        """The name and the bytes of the file that the browser was given; ("", b"") for none."""
        if kind == "overlay":
            self.at.button(key=f"{self.name}.overlay").click().run()
        else:
            self.at.menu_button(key=f"{self.name}.report").click(kind).run()
        assert not self.at.exception
        for block in self.at.get("bidi_component"):
            if block.key == f"{self.name}.saved":
                packed = block.proto.bytes
                start = 4 + int.from_bytes(packed[:4], "little")
                header = json.loads(packed[4:start])
                assert header["mime"] == reports.KINDS[kind].mime
                return header["name"], packed[start:]
        return "", b""

    def said(self, words: str) -> bool:
        return any(words in re.sub(r"\\(\W)", r"\1", c.value) for c in self.at.caption)

    @property
    def errors(self) -> list[str]:
        return [re.sub(r"\\(\W)", r"\1", error.value) for error in self.at.error]


def text(pdf: bytes) -> str:
    [page] = PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", page.extract_text())


def exported() -> list[audit.Entry]:
    return [e for e in audit.entries(COMMAND_LINE) if e.action == "report exported"]


def test_a_visitor_takes_each_kind_and_nothing_is_kept(home: Path) -> None:
    page = Page(("IM1.dcm", dicom()))
    assert page.offered == [
        "PDF", "PNG", "DICOM image (Secondary Capture)", "DICOM report (Structured Report)",
    ]  # fmt: skip
    name, pdf = page.ask("pdf")
    assert name == "IM1.report.pdf"
    assert "Pneumonia likely probability of pneumonia 0.90" in text(pdf)
    assert services.bundle().weights_sha256 in text(pdf)
    assert "Ortega" not in text(pdf)
    assert "IM1" not in text(pdf)
    name, png = page.ask("png")
    assert (name, png[:4]) == ("IM1.report.png", b"\x89PNG")
    for kind, modality, wanted in (("capture", "OT", "IM1.overlay.dcm"),
                                   ("structured", "SR", "IM1.report.dcm")):  # fmt: skip
        name, data = page.ask(kind)
        made = pydicom.dcmread(io.BytesIO(data))
        assert (name, made.Modality) == (wanted, modality)
        assert (made.StudyInstanceUID, str(made.PatientName)) == ("1.2.3.4", "Ortega^Lucia")
    name, overlay = page.ask("overlay")
    assert name == "IM1.overlay.png"
    assert xray.read(overlay).pixels.shape == film().shape
    assert page.said("Given to your browser: IM1.overlay.png")
    assert not list(home.glob("*"))


def test_the_same_reading_asked_for_twice_is_the_same_file() -> None:
    page = Page(("IM1.dcm", dicom()))
    assert page.ask("structured") == page.ask("structured")
    page.at.run()  # given once, not at every run
    assert not page.said("Given to your browser")
    assert "read.saved" not in [block.key for block in page.at.get("bidi_component")]


def test_a_picture_is_offered_no_dicom_objects() -> None:
    page = Page(("a.png", images.encode(film(), "PNG")))
    assert page.offered == ["PDF", "PNG"]


def test_the_readers_own_last_review_stands_in_the_report_and_exports_are_recorded() -> None:
    data = dicom()
    image = xray.read(data).sha256
    version = services.bundle().model_version
    said = replace(review(label="viral"), image_sha256=image, model_version=version)
    first = reviews.add(ANN, replace(said, comment="Not this one."), "1")
    reviews.add(ANN, replace(said, comment="Left base.", corrects=first.id), "2")
    reviews.add(Actor("bob", "clinician"), replace(said, label="normal", comment="Mine."), "3")
    page = Page(("IM1.dcm", data), actor=ANN)
    _, pdf = page.ask("pdf")
    assert "Reader's label viral" in text(pdf)
    assert "Reader's comment Left base." in text(pdf)
    assert "Mine" not in text(pdf)
    page.ask("structured")
    page.ask("overlay")
    found = [(e.actor, e.subject, e.details["kind"]) for e in reversed(exported())]
    kinds = ("PDF", "DICOM report (Structured Report)", "Overlay as PNG")
    assert found == [("ann", image, kind) for kind in kinds]


def test_a_file_that_names_no_study_gets_a_sentence_and_the_pdf() -> None:
    page = Page(("IM1.dcm", dicom(StudyInstanceUID="")))
    assert page.ask("structured") == ("", b"")
    [sentence] = page.errors
    assert "without a valid StudyInstanceUID" in sentence
    assert "Ortega" not in sentence
    assert page.ask("pdf")[1].startswith(b"%PDF")
    assert page.errors == []


def test_what_cannot_be_recorded_or_made_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(("IM1.dcm", dicom()), actor=ANN)

    def no_store(*_: Any, **__: Any) -> None:
        raise StoreError("the store", "none", "Try again.")

    with monkeypatch.context() as changed:
        changed.setattr(audit, "record", no_store)
        assert page.ask("png") == ("", b"")
        assert "Try again." in page.errors[0]

    def fail(*_: Any) -> bytes:
        raise RuntimeError("no room in /srv/secret")

    with monkeypatch.context() as changed:
        changed.setattr(reading_report, "png", fail)
        assert page.ask("png") == ("", b"")
        assert page.errors == [reports.FAILED]
    assert exported() == []
    assert page.ask("png")[0] == "IM1.report.png"


def test_a_report_of_a_refused_image_and_of_one_that_was_read_all_the_same() -> None:
    page = Page(("a.png", images.encode(film(3), "PNG")))
    assert page.offered == ["PDF", "PNG"]
    assert not [button for button in page.at.button if button.key == "read.overlay"]
    assert "Refused: no probability is given" in text(page.ask("pdf")[1])
    page.at.checkbox[0].check().run()
    [button] = [b for b in page.at.button if b.label == "Read against the refusal"]
    button.click().run()
    name, pdf = page.ask("pdf")
    assert name == "a.read-against-the-gate.report.pdf"
    assert OVERRULED in text(pdf)
    name, overlay = page.ask("overlay")
    assert name == "a.read-against-the-gate.overlay.png"
    assert xray.read(overlay).pixels.shape[0] > len(film(3))  # the mark stands below the film


def test_in_a_review_the_report_comes_with_the_verdict() -> None:
    page = Page(("IM1.dcm", dicom()), actor=ANN, name="review")
    assert len(page.offered) == 4
    assert page.ask("capture")[0] == "IM1.overlay.dcm"
    blinded = Page(("IM1.dcm", dicom()), actor=ANN, name="read")
    blinded.at.session_state["review.blinded"] = True
    blinded.at.session_state["read.shown"] = ""
    reading = services.decode(dicom(PatientName="Other"), "IM2.dcm")
    blinded.at.session_state["review.films"] = {reading.id: reading}
    blinded.at.session_state["review.shown"] = reading.id
    blinded.at.switch_page("pages/review.py").run()
    assert case.HIDDEN in [info.value for info in blinded.at.info]
    assert blinded.offered == []


def test_a_film_of_a_worklist_goes_back_into_its_study() -> None:
    page = Page(actor=ANN, name="worklist")
    given = [("folder/IM7.dcm", dicom(), "application/octet-stream")]
    page.at.file_uploader[0].set_value(given).run()
    page.at.button(key="worklist.read").click().run()
    reader = worklist_services._reader()
    for _ in range(300):
        progress = reader.progress(ANN, 1)
        if progress and progress.state == "done":
            break
        page.at.run()
    page.at.run()
    page.at.button(key="worklist.next").click().run()
    name, data = page.ask("structured")
    assert name == "IM7.report.dcm"
    assert pydicom.dcmread(io.BytesIO(data)).StudyInstanceUID == "1.2.3.4"
    assert page.ask("structured")[1] == data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Thorax a.p. #1.JPG", "Thorax a.p. #1"),
        ("1.2.840.113619", "1.2.840.113619"),
        ("a/b/IM1.dcm", "IM1"),
        ("film 12345678", "film 12345678"),
    ],
)
def test_files_are_named_as_the_film(name: str, expected: str) -> None:
    reading = services.Reading(name, xray.read(images.encode(film(), "PNG")))
    assert reports.file_name(reading, "pdf") == f"{expected}.report.pdf"
