"""The X-ray viewer on a page, as a reader sees and handles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


FILM_SIZE_PX = (1500, 1200)
# Share of the pixels inside of `box` (parts of the canvas) that are lit, and that have a colour.
COUNT_PIXELS = """(canvas, [left, top, right, bottom]) => {
  const { width, height } = canvas;
  const x = Math.round(left * width), y = Math.round(top * height);
  const part = [Math.round(right * width) - x, Math.round(bottom * height) - y];
  const { data } = canvas.getContext("2d").getImageData(x, y, ...part);
  let lit = 0, coloured = 0, sum = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = data.slice(i, i + 3);
    lit += r + g + b > 90;
    coloured += Math.max(r, g, b) - Math.min(r, g, b) > 40;
    sum += (r + g + b) / 3;
  }
  const n = data.length / 4;
  return { lit: lit / n, coloured: coloured / n, mean: sum / n };
}"""


class Viewer:
    """The viewer on a page, as a reader sees and handles it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        self.root: Locator = page.locator(".viewer")
        self.canvas: Locator = page.locator(".viewer .stage canvas")
        self.runs_before = 1
        self.wait(ready="true")

    def data(self, name: str) -> str:
        return self.root.get_attribute(f"data-{name}") or ""

    def number(self, name: str) -> float:
        return float(self.data(name))

    def wait(self, **values: str) -> None:
        """Until the painted state has these values, such as overlay="off"."""
        for name, value in values.items():
            self.page.wait_for_selector(f'.viewer[data-{name.replace("_", "-")}="{value}"]')

    def settle(self) -> None:
        """Two frames: what was asked for before is on the canvas after."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def pixels(self, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> dict[str, float]:
        self.settle()
        return self.canvas.evaluate(COUNT_PIXELS, box)

    def point(self, x: float, y: float) -> tuple[int, int]:
        """Parts of the canvas -> position on the page, whole CSS pixels as a mouse has them."""
        box = self.canvas.bounding_box()
        assert box
        return round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])

    def film_point(self, x: float, y: float) -> tuple[float, float]:
        """The film pixel at this part of the canvas, from the state (overlaid)."""
        box = self.canvas.bounding_box()
        assert box
        left, top = self.point(x, y)
        zoom = self.number("zoom")
        return (
            self.number("pan-x") + (left - box["x"] - box["width"] / 2) / zoom,
            self.number("pan-y") + (top - box["y"] - box["height"] / 2) / zoom,
        )

    def hover(self, x: float, y: float) -> None:
        self.page.mouse.move(*self.point(x, y))
        self.settle()

    def drag(self, start: tuple[float, float], by: tuple[int, int], button: Any = "left") -> None:
        """From a part of the canvas by CSS pixels."""
        x, y = self.point(*start)
        self.page.mouse.move(x, y)
        self.page.mouse.down(button=button)
        self.page.mouse.move(x + by[0], y + by[1], steps=4)
        self.page.mouse.up(button=button)
        self.settle()

    def wheel(self, x: float, y: float, delta: int) -> None:
        before = self.data("zoom")
        self.hover(x, y)
        self.page.mouse.wheel(0, delta)
        self.page.wait_for_function(
            "([root, before]) => root.dataset.zoom !== before",
            arg=[self.root.element_handle(), before],
        )

    def press(self, *keys: str) -> None:
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def do(self, name: str) -> None:
        self.root.locator(f".tools [data-do={name}]").click()
        self.settle()

    def readout(self) -> dict[str, str]:
        return {
            name: self.root.locator(f"[data-el={name}]").inner_text()
            for name in ("x", "y", "value", "heatValue")
        }

    def runs(self) -> int:
        return int(self.page.get_by_test_id("runs").inner_text())

    def run_again(self) -> None:
        runs = self.runs()
        self.page.get_by_role("button", name="Run again").click()
        self.page.get_by_text(f"runs {runs + 1}").wait_for()

    def choose(self, film: str) -> None:
        self.page.get_by_text(film, exact=True).click()
        self.wait(film_id=film, ready="true")


@pytest.fixture(scope="module")
def desktop(module_page: Page, viewer_url: str) -> Viewer:
    return Viewer(module_page, viewer_url)


@pytest.fixture
def viewer(desktop: Viewer) -> Viewer:
    desktop.choose("eight bit")
    desktop.press("r")
    desktop.runs_before = desktop.runs()
    return desktop
