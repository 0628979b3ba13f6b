"""The page Review in a real browser: a whole review by keyboard, and what was drawn is stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.app_window import settle
from tests.browser.conftest import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
# The page for a reader who is signed in and has four films open, with a quick classifier.
APP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from model.people.access import Actor
from pages.shared import frame, services
from tests.browser.quick_classifier import read_with_it

read_with_it()
frame.begin()
if "auth.actor" not in st.session_state:
    st.session_state["auth.actor"] = Actor("ann", "clinician")
    read = [services.decode(s.path.read_bytes(), s.path.name) for s in services.samples()[:4]]
    st.session_state["read.readings"] = {{one.id: one for one in read}}
st.navigation([st.Page({str(ROOT / "pages" / "review.py")!r}, title="Review")]).run()
frame.end()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], home: Path) -> str:
    script = home / "app.py"
    script.write_text(APP)
    return serve(script, {"XRAY_HOME": str(home), "PYTHONPATH": str(ROOT)})


def stored(home: Path) -> list[dict[str, Any]]:
    """All reviews, as the store of that server has them."""
    code = (
        "from model.clinic import reviews; from model.people import access; "
        "print(reviews.export(access.COMMAND_LINE, 'jsonl'))"
    )
    env = {**os.environ, "XRAY_HOME": str(home)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in said.stdout.splitlines() if line]


def film_id(page: Page) -> str:
    page.wait_for_selector('.viewer[data-ready="true"]')
    return page.locator(".viewer").get_attribute("data-film-id") or ""


def open_form(page: Page) -> None:
    page.get_by_role("button", name="Store").wait_for()
    film_id(page)


def test_a_whole_review_by_keyboard_with_a_box(page: Page, url: str, home: Path) -> None:
    page.goto(url)
    open_form(page)
    first = film_id(page)
    settle(page)  # the script that listens may come after the form
    for key in "3ea8":
        page.keyboard.press(key)
    for label in ("Viral 3", "Sure E", "Agree A", "Partly 8"):
        page.get_by_role("radio", name=label, exact=True).and_(page.locator(":checked")).wait_for()
    page.locator(".viewer canvas").focus()
    for key in ("+", "+", "b", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector('.viewer[data-regions="1"]')
    page.keyboard.press("9")  # with the film in focus too
    page.get_by_role("radio", name="Wrong place 9").and_(page.locator(":checked")).wait_for()
    page.keyboard.press("t")
    page.keyboard.type("a shadow, 3 cm")  # text, no keys
    page.keyboard.press("Control+Enter")
    page.get_by_text("Stored: viral.").wait_for()
    page.wait_for_selector(f'.viewer[data-ready="true"]:not([data-film-id="{first}"])')
    [review] = stored(home)
    said = [review[name] for name in ("label", "confidence", "verdict", "heatmap", "comment")]
    assert said == ["viral", "sure", "agree", "wrong place", "a shadow, 3 cm"]
    assert (review["image_sha256"], review["reader"]) == (first, "ann")
    [box] = review["regions"]
    low, high = box["points"]
    assert box["kind"] == "box"
    assert 0 <= low[0] < 0.5 < high[0] <= 1
    assert page.locator(".viewer").get_attribute("data-regions") == "0"

    second = a_comment_is_text_and_of_the_case_that_comes(page, first)
    assert [one["comment"] for one in stored(home)] == ["a shadow, 3 cm", "Dense, wide. Next"]
    marks_stay_with_their_film(page, first, second)
    for key in "kk?":  # to a case with a form
        page.keyboard.press(key)
    page.get_by_text("write the comment").wait_for()
    single_keys_are_switched_off_for_good(page)


def a_comment_is_text_and_of_the_case_that_comes(page: Page, first: str) -> str:
    """Typed at once after a key that leaves the case: for another one, or by storing it."""
    comment = page.get_by_role("textbox", name="Comment")
    checked = page.get_by_role("radio").and_(page.locator(":checked"))

    def types_after(key: str, text: str) -> None:
        page.keyboard.press(key)
        page.keyboard.press("t")
        page.keyboard.type(text)

    before = film_id(page)
    types_after("j", "Dense, wide")
    page.wait_for_function("document.activeElement.value === 'Dense, wide'")
    page.wait_for_selector(f'.viewer[data-ready="true"]:not([data-film-id="{before}"])')
    second = film_id(page)
    assert second != first
    assert checked.count() == 0
    page.keyboard.type(". Next")
    for label in ("Viral 3", "Sure E", "Agree A", "Partly 8"):
        page.get_by_text(label, exact=True).click()
    page.keyboard.press("t")
    types_after("Control+Enter", "xanad")
    page.wait_for_function("document.activeElement.value === 'xanad'")
    page.get_by_text("Stored: viral.").wait_for()
    page.wait_for_selector(f'.viewer[data-ready="true"]:not([data-film-id="{second}"])')
    assert comment.input_value() == "xanad"
    assert checked.count() == 0
    comment.blur()
    types_after("k", "shadow")
    page.mouse.click(640, 8)  # whoever takes the mouse may go on to another case
    page.wait_for_selector(f'.viewer[data-ready="true"][data-film-id="{before}"]')
    page.keyboard.press("j")  # so this is a key
    page.wait_for_selector(f'.viewer[data-ready="true"]:not([data-film-id="{before}"])')
    return second


def marks_stay_with_their_film(page: Page, first: str, second: str) -> None:
    """Of two films that are reviewed the first has a mark."""
    for key in "jj":  # the second one waits until the page has done the first
        page.keyboard.press(key)
    page.wait_for_selector(f'.viewer[data-film-id="{first}"][data-regions="1"]')
    page.keyboard.press("k")
    page.wait_for_selector(f'.viewer[data-film-id="{second}"][data-regions="0"]')
    page.keyboard.press("j")
    page.wait_for_selector(f'.viewer[data-film-id="{first}"][data-regions="1"]')


def single_keys_are_switched_off_for_good(page: Page) -> None:
    """In the list of keys that is open. Tab, arrows and Enter stay, and so does writing."""
    hints = page.locator("[class*=st-key-review-] :is(label, button) code")
    assert hints.filter(visible=True).count() > 10
    switch = page.get_by_role("switch", name="Keyboard shortcuts").filter(visible=True)
    switch.uncheck()
    page.reload()
    open_form(page)
    page.wait_for_selector("html[data-shortcuts=off]", state="attached")
    assert hints.filter(visible=True).count() == 0
    case = page.get_by_text("Case 1 of 4")
    case.wait_for()
    viewer = page.locator(".viewer")
    assert viewer.locator("[data-do=invert]").get_attribute("title") == "Invert the film"
    zoom, middle = viewer.get_attribute("data-zoom"), viewer.get_attribute("data-pan-x")
    for place in (page.locator("body"), viewer.locator("canvas")):
        place.focus()
        for key in "3j?+ir":
            page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f'.viewer:not([data-pan-x="{middle}"])')
    assert viewer.get_attribute("data-zoom") == zoom
    assert viewer.get_attribute("data-invert") == "false"
    assert page.get_by_role("radio").and_(page.locator(":checked")).count() == 0
    assert case.is_visible()
    page.get_by_role("textbox", name="Comment").press_sequentially("3j")
    assert page.get_by_role("textbox", name="Comment").input_value() == "3j"
    page.get_by_role("radio", name="Normal").focus()
    page.keyboard.press("Space")
    page.get_by_role("radio", name="Normal").and_(page.locator(":checked")).wait_for()
    viewer.locator("[data-do=help]").click()  # the other list has the same switch
    viewer.get_by_role("switch", name="Keyboard shortcuts").check()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.wait_for_selector('.viewer[data-invert="true"]')


def test_a_blinded_review_on_a_phone(new_page: Callable[..., Page], url: str, home: Path) -> None:
    before = stored(home)
    page = new_page(**PHONE)
    page.goto(url)
    open_form(page)
    page.get_by_text("Blinded: my label before the model's").click()
    page.get_by_text("Not blinded: you have seen").wait_for()  # this film came with its verdict
    page.get_by_role("button", name="Next").click()
    page.get_by_text("The model's verdict and heatmap come after your label.").wait_for()
    page.wait_for_selector('.viewer[data-overlay="none"]')
    settle(page)  # until then the form of the case before may be there too
    assert page.get_by_text("Pneumonia likely").count() == 0
    page.get_by_text("Normal 1").click()
    page.get_by_text("Unsure").click()
    page.get_by_role("button", name="Store my label").click()
    page.get_by_text("Your label is stored: normal. Now the model.").wait_for()
    page.wait_for_selector('.viewer[data-overlay="on"]')
    page.get_by_text("Pneumonia likely").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    [blind] = stored(home)[len(before) :]
    assert (blind["label"], blind["verdict"], blind["blinded"]) == ("normal", "", True)
