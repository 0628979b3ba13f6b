import cv2
import numpy as np
import pytest

from model import overlay


def film(height=60, width=40):
    return np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)


def test_stretch_gives_the_size_of_the_film_and_keeps_0_to_1():
    heat = overlay.stretch(np.array([[0.0, 1.0], [0.25, 0.5]]), (50, 30))
    assert heat.shape == (50, 30)
    assert heat.dtype == np.float32
    assert heat.min() == 0
    assert heat.max() == 1
    # each corner of the film has the heat of its corner of the map, nothing turned or mirrored
    corners = [heat[0, 0], heat[0, -1], heat[-1, 0], heat[-1, -1]]
    assert corners == pytest.approx([0.0, 1.0, 0.25, 0.5], abs=1e-6)


def test_stretch_is_bilinear_between_the_middles_of_the_cells():
    heat = overlay.stretch(np.array([[0.0, 1.0]], np.float32), (2, 8))
    assert heat[0] == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_stretch_also_takes_a_film_smaller_than_the_map():
    assert overlay.stretch(np.eye(14), (5, 9)).shape == (5, 9)


def test_without_heat_the_film_is_untouched_grey():
    picture = overlay.overlay(film(), np.zeros((60, 40), np.float32))
    assert picture.shape == (60, 40, 3)
    assert picture.dtype == np.uint8
    assert (picture == film()[..., None]).all()


def test_heat_below_the_first_step_is_not_drawn():
    heat = np.full((60, 40), overlay.HEAT_FROM, np.float32)
    assert (overlay.overlay(film(), heat) == film()[..., None]).all()
    heat[:] = overlay.HEAT_FROM + 0.1
    assert (overlay.overlay(film(), heat) != film()[..., None]).any()


@pytest.mark.parametrize("level", [0.5, 0.8, 1.0])
def test_strong_heat_is_its_colour_at_full_opacity(level):
    grey = np.full((4, 4), 100, np.uint8)
    color = cv2.applyColorMap(np.full((1, 1), round(level * 255), np.uint8), overlay.COLORMAP)
    red, green, blue = color[0, 0][::-1].astype(float)
    expected = [100 + overlay.OPACITY * (c - 100) for c in (red, green, blue)]
    picture = overlay.overlay(grey, np.full((4, 4), level, np.float32))
    assert picture[2, 2] == pytest.approx(expected, abs=2)


def test_more_heat_is_more_of_its_colour():
    black = np.zeros((1, 256), np.uint8)
    picture = overlay.overlay(black, np.linspace(0, 1, 256, dtype=np.float32)[None])
    red = picture[0, :, 0].astype(int)  # of the inferno map only red grows all the way
    assert (np.diff(red) >= -1).all()
    assert red[-1] > 120


def test_heat_is_warm_so_channels_are_in_the_order_rgb():
    red, _, blue = overlay.overlay(np.zeros((1, 1), np.uint8), np.full((1, 1), 0.7))[0, 0]
    assert red > blue + 30


def test_the_film_is_not_written_to():
    grey = film()
    grey.setflags(write=False)
    overlay.overlay(grey, np.ones((60, 40), np.float32))
    assert (grey == film()).all()


@pytest.mark.parametrize(("height", "width"), [(1200, 1500), (30, 20), (5000, 3)])
def test_thumbnail_has_the_height_and_the_shape(height, width):
    small = overlay.thumbnail(np.full((height, width), 77, np.uint8), 50)
    assert small.shape == (50, max(1, round(50 * width / height)))
    assert (small == 77).all()


def test_png_keeps_every_pixel_grey_and_coloured():
    colors = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    for pixels in (film(), colors):
        data = overlay.png(pixels)
        assert data.startswith(b"\x89PNG")
        again = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert (again == (pixels if pixels.ndim == 2 else pixels[..., ::-1])).all()
