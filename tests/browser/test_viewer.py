"""The X-ray viewer in a real browser: what a reader does, and that no script run follows."""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pages.shared.viewer import MAX_PIXELS, outline, pack, shrink

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FILM_SIZE_PX = (1500, 1200)
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

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
def url(serve: Callable[..., str]) -> str:
    return serve(Path(__file__).with_name("viewer_app.py"))


@pytest.fixture(scope="module")
def desktop(module_page: Page, url: str) -> Viewer:
    return Viewer(module_page, url)


@pytest.fixture
def viewer(desktop: Viewer) -> Viewer:
    desktop.choose("eight bit")
    desktop.press("r")
    desktop.runs_before = desktop.runs()
    return desktop


def test_film_and_heat_are_painted_and_heat_goes(viewer: Viewer) -> None:
    shown = viewer.pixels()
    assert shown["lit"] > 0.3
    assert shown["coloured"] > 0.02
    viewer.do("overlay")
    assert viewer.data("overlay") == "off"
    bare = viewer.pixels()
    assert bare["lit"] > 0.3
    assert bare["coloured"] == 0

    viewer.do("overlay")
    viewer.canvas.focus()
    for key in ("Space", "h"):
        viewer.page.keyboard.down(key)
        viewer.wait(overlay="off")
        assert viewer.pixels()["coloured"] == 0
        viewer.page.keyboard.up(key)
        viewer.wait(overlay="on")
    compare = viewer.root.get_by_label("Hold to see the film alone")
    compare.hover()
    viewer.page.mouse.down()
    viewer.wait(overlay="off")
    viewer.page.mouse.up()
    viewer.wait(overlay="on")


def test_mouse_zooms_at_the_pointer_pans_and_fits_without_a_script_run(viewer: Viewer) -> None:
    fit = viewer.number("zoom")
    for x, y, delta in ((0.3, 0.4, -400), (0.6, 0.7, -300), (0.4, 0.5, 200)):
        before = viewer.film_point(x, y)
        viewer.wheel(x, y, delta)
        assert viewer.film_point(x, y) == pytest.approx(before, abs=0.01)
    zoom = viewer.number("zoom")
    assert zoom > 1.5 * fit

    held = viewer.film_point(0.5, 0.5)
    viewer.drag((0.5, 0.5), (80, -50))
    moved = viewer.film_point(0.5, 0.5)
    assert moved == pytest.approx((held[0] - 80 / zoom, held[1] + 50 / zoom), abs=0.01)
    assert viewer.number("zoom") == zoom

    viewer.page.mouse.dblclick(*viewer.point(0.2, 0.2))
    viewer.settle()
    assert viewer.number("zoom") == pytest.approx(fit)
    assert (viewer.number("pan-x"), viewer.number("pan-y")) == (750, 600)
    time.sleep(0.3)  # a script run that had been asked for would have been counted by now
    assert viewer.runs() == viewer.runs_before


def test_window_by_right_drag_presets_and_invert(viewer: Viewer) -> None:
    assert viewer.data("window") == "0,255"
    viewer.drag((0.5, 0.5), (100, 0), button="right")
    low, high = map(float, viewer.data("window").split(","))
    assert high - low > 256  # to the right: wider
    viewer.drag((0.5, 0.5), (0, -100), button="right")
    lower = sum(map(float, viewer.data("window").split(",")))
    assert lower < low + high  # upwards: brighter
    assert viewer.data("preset") == "own"
    assert viewer.runs() == viewer.runs_before

    preset = viewer.root.get_by_label("Window", exact=True)
    windows = {}
    for name in ("auto", "lung", "bone", "delivered"):
        preset.select_option(name)
        viewer.wait(preset=name)
        windows[name] = tuple(map(float, viewer.data("window").split(",")))
    auto_low, auto_high = windows["auto"]
    assert 0 <= auto_low < auto_high <= 255
    assert windows["lung"] == pytest.approx((auto_low, auto_low + 0.6 * (auto_high - auto_low)))
    assert windows["bone"] == pytest.approx((auto_low + 0.4 * (auto_high - auto_low), auto_high))
    assert windows["delivered"] == (0, 255)

    viewer.press("o")
    corner = (0.16, 0.02, 0.2, 0.1)  # air beside the child: black on the film
    dark = viewer.pixels(corner)["mean"]
    viewer.do("invert")
    assert dark < 20
    assert viewer.pixels(corner)["mean"] > 235


