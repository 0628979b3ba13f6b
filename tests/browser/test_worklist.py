"""A ZIP of X-rays in a real browser: read, sorted, decided at a threshold, opened, exported."""

from __future__ import annotations

import io
import os
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
ANN, PASSWORD = "ann", "correct horse battery staple"
NUM_FILMS = 40


def films() -> bytes:
    """A ZIP of films that are the samples a little darker, each time another file."""
    file = io.BytesIO()
    samples = [cv2.imread(str(path), 0) for path in sorted(SAMPLES.glob("*.jpg"))]
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(NUM_FILMS):
            sample = cv2.resize(samples[number % len(samples)], (320, 280))
            darker = cv2.convertScaleAbs(sample, alpha=1 - number / 400)
            archive.writestr(f"ward/{number:02}.jpg", cv2.imencode(".jpg", darker)[1].tobytes())
        archive.writestr("ward/notes.txt", "no film")
    return file.getvalue()


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server with one account."""
    home = {"XRAY_HOME": str(tmp_path_factory.mktemp("home")), "XRAY_DATABASE_URL": ""}
    program = (
        "from model import accounts; from model.access import COMMAND_LINE; "
        f"accounts.add(COMMAND_LINE, {ANN!r}, 'clinician', {PASSWORD!r})"
    )
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **home}, check=True)
    return serve(ROOT / "app.py", home)


def shows_list(page: Page, words: str) -> None:
    """Until the choice of lists says so: its value is in an input."""
    page.wait_for_function(
        "words => [...document.querySelectorAll('input')].some(i => i.value.includes(words))"
        " || document.body.innerText.includes(words)",
        arg=words,
    )


def test_a_zip_of_forty(url: str, page: Page) -> None:
    page.goto(f"{url}/worklist")
    page.get_by_label("Name", exact=True).fill(ANN)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").last.click()
    page.get_by_text("Make your first worklist").wait_for()
    zipped = {"name": "films.zip", "mimeType": "application/zip", "buffer": films()}
    page.locator("input[type=file]").first.set_input_files(zipped)
    page.get_by_role("button", name="Read these films").click()
    page.get_by_text("Not readable: 1", exact=False).wait_for()
    shows_list(page, "40 read, 1 not readable")

    page.get_by_role("button", name="Rule-in").click()
    page.locator('[data-testid="stDataFrame"]').wait_for()
    page.keyboard.press("j")
    page.locator('.viewer[data-ready="true"]').wait_for()
    first = page.locator(".viewer").get_attribute("data-film-id")
    page.get_by_text("1 of 41", exact=True).wait_for()
    page.keyboard.press("j")
    page.get_by_text("2 of 41", exact=True).wait_for()
    page.locator(f'.viewer[data-ready="true"]:not([data-film-id="{first}"])').wait_for()
    page.keyboard.press("k")
    page.get_by_text("1 of 41", exact=True).wait_for()
    assert page.locator(".decision .words").inner_text() == "Pneumonia likely"

    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == NUM_FILMS + 2
    assert sum(",read," in line for line in lines) == NUM_FILMS

    page.reload()  # the list stays, and the sign-in
    shows_list(page, "40 read, 1 not readable")
    if os.environ.get("SHOTS"):
        shots(page, Path(os.environ["SHOTS"]))


def shots(page: Page, folder: Path) -> None:
    page.keyboard.press("j")
    page.locator('.viewer[data-ready="true"]').wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / "dark.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / "phone.png", full_page=True)
