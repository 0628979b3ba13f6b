import json

import cv2
import numpy as np
import pytest

from model import overlay, xray
from model.config import ROOT
from model.preprocessing import (
    BASE_PX,
    KNOWN,
    MAX_BORDER,
    is_negative,
    normalise,
    pixel_values,
    prepare,
    resize,
    standardise,
)

SAMPLES = json.loads((ROOT / "assets" / "samples" / "samples.json").read_text("utf-8"))
WHOLE = (0, 1, 0, 1)


def texture(height, width, low=40, high=220, seed=0):
    """(H, W) uint8 in which no row or column is flat."""
    return np.random.default_rng(seed).integers(low, high, (height, width), np.uint8)


@pytest.fixture(scope="module")
def shown(samples):
    """The synthetic films as they are shown, by file name."""
    films = {name: xray.read(path.read_bytes(), name) for name, path in samples.items()}
    return {name: film.display() for name, film in films.items()}


# --- pixel_values ---------------------------------------------------------------------------------


def test_shape_type_and_three_equal_channels():
    greys = [texture(BASE_PX, BASE_PX, seed=i) for i in range(3)]
    values = pixel_values(greys, 48)
    assert values.shape == (3, 48, 48, 3)
    assert values.dtype == np.float32
    assert (values[..., 0] == values[..., 1]).all()
    assert (values[..., 0] == values[..., 2]).all()


def test_mean_zero_and_spread_one():
    values = pixel_values([texture(300, 200)], 64)[0, ..., 0]
    assert values.mean() == pytest.approx(0, abs=1e-5)
    assert values.std() == pytest.approx(1, abs=1e-5)


def test_brightness_and_contrast_make_no_difference():
    grey = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    assert standardise(0.5 * grey + 0.2) == pytest.approx(standardise(grey), abs=1e-4)
    assert normalise(0.5 * grey + 0.2) == pytest.approx(normalise(grey), abs=1e-4)


def test_a_marker_does_not_set_the_scale():
    film = texture(100, 100, 80, 121).astype(np.float32)
    marked = film.copy()
    marked[2:10, 2:10] = 255  # .64 % of the film
    assert marked.max() / film.max() > 2
    elsewhere = np.s_[20:, :]
    assert normalise(marked)[elsewhere] == pytest.approx(normalise(film)[elsewhere], abs=0.2)
    by_all = standardise(marked)[elsewhere], standardise(film)[elsewhere]
    assert np.abs(by_all[0] - by_all[1]).max() > 0.5  # without percentiles it would


def test_what_lies_beyond_the_percentiles_is_cut_off():
    ramp = np.arange(1000, dtype=np.float32).reshape(25, 40)
    low, high = np.percentile(ramp, (1, 99))
    assert normalise(ramp) == pytest.approx(standardise(np.clip(ramp, low, high)))
    assert (normalise(ramp).ravel()[:9] == normalise(ramp).min()).all()


def test_an_image_of_almost_one_grey_is_left_between_its_extremes():
    film = np.full((100, 100), 30, np.uint8)
    film[50, 50:60] = 90  # .1 %: both percentiles are 30
    assert normalise(film)[50, 55] > 10
    assert np.isfinite(normalise(film)).all()


def test_a_blank_image_becomes_zero_not_nan():
    assert not pixel_values([np.full((80, 80), 7, np.uint8)], 32).any()


def test_resize_squashes_and_keeps_the_mean():
    film = np.zeros((200, 100), np.uint8)
    film[:, :50] = 200
    small = resize(film, 20)
    assert small.shape == (20, 20)
    assert small.mean() == pytest.approx(100, abs=2)
    assert small[:, 0].mean() == 200


# --- prepare: borders -----------------------------------------------------------------------------


def with_border(film, before, after, left, right, grey):
    sides = (before, after, left, right)
    return cv2.copyMakeBorder(film, *sides, cv2.BORDER_CONSTANT, value=grey)