def test_keys(viewer: Viewer) -> None:
    fit = viewer.number("zoom")
    viewer.press("+", "+")
    assert viewer.number("zoom") == pytest.approx(fit * 1.25**2)
    x, y = viewer.number("pan-x"), viewer.number("pan-y")
    viewer.press("ArrowRight", "ArrowDown")
    assert viewer.number("pan-x") > x
    assert viewer.number("pan-y") > y
    viewer.press("-")
    assert viewer.number("zoom") == pytest.approx(fit * 1.25)
    viewer.press("0")
    assert viewer.number("zoom") == pytest.approx(fit)
    viewer.press("]", "]", "[")
    assert viewer.number("opacity") == pytest.approx(0.6)
    viewer.press("c")
    assert viewer.data("colormap") == "viridis"
    viewer.press("i", "o", "s")
    viewer.wait(invert="true", overlay="off", layout="side")
    viewer.press("Shift+ArrowRight")
    assert viewer.data("preset") == "own"
    assert viewer.root.locator("[data-el=live]").inner_text() == "Side by side"

    viewer.press("?")
    help_list = viewer.root.get_by_role("dialog", name="Keys and mouse")
    assert help_list.is_visible()
    viewer.page.keyboard.press("Escape")
    assert help_list.is_hidden()

    viewer.press("r")
    names = ("invert", "overlay", "layout", "colormap", "preset", "opacity")
    values = [viewer.data(name) for name in names]
    assert values == ["false", "on", "overlaid", "inferno", "delivered", "0.55"]
    # R and C are Streamlit's keys too: run again, clear caches.
    time.sleep(0.3)
    assert viewer.runs() == viewer.runs_before
    assert viewer.page.get_by_role("dialog", name=re.compile("cache", re.I)).count() == 0


def test_opacity_and_colour_map_change_the_colours(viewer: Viewer) -> None:
    warm = viewer.pixels()["coloured"]
    viewer.root.get_by_label("Opacity of the heatmap in percent").fill("5")
    viewer.wait(opacity="0.05")
    assert viewer.pixels()["coloured"] < 0.2 * warm

    viewer.press("r")
    maps = viewer.root.get_by_label("Colour map of the heatmap")
    assert maps.locator("option").all_inner_texts() == ["Inferno", "Viridis", "Cividis", "Jet"]
    scale = viewer.root.locator("[data-el=scale]")
    inferno = scale.get_attribute("style")
    maps.select_option("jet")
    viewer.wait(colormap="jet")
    assert scale.get_attribute("style") != inferno
    assert "where, not why" in viewer.root.locator("[data-el=legend]").inner_text()


def test_the_outline_of_the_lungs_comes_and_goes(viewer: Viewer) -> None:
    """The drawn lungs reach from .16 to .44 and from .56 to .84 of the film's width."""
    canvas = viewer.canvas.bounding_box()
    assert canvas
    across = viewer.number("zoom") * FILM_SIZE_PX[0] / canvas["width"]  # of the canvas

    def part(left: float, right: float) -> tuple[float, float, float, float]:
        """Between these parts of the film's width, at half its height."""
        return 0.5 + (left - 0.5) * across, 0.45, 0.5 + (right - 0.5) * across, 0.53

    edge, inside = part(0.14, 0.18), part(0.2, 0.4)
    viewer.press("o")
    assert viewer.data("lungs") == "false"
    assert viewer.pixels()["coloured"] == 0
    button = viewer.root.get_by_role("button", name="Lungs", exact=True)
    viewer.press("l")
    viewer.wait(lungs="true")
    assert button.get_attribute("aria-pressed") == "true"
    assert viewer.root.locator("[data-el=live]").inner_text() == "Outline of the lungs on"
    assert viewer.pixels(edge)["coloured"] > 0.01
    assert viewer.pixels(inside)["coloured"] == 0
    viewer.page.keyboard.down("h")
    viewer.settle()
    assert viewer.pixels()["coloured"] == 0  # the film alone
    viewer.page.keyboard.up("h")

    viewer.choose("no verdict")
    assert button.is_disabled()
    viewer.press("l")
    viewer.choose("no evidence")  # no heat, but lungs; how the reader likes it
    assert viewer.pixels(edge)["coloured"] > 0.01
    button.click()
    assert viewer.pixels()["coloured"] == 0


