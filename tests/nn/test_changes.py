"""Each change against what it must do to a film that is known."""

import numpy as np
import pytest

from model.nn import changes
from model.nn.changes import CHANGES

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))  # (4, 256), every grey four times
SIZES = [(64, 64), (97, 131), (224, 224), (700, 500)]


def changed(name, film):
    return CHANGES[name][1](film)


def texture(height, width):
    return np.random.default_rng(0).integers(30, 220, (height, width), np.uint8)


def spot(row, column, size=200, radius=4):
    """A black film with one bright square about (row, column)."""
    film = np.zeros((size, size), np.uint8)
    film[row - radius : row + radius + 1, column - radius : column + radius + 1] = 200
    return film


def centre(film):
    rows, columns = np.mgrid[: film.shape[0], : film.shape[1]]
    weights = film / film.sum()
    return float((weights * rows).sum()), float((weights * columns).sum())


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("size", SIZES)
def test_a_film_stays_a_film_and_comes_out_the_same_each_time(name, size):
    film = texture(*size)
    film.setflags(write=False)  # as the pixels of an XRay are
    one, other = changed(name, film), changed(name, film)
    assert one.dtype == np.uint8
    assert one.ndim == 2
    assert (one == other).all()
    if name not in ("small", "borders"):
        assert one.shape == size


def test_what_was_asked_for_is_there_and_each_has_its_own_title():
    assert next(iter(CHANGES)) == "none"
    assert len(CHANGES) == 15
    assert len({title for title, _ in CHANGES.values()}) == 15


def test_none_is_the_film_as_it_is():
    film = texture(80, 70)
    assert (changed("none", film) == film).all()


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "none"])
def test_every_other_one_changes_something(name):
    film = texture(224, 224)
    result = changed(name, film)
    assert result.shape != film.shape or (result != film).mean() > 0.001


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # grey: what becomes of it; a fifth of 255 is 51, the middle 127.5
        ("brighter", {0: 51, 100: 151, 204: 255, 240: 255}),
        ("darker", {0: 0, 51: 0, 100: 49, 255: 204}),
        ("contrast-half", {0: 64, 100: 114, 155: 141, 255: 191}),
        ("contrast-double", {0: 0, 60: 0, 100: 72, 155: 182, 200: 255}),
        ("gamma-half", {0: 0, 64: 128, 255: 255}),
        ("gamma-double", {0: 0, 64: 16, 128: 64, 255: 255}),
        ("negative", {0: 255, 100: 155, 255: 0}),
    ],
)
def test_a_change_of_tone_on_known_greys(name, expected):
    result = changed(name, RAMP)
    assert {grey: int(result[0, grey]) for grey in expected} == pytest.approx(expected, abs=1)
    assert (result == result[0]).all()  # each grey by itself, wherever it lies


def test_the_negative_of_the_negative_is_the_film():
    film = texture(90, 60)
    assert (changed("negative", changed("negative", film)) == film).all()


def test_jpeg_of_quality_20_leaves_the_picture_but_in_blocks_of_8_px():
    ramp = np.tile(np.uint8(80 + np.arange(160) // 2), (160, 1))  # rises by 4 greys a block
    result = changed("jpeg", ramp).astype(int)
    assert np.abs(result - ramp).max() < 8
    blocks = result.reshape(20, 8, 20, 8)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0
    # Annex K of ISO 10918-1 at quality 20: brightness in steps of 16 * 2.5 / 8 greys
    assert set(np.unique(np.diff(blocks[0, 0, :, 0]))) <= {0, 5}


@pytest.mark.parametrize("size", SIZES)
def test_small_has_128_px_and_the_same_mean(size):
    film = texture(*size)
    assert changed("small", film).shape == (128, 128)
    assert changed("small", film).mean() == pytest.approx(film.mean(), abs=1.5)


def test_noise_has_the_strength_that_its_title_says():
    film = np.full((400, 400), 128, np.uint8)
    noise = changed("noise", film).astype(float) - 128
    assert noise.std() == pytest.approx(0.05 * 255, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.6)
    assert changed("noise", np.zeros((50, 50), np.uint8)).min() == 0  # cut off, not wrapped
    assert changed("noise", np.full((50, 50), 255, np.uint8)).min() > 150


def test_rotation_is_by_10_degrees_counter_clockwise_about_the_middle():
    middle = centre(changed("rotated", spot(100, 100)))
    assert middle == pytest.approx((100, 100), abs=1)
    # 60 px right of the middle -> cos 10 = 59.1 px right, sin 10 = 10.4 px up
    row, column = centre(changed("rotated", spot(100, 160)))
    assert (row, column) == pytest.approx((100 - 10.4, 100 + 59.1), abs=1)


def test_the_shift_is_a_tenth_of_each_side_right_and_down():
    film = texture(100, 200)
    result = changed("shifted", film)
    assert (result[10:, 20:] == film[:-10, :-20]).all()
    assert (result[:10] == 0).all()
    assert (result[:, :20] == 0).all()


@pytest.mark.parametrize("size", [(224, 224), (700, 500), (1200, 1500)])
def test_the_marker_is_white_small_and_in_the_upper_corners(size):
    height, width = size
    film = np.full(size, 60, np.uint8)
    result = changed("marker", film)
    drawn = result != film
    assert result[drawn].max() == 255
    assert 0.003 < drawn.mean() < 0.04
    rows, columns = np.nonzero(drawn)
    assert rows.max() < height * 0.2
    left, right = columns[columns < width / 2], columns[columns >= width / 2]
    assert len(left)
    assert left.max() < width * 0.2
    assert right.min() > width * 0.6
    assert (film == 60).all()


def test_borders_are_an_eighth_of_the_sides_and_black():
    film = texture(200, 120)
    result = changed("borders", film)
    assert result.shape == (200 + 2 * 25, 120 + 2 * 15)
    assert (result[25:-25, 15:-15] == film).all()
    assert result.sum() == film.sum(dtype=int)  # nothing but black around it


def test_every_change_but_none_is_drawn_and_about_as_often():
    rng = np.random.default_rng(0)
    names = {id(change): name for name, (_, change) in CHANGES.items()}
    drawn = [names[id(changes.draw(rng))] for _ in range(1400)]
    counts = {name: drawn.count(name) for name in CHANGES}
    assert counts.pop("none") == 0
    assert min(counts.values()) > 60
    assert max(counts.values()) < 140


def test_draws_follow_from_the_seed():
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    assert [changes.draw(one) for _ in range(30)] == [changes.draw(other) for _ in range(30)]
