import shutil

import numpy as np
import pytest

from model.errors import DataError
from model.nn.augmentation import AUGMENTATIONS
from model.nn.dataset import (
    Batches,
    data_hash,
    load_greys,
    patient_key,
    read_folder,
    split_by_patient,
)


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("person12_bacteria_45", "person12"),
        ("person12_virus_3", "person12"),
        ("IM-0115-0001", "normal115"),
        ("NORMAL2-IM-0115-0001", "normal115"),
        ("IM-0011-0001-0002", "normal11"),
        ("somebody", "somebody"),
    ],
)
def test_patient_key(stem, key):
    assert patient_key(stem) == key


def test_reads_both_classes_sorted(tiny_data):
    examples = read_folder(tiny_data, "train")
    assert len(examples) == 24
    assert sum(example.label for example in examples) == 12
    assert all(len(example.sha256) == 64 for example in examples)


def test_a_missing_class_is_an_error(tiny_data, tmp_path):
    shutil.copytree(tiny_data / "train" / "NORMAL", tmp_path / "NORMAL")
    with pytest.raises(DataError, match="PNEUMONIA"):
        read_folder(tmp_path)


def test_identical_files_share_a_patient(tiny_data, tmp_path):
    shutil.copytree(tiny_data / "test", tmp_path / "test")
    folder = tmp_path / "test" / "PNEUMONIA"
    original = sorted(folder.iterdir())[0]
    shutil.copy(original, folder / "person9999_virus_1.jpeg")
    by_name = {example.path.name: example for example in read_folder(tmp_path, "test")}
    assert by_name["person9999_virus_1.jpeg"].patient == by_name[original.name].patient


def test_no_patient_on_both_sides(tiny_data):
    train, validation = split_by_patient(read_folder(tiny_data, "train"), folds=3, seed=0)
    assert train
    assert validation
    assert not {e.patient for e in train} & {e.patient for e in validation}
    assert len(train) + len(validation) == 24


def test_hash_follows_content_and_label_not_order(tiny_data):
    examples = read_folder(tiny_data, "train")
    assert data_hash(examples) == data_hash(examples[::-1])
    assert data_hash(examples) != data_hash(examples[1:])


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


def test_weights_balance_the_classes(tiny_data):
    greys = [np.zeros((224, 224), np.uint8)] * 8
    batches = Batches(greys, np.array([0, 0, 0, 0, 0, 0, 1, 1]), 32, 8)
    _, labels, weights = batches[0]
    assert weights[labels[:, 0] == 1].sum() == pytest.approx(weights[labels[:, 0] == 0].sum())


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_keeps_shape_and_range(name):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (224, 224), np.uint8)
    before = grey.copy()
    for _ in range(50):
        image = AUGMENTATIONS[name](grey, 64, rng)
        assert image.shape == (64, 64)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert -0.5 < image.min() <= image.max() < 1.5
    assert (grey == before).all()