def test_a_film_without_borders_is_used_whole():
    prepared = prepare(texture(300, 200))
    assert prepared.grey.shape == (BASE_PX, BASE_PX)
    assert prepared.grey.dtype == np.uint8
    assert prepared.box == WHOLE
    assert (prepared.grey == resize(texture(300, 200), BASE_PX)).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_borders_are_cut_on_each_side_by_itself(grey):
    film = texture(300, 200)
    prepared = prepare(with_border(film, 30, 10, 0, 50, grey))
    assert prepared.box == (30 / 340, 330 / 340, 0, 200 / 250)
    assert (prepared.grey == resize(film, BASE_PX)).all()


def test_a_border_in_a_frame_of_another_grey_is_cut_too():
    film = texture(200, 160)
    bordered = with_border(film, 10, 12, 14, 16, 0)
    framed = with_border(bordered, 20, 0, 8, 30, 255)
    prepared = prepare(framed)
    assert (prepared.grey == prepare(film).grey).all()
    height, width = framed.shape
    assert prepared.box == pytest.approx(
        (30 / height, 230 / height, 22 / width, 182 / width), abs=1e-9
    )


def test_a_border_with_the_noise_of_jpeg_is_a_border():
    noise = np.random.default_rng(1).integers(0, 8, (340, 260), np.uint8)
    framed = with_border(texture(300, 200), 20, 20, 30, 30, 0)
    framed[framed == 0] = noise[framed == 0]
    assert prepare(framed).box == (20 / 340, 320 / 340, 30 / 260, 230 / 260)


def test_a_border_that_is_no_flat_grey_stays():
    film = texture(300, 200)
    film[:40] = np.linspace(0, 60, 200).astype(np.uint8)
    assert prepare(film).box == WHOLE


def test_no_more_is_cut_than_a_share_of_the_side():
    prepared = prepare(with_border(texture(100, 200), 400, 0, 0, 0, 0))
    assert prepared.box == (MAX_BORDER, 1, 0, 1)


@pytest.mark.parametrize("size", [(224, 224), (64, 64), (65, 191), (1200, 900)])
@pytest.mark.parametrize("grey", [0, 90, 255])
def test_a_blank_image_survives(size, grey):
    prepared = prepare(np.full(size, grey, np.uint8))
    assert prepared.box == WHOLE
    assert prepared.grey.shape == (BASE_PX, BASE_PX)
    assert not prepared.is_negative
    assert not pixel_values([prepared.grey], 64).any()


def test_a_single_bright_pixel_survives():
    film = np.zeros((100, 100), np.uint8)
    film[50, 50] = 255
    prepared = prepare(film)
    assert prepared.box == (MAX_BORDER, 1 - MAX_BORDER, MAX_BORDER, 1 - MAX_BORDER)
    assert np.isfinite(pixel_values([prepared.grey], 64)).all()


def test_the_film_itself_is_left_alone():
    film = with_border(texture(300, 200), 20, 20, 20, 20, 0)
    before = film.copy()
    film.setflags(write=False)
    prepare(film)
    assert (film == before).all()


def test_large_and_small_copy_of_a_film_agree():
    rows, columns = np.mgrid[:1200, :1500]
    large = np.uint8(127 + 60 * np.sin(rows / 150) + 40 * np.cos(columns / 190))
    one, other = (prepare(film).grey for film in (large, resize(large, BASE_PX)))
    assert pixel_values([one], 128) == pytest.approx(pixel_values([other], 128), abs=1e-6)


# --- prepare: heat goes back where it belongs -----------------------------------------------------


def spot_on_film(prepared, row, column, shape):
    """Heat at (row, column) of an 8 x 8 map -> (row, column) 0..1 of the film, its centre."""
    heat = np.zeros((8, 8), np.float32)
    heat[row, column] = 1
    on_film = overlay.stretch(prepared.place(heat), shape)  # (H, W)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    weights = on_film / on_film.sum()
    return (weights * (rows + 0.5)).sum() / shape[0], (weights * (columns + 0.5)).sum() / shape[1]


