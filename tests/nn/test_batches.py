"""Batches to train on: all follows from the seed, whoever makes them."""

import keras
import numpy as np
import pytest

from model.nn import gpus
from model.nn.augmentation import AUGMENTATIONS, none
from model.nn.batches import Batches, LungTraining
from model.nn.dataset import load_greys, read_folder


def test_same_seed_same_batches_and_each_epoch_its_own(tiny_data):
    examples = read_folder(tiny_data, "train")
    greys, labels = load_greys(examples), np.array([e.label for e in examples])

    def make():
        return Batches(greys, labels, 32, 8, seed=5, augment=AUGMENTATIONS["strong"])

    one, two = make(), make()
    assert len(one) == 3
    assert (one[1][0] == two[1][0]).all()
    one.on_epoch_end()
    assert (one[1][0] != two[1][0]).any()


class Recorder(keras.Model):
    """Learns nothing and keeps what it is to learn from."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def train_step(self, data):
        values, _, weights = data
        self.seen.append(np.concatenate([values[:, 16, 16, 0], weights]))
        return {"loss": 0.0}


def test_with_a_gpu_every_core_makes_batches_and_they_are_the_same(tiny_data, monkeypatch):
    examples = read_folder(tiny_data, "train")
    greys, labels = load_greys(examples), np.array([e.label for e in examples])
    seen = []
    for found in ([], ["gpu:0"]):
        monkeypatch.setattr(gpus, "gpus", lambda found=found: found)
        monkeypatch.setattr("os.cpu_count", lambda: 4)
        batches = Batches(greys, labels, 32, 4, seed=5, augment=AUGMENTATIONS["strong"])
        assert batches.ahead == (4 if found else 0)
        batches.begin_epoch(2)  # as a run that goes on
        recorder = Recorder()
        recorder.compile(run_eagerly=True)
        recorder.fit(batches, initial_epoch=2, epochs=5, shuffle=False, verbose=0)
        assert len(recorder.seen) == 3 * 6
        assert len({one.tobytes() for one in recorder.seen}) == 3 * 6
        seen.append(recorder.seen)
    assert np.array_equal(*seen)


def test_weights_balance_the_classes(tiny_data):
    greys = [np.zeros((224, 224), np.uint8)] * 8
    batches = Batches(greys, np.array([0, 0, 0, 0, 0, 0, 1, 1]), 32, 8)
    _, labels, weights = batches[0]
    assert weights[labels[:, 0] == 1].sum() == pytest.approx(weights[labels[:, 0] == 0].sum())


def test_without_balance_every_film_counts_the_same():
    greys = [np.zeros((224, 224), np.uint8)] * 8
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    _, _, weights = Batches(greys, labels, 32, 8, balanced=False)[0]
    assert weights.tolist() == [1] * 8


# --- lungs ----------------------------------------------------------------------------------------


@pytest.fixture
def films():
    """Sixteen films, each of one grey; where the mask is, the grey stays."""
    return [np.full((224, 224), 10 * i + 40, np.uint8) for i in range(16)]


def halves(count):
    """The left half of each film is lung."""
    masks = np.zeros((count, 224, 224), bool)
    masks[:, :, :112] = True
    return masks


def of_lungs(films, lungs, augment=none, size_px=32, seed=5):
    """Batches with labels 0, 1, 0, 1 ... in the order of the films."""
    labels = np.tile([0, 1], len(films) // 2)
    return Batches(films, labels, size_px, len(films), seed=seed, augment=augment, lungs=lungs)


def share_that_is_changed(films, lungs, augment=none):
    batches = of_lungs(films, lungs, augment)
    values = np.concatenate([batches[0][0] for _ in range(10) if not batches.on_epoch_end()])
    return float((np.ptp(values, axis=(1, 2, 3)) > 0.01).mean())  # an even film becomes all zero


def test_a_share_of_the_training_films_gets_another_background(films):
    share = share_that_is_changed(films, LungTraining(halves(16), background=0.35))
    assert share == pytest.approx(0.35, abs=0.1)


@pytest.mark.parametrize(
    ("lungs", "augment"),
    [
        (LungTraining(halves(16)), none),
        (None, none),
        (LungTraining(halves(16), background=1, hidden=1), None),  # the validation fold is as it is
    ],
)
def test_none_is_changed_without_a_share_without_masks_and_in_validation(films, lungs, augment):
    assert share_that_is_changed(films, lungs, augment) == 0


@pytest.mark.parametrize("change", ["background", "hidden"])
def test_what_is_done_to_lungs_follows_from_seed_and_epoch(films, change):
    def make():
        return of_lungs(films, LungTraining(halves(16), **{change: 0.5}))

    one, other = make(), make()
    assert (one[0][0] == other[0][0]).all()
    one.on_epoch_end()
    assert (one[0][0] != other[0][0]).any()


def test_hidden_lungs_are_hidden_and_nobody_can_tell(films):
    films = [film + np.uint8(20) * halves(1)[0] for film in films]  # each with a brighter half
    batches = of_lungs(films, LungTraining(halves(16), hidden=0.5, grid_px=16))
    plain = of_lungs(films, LungTraining(halves(16), grid_px=16))
    num_hidden = 0
    for _ in range(10):
        values, (labels, _), (weights, seen) = batches[0]
        as_it_is, (true, _), (class_weights, all_seen) = plain[0]
        hidden = seen == 0
        num_hidden += hidden.sum()
        assert (labels[hidden] == 0.5).all()
        assert (labels[~hidden] == true[~hidden]).all()
        assert (weights == class_weights).all()
        assert set(seen.tolist()) <= {0, 1}
        assert set(all_seen.tolist()) == {1}
        changed = (values != as_it_is).any(axis=(1, 2, 3))
        assert changed.tolist() == hidden.tolist()
        batches.on_epoch_end()
        plain.on_epoch_end()
    assert num_hidden / 160 == pytest.approx(0.5, abs=0.12)


def test_a_film_without_lungs_keeps_its_picture_and_its_label(films):
    masks = halves(16)
    masks[::4] = False
    batches = of_lungs(films, LungTraining(masks, background=0.5, hidden=0.5))
    changed = np.zeros(16, bool)
    for _ in range(10):
        values, labels, _ = batches[0]
        at = batches.order  # each film has a grey of its own
        bare = ~masks[at].any(axis=(1, 2))
        assert (np.ptp(values[bare], axis=(1, 2, 3)) < 0.01).all()
        assert (labels[bare, 0] == at[bare] % 2).all()
        changed[at] |= (np.ptp(values, axis=(1, 2, 3)) > 0.01) | (labels[:, 0] == 0.5)
        batches.on_epoch_end()
    assert changed.tolist() == masks.any(axis=(1, 2)).tolist()


def test_without_a_grid_there_is_one_label_and_one_weight_a_film(films):
    values, labels, weights = of_lungs(films, LungTraining(halves(16), hidden=0.5))[0]
    assert values.shape == (16, 32, 32, 3)
    assert labels.shape == (16, 1)
    assert weights.shape == (16,)
    assert set(labels[:, 0].tolist()) == {0, 0.5, 1}


@pytest.mark.parametrize("size_px", [64, 96])
def test_the_grid_says_what_share_of_each_field_is_lung(films, size_px):
    masks = np.zeros((16, 224, 224), bool)
    masks[:, :28, :112] = True  # the left half, down to an eighth
    lungs = LungTraining(masks, grid_px=size_px // 4)
    _, (_, shares), _ = of_lungs(films, lungs, size_px=size_px)[0]
    assert shares.shape == (16, 4, 4, 1)
    expected = np.zeros((4, 4))
    expected[0, :2] = 0.5
    assert shares[..., 0] == pytest.approx(np.repeat(expected[None], 16, axis=0), abs=0.01)


@pytest.mark.parametrize("name", ["affine", "mild", "strong"])
def test_the_grid_is_of_the_lungs_as_they_were_moved(name, films):
    """The augmentation notes what it gives; each share must be the mean of its field."""
    moved = []

    def augment(pair, size_px, rng):
        moved.append(AUGMENTATIONS[name](pair, size_px, rng))
        return moved[-1]

    lungs = LungTraining(halves(16), background=0.5, hidden=0.3, grid_px=16)
    _, (_, shares), _ = of_lungs(films, lungs, augment, size_px=64)[0]
    masks = np.stack([film[..., 1] for film in moved])
    fields = masks.reshape(16, 4, 16, 4, 16).mean(axis=(2, 4))
    assert shares[..., 0] == pytest.approx(fields, abs=1e-5)
    # Half of a film is lung and no film is the other.
    assert len({shares[i].tobytes() for i in range(16)}) > 8
