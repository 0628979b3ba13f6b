"""The X-ray viewer in a real browser: what a reader does, and that no script run follows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PHONE
from tests.browser.viewer_page import Viewer
from tests.browser.viewer_page import desktop as desktop
from tests.browser.viewer_page import viewer as viewer

if TYPE_CHECKING:
    from playwright.sync_api import Page


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


def test_large_film_is_shown_smaller_and_measured_in_its_own_pixels(viewer: Viewer) -> None:
    viewer.choose("large")
    assert "3000 × 2400 px" in viewer.root.inner_text()
    assert "area means" in viewer.root.inner_text()
    viewer.hover(0.5, 0.5)
    assert int(viewer.readout()["x"]) == pytest.approx(1500, abs=3)
    assert viewer.pixels()["coloured"] > 0.02


def test_full_screen(page: Page, viewer_url: str) -> None:
    viewer = Viewer(page, viewer_url)
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


def test_fingers_pinch_pan_and_tap_twice(new_page: Callable[..., Page], viewer_url: str) -> None:
    viewer = Viewer(new_page(**PHONE), viewer_url)
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


def test_a_film_that_cannot_be_unpacked_is_said_in_words(page: Page, viewer_url: str) -> None:
    page.add_init_script("window.DecompressionStream = undefined")
    page.goto(viewer_url)
    page.get_by_text("This film cannot be shown").wait_for()
    assert page.locator(".viewer").get_attribute("data-ready") == "false"