@pytest.mark.parametrize("cell", [(1, 1), (2, 6), (6, 3)])
@pytest.mark.parametrize("borders", [(0, 0, 0, 0), (80, 0, 0, 60), (50, 50, 40, 40)])
def test_heat_lies_on_the_place_of_the_film_it_was_found_at(cell, borders):
    film = with_border(texture(300, 200), *borders, 0)
    row, column = spot_on_film(prepare(film), *cell, film.shape)
    top, _, left, _ = borders
    expected_row = (top + 300 * (cell[0] + 0.5) / 8) / film.shape[0]
    expected_column = (left + 200 * (cell[1] + 0.5) / 8) / film.shape[1]
    assert (row, column) == pytest.approx((expected_row, expected_column), abs=0.015)


def test_no_heat_on_the_border():
    film = with_border(texture(300, 200), 100, 0, 0, 100, 0)
    on_film = overlay.stretch(prepare(film).place(np.ones((8, 8), np.float32)), film.shape)
    assert on_film[:90].max() == on_film[:, 215:].max() == 0
    assert on_film[110:, :190].min() == 1


def test_heat_of_a_film_without_borders_is_handed_on():
    heat = np.random.default_rng(0).random((8, 8), np.float32)
    assert prepare(texture(300, 200)).place(heat) is heat


def test_placed_heat_stays_between_0_and_1():
    heat = np.random.default_rng(0).random((7, 5), np.float32)
    placed = prepare(with_border(texture(300, 200), 33, 7, 21, 0, 0)).place(heat)
    assert placed.dtype == np.float32
    assert 0 <= placed.min() <= placed.max() <= 1


# --- prepare: negatives ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [sample["file"] for sample in SAMPLES])
def test_the_negative_of_a_sample_is_made_positive(name, shown):
    positive, negative = prepare(shown[name]), prepare(255 - shown[name])
    assert not positive.is_negative
    assert negative.is_negative
    assert negative.box == positive.box
    assert np.abs(negative.grey.astype(int) - positive.grey).max() <= 1


@pytest.mark.parametrize("name", [sample["file"] for sample in SAMPLES])
def test_so_is_the_negative_in_a_black_or_white_frame(name, shown):
    for grey in (0, 255):
        framed = with_border(255 - shown[name], 40, 40, 40, 40, grey)
        assert prepare(framed).is_negative
        assert not prepare(255 - framed).is_negative


@pytest.mark.real_data
def test_no_film_of_children_is_taken_for_a_negative_and_every_negative_is(shared_data):
    paths = sorted((shared_data / "chest_xray_224" / "train").glob("*/*.jpeg"))[::17]
    assert len(paths) > 300
    films = [xray.read(path.read_bytes(), path.name).display() for path in paths]
    prepared = [prepare(film) for film in films]
    assert [path.name for path, p in zip(paths, prepared, strict=True) if p.is_negative] == []
    inverted = [prepare(255 - film) for film in films]
    missed = [path.name for path, p in zip(paths, inverted, strict=True) if not p.is_negative]
    assert missed == []
    for one, other in zip(prepared, inverted, strict=True):
        assert np.abs(one.grey.astype(int) - other.grey).max() <= 1


@pytest.mark.real_data
@pytest.mark.parametrize("folder", ["nih_normal", "shenzhen_montgomery", "hannover"])
def test_no_film_of_adults_is_taken_for_a_negative(shared_data, folder):
    films = sorted((shared_data / "unlabelled_cxr" / folder).rglob("*.*"))
    if not films:
        pytest.skip("no films of adults beside those of children")
    chosen = films[:: max(1, len(films) // 100)]
    shown = [xray.read(path.read_bytes(), path.name).display() for path in chosen]
    assert not any(prepare(film).is_negative for film in shown)


def test_noise_is_no_negative():
    for seed in range(20):
        assert not is_negative(texture(BASE_PX, BASE_PX, 0, 255, seed))


def test_the_name_of_the_preprocessing_is_the_one_of_the_bundles():
    assert KNOWN == ("grey-standardise-2",)