def test_the_reader_switches_between_maps_where_there_are_several(viewer: Viewer) -> None:
    maps = viewer.root.get_by_label("Which heatmap")
    assert maps.count() == 1
    assert maps.is_hidden()
    viewer.press("m")
    viewer.choose("two maps")
    assert viewer.data("map") == "Grad-CAM"
    assert maps.locator("option").all_inner_texts() == ["Grad-CAM", "Finer"]

    def heat(x: float) -> float:
        viewer.hover(x, 0.64)
        return float(viewer.readout()["heatValue"])

    assert heat(0.36) > 0.7
    assert heat(0.64) < 0.3
    viewer.press("m")  # the finer one is the mirror image of the other
    viewer.wait(map="finer")
    assert heat(0.36) < 0.3
    assert heat(0.64) > 0.7
    maps.select_option("Grad-CAM")
    viewer.wait(map="Grad-CAM")
    viewer.press("m")
    viewer.choose("twelve bit")
    assert viewer.data("map") == "Grad-CAM"
    assert maps.is_hidden()
    viewer.choose("two maps")
    assert viewer.data("map") == "finer"


def test_side_by_side_shows_the_same_place_twice(viewer: Viewer) -> None:
    viewer.do("side")
    assert viewer.pixels((0, 0, 0.49, 1))["coloured"] < 0.001
    assert viewer.pixels((0.51, 0, 1, 1))["coloured"] > 0.02
    viewer.wheel(0.2, 0.6, -300)
    viewer.drag((0.8, 0.6), (30, -20))
    viewer.hover(0.2, 0.6)
    left = viewer.readout()
    box = viewer.canvas.bounding_box()
    assert box
    viewer.hover(0.2 + 0.5 + 1 / box["width"], 0.6)  # the panels are 2 px apart
    right = viewer.readout()
    assert int(right["x"]) == pytest.approx(int(left["x"]), abs=2)
    assert right["y"] == left["y"]
    viewer.press("o")
    bare = [viewer.pixels(half)["mean"] for half in ((0, 0, 0.49, 0.9), (0.51, 0, 1, 0.9))]
    assert bare[0] == pytest.approx(bare[1], rel=0.05)


def test_state_outlives_a_rerun_and_a_new_film_starts_afresh(viewer: Viewer) -> None:
    viewer.wheel(0.3, 0.4, -500)
    viewer.drag((0.5, 0.5), (60, 40), button="right")
    viewer.press("i", "c", "[")
    names = ("zoom", "pan-x", "pan-y", "window", "invert", "colormap", "opacity")
    before = [viewer.data(name) for name in names]
    session = viewer.page.context.new_cdp_session(viewer.page)
    session.send("Network.enable")
    frames: list[int] = []  # base64 characters from the server
    session.on(
        "Network.webSocketFrameReceived",
        lambda event: frames.append(len(event["response"]["payloadData"])),
    )
    viewer.run_again()
    viewer.settle()
    assert [viewer.data(name) for name in names] == before
    assert viewer.data("ready") == "true"
    assert frames
    assert max(frames) < 100_000, "the film was sent again"

    viewer.choose("twelve bit")
    assert viewer.data("window") == "200,3500"
    assert viewer.data("invert") == "false"
    assert viewer.number("zoom") == pytest.approx(viewer.canvas.bounding_box()["height"] / 1200)
    assert viewer.data("colormap") == "viridis"  # how this reader likes it
    assert viewer.number("opacity") == pytest.approx(0.5)


def test_readout_gives_the_values_of_a_12_bit_film(viewer: Viewer) -> None:
    viewer.choose("twelve bit")
    for _ in range(6):
        viewer.wheel(0.5, 0.5, -600)
    viewer.hover(0.5 + 2e-4, 0.5 + 2e-4)
    assert viewer.readout()["x"] == "750"
    assert viewer.readout()["y"] == "600"
    assert viewer.readout()["value"] == str(0xABC)
    viewer.press("0")
    viewer.hover(0.36, 0.64)  # in the shadow, where the heat is
    assert float(viewer.readout()["heatValue"]) > 0.7
    viewer.hover(0.01, 0.5)  # beside the film
    assert viewer.readout() == {"x": "-", "y": "-", "value": "-", "heatValue": "-"}


