"""What becomes of films that people read while an admin has another version served."""

import csv
import io
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.bundle import Bundle
from model.clinic import worklists
from model.config import settings
from model.prediction import Gate, Prediction
from model.versions import champion
from model.xray import XRay
from pages.shared import services, worklist_services
from pages.shared.operating_points import Thresholds
from tests.model import version_cases as versions
from tests.pages.test_worklist import ANN, Page, film

OLD, NEW = "vgg16-20200102-0123abcd", "vgg16-20200304-4567cdef"
GATE = Gate("accepted", 1.0, "Like the others.")
HEAT = np.ones((2, 2), np.float32)
RAISED = 0.3  # of NEW's thresholds over OLD's: its default is .7, OLD's .4


class Stand:
    """A classifier of either version: OLD says the mean grey, NEW the rest of it to 1."""

    go = threading.Event()  # a prediction ends when it is set

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.entered = bundle, threading.Event()

    def predict(self, xrays: Sequence[XRay], overruled: bool = False) -> list[Prediction]:
        self.entered.set()
        assert self.go.wait(30)
        version = self.bundle.model_version
        grey = [float(one.pixels.mean()) / 255 for one in xrays]
        said = grey if version == OLD else [1 - one for one in grey]
        return [Prediction(one, 0.1, HEAT, GATE, version) for one in said]


@pytest.fixture
def promote(
    sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """promote() -> NEW is served, before it OLD, the version that came with the program."""
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    settings.cache_clear()
    versions.write_version(tmp_path / OLD, model_version=OLD)
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / OLD)
    monkeypatch.setattr(services, "_load_served", lambda served: Stand(served.open()))
    monkeypatch.setattr(Stand, "go", threading.Event())
    Stand.go.set()
    worklist_services._reader.clear()

    def serve() -> None:
        points = tuple(
            replace(one, threshold=min(1, one.threshold + RAISED)) for one in versions.POINTS
        )
        new = versions.write_version(tmp_path / NEW, model_version=NEW, operating_points=points)
        copy = champion.materialise(new.folder)
        champion.switch(replace(new, folder=copy), "zoe", "2026-11-21T10:00:00", OLD)

    return serve


def test_a_reading_ends_with_the_version_that_began_it_and_the_next_has_the_new_one(
    promote: Callable[[], None],
) -> None:
    Stand.go.clear()
    begun, later = (services.decode(film(grey), "a.png") for grey in (51, 102))
    old = services.classifier().result()
    thread = threading.Thread(target=services.predict, args=(begun,))
    thread.start()
    assert old.entered.wait(30)  # type: ignore[attr-defined]
    promote()
    Stand.go.set()
    thread.join()
    assert begun.prediction
    assert (begun.prediction.model_version, begun.prediction.probability) == (OLD, 0.2)
    assert services.bundle_of(begun).model_version == OLD
    assert services.is_outdated(begun)  # the page says so, see test_read_versions
    services.predict(later)
    assert later.prediction
    assert (later.prediction.model_version, later.prediction.probability) == (NEW, 0.6)
    assert services.bundle_of(later).model_version == NEW


def test_rows_of_an_earlier_version_are_decided_at_its_own_point_and_can_be_read_again(
    promote: Callable[[], None],
) -> None:
    files = ("dark.png", film(77)), ("grey.png", film(128))  # .30 and .50 by OLD
    page = Page().read(*files).choose("sort", "File name")
    assert page.column("decision") == ["Pneumonia unlikely", "Pneumonia likely"]
    assert "version" not in page.table[0]
    promote()
    page.at.run()
    assert page.at.slider(key="worklist.threshold").value == pytest.approx(0.7)
    assert page.column("decision") == ["Pneumonia unlikely", "Pneumonia likely"]
    assert page.column("version") == [OLD, OLD]
    assert f"Read by {OLD}, served earlier: decided at its own threshold, 0.4." in page.column(
        "remark"
    )
    assert "Read by a version that was served earlier: 2 of 2" in page.text
    page.press("point.screening")  # .1 of OLD, .4 of NEW
    assert page.column("decision") == ["Pneumonia likely", "Pneumonia likely"]
    page.slide(0.95)  # a number for NEW, which says nothing of what OLD said
    assert page.column("decision") == ["Pneumonia unlikely", "Pneumonia likely"]
    page.press("next")
    assert "Pneumonia unlikely" in page.text
    assert "0.30" in page.text

    page.press("read_again").wait()
    assert {one.reading.model_version for one in worklists.files(ANN, 1) if one.reading} == {NEW}
    assert page.at.button(key="worklist.next")
    assert "served earlier" not in page.text
    assert "version" not in page.table[0]
    assert page.column("probability") == pytest.approx([1 - 77 / 255, 1 - 128 / 255])
    assert "0.70" in page.text  # also of the film that is open


def test_without_its_card_there_is_a_probability_and_no_decision(
    promote: Callable[[], None],
) -> None:
    page = Page().read(("grey.png", film(128)))
    promote()
    shutil.rmtree(champion.SHIPPED)
    worklist_services._reader.clear()  # a restart: no film is at hand any more
    page.at.run()
    assert page.column("decision") == ["No decision"]
    assert page.column("probability") == pytest.approx([128 / 255])
    assert "no decision, as its thresholds are not here" in str(page.column("remark"))
    assert "The film of 1 of them is not at hand" in page.text
    assert "worklist.read_again" not in [button.key for button in page.at.button]
    assert [u for u in page.at.file_uploader if "same ZIP as before" in u.label]


def test_an_export_says_which_version_has_read_a_film_and_at_which_threshold(
    promote: Callable[[], None],
) -> None:
    Page().read(("grey.png", film(128)))
    promote()
    at = Thresholds(NEW, 0.7, "default", 0.0)
    [row] = csv.DictReader(io.StringIO(worklist_services.export(ANN, 1, "csv", at)))
    assert (row["model_version"], row["threshold"], row["decision"]) == (OLD, "0.4", "pneumonia")
    shutil.rmtree(champion.SHIPPED)
    [row] = csv.DictReader(io.StringIO(worklist_services.export(ANN, 1, "csv", at)))
    assert (row["model_version"], row["threshold"], row["decision"]) == (OLD, "", "")
    assert row["probability"].startswith("0.50")
