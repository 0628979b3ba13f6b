import numpy as np
import pytest

from model.preprocessing import pixel_values, resize, standardise


def test_shape_type_and_three_equal_channels():
    films = [np.random.default_rng(i).integers(0, 255, (90, 60 + i), np.uint8) for i in range(3)]
    values = pixel_values(films, 48)
    assert values.shape == (3, 48, 48, 3)
    assert values.dtype == np.float32
    assert (values[..., 0] == values[..., 1]).all()
    assert (values[..., 0] == values[..., 2]).all()


def test_mean_zero_and_spread_one():
    film = np.random.default_rng(0).integers(0, 255, (300, 200), np.uint8)
    values = pixel_values([film], 64)[0, ..., 0]
    assert values.mean() == pytest.approx(0, abs=1e-5)
    assert values.std() == pytest.approx(1, abs=1e-5)


def test_brightness_and_contrast_make_no_difference():
    grey = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    assert standardise(0.5 * grey + 0.2) == pytest.approx(standardise(grey), abs=1e-4)


def test_a_blank_image_becomes_zero_not_nan():
    assert not pixel_values([np.full((80, 80), 7, np.uint8)], 32).any()


def test_resize_squashes_and_keeps_the_mean():
    film = np.zeros((200, 100), np.uint8)
    film[:, :50] = 200
    small = resize(film, 20)
    assert small.shape == (20, 20)
    assert small.mean() == pytest.approx(100, abs=2)
    assert small[:, 0].mean() == 200


def test_large_and_small_copy_of_a_film_agree():
    rows, columns = np.mgrid[:1200, :1500]
    large = np.uint8(127 + 60 * np.sin(rows / 150) * np.cos(columns / 190))
    small = resize(large, 224)
    assert pixel_values([large], 128) == pytest.approx(pixel_values([small], 128), abs=1e-6)
