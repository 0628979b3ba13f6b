"""The lung segmenter as the gate and the heatmaps use it."""

import json
import math
import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from model import preprocessing, xray
from model.errors import BundleError, ConfigError
from model.nn import network
from model.nn.lung_training import mean_dice
from model.nn.lungs import Lungs, lung_share, two_lungs, unet, without_islands

SHIPPED = Path(__file__).resolve().parents[2] / "model" / "weights"
SIDE = 224


def ellipses(*places, shape=(SIDE, SIDE)):
    """A mask with filled ellipses: (x, y, half width, half height) each, in pixels."""
    mask = np.zeros(shape, np.uint8)
    for x, y, half_width, half_height in places:
        cv2.ellipse(mask, (x, y), (half_width, half_height), 0, 0, 360, 1, cv2.FILLED)
    return mask.astype(bool)


LEFT, RIGHT = (64, 110, 28, 60), (160, 110, 28, 60)


def read(path):
    return preprocessing.resize(xray.read(path.read_bytes(), path.name).display(), SIDE)


@pytest.fixture(scope="module")
def shipped():
    return Lungs.load(SHIPPED)


@pytest.fixture
def folder(tmp_path):
    for name in ("lungs.keras", "lungs.json"):
        shutil.copy(SHIPPED / name, tmp_path)
    return tmp_path


def change_card(folder, **changes):
    card = folder / "lungs.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))


@pytest.mark.parametrize("size_px", [32, 96])
def test_a_logit_for_every_pixel(size_px):
    model = unet(size_px)
    assert model.input_shape == model.output_shape == (None, size_px, size_px, 1)
    assert model.count_params() < 300_000


def test_sizes_that_cannot_be_halved_four_times_are_refused():
    with pytest.raises(ConfigError, match=r"a size in steps of 16 px\. Received: 100 px"):
        unet(100)


def test_without_batch_normalisation_the_same_logits():
    keras.utils.set_random_seed(0)
    trained, plain = unet(32, batch_norm=True), unet(32)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            rng = np.random.default_rng(1)
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    network.fold_batch_norm(trained, plain)
    values = np.random.default_rng(2).normal(size=(2, 32, 32, 1)).astype(np.float32)
    expected = trained.predict_on_batch(values)
    assert plain.predict_on_batch(values) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_the_shipped_file_is_small_and_opens_in_plain_keras(shipped):
    assert (SHIPPED / "lungs.keras").stat().st_size < 1_000_000
    plain = keras.saving.load_model(SHIPPED / "lungs.keras", compile=False)
    for ours, theirs in zip(shipped.network.get_weights(), plain.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
        assert not (ours.view(np.uint32) & 0xFFFF).any()  # rounded to bfloat16


def test_films_of_any_shape_and_number(shipped):
    rng = np.random.default_rng(0)
    films = [rng.integers(0, 256, (60 + i, 80), np.uint8) for i in range(19)]
    probabilities = shipped.probabilities(films)
    assert probabilities.shape == (19, 96, 96)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    assert shipped.probabilities(films[-1:])[0] == pytest.approx(probabilities[-1], abs=1e-4)
    masks = shipped.masks(films[:2], (50, 70))
    assert (masks.shape, masks.dtype) == ((2, 50, 70), bool)
    assert shipped.masks([]).shape == (0, SIDE, SIDE)


def test_a_film_of_one_grey_has_no_two_lungs(shipped):
    assert not two_lungs(shipped.masks([np.full((100, 100), 90, np.uint8)])[0])


def test_the_lungs_of_the_synthetic_children_are_found(shipped, samples):
    films = [read(path) for path in samples.values()]
    found = [two_lungs(mask) for mask in shipped.masks(films)]
    assert np.mean(found) > 0.8


def test_a_changed_file_is_refused(folder):
    weights = folder / "lungs.keras"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BundleError, match=r"Received: another file\. The lungs cannot be found"):
        Lungs.load(folder)


@pytest.mark.parametrize("name", ["lungs.keras", "lungs.json"])
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        Lungs.load(folder)


def test_a_damaged_or_foreign_card_is_refused(folder):
    change_card(folder, format=99)
    with pytest.raises(BundleError, match="format 99"):
        Lungs.load(folder)
    change_card(folder, format=1, threshold="high")
    with pytest.raises(BundleError, match="high"):
        Lungs.load(folder)
    for text in ("{", "[]"):
        (folder / "lungs.json").write_text(text)
        with pytest.raises(BundleError, match=r"a complete lungs\.json"):
            Lungs.load(folder)


