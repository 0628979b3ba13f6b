"""The X-ray viewer in a real browser: heat, lungs and marks over the film."""

import json
from typing import Any

import pytest

from tests.browser.viewer_page import FILM_SIZE_PX, Viewer
from tests.browser.viewer_page import desktop as desktop
from tests.browser.viewer_page import viewer as viewer


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
    viewer.press("p")  # another film comes while a mark is drawn: it is not put on that one
    x, y = viewer.point(0.3, 0.3)
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    viewer.page.mouse.move(x + 60, y + 50, steps=4)
    viewer.page.get_by_text("eight bit", exact=True).dispatch_event("click")
    viewer.wait(film_id="eight bit", ready="true")
    viewer.page.mouse.up()
    viewer.settle()
    assert viewer.data("regions") == "0"
    viewer.choose("to mark")  # another drawing came between, so it starts as the page says
    assert viewer.data("regions") == "1"
    assert drawn(viewer) is None or len(drawn(viewer)) == 2
