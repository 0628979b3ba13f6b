"""The whole loop as an administrator sees it, in a real browser; nothing behind it is faked.

The server is killed while the training runs. See tests/test_closed_loop.py for the loop itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model.bundle import Bundle, open_bundle
from model.people import accounts
from model.people.access import COMMAND_LINE
from tests.browser.app_window import settle
from tests.browser.conftest import ROOT, _start, _stop, _wait_until_healthy
from tests.loop_cases import agree, clinic, film, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
TRAINED_SECONDS = 240  # a busy machine; a quiet one takes a tenth
REASON = "a trial of the whole loop"


@pytest.fixture(scope="module")
def small(judged_bundle: Path) -> Bundle:
    """A version of the network that is served, judged on the locked test set."""
    return open_bundle(judged_bundle)


@pytest.fixture(scope="module")
def home(small: Bundle, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It serves that version, has an admin, and a film on which two readers agree."""
    with clinic(tmp_path_factory.mktemp("clinic") / "home", tiny_data) as home:
        serve(small)
        accounts.add(COMMAND_LINE, "zoe", "admin", PASSWORD)
        agree(2)
    return home


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/sign_in")
    page.get_by_label("Name", exact=True).wait_for()
    settle(page)
    page.get_by_label("Name", exact=True).fill("zoe")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with page.expect_response("**/session"):
        page.keyboard.press("Enter")
    page.get_by_role("heading", name="Account").wait_for()


def start_training(page: Page, url: str) -> None:
    """Looks at what came in, freezes it, starts the trial run."""
    page.goto(f"{url}/admin?tab=Retrain")
    page.get_by_text("Nothing was trained here yet").wait_for()
    page.get_by_role("button", name="See what it would hold").click()
    page.get_by_label("Name of the set").fill("autumn")
    assert page.get_by_role("row", name="Training").get_by_role("cell").all_inner_texts()[-1] == "1"
    page.get_by_role("button", name="Freeze this set").click()
    page.get_by_text("The set autumn is frozen").wait_for()
    page.get_by_text("Trial run", exact=True).click()
    page.get_by_text("How long it will take is unknown").wait_for()
    page.get_by_role("button", name="Start the training").click()
    page.get_by_text("is in the queue").wait_for()


def wait_for_badge(page: Page, word: str, seconds: int) -> None:
    badge = page.locator(".stMarkdownBadge").filter(has_text=word)
    badge.wait_for(timeout=1000 * seconds)


def drop(page: Page, number: int) -> None:
    """A film on the reading page."""
    given = {"name": f"{number}.png", "mimeType": "image/png", "buffer": film(number)}
    page.locator("input[type=file]").set_input_files(given)


def is_read_by(page: Page, version: str) -> None:
    page.get_by_text(f"model {version}").wait_for()


def confirm(page: Page, step: str, reason: str) -> None:
    """The button of the step, and the dialog that it opens."""
    page.get_by_role("button", name=step).click()
    dialog = page.get_by_role("dialog")
    if reason:
        dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Serve this version from now on").click()
    page.get_by_text("is served now: every open page takes it").wait_for()


def test_from_a_review_to_another_version_and_back(
    home: Path,
    small: Bundle,
    tiny_data: Path,
    serve: Callable[..., str],
    new_page: Callable[..., Page],
    tmp_path: Path,
) -> None:
    environment = {"XRAY_HOME": str(home), "XRAY_DATA": str(tiny_data), "XRAY_DATABASE_URL": ""}
    admin, reader = new_page(), new_page()
    first = _start(ROOT / "app.py", environment, tmp_path / "log.txt")
    try:
        _wait_until_healthy(first)
        sign_in(admin, first.url)
        start_training(admin, first.url)
        admin.get_by_role("tab", name="Jobs").click()
        wait_for_badge(admin, "running", TRAINED_SECONDS)
        first.process.kill()
    finally:
        _stop(first)

    url = serve(ROOT / "app.py", environment)  # the sign-in outlives the server, and the training
    reader.goto(url)
    drop(reader, 1)
    is_read_by(reader, small.model_version)
    admin.goto(f"{url}/admin?tab=Jobs")
    wait_for_badge(admin, "finished", TRAINED_SECONDS)
    admin.get_by_text("Epochs done").wait_for()
    assert admin.locator("[data-testid=stVegaLiteChart]").count() == 2

    admin.get_by_role("tab", name="Versions").click()
    confirm(admin, "Promote this version", REASON)
    new = json.loads((home / "champion.json").read_text())["model_version"]
    assert new != small.model_version
    drop(reader, 3)
    is_read_by(reader, new)
    reader.get_by_role("radio", name="1.png").click()
    reader.get_by_text(f"Read by version {small.model_version}").wait_for()
    reader.get_by_role("radio", name="3.png").click()
    is_read_by(reader, new)

    confirm(admin, "Roll back to this version", "")
    drop(reader, 4)
    is_read_by(reader, small.model_version)
