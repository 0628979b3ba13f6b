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
        "from model import accounts; from model.access import COMMAND_LINE as us\n"
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
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with page.expect_response("**/session"):
        page.keyboard.press("Enter")


def choose(page: Page, title: str) -> None:
    """Another page, in the same session."""
    page.get_by_role("navigation").get_by_role("button", name="Read").click()
    page.get_by_role("menuitem", name=title).click()


def shows_value(page: Page, words: str) -> None:
    """Until a choice has it chosen: its value is in an input."""
    page.wait_for_function(
        "words => [...document.querySelectorAll('input')].some(i => i.value.includes(words))",
        arg=words,
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
    """At an operating point and where the reader clicks: what is counted is what is exported."""

    def follow(threshold: float) -> None:
        rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"))))
        assert len(rows) == NUM_FILES
        read = [row for row in rows if row["state"] == "read"]
        assert len(read) == NUM_FILMS + 1
        assert {float(row["threshold"]) for row in rows} == {threshold}
        likely = [row for row in read if float(row["probability"]) >= threshold]
        assert [row for row in read if row["decision"] == "pneumonia"] == likely
        assert 0 < len(likely) < len(read)
        page.get_by_text(f"Pneumonia likely: {len(likely)} ·").wait_for()

    slider = page.get_by_role("slider").first
    before = slider.get_attribute("aria-valuenow")
    page.get_by_role("button", name="Screening").click()
    page.wait_for_function(
        "v => document.querySelector('[role=slider]').ariaValueNow !== v", arg=before
    )
    follow(float(slider.get_attribute("aria-valuenow") or 0))
    track = page.locator('[data-testid="stSlider"]').bounding_box()
    assert track
    page.mouse.click(track["x"] + 0.55 * track["width"], slider.bounding_box()["y"] + 5)  # type: ignore[index]
    page.wait_for_function("Number(document.querySelector('[role=slider]').ariaValueNow) > 0.5")
    follow(float(slider.get_attribute("aria-valuenow") or 0))


def test_a_clinic_works_with_it(
    url: str, films: dict[str, bytes], new_page: Callable[..., Page]
) -> None:
    ann = new_page()
    ann.goto(f"{url}/worklist")
    sign_in(ann, "ann")
    make_list(ann, films)
    decisions_follow(ann)