def test_no_positive_evidence_is_said_in_words(viewer: Viewer) -> None:
    viewer.press("s")
    viewer.choose("no evidence")
    assert viewer.root.get_by_text("No positive evidence").is_visible()
    assert viewer.data("overlay") == "none"
    assert viewer.pixels()["coloured"] == 0
    for label in ("Heatmap", "Side by side"):
        assert viewer.root.get_by_role("button", name=label, exact=True).is_disabled()
    viewer.press("o", "c")
    viewer.choose("no verdict")
    assert viewer.root.get_by_text("Refused, so no heatmap.").is_visible()
    assert viewer.root.get_by_text("No positive evidence").count() == 0
    viewer.choose("eight bit")
    assert viewer.data("overlay") == "on"  # keys without effect there have none later
    assert viewer.data("colormap") == "inferno"


def drawn(viewer: Viewer) -> Any:
    return json.loads(viewer.page.get_by_test_id("drawn").inner_text())


def share(viewer: Viewer, x: float, y: float) -> list[float]:
    """The part of the film at this part of the canvas."""
    at = viewer.film_point(x, y)
    return [value / size for value, size in zip(at, FILM_SIZE_PX, strict=True)]


def test_boxes_and_outlines_are_drawn_and_told_to_the_page(viewer: Viewer) -> None:
    tools = viewer.root.get_by_role("group", name="Mark places")
    viewer.press("b")
    assert tools.is_hidden()
    assert viewer.data("tool") == ""  # a page that asks for no marks gets none
    viewer.choose("to mark")
    assert viewer.data("regions") == "1"
    assert drawn(viewer) is None
    viewer.wheel(0.5, 0.5, -200)
    pan = viewer.data("pan-x")
    viewer.do("box")
    viewer.drag((0.6, 0.7), (-80, -120))  # upwards is a box too
    viewer.wait(regions="2")
    viewer.page.get_by_text("0.1, 0.2").wait_for()
    old, box = drawn(viewer)
    assert old == {"kind": "box", "points": [[0.1, 0.2], [0.3, 0.5]]}
    [low, high] = box["points"]
    assert high == pytest.approx(share(viewer, 0.6, 0.7), abs=1e-3)
    width = 80 / viewer.number("zoom") / FILM_SIZE_PX[0]
    assert high[0] - low[0] == pytest.approx(width, abs=1e-3)
    assert viewer.data("pan-x") == pan
    viewer.page.mouse.click(*viewer.point(0.4, 0.4))  # no box without a size

    viewer.press("p")
    x, y = viewer.point(0.3, 0.3)
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    for right, down in ((60, 0), (60, 50), (0, 50)):
        viewer.page.mouse.move(x + right, y + down, steps=3)
    viewer.page.mouse.up()
    viewer.wait(regions="3")
    viewer.page.get_by_text('"outline"').wait_for()
    outline = drawn(viewer)[2]
    assert outline["kind"] == "outline"
    assert outline["points"][0] == pytest.approx(share(viewer, 0.3, 0.3), abs=1e-3)
    assert 4 <= len(outline["points"]) <= 20
    viewer.press("o", "Escape")
    assert viewer.data("tool") == ""
    assert viewer.pixels()["coloured"] == 0  # marks are white
    viewer.drag((0.5, 0.5), (30, 0))
    assert viewer.data("pan-x") != pan


