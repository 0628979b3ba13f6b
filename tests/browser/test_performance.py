"""The page Performance in a real browser: its address, its charts, its downloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import PHONE
from tests.model import version_cases as versions

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
# Charts of each tab, as soon as it is drawn.
CHARTS = {
    "Figures": 0,
    "Threshold": 2,
    "Calibration": 2,
    "Robustness": 1,
    "Lungs": 2,
    "Heatmaps": 3,
    "Gate": 1,
    "Networks": 3,
    "Data": 3,
}
MOVED = "#d98e04"  # the colour of the point that moves, in pages/shared/trust/charts.py


class Performance:
    """The page in one browser window."""

    def __init__(self, page: Page, url: str, tab: str = "") -> None:
        self.page = page
        page.goto(f"{url}/performance" + (f"?tab={tab}" if tab else ""))
        page.get_by_role("heading", name="Performance", exact=True).wait_for()
        self.settle(tab or "Figures")

    def open(self, tab: str) -> None:
        self.page.get_by_role("tab", name=tab).click()
        self.settle(tab)

    def settle(self, tab: str) -> None:
        """Until the tab is there with its tables and charts."""
        self.page.locator(f"[role=tab][aria-selected=true]:has-text('{tab}')").wait_for()
        self.page.locator("figure.figures:visible").first.wait_for()
        if CHARTS[tab]:
            self.charts.nth(CHARTS[tab] - 1).locator("svg.marks").wait_for()
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()

    @property
    def charts(self) -> Locator:
        return self.page.locator("[data-testid=stVegaLiteChart]:visible")

    def points(self) -> list[str | None]:
        """Where the moved point stands in both charts."""
        marks = self.page.locator(f"svg.marks path[fill='{MOVED}']")
        return [mark.get_attribute("transform") for mark in marks.all()]

    @property
    def confusion(self) -> str:
        return self.page.locator("figure.figures:has-text('X-rays at threshold')").inner_text()


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("served") / "bundle"
    versions.write_all(folder)
    return serve(ROOT / "app.py", {"XRAY_BUNDLE": str(folder)})


@pytest.fixture
def visit(new_page: Callable[..., Page], url: str) -> Iterator[Callable[..., Performance]]:
    """visit(tab="", **options of the browser) -> Performance; no page may end with an error."""
    errors: list[str] = []

    def note(line: ConsoleMessage) -> None:
        # Streamlit looks for its server under the address of the page first, in vain.
        if line.type == "error" and "/_stcore/" not in line.location["url"]:
            errors.append(f"{line.text} {line.location['url']}")

    def start(tab: str = "", **options: Any) -> Performance:
        page = new_page(**options)
        page.on("console", note)
        return Performance(page, url, tab)

    yield start
    assert errors == []


# First: it is about the first visitor of a server.
def test_an_address_of_a_page_works_for_the_first_visitor(
    visit: Callable[..., Performance],
) -> None:
    shown = visit("Threshold")
    assert shown.page.get_by_role("link", name="Read an X-ray").is_visible()
    assert shown.page.get_by_text("Not a medical device").is_visible()
    shown.page.get_by_role("link", name="Performance").wait_for()


def test_moving_the_threshold_moves_the_point_and_the_figures(
    visit: Callable[..., Performance],
) -> None:
    shown = visit("Threshold")
    before, words = shown.points(), shown.confusion
    assert len(before) == 2
    assert "at threshold 0.4" in words
    shown.page.get_by_role("button", name="Rule-in").locator("visible=true").first.click()
    shown.page.get_by_text("X-rays at threshold 0.8").wait_for()
    shown.page.wait_for_function(
        """([colour, before]) => {
          const marks = [...document.querySelectorAll(`svg.marks path[fill='${colour}']`)];
          return marks.length === 2
            && marks.every((mark, i) => mark.getAttribute("transform") !== before[i]);
        }""",
        arg=[MOVED, before],
    )
    assert shown.confusion.split("\n")[1:] != words.split("\n")[1:]
    shown.page.get_by_role("slider", name=re.compile("Threshold")).focus()
    shown.page.keyboard.press("ArrowLeft")
    shown.page.get_by_text("X-rays at threshold 0.79").wait_for()


def test_every_tab_is_drawn_and_the_address_keeps_it(visit: Callable[..., Performance]) -> None:
    shown = visit()
    for tab, num_charts in CHARTS.items():
        shown.open(tab)
        assert shown.charts.count() == num_charts
        assert shown.page.locator("[data-testid=stException]").count() == 0
        marks = [chart.locator("svg .mark-symbol path, svg .mark-rect path").count()
                 for chart in shown.charts.all()]  # fmt: skip
        assert all(marks), f"an empty chart in {tab}"
    assert "tab=Data" in shown.page.url


def test_on_a_phone_nothing_scrolls_sideways(visit: Callable[..., Performance]) -> None:
    shown = visit(**PHONE)
    for tab in CHARTS:
        shown.open(tab)
        main = "document.querySelector('[data-testid=stMain]').scrollWidth"
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390, tab
        assert shown.page.evaluate(main) <= 390, tab


def test_charts_and_tables_can_be_downloaded(visit: Callable[..., Performance]) -> None:
    shown = visit("Robustness")
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name="CSV").locator("visible=true").first.click()
    assert download.value.suggested_filename == "robustness.csv"
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("Change,AUROC,AUROC low,AUROC high")
    assert len(lines) == 1 + len(versions.CHANGES)
    shown.charts.first.hover()
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name=re.compile("Download as PNG")).first.click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_a_chart_tells_its_values_under_the_mouse(visit: Callable[..., Performance]) -> None:
    shown = visit("Calibration")
    shown.charts.first.locator("svg .mark-symbol path").first.hover(force=True)
    tooltip = shown.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "95 % interval from" in tooltip.inner_text()
