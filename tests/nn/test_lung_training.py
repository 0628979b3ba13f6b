"""A real run of the lung segmenter's training on made-up films."""

import json

import cv2
import numpy as np
import pytest

from model.errors import DataError
from model.nn import lung_training
from model.nn.dataset import patient_key
from model.nn.lung_training import augment, loss, mean_dice, train_lungs
from model.nn.lungs import Lungs

SIDE = 64


def draw(rng):
    """A bright body on black with two dark lungs (64, 64) uint8, and their mask, 0 or 255."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for x in (20, 44):
        centre = (x + int(rng.integers(-3, 4)), 32 + int(rng.integers(-4, 5)))
        cv2.ellipse(mask, centre, (8, 18), 0, 0, 360, 255, cv2.FILLED)
    film = np.where(mask > 0, 70, 170).astype(np.float32)
    film[:, :4] = film[:, -4:] = 0
    film += rng.normal(0, 8, film.shape)
    return np.clip(film, 0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """images/ with 48 films of 24 patients and one without a mask, masks/."""
    folder = tmp_path_factory.mktemp("lungs")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(48):
        stem = f"person{i // 2}_virus_{i}"
        film, mask = draw(rng)
        cv2.imwrite(str(folder / "images" / f"{stem}.jpeg"), film)
        cv2.imwrite(str(folder / "masks" / f"{stem}.png"), mask)
    cv2.imwrite(str(folder / "images" / "person99_virus_99.jpeg"), film)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """(folder, Dice) of a run at 32 px."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lung_training, "SIZE_PX", 32)
        return out, train_lungs(data / "images", data / "masks", out, epochs=12)


def test_it_learns_and_what_it_wrote_can_be_opened(run, data):
    out, score = run
    card = json.loads((out / "lungs.json").read_text())
    assert score == card["validation_dice"] > 0.6
    assert card["curve"][-1]["loss"] < card["curve"][0]["loss"]
    films, reference = [], []
    for name in card["validation"]:
        films.append(cv2.imread(str(data / "images" / name), cv2.IMREAD_GRAYSCALE))
        mask = cv2.imread(str(data / "masks" / name.replace("jpeg", "png")), cv2.IMREAD_GRAYSCALE)
        reference.append(mask > 127)
    found = Lungs.load(out).masks(films, (SIDE, SIDE))
    assert mean_dice(found, np.stack(reference)) == pytest.approx(score, abs=0.03)


def test_the_card_says_how_it_was_made(run):
    card = json.loads((run[0] / "lungs.json").read_text())
    assert card["num_training"] + card["num_validation"] == 48
    assert (card["size_px"], card["epochs"], card["seed"]) == (32, 12, 0)
    assert len(card["curve"]) == 12
    assert len(card["data_sha256"]) == 64
    held = [patient_key(name) for name in card["validation"]]
    assert len(held) == 2 * len(set(held))  # both films of each patient
    assert sorted(path.name for path in run[0].iterdir()) == ["lungs.json", "lungs.keras"]


def test_folders_without_two_patients_are_refused(data, tmp_path):
    with pytest.raises(DataError, match="0 films with a mask, of 0 patients"):
        train_lungs(data / "images", tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_film_and_mask_are_changed_alike():
    rng = np.random.default_rng(3)
    film, mask = draw(rng)
    agreement = []
    for _ in range(40):
        grey, moved = augment(mask, mask, 32, rng)
        assert grey.shape == moved.shape == (32, 32)
        assert grey.dtype == moved.dtype == np.float32
        agreement.append(np.corrcoef(grey.ravel(), moved.ravel())[0, 1])
    assert np.median(agreement) > 0.9
    repeated = [augment(film, mask, 32, np.random.default_rng(5))[0] for _ in range(2)]
    assert np.array_equal(*repeated)


def test_loss_is_least_where_the_logits_are_right():
    masks = np.zeros((1, 8, 8, 1), np.float32)
    masks[0, 2:6, 2:6] = 1
    right, wrong = (float(loss(masks, sign * 20 * (masks - 0.5))) for sign in (1, -1))
    assert right == pytest.approx(0, abs=0.01)
    assert wrong > 5


def test_dice_of_masks_with_a_known_answer():
    one, half = np.zeros((2, 1, 4, 4), bool)
    one[0, :, :2] = True
    half[0, :, :1] = True
    assert mean_dice(one, half) == pytest.approx(2 * 4 / (8 + 4))
    assert mean_dice(one, one) == 1
    assert mean_dice(one, ~one) == 0
    assert mean_dice(np.zeros_like(one), np.zeros_like(one)) == 1
