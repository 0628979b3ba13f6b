"""A page that was left open, whose sign-in has ended meanwhile, does nothing more for it.

A browser asks for a fragment of the page alone, so app.py does not look who is there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from model.clinic import worklists
from model.clinic.batch import Progress
from model.people import accounts
from model.people.access import COMMAND_LINE, SESSION_HOURS, Actor
from pages.shared import auth, services, worklist_services
from tests.model import images
from tests.model.report_cases import PATIENT, STUDY
from tests.pages.conftest import Session, add, read_with, trail
from tests.pages.fragments import alone
from tests.pages.test_reports import FakeClassifier

ANN = Actor("ann", "clinician")
ENDED = auth.ENDED.format(hours=SESSION_HOURS)


@pytest.fixture(autouse=True)
def served(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home, ann's account, a quick classifier."""
    read_with(FakeClassifier(), monkeypatch)
    worklist_services._reader.clear()
    add()


class Left(Session):
    """ann's page, which she has left open."""

    def __init__(self, page: str, **state: Any) -> None:
        super().__init__()
        self.sign_in()
        for key, value in state.items():
            self.at.session_state[key.replace("__", ".")] = value
        self.go(page)

    def end(self) -> "Left":
        """She is deactivated, and the next look of her session at her account is due."""
        accounts.deactivate(COMMAND_LINE, "ann")
        self.at.session_state["auth.checked"] -= auth.CHECK_SECONDS
        return self

    def use(self, widget: Any, *value: str) -> "Left":
        with alone(self.at, widget.id):
            widget.click(*value).run()
        assert not self.at.exception
        return self

    def given(self) -> bool:
        """Whether the browser was given a file."""
        return any((block.key or "").endswith(".saved") for block in self.at.get("bidi_component"))


def test_reviews_are_not_exported() -> None:
    left = Left("review")
    left.at.query_params["tab"] = "Dashboard"
    left.at.run()
    left.use(left.at.button(key="review.export.csv"))
    assert left.given()
    left.end().use(left.at.button(key="review.export.jsonl"))
    assert not left.given()
    assert [action for _, action in trail()].count("reviews exported") == 1
    assert ENDED in left.text


def test_a_worklist_is_not_exported() -> None:
    worklists.create(ANN, "Monday", ["Jane Doe.png"])
    left = Left("worklist")
    left.end().use(left.at.button(key="worklist.export.csv"))
    assert not left.given()
    assert "worklist exported" not in [action for _, action in trail()]
    assert ENDED in left.text


def test_the_reading_of_a_worklist_is_not_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number, done = worklists.create(ANN, "Monday", ["Jane Doe.png"]), []
    monkeypatch.setattr(worklist_services, "progress", lambda *_: Progress("reading", 0, 1))
    monkeypatch.setattr(worklist_services, "cancel", lambda actor, n: done.append(n))
    left = Left("worklist")
    left.use(left.at.button(key="worklist.cancel"))
    assert done == [number]
    left.end().use(left.at.button(key="worklist.cancel"))
    assert done == [number]
    assert ENDED in left.text


def test_the_table_of_a_worklist_goes() -> None:
    worklists.create(ANN, "Monday", ["Jane Doe.png"])
    left = Left("worklist")
    with alone(left.at, left.at.dataframe[0].proto.id):  # as every two seconds while it is read
        left.at.run()
        assert left.at.dataframe[0].value["file"].tolist() == ["Jane Doe.png"]
        left.end().at.run()
    assert not left.at.dataframe
    assert ENDED in left.text


@pytest.fixture
def read() -> Callable[[int], Left]:
    """read(rows) -> the page Read with a patient's film; one of 63 rows is refused."""

    def page(rows: int) -> Left:
        data = images.dicom(images.film(rows, 70), **(STUDY | PATIENT))
        film = services.decode(data, "IM1.dcm")
        return Left("read", read__readings={film.id: film}, read__shown=film.id)

    return page


@pytest.mark.parametrize("kind", ["pdf", "structured"])
def test_a_report_is_not_given(kind: str, read: Callable[[int], Left]) -> None:
    left = read(60)
    left.use(left.at.menu_button(key="read.report"), "png")
    assert left.given()
    assert trail()[-1] == ("ann", "report exported")
    left.end().use(left.at.menu_button(key="read.report"), kind)
    assert not left.given()
    assert [action for _, action in trail()].count("report exported") == 1
    assert left.at.session_state["read.readings"] == {}


def test_a_report_that_was_offered_to_somebody_is_for_nobody_else() -> None:
    """Such as a browser that asks for a fragment of the page before."""
    film = services.decode(images.dicom(images.film(60, 70), **(STUDY | PATIENT)), "IM1.dcm")
    services.predict(film)
    page = AppTest.from_string(
        "import streamlit as st\n"
        "from model.people.access import Actor\n"
        "from pages.shared import reports\n"
        "reports._menu(Actor('ann', 'clinician'), st.session_state['film'], 'read', 0.4, 0.0)\n"
    )
    page.session_state["film"] = film
    page.run().menu_button(key="read.report").click("structured").run()
    assert not page.exception
    assert "read.saved" not in [block.key for block in page.get("bidi_component")]


def test_a_refusal_is_not_overruled_in_the_name_of_a_visitor(read: Callable[[int], Left]) -> None:
    left = read(63)
    left.at.checkbox[0].check().run()
    [button] = [one for one in left.at.button if one.label == "Read against the refusal"]
    left.end().use(button)
    assert "gate overruled" not in [action for _, action in trail()]
