"""Every page for people who see it badly or not at all, or use no mouse: axe-core, and Tab.

One server and one window a theme; from page to page as a person goes, without another load.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps

from tests.browser.app_window import (
    BACKGROUNDS,
    BORNE,
    DESKTOP,
    Window,
    axe_source,
    settle,
    viewer_keys,
)
from tests.browser.conftest import _watched_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser


ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
PASSWORD = "correct horse battery"
PERFORMANCE = (
    "Threshold",
    "Calibration",
    "Robustness",
    "Lungs",
    "Heatmaps",
    "Gate",
    "Networks",
    "Data",
    "Figures",
)
ADMIN = ("Versions", "Retrain", "Jobs", "Accounts", "Audit", "Storage")
# A job whose computer went away in the middle of it, as the page Admin finds it.
PREPARE = f"""
import json
from model import store
from model.people import accounts
from model.training import job_store
from model.people.access import COMMAND_LINE
from model.config import settings
from model.training.job_host import LOST
from model.training.job_store import Job, JobSpec

for name in {list(BACKGROUNDS)}:  # a person a theme: each has a first worklist, and reviews films
    accounts.add(COMMAND_LINE, name, "admin", {PASSWORD!r})
folder = settings().home / "jobs" / "job1"
folder.mkdir(parents=True)
line = {{"stage": 0, "size_px": 64, "loss": 0.5, "accuracy": 0.8, "validation_loss": 0.6,
         "validation_accuracy": 0.75, "validation_auroc": 0.9, "seconds": 1.0}}
epochs = [json.dumps({{"epoch": epoch, **line}}) for epoch in range(3)]
(folder / "log.txt").write_text("\\n".join(epochs) + "\\n")
spec = JobSpec("ab" * 32)
job_store.add(Job("job1", spec, "local", LOST, store.now(), "ann", attempt=1, handle="job1/1"))
"""


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    home = {"XRAY_HOME": str(tmp_path_factory.mktemp("home")), "XRAY_DATABASE_URL": ""}
    environment = {**os.environ, **home}
    subprocess.run([sys.executable, "-c", PREPARE], cwd=ROOT, env=environment, check=True)
    return serve(ROOT / "app.py", home)


@pytest.fixture(scope="module", params=["dark", "light"])
def window(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Window]:
    """One window for all tests of a theme, which follow one another in it."""
    axe_source()
    with _watched_pages(browser) as new_page:
        page = new_page(viewport=DESKTOP, color_scheme=request.param, reduced_motion="reduce")
        yield Window(page, url, request.param)


def test_read(window: Window, tmp_path: Path) -> None:
    page = window.page
    window.check("Read, empty")
    window.sample("pneumonia-2.jpg")
    window.check("Read, a film", phone=True)
    page.locator(".viewer canvas").focus()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys and mouse").wait_for()
    window.note("Read, the viewer's keys")
    listed = page.locator(".viewer .help kbd").evaluate_all("all => all.map(k => k.textContent)")
    assert viewer_keys() <= {key.lower() for key in listed}
    page.keyboard.press("Escape")
    names = iter(window.walk("Read, a film"))
    # Each after the one before, whatever stands between them.
    for wanted in ("Performance", "Upload", "pneumonia", "Heatmap", "Chest X-ray", "Threshold",
                   "Screening", "Report", "Overlay as PNG"):  # fmt: skip
        assert any(wanted in name for name in names), wanted
    tinted, letter = tmp_path / "tinted.png", tmp_path / "letter.jpg"
    with Image.open(SAMPLES / "normal-1.jpg") as film:
        ImageOps.colorize(film.convert("L"), "navy", "orange").save(tinted)
    letter.write_text("Dear colleague ...")
    page.locator("input[type=file]").first.set_input_files([tinted, letter])
    page.get_by_text("Refused: no probability is given").wait_for()
    window.check("Read, refused")
    window.report()


def test_about_and_performance(window: Window) -> None:
    page = window.page
    window.visit("About")
    page.get_by_role("heading", name="About Pneumoscope").wait_for()
    window.check("About", phone=True)
    window.visit("Performance")
    page.get_by_role("heading", name="Performance", exact=True).wait_for()
    for tab in PERFORMANCE:
        page.get_by_role("tab", name=tab).click()
        page.locator(f"[role=tab][aria-selected=true]:has-text('{tab}')").wait_for()
        page.locator("figure.figures:visible").first.wait_for()
        settle(window.page)
        charts = page.locator("[data-testid=stVegaLiteChart]:visible").all()
        assert all(chart.get_attribute("aria-label") for chart in charts), tab
        window.check(f"Performance, {tab}", phone=tab in ("Threshold", "Networks"))
    window.report()


def test_sign_in_and_account(window: Window) -> None:
    page = window.page
    window.visit("Sign in")
    page.get_by_role("heading", name="Sign in").wait_for()
    window.check("Sign in")
    page.get_by_label("Name", exact=True).fill(window.theme)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Account").wait_for()
    window.check("Account")
    window.report()


def test_worklist(window: Window) -> None:
    page = window.page
    window.choose("Read", "Worklist")
    page.get_by_role("heading", name="Worklist", exact=True, level=1).wait_for()
    page.get_by_text("Make your first worklist").wait_for()
    window.check("Worklist, empty")
    files = [SAMPLES / "pneumonia-1.jpg", SAMPLES / "normal-1.jpg", ROOT / "README.md"]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Read these films").click()
    page.get_by_text("1 not readable").first.wait_for(timeout=180_000)  # a busy machine
    window.check("Worklist, a list")
    page.keyboard.press("j")
    page.locator('.viewer[data-ready="true"]').wait_for()
    page.get_by_text("V review this film").wait_for()  # where all its keys are listed
    window.check("Worklist, a film", phone=True)
    window.report()


def test_review(window: Window) -> None:
    page = window.page
    page.keyboard.press("v")
    page.get_by_role("button", name="Store").wait_for()
    page.locator('.viewer[data-ready="true"]').wait_for()
    page.get_by_role("button", name="Box", exact=True).wait_for()
    window.check("Review, the form", phone=True)
    names = iter(walked := window.walk("Review, the form"))
    for wanted in ("Case ", "Keys", "Box", "Chest X-ray", "Normal", "Unsure", "Agree", "Right",
                   "Comment", "Keep", "Store the review", "Report"):  # fmt: skip
        assert any(wanted in name for name in names), (wanted, walked)
    page.keyboard.press("?")
    page.get_by_text("write the comment").wait_for()
    window.note("Review, its keys")
    page.keyboard.press("Escape")
    page.get_by_text("write the comment").wait_for(state="hidden")
    for key in "3ead8n":
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    page.get_by_text("Stored: viral.").wait_for()
    page.get_by_role("tab", name="Dashboard").click()
    page.get_by_role("heading", name="Agreement").wait_for()
    window.check("Review, the dashboard")
    window.report()


def test_admin(window: Window) -> None:
    page = window.page
    window.choose("Manage", "Admin")
    page.get_by_role("heading", name="Admin", level=1).wait_for()
    for tab in ADMIN:
        page.get_by_role("tab", name=tab).click()
        page.locator(f"[role=tab][aria-selected=true]:has-text('{tab}')").wait_for()
        if tab == "Jobs":
            page.locator("svg.marks").nth(1).wait_for()
        window.check(f"Admin, {tab}", phone=tab == "Jobs")
    window.report()


def test_what_is_borne_is_still_so(window: Window) -> None:
    with window.on_a_phone():
        window.note("the menu on a phone")
    assert window.borne == (set(BORNE) if window.theme == "dark" else set())
    window.report()