def test_marks_are_undone_cleared_and_set_by_keyboard(viewer: Viewer) -> None:
    viewer.choose("to mark")
    while viewer.data("regions") != "1":
        viewer.press("z")
    viewer.press("Delete")
    viewer.wait(regions="0")
    viewer.page.get_by_test_id("drawn").get_by_text("[]", exact=True).wait_for()
    viewer.press("z")
    viewer.wait(regions="1")
    viewer.press("f", "+", "+", "+", "+", "b", "Enter")
    viewer.wait(regions="2")
    assert viewer.root.locator("[data-el=live]").inner_text() == "box 2 drawn"
    viewer.page.wait_for_function(
        "() => JSON.parse(document.querySelector('[data-testid=drawn]').innerText).length === 2"
    )
    low, high = drawn(viewer)[1]["points"]
    assert [low[0] + high[0], low[1] + high[1]] == pytest.approx([1, 1], abs=1e-3)
    box = viewer.canvas.bounding_box()
    assert box
    in_view = box["height"] / viewer.number("zoom") / FILM_SIZE_PX[1]
    assert high[1] - low[1] == pytest.approx(in_view, abs=1e-3)
    viewer.choose("eight bit")
    assert viewer.data("regions") == "0"
    viewer.choose("to mark")  # another drawing came between, so it starts as the page says
    assert viewer.data("regions") == "1"
    assert drawn(viewer) is None or len(drawn(viewer)) == 2


def test_large_film_is_shown_smaller_and_measured_in_its_own_pixels(viewer: Viewer) -> None:
    viewer.choose("large")
    assert "3000 × 2400 px" in viewer.root.inner_text()
    assert "area means" in viewer.root.inner_text()
    viewer.hover(0.5, 0.5)
    assert int(viewer.readout()["x"]) == pytest.approx(1500, abs=3)
    assert viewer.pixels()["coloured"] > 0.02


def test_full_screen(page: Page, url: str) -> None:
    viewer = Viewer(page, url)
    viewer.do("full")
    viewer.page.wait_for_function("document.fullscreenElement !== null")
    viewer.do("full")
    viewer.page.wait_for_function("document.fullscreenElement === null")
    viewer.page.evaluate("Element.prototype.requestFullscreen = undefined")  # as on an iPhone
    viewer.do("full")
    box = viewer.root.bounding_box()
    assert box
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1280, 900)
    viewer.press("Escape")
    box = viewer.root.bounding_box()
    assert box
    assert box["width"] < 1280


def test_fingers_pinch_pan_and_tap_twice(new_page: Callable[..., Page], url: str) -> None:
    viewer = Viewer(new_page(**PHONE), url)
    session = viewer.page.context.new_cdp_session(viewer.page)

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(fingers)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    viewer.canvas.scroll_into_view_if_needed()
    fit = viewer.number("zoom")
    x, y = viewer.point(0.5, 0.5)
    held = viewer.film_point(0.5, 0.5)
    touch("touchStart", (x - 30, y), (x + 30, y))
    for spread in (40, 50, 60, 75, 90):
        touch("touchMove", (x - spread, y), (x + spread, y))
    touch("touchEnd")
    viewer.settle()
    assert viewer.number("zoom") == pytest.approx(3 * fit, rel=0.02)
    assert viewer.film_point(0.5, 0.5) == pytest.approx(held, abs=2)

    touch("touchStart", (x, y))
    for step in (10, 25, 40):
        touch("touchMove", (x + step, y + step))
    touch("touchEnd")
    viewer.settle()
    assert viewer.film_point(0.5, 0.5)[0] < held[0] - 25 / viewer.number("zoom")

    for _ in range(2):
        touch("touchStart", (x, y))
        touch("touchEnd")
    viewer.settle()
    assert viewer.number("zoom") == pytest.approx(fit)

    viewer.choose("to mark")
    viewer.do("box")
    viewer.canvas.scroll_into_view_if_needed()
    x, y = viewer.point(0.5, 0.5)
    touch("touchStart", (x, y))
    for step in (10, 25, 40):
        touch("touchMove", (x + step, y + step))
    touch("touchEnd")
    viewer.wait(regions="2")
    touch("touchStart", (x, y))
    touch("touchStart", (x, y), (x + 40, y))  # a second finger: no box, but a pinch
    touch("touchMove", (x, y), (x + 80, y))
    touch("touchEnd")
    viewer.settle()
    assert viewer.data("regions") == "2"
    assert viewer.number("zoom") > fit
    viewer.choose("eight bit")

    assert viewer.canvas.evaluate("c => getComputedStyle(c).touchAction") == "none"
    assert viewer.root.evaluate("r => getComputedStyle(r).touchAction") == "auto"
    for button in viewer.root.locator(".tools :is(button, select):visible").all():
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 40
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 390
    viewer.do("side")
    assert viewer.pixels((0, 0, 1, 0.49))["coloured"] < 0.001  # one above the other
    assert viewer.pixels((0, 0.51, 1, 1))["coloured"] > 0.02


