"""The app in a window of either theme: what axe-core, a keyboard and a phone find of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize


DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
BACKGROUNDS = {"dark": "rgb(13, 19, 23)", "light": "rgb(247, 249, 250)"}
# What Streamlit itself does and no setting changes: (rule of axe-core, what it is about) -> why it
# is borne. One that is no longer needed fails the tests.
BORNE = {
    ("list", "ul[data-testid=stSidebarNavItems]"): "The sections of the menu on a phone are divs.",
    ("listitem", "ul[data-testid=stSidebarNavItems] li"): "They stand in these divs.",
}
AXE_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
OF_COLOURS = {"type": "rule", "values": ["color-contrast"]}  # all else is the same in both themes
RUN_AXE = """async runOnly => {
  const found = await axe.run(document, { resultTypes: ["violations"], runOnly });
  return found.violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target, html, any }) => ({
    rule: id, impact, target: target.flat(), html: html.slice(0, 200), why: any[0]?.message ?? "",
  })));
}"""
# No script runs, and nothing is faint because it may be out of date; for some time, since a page
# may run again at once.
IS_CALM = """() => {
  const isRunning = document.querySelector(".stApp").dataset.testScriptState !== "notRunning";
  if (isRunning || document.querySelector("[data-stale=true]")) window.calmSince = null;
  else window.calmSince ??= performance.now();
  return window.calmSince !== null && performance.now() - window.calmSince > 250;
}"""
FITS = """width => ["html", "[data-testid=stMain]"].every(
  part => document.querySelector(part).scrollWidth <= width
)"""
IS_ABOUT = "([target, about]) => document.querySelector(target)?.matches(about) ?? false"
FOCUSED = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  const labels = [...(e.labels ?? [])].map(label => label.innerText).join(" ");
  return e === document.body ? null : e.getAttribute("aria-label") || labels || e.innerText || "";
}"""
# What has the focus, or what stands for it on the screen, has a line around it.
IS_MARKED = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  const isMarked = e => {
    const { outlineStyle, outlineWidth, borderColor } = getComputedStyle(e);
    const accents = ["rgb(61, 159, 150)", "rgb(15, 110, 102)"]; // .streamlit/config.toml
    const hasOutline = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
    return hasOutline || accents.includes(borderColor);
  };
  for (let i = 0; e && i < 4; i++, e = e.parentElement) if (isMarked(e)) return true;
  return false;
}"""


def axe_source() -> str:
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def viewer_keys() -> set[str]:
    """All that the viewer listens to, but = which is + without Shift."""
    source = (ROOT / "pages" / "shared" / "viewer" / "viewer.js").read_text(encoding="utf-8")
    [table] = re.findall(r"const KEYS = \{(.*?)\};", source, re.DOTALL)
    keys = {key.lower() for key in re.findall(r'"?([^\s":,]+)"?: "\w+"', table)}
    assert {"+", "?", "0", "delete"} <= keys
    return {*keys, "h", "space", "enter", "esc", "shift"} - {"="}


def settle(page: Page) -> None:
    """Waits until it is calm, from now on and not only once before."""
    page.evaluate("window.calmSince = null")
    page.wait_for_function(IS_CALM)


class Window:
    """The app in one theme; what axe-core finds is collected page by page."""

    def __init__(self, page: Page, url: str, theme: str) -> None:
        self.page, self.url, self.theme = page, url, theme
        self.found: list[str] = []
        self.borne: set[tuple[str, str]] = set()
        # As on a later visit: the first one may load the page again for the dark theme.
        addresses = ["/", "/sign_in", "/review"]
        page.add_init_script(
            f"for (const a of {addresses}) localStorage.setItem('pneumoscope-theme-' + a, '1')"
        )
        self.open("/")
        page.get_by_text("Drop an X-ray above").wait_for()
        background = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert page.evaluate(background) == BACKGROUNDS[theme]

    def open(self, address: str) -> None:
        self.page.goto(self.url + address)
        self.page.evaluate(axe_source())

    def check(self, place: str, *, phone: bool = False) -> None:
        """Nothing serious here, and on a phone nothing scrolls sideways.

        phone: there axe-core looks again.
        """
        settle(self.page)
        self.note(place)
        if self.theme == "light":
            return
        with self.on_a_phone():
            settle(self.page)
            if not self.fits(PHONE["width"]):
                self.found.append(f"{place}: scrolls sideways")
            if phone:
                self.note(f"{place}, phone")

    @contextmanager
    def on_a_phone(self) -> Iterator[None]:
        self.page.set_viewport_size(PHONE)
        self.page.wait_for_timeout(150)  # charts and the viewer follow
        yield
        self.page.set_viewport_size(DESKTOP)

    def fits(self, width_px: int) -> bool:
        """Whether nothing is wider, or is no more in a moment: charts are drawn anew."""
        from playwright.sync_api import TimeoutError as TooLate

        try:
            self.page.wait_for_function(FITS, arg=width_px, timeout=5_000)
        except TooLate:
            return False
        return True

    def note(self, place: str) -> None:
        rules = OF_COLOURS if self.theme == "light" else AXE_RULES
        for one in self.page.evaluate(RUN_AXE, rules):
            if one["impact"] in ("serious", "critical") and not self.is_borne(one):
                self.found.append(f"{place}: {json.dumps(one, indent=1)}")

    def is_borne(self, one: dict[str, Any]) -> bool:
        for rule, about in BORNE:
            is_same = rule == one["rule"] and len(one["target"]) == 1
            if is_same and self.page.evaluate(IS_ABOUT, [one["target"][0], about]):
                self.borne.add((rule, about))
                return True
        return False

    def report(self) -> None:
        found, self.found = self.found, []
        assert not found, "\n".join(found)

    def visit(self, title: str) -> None:
        """By the links of a visitor."""
        self.page.get_by_role("link", name=title, exact=True).click()

    def choose(self, group: str, title: str) -> None:
        """By the menus of who is signed in."""
        self.page.get_by_role("navigation").get_by_role("button", name=group).click()
        self.page.get_by_role("menuitem", name=title).click()

    def sample(self, name: str) -> None:
        key = re.sub(r"\W", "-", name)
        self.page.locator(f".st-key-read-sample-{key} button:visible").click()
        self.page.wait_for_selector('.viewer[data-ready="true"][data-overlay="on"]')
        self.page.get_by_role("button", name="Report").wait_for()

    def is_marked(self) -> bool:
        """Whether the focus is to be seen; Streamlit marks its inputs a moment later."""
        for _ in range(40):
            if self.page.evaluate(IS_MARKED):
                return True
            self.page.wait_for_timeout(50)
        return False

    def walk(self, place: str, most: int = 60) -> list[str]:
        """Presses Tab from the top to the end; the names of what had the focus, in its order."""
        self.page.get_by_role("link", name="Skip to main content").focus()
        names: list[str] = []
        while len(names) < most:
            self.page.keyboard.press("Tab")
            name = self.page.evaluate(FOCUSED)
            if name is None:
                return names
            names.append(name)
            assert self.is_marked(), f"{place}: nobody sees the focus on {name!r}"
        raise AssertionError(f"{place}: no end after {most} times Tab: {names}")