def test_islands_go_and_holes_are_filled():
    lungs = ellipses(LEFT, RIGHT)
    drawn = lungs | ellipses((20, 200, 6, 6), (110, 20, 3, 3))
    drawn &= ~ellipses((64, 110, 5, 5))
    assert np.array_equal(without_islands(drawn), lungs)


def test_no_more_than_two_parts_and_none_when_all_are_small():
    third = ellipses((112, 200, 20, 12))
    lungs = ellipses(LEFT, RIGHT)
    assert np.array_equal(without_islands(lungs | third), lungs)
    assert not without_islands(ellipses((50, 50, 5, 5))).any()
    assert not without_islands(np.zeros((SIDE, SIDE), bool)).any()


@pytest.mark.parametrize(
    ("mask", "plausible"),
    [
        (ellipses(LEFT, RIGHT), True),
        (ellipses(LEFT, RIGHT, (112, 210, 4, 4)), True),  # with an island
        (ellipses((30, 50, 12, 25), (70, 50, 12, 25), shape=(100, 100)), True),
        (ellipses(LEFT, (160, 90, 12, 40)), True),  # one collapsed
        (ellipses(LEFT), False),
        (ellipses((64, 110, 28, 60), (165, 60, 4, 4)), False),  # the other is an island
        (ellipses((112, 60, 60, 25), (112, 160, 60, 25)), False),  # lying on the side
        (ellipses((130, 110, 15, 60), (190, 110, 15, 60)), False),  # both in one half
        (ellipses((60, 50, 28, 40), (160, 170, 28, 40)), False),  # one far above the other
        (ellipses(LEFT, RIGHT, (112, 110, 60, 10)), False),  # run together
        (np.ones((SIDE, SIDE), bool), False),
        (np.zeros((SIDE, SIDE), bool), False),
    ],
)
def test_two_lungs(mask, plausible):
    assert two_lungs(mask) is plausible


def test_uniform_heat_has_the_share_of_the_area():
    mask = ellipses(LEFT, RIGHT)
    assert lung_share(np.ones((14, 14)), mask) == pytest.approx(mask.mean(), rel=1e-5)


def test_heat_in_one_pixel_is_in_or_out():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 1:3] = True
    for pixel, share in [((3, 2), 1), ((3, 4), 0)]:
        heat = np.zeros((8, 8))
        heat[pixel] = 0.3
        assert lung_share(heat, mask) == share


def test_the_share_weighs_with_the_heat_wherever_it_is_scaled():
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    heat = np.zeros((8, 8))
    heat[0, 0], heat[7, 7] = 3, 1
    assert lung_share(heat, mask) == pytest.approx(0.75)
    assert lung_share(heat / 100, mask) == pytest.approx(0.75)


def test_coarse_heat_is_stretched_over_the_mask():
    mask = np.zeros((64, 64), bool)
    mask[:, :32] = True
    assert lung_share(np.array([[1.0, 0.0], [1.0, 0.0]]), mask) == pytest.approx(0.875, abs=0.01)


@pytest.mark.filterwarnings("error")
def test_without_heat_there_is_no_share():
    assert math.isnan(lung_share(np.zeros((7, 7)), ellipses(LEFT)))


@pytest.mark.real_data
def test_dice_on_validation_patients(shipped, shared_data):
    card = json.loads((SHIPPED / "lungs.json").read_text())
    films = shared_data / "chest_xray_224" / "train" / "PNEUMONIA"
    paths = [films / name for name in card["validation"][::3]]
    reference = [read(shared_data / "lung_masks" / f"{path.stem}.png") > 127 for path in paths]
    assert len(paths) > 50
    assert mean_dice(shipped.masks([read(path) for path in paths]), np.stack(reference)) > 0.94


@pytest.mark.real_data
@pytest.mark.parametrize("label", ["NORMAL", "PNEUMONIA"])
def test_two_lungs_on_films_that_it_was_not_trained_on(shipped, shared_data, label):
    paths = sorted((shared_data / "chest_xray_224" / "test" / label).iterdir())[::4]
    masks = shipped.masks([read(path) for path in paths])
    assert np.mean([two_lungs(mask) for mask in masks]) > 0.97
    assert 0.1 < masks.mean() < 0.35
