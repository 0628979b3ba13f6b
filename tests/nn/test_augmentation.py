import cv2
import numpy as np
import pytest

from model.nn.augmentation import AUGMENTATIONS, affine, change_background, none


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def texture(seed=0, low=0, high=255):
    return np.random.default_rng(seed).integers(low, high, (224, 224), np.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_and_range_are_kept_and_the_film_is_left_alone(name, rng):
    grey = texture()
    before = grey.copy()
    for _ in range(50):
        image = AUGMENTATIONS[name](grey, 64, rng)
        assert image.shape == (64, 64)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert -0.5 < image.min() <= image.max() < 1.5
    assert (grey == before).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_seed_gives_the_same_image(name):
    one, other = (AUGMENTATIONS[name](texture(), 64, np.random.default_rng(3)) for _ in range(2))
    assert (one == other).all()


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
def test_each_image_is_another(name, rng):
    images = [AUGMENTATIONS[name](texture(), 32, rng) for _ in range(4)]
    assert all((images[0] != image).any() for image in images[1:])


def test_none_is_the_film_itself(rng):
    grey = texture()
    assert (none(grey, 224, rng) == grey.astype(np.float32) / 255).all()
    assert (none(grey, 64, rng) == none(grey, 64, rng)).all()


# --- affine ---------------------------------------------------------------------------------------


class Draws:
    """Stands for a random generator whose draws are known: zoom, shear, then the flip."""

    def __init__(self, zoom=1.0, shear=0.0, flip=False):
        self.values = [zoom, shear]
        self.flip = flip

    def uniform(self, low, high):
        value = self.values.pop(0)
        assert low <= value <= high
        return value

    def random(self):
        return 0.0 if self.flip else 0.9


def spot(row, column):
    film = np.zeros((224, 224), np.uint8)
    cv2.circle(film, (column, row), 6, 255, cv2.FILLED)
    return film


def centre(image):
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image / image.sum()
    return float((weights * rows).sum()), float((weights * columns).sum())


def test_affine_without_zoom_shear_and_flip_is_the_film():
    assert affine(texture(), 224, Draws()) == pytest.approx(texture() / 255, abs=0.01)


def test_affine_flips_left_and_right():
    assert centre(affine(spot(60, 50), 224, Draws(flip=True))) == pytest.approx((60, 173), abs=1)


def test_affine_zooms_about_the_middle():
    moved = affine(spot(112, 162), 224, Draws(zoom=1.2))  # 50 px right of the middle
    assert centre(moved) == pytest.approx((112, 112 + 60), abs=1)
    assert centre(affine(spot(112, 112), 224, Draws(zoom=0.8))) == pytest.approx((112, 112), abs=1)


def test_affine_shears_rows_sideways():
    moved = affine(spot(162, 112), 224, Draws(shear=0.2))  # 50 px below the middle
    assert centre(moved) == pytest.approx((162, 112 + 10), abs=1)


def test_affine_has_no_black_edges(rng):
    white = np.full((224, 224), 200, np.uint8)
    for _ in range(20):
        assert affine(white, 64, rng).min() == pytest.approx(200 / 255, abs=0.01)


# --- change_background ----------------------------------------------------------------------------


@pytest.fixture
def lungs():
    mask = np.zeros((224, 224), bool)
    mask[70:160, 40:90] = mask[70:160, 130:180] = True
    return mask


def well_inside(lungs):
    """Where no soft edge reaches."""
    return cv2.erode(lungs.astype(np.uint8), np.ones((25, 25))).astype(bool)


def well_outside(lungs):
    return ~cv2.dilate(lungs.astype(np.uint8), np.ones((51, 51))).astype(bool)


def test_the_lungs_are_kept_and_what_is_outside_is_changed(lungs, rng):
    film, other = texture(1, 90, 160), texture(2, 0, 255)
    before = film.copy(), other.copy(), lungs.copy()
    outside = []
    for _ in range(60):
        result = change_background(film, lungs, other, rng)
        assert result.shape == film.shape
        assert result.dtype == np.uint8
        inside = well_inside(lungs)
        assert inside.any()
        assert np.abs(result[inside].astype(int) - film[inside]).max() <= 2
        outside.append(float((result == film)[well_outside(lungs)].mean()))
    assert max(outside) < 0.2  # almost no grey beyond the lungs is the film's own
    assert all((now == then).all() for now, then in zip((film, other, lungs), before, strict=True))


def test_what_is_behind_the_lungs_is_of_several_kinds(lungs, rng):
    film, other = texture(1, 90, 160), np.full((224, 224), 7, np.uint8)
    results = [change_background(film, lungs, other, rng) for _ in range(60)]
    corners = [result[:20, :20] for result in results]
    of_other = [bool((corner == 7).all()) for corner in corners]
    even = [bool(np.ptp(corner) <= 1) for corner in corners]
    assert 12 < sum(of_other) < 36  # four in ten
    assert sum(even) > sum(of_other)  # an even grey
    assert not all(even)  # noise, or the film itself blurred


def test_without_lungs_nothing_of_the_film_is_left_and_with_all_of_it_everything(rng):
    film, other = texture(1), np.full((224, 224), 7, np.uint8)
    nothing, everything = np.zeros((224, 224), bool), np.ones((224, 224), bool)
    for _ in range(20):
        assert (change_background(film, nothing, other, rng) == film).mean() < 0.1
        kept = change_background(film, everything, other, rng)
        assert np.abs(kept.astype(int) - film).max() <= 1
