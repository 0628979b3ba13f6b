"""A clinic's whole way in a real browser, from a ZIP of films to what two readers said of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from tests.browser.app_window import settle

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
PASSWORD = "correct horse battery staple"
NUM_FILMS = 40
NUM_FILES = NUM_FILMS + 3
READ = f"{NUM_FILMS + 1} read, 2 not readable"
HERE = '.viewer[data-ready="true"]'


@pytest.fixture(scope="module")
def films() -> dict[str, bytes]:
    """The files of a ward: the samples a little darker, each time another film, and three more."""
    samples = [cv2.imread(str(path), 0) for path in sorted(SAMPLES.glob("*.jpg"))]
    files = {}
    for number in range(NUM_FILMS):
        sample = cv2.resize(samples[number % len(samples)], (320, 280))
        darker = cv2.convertScaleAbs(sample, alpha=1 - number / 400)
        files[f"ward/{number:02}.jpg"] = cv2.imencode(".jpg", darker)[1].tobytes()
    first = files["ward/00.jpg"]
    return files | {"copy.jpg": first, "cut.jpg": first[:3000], "notes.txt": b"no film"}


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server with two clinicians."""
    home = {"XRAY_HOME": str(tmp_path_factory.mktemp("home")), "XRAY_DATABASE_URL": ""}
    program = (
        "from model.people import accounts; from model.people.access import COMMAND_LINE as us\n"
        f"for name in ('ann', 'bob'): accounts.add(us, name, 'clinician', {PASSWORD!r})"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **home}, check=True)
    return serve(ROOT / "app.py", home)


