import cv2
import numpy as np
import pytest

from model.nn import augmentation
from model.nn.augmentation import (
    AUGMENTATIONS,
    affine,
    change_background,
    hide_lungs,
    inpainted,
    none,
)


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


# --- film and lungs -------------------------------------------------------------------------------


@pytest.fixture
def lungs():
    mask = np.zeros((224, 224), bool)
    mask[70:160, 40:90] = mask[70:160, 130:180] = True
    return mask


def with_lungs(film, lungs):
    return np.dstack([film, lungs.astype(np.uint8) * 255])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_lungs_are_moved_with_the_film(name, lungs, rng, monkeypatch):
    """A film that is its own mask stays so: the greys of the film are left alone here."""
    monkeypatch.setattr(augmentation, "_of_film", lambda image, change: image)
    pair = with_lungs(lungs.astype(np.uint8) * 255, lungs)
    places = set()
    for _ in range(20):
        moved = AUGMENTATIONS[name](pair, 64, rng)
        assert moved.shape == (64, 64, 2)
        assert (moved[..., 0] == moved[..., 1]).all()
        places.add(centre(moved[..., 1]))
    assert len(places) == (1 if name == "none" else 20)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_greys_are_changed_in_the_film_alone(name, lungs):
    dark, bright = texture(1, 0, 120), texture(2, 100, 255)
    for seed in range(20):
        one, other = (
            AUGMENTATIONS[name](with_lungs(film, lungs), 64, np.random.default_rng(seed))
            for film in (dark, bright)
        )
        assert (one[..., 1] == other[..., 1]).all()
        assert (one[..., 0] != other[..., 0]).any()
        assert 0 <= one[..., 1].min() <= one[..., 1].max() <= 1
        assert {0, 1} <= set(np.unique(one[..., 1]).tolist())  # as black and white as they were


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_with_its_lungs_a_film_is_changed_as_without_them(name, lungs):
    film = cv2.GaussianBlur(texture(), (0, 0), 8)
    for seed in range(20):
        alone = AUGMENTATIONS[name](film, 64, np.random.default_rng(seed))
        pair = AUGMENTATIONS[name](with_lungs(film, lungs), 64, np.random.default_rng(seed))
        assert pair[..., 0] == pytest.approx(alone, abs=0.06)  # rounding, equalised


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


# --- hide_lungs -----------------------------------------------------------------------------------


def test_the_lungs_are_hidden_and_what_is_outside_is_kept(lungs, rng):
    film = texture(1, 90, 160)
    before = film.copy(), lungs.copy()
    inside = []
    for _ in range(60):
        result = hide_lungs(film, lungs, rng)
        assert result.shape == film.shape
        assert result.dtype == np.uint8
        outside = well_outside(lungs)
        assert np.abs(result[outside].astype(int) - film[outside]).max() <= 2
        inside.append(float((result == film)[lungs].mean()))
    assert max(inside) < 0.2  # almost no grey of the lungs is the film's own
    assert all((now == then).all() for now, then in zip((film, lungs), before, strict=True))


def test_what_hides_the_lungs_is_of_several_kinds(lungs, rng):
    film = np.where(lungs, 200, texture(1, 90, 160)).astype(np.uint8)
    middles = [hide_lungs(film, lungs, rng)[100:130, 55:75] for _ in range(80)]
    black = [bool((middle <= 1).all()) for middle in middles]
    even = [bool(np.ptp(middle) <= 1) for middle in middles]
    hazy = [bool((middle > 150).all()) and np.ptp(middle) > 1 for middle in middles]
    assert 10 < sum(black) < 32  # a quarter
    assert sum(even) > sum(black)  # also other greys than black
    assert any(hazy)  # the film blurred
    assert not all(even)


def test_without_lungs_nothing_is_hidden(rng):
    film, nothing = texture(1), np.zeros((224, 224), bool)
    for _ in range(20):
        assert np.abs(hide_lungs(film, nothing, rng).astype(int) - film).max() <= 1


# --- inpainted ------------------------------------------------------------------------------------


def test_a_bright_thing_in_the_hole_vanishes(lungs):
    film = np.full((224, 224), 100, np.uint8)
    film[lungs] = 255
    filled = inpainted(film, lungs)
    assert filled.shape == (224, 224)
    assert filled.dtype == np.float32
    assert filled == pytest.approx(100, abs=4)  # it computes in whole greys


def test_a_hole_is_filled_from_its_rim_only(lungs):
    rows = np.linspace(40, 200, 224, dtype=np.uint8)[:, None]
    film = np.repeat(rows, 224, axis=1)
    spoilt = np.where(lungs, texture(), film)
    assert (inpainted(spoilt, lungs) == inpainted(film, lungs)).all()
    # Dark above and bright below, as around it, and nothing that the rim does not hold.
    column = inpainted(film, lungs)[70:160, 65]
    assert column[:8].mean() < column[-8:].mean() - 30
    assert film[60, 0] <= column.min() <= column.max() <= film[170, 0]
    brighter = np.where(lungs, film, np.minimum(film, 205) + 50).astype(np.uint8)
    assert inpainted(brighter, lungs)[lungs].mean() > inpainted(film, lungs)[lungs].mean() + 40


def test_without_a_hole_the_film_is_only_a_little_softer(lungs):
    film = cv2.GaussianBlur(texture(), (0, 0), 8)
    assert inpainted(film, np.zeros_like(lungs)) == pytest.approx(film, abs=6)