def test_a_film_that_cannot_be_unpacked_is_said_in_words(page: Page, url: str) -> None:
    page.add_init_script("window.DecompressionStream = undefined")
    page.goto(url)
    page.get_by_text("This film cannot be shown").wait_for()
    assert page.locator(".viewer").get_attribute("data-ready") == "false"


def test_packing_is_lossless_and_fast() -> None:
    rng = np.random.default_rng(0)
    film = rng.integers(0, 4096, (120, 150), dtype=np.uint16)
    film_bytes = _parts(pack(film, (0, 4095), {}, film_id="lossless"))[0]
    raw = np.frombuffer(zlib.decompress(film_bytes), np.uint8).reshape(2, *film.shape)
    rows = raw[0].astype(np.uint16) | (raw[1].astype(np.uint16) << 8)
    assert np.array_equal(np.cumsum(rows, axis=0, dtype=np.uint16), film)

    big = np.clip(rng.normal(120, 30, FILM_SIZE_PX[::-1]), 0, 255).astype(np.uint8)
    start = time.process_time()
    pack(big, (0, 255), {"heat": np.ones((14, 14), np.float32)}, film_id="fast")
    first = time.process_time() - start
    start = time.process_time()
    pack(big, (0, 255), {"heat": np.ones((14, 14), np.float32)}, film_id="fast")
    assert first < 0.2  # seconds of the processor; about .03 are usual
    assert time.process_time() - start < first / 2, "packed again"


def test_same_film_id_never_shows_another_film() -> None:
    films = [np.full((64, 64), value, np.uint8) for value in (10, 200)]
    first, second = (_parts(pack(film, (0, 255), {}, film_id="same"))[0] for film in films)
    assert first != second


@pytest.mark.parametrize("film_shape", [(224, 224), (448, 896)])
def test_the_outline_lies_where_the_mask_ends(film_shape: tuple[int, int]) -> None:
    mask = np.zeros((224, 224), bool)
    mask[60:160, 30:90] = mask[60:160, 140:200] = True
    found = []
    for line in outline(mask, film_shape).split("M")[1:]:
        points = np.array(line.removesuffix("Z").split(), float).reshape(-1, 2)  # x, y
        points *= 224 / np.array(film_shape[::-1])
        found.append([*points.min(axis=0), *points.max(axis=0)])
    expected = [[30, 60, 90, 160], [140, 60, 200, 160]]
    assert np.array(sorted(found)) == pytest.approx(np.array(expected), abs=0.6)
    assert outline(np.zeros((224, 224), bool), film_shape) == ""


def test_shrink_keeps_small_films_and_averages_large_ones() -> None:
    small = np.zeros((1200, 1500), np.uint8)
    assert shrink(small) is small
    large = np.zeros((3000, 4000), np.uint16)
    large[::2] = 4000
    shown = shrink(large)
    assert shown.size <= MAX_PIXELS
    assert shown.dtype == np.uint16
    assert shown.mean() == pytest.approx(2000, rel=0.02)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"film": np.zeros((4, 4, 3), np.uint8)}, ValueError, "shape"),
        ({"film": np.zeros((4, 4), np.float32)}, TypeError, "uint8 or uint16"),
        ({"window": (9, 9)}, ValueError, "low < high"),
        ({"heatmaps": {"heat": np.zeros(4)}}, ValueError, "heatmap"),
        ({"lungs": np.zeros((4, 4), np.uint8)}, ValueError, "lungs"),
    ],
)
def test_wrong_arguments_are_refused(changed: dict, error: type, words: str) -> None:
    right = {"film": np.zeros((4, 4), np.uint8), "window": (0, 1), "heatmaps": {}}
    with pytest.raises(error, match=words):
        pack(**{**right, **changed})


def _parts(packed: bytes) -> list[bytes]:
    """The film, heatmap and colour map bytes of what `pack` returns."""
    length = int.from_bytes(packed[:4], "little")
    at = 4 + length
    parts = []
    for size in json.loads(packed[4:at])["parts"]:
        parts.append(packed[at : at + size])
        at += size
    return parts