def zipped(files: dict[str, bytes]) -> dict[str, object]:
    """A ZIP of them as Playwright uploads it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return {"name": "films.zip", "mimeType": "application/zip", "buffer": file.getvalue()}


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("Name", exact=True).wait_for()
    settle(page)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with page.expect_response("**/session"):
        page.keyboard.press("Enter")


def choose(page: Page, title: str) -> None:
    """Another page, in the same session."""
    page.get_by_role("navigation").get_by_role("button", name="Read").click()
    page.get_by_role("menuitem", name=title).click()


def shows_value(page: Page, words: str) -> None:
    """Until a choice has it chosen. A busy machine may take minutes for TensorFlow and 40 films."""
    page.wait_for_function(
        "words => [...document.querySelectorAll('input')].some(i => i.value.includes(words))",
        arg=words,
        timeout=240_000,
    )


def downloaded(page: Page, title: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=title).click()
    return Path(download.value.path()).read_text("utf-8-sig")


def film_id(page: Page) -> str:
    page.locator(HERE).wait_for()
    return page.locator(".viewer").get_attribute("data-film-id") or ""


def make_list(page: Page, films: dict[str, bytes]) -> None:
    """The page is loaded again while the films are read: neither list nor sign-in are lost."""
    page.get_by_text("Make your first worklist").wait_for()
    page.locator("input[type=file]").first.set_input_files(zipped(films))
    page.get_by_role("button", name="Read these films").click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.reload()
    shows_value(page, READ)
    page.get_by_text("2 not readable", exact=True).click()
    for why in ("cut short", "a text document"):
        page.get_by_text(why).first.wait_for()


def decisions_follow(page: Page) -> None:
    """At an operating point and where the reader moves it: what is counted is what is exported."""

    def follow(chosen: str) -> float:
        page.wait_for_selector(f".st-key-worklist-points{chosen}")
        page.wait_for_selector('[data-test-script-state="notRunning"]')
        rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"))))
        assert len(rows) == NUM_FILES
        read = [row for row in rows if row["state"] == "read"]
        assert len(read) == NUM_FILMS + 1
        (threshold,) = {float(row["threshold"]) for row in read}
        likely = [row for row in read if float(row["probability"]) >= threshold]
        assert [row for row in read if row["decision"] == "pneumonia"] == likely
        assert 0 < len(likely) < len(read)
        page.get_by_text(f"Pneumonia likely: {len(likely)} ·").wait_for()
        return threshold

    page.locator('[data-testid="stDataFrame"]').wait_for()
    page.get_by_role("button", name="Screening").click()
    assert follow(' .st-key-worklist-point-screening [kind="primary"]') < 0.5
    page.get_by_role("slider").first.fill("0.54")
    page.get_by_role("slider").first.press("ArrowRight")  # the queue of reviews has films there
    assert follow(':not(:has([kind="primary"]))') == 0.55


def case_by_case(page: Page) -> None:
    """Next and previous by keyboard, the suspicious ones first."""
    place = page.get_by_text(re.compile(rf"^\d+ of {NUM_FILES}$"))
    page.keyboard.press("j")
    first = film_id(page)
    page.locator(".decision .words").get_by_text("Pneumonia likely").wait_for()
    page.keyboard.press("j")
    page.locator(f'{HERE}:not([data-film-id="{first}"])').wait_for()
    assert place.inner_text() == f"2 of {NUM_FILES}"
    page.keyboard.press("k")
    page.locator(f'{HERE}[data-film-id="{first}"]').wait_for()
    assert place.inner_text() == f"1 of {NUM_FILES}"


def answer(page: Page, keys: str) -> None:
    """Presses the keys of the form and stores it."""
    count = "([what, n]) => document.querySelectorAll('[role=radiogroup]' + what).length === n"
    asked = len(keys.replace("x", ""))
    page.wait_for_function(count, arg=["", asked])
    settle(page)
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function(count, arg=[" input:checked", asked])
    page.keyboard.press("Control+Enter")


def three_reviews(page: Page, films: dict[str, bytes]) -> list[str]:
    """One with a box, one without, one blinded; the films in that order."""
    by_hash = {hashlib.sha256(data).hexdigest()[:8]: data for data in films.values()}
    page.keyboard.press("v")
    page.get_by_role("button", name="Store").wait_for()
    first = film_id(page)
    page.locator(".viewer canvas").focus()
    for key in ("+", "+", "b", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector('.viewer[data-regions="1"]')
    answer(page, "1ed9x")
    page.get_by_text("Stored: normal.").wait_for()

    choose(page, "Worklist")
    page.get_by_text(f"1 of {NUM_FILES}", exact=True).wait_for()
    page.get_by_role("button", name="Next").click()
    page.locator(f'{HERE}:not([data-film-id="{first}"])').wait_for()
    second = film_id(page)
    page.get_by_role("button", name="Review this film").click()
    page.locator(f'{HERE}[data-film-id="{second}"]').wait_for()
    answer(page, "3ea7")
    page.get_by_text("Stored: viral.").wait_for()

    page.get_by_text("Blinded: my label before the model's").click()
    blind = "/^film [0-9a-f]{8}$/.test(document.querySelector('[role=combobox]')?.value)"
    page.wait_for_function(blind)  # no reason, no probability
    case = page.get_by_role("combobox").first.input_value()
    given = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": by_hash[case.split()[-1]]}
    page.locator("input[type=file]").set_input_files(given)
    page.get_by_text("The model's verdict and heatmap come after your label.").wait_for()
    third = film_id(page)
    assert page.get_by_text("Pneumonia likely").count() == 0
    answer(page, "1q")
    page.get_by_text("Your label is stored: normal. Now the model.").wait_for()
    page.get_by_text("Pneumonia likely").wait_for()
    answer(page, "4wan")
    page.get_by_text("Stored: unspecified pneumonia.").wait_for()
    return [first, second, third]


def two_at_once(ann: Page, bob: Page, film: str) -> None:
    """Both have the case open, then both store: each has said what they have said."""
    ann.get_by_role("combobox").first.click()
    ann.get_by_role("option", name=re.compile(f"film {film[:8]}.*reviewed by you")).click()
    ann.get_by_role("button", name="Correct this review").click()
    ann.locator(f'{HERE}[data-film-id="{film}"][data-regions="1"]').wait_for()
    shows_value(bob, "model and reader disagree")
    bob.locator(f'{HERE}[data-film-id="{film}"]').wait_for()
    answer(bob, "2qa7")
    answer(ann, "5ed9")
    bob.get_by_text("Stored: bacterial.").wait_for()
    ann.get_by_text("Stored: other finding.").wait_for()


def test_a_clinic_works_with_it(
    url: str, films: dict[str, bytes], new_page: Callable[..., Page]
) -> None:
    ann, bob = new_page(), new_page()
    ann.goto(f"{url}/worklist")
    sign_in(ann, "ann")
    make_list(ann, films)
    decisions_follow(ann)
    case_by_case(ann)
    first, second, third = three_reviews(ann, films)
    ann.reload()
    bob.goto(f"{url}/review")
    sign_in(bob, "bob")
    two_at_once(ann, bob, first)

    bob.get_by_role("tab", name="Dashboard").click()
    bob.get_by_text("4 reviews of 3 films.").wait_for()
    row = bob.get_by_role("row", name="ann and bob")
    assert "0/1" in row.inner_text()
    assert "cannot be computed" in row.inner_text()
    ann.get_by_role("tab", name="Dashboard").click()
    lines = downloaded(ann, "Reviews as JSON lines").splitlines()
    said = [json.loads(line) for line in lines]
    assert [one["image_sha256"] for one in said] == [first, second, third, third, first]
    assert [one["label"] for one in said] == [
        "normal", "viral", "normal", "unspecified pneumonia", "other finding"
    ]  # fmt: skip
    assert [one["blinded"] for one in said] == [False, False, True, True, False]
    assert [len(one["regions"]) for one in said] == [1, 0, 0, 0, 1]
    assert {one["reader"] for one in said} == {"ann"}
    rows = list(csv.DictReader(io.StringIO(downloaded(bob, "Reviews as CSV"))))
    assert [(row["reader"], row["label"]) for row in rows] == [("bob", "bacterial")]
