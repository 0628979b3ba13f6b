import shutil

import cv2
import numpy as np
import pytest

from model.errors import DataError
from model.nn.changes import CHANGES
from model.nn.dataset import (
    data_hash,
    divide,
    load_greys,
    load_others,
    patient_key,
    read_folder,
    split_by_patient,
    turned,
)
from model.nn.recipe import PROTOCOLS
from model.preprocessing import prepare
from model.retraining import manifest
from model.retraining.manifest import Entry


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("person12_bacteria_45", "person12"),
        ("person12_virus_3", "person12"),
        ("IM-0115-0001", "normal115"),
        ("NORMAL2-IM-0115-0001", "normal115"),
        ("IM-0011-0001-0002", "normal11"),
        ("Person012_Virus_6", "person12"),
        ("im-0115-0001", "normal115"),
        ("BACTERIA-198200-0001", "child198200"),
        ("BACTERIA-198200-0002", "child198200"),
        ("Virus-198200-0003", "child198200"),
        ("normal-0198200-0001 (1)", "child198200"),
        ("somebody", "somebody"),
        ("normal-1", "normal-1"),
        ("normal-2024-01-15", "normal-2024-01-15"),
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


# --- load_greys -----------------------------------------------------------------------------------


def test_films_are_loaded_as_the_network_is_to_see_them(tiny_data):
    examples = read_folder(tiny_data, "test")
    greys = load_greys(examples)
    assert len(greys) == 8
    for example, grey in zip(examples, greys, strict=True):
        film = cv2.imread(str(example.path), cv2.IMREAD_GRAYSCALE)
        assert np.abs(grey.astype(int) - prepare(film).grey).max() <= 1


def test_a_change_is_made_before_the_preprocessing_and_drawn_for_each_film(tiny_data):
    examples = read_folder(tiny_data, "test")
    plain = load_greys(examples)
    framed = load_greys(examples, change=lambda: CHANGES["borders"][1])
    for one, other in zip(plain, framed, strict=True):
        assert (one == other).all()  # the preprocessing has cut the borders off again
    drawn = iter([CHANGES["none"][1], CHANGES["marker"][1]] * 4)
    mixed = load_greys(examples, change=lambda: next(drawn))
    assert [bool((a == b).all()) for a, b in zip(plain, mixed, strict=True)] == [True, False] * 4


def test_others_are_all_images_below_a_folder_in_order_of_their_names(tiny_data, tmp_path):
    one, other = (example.path for example in read_folder(tiny_data, "test")[:2])
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(one, tmp_path / "deep" / "er" / "a.jpeg")
    shutil.copy(other, tmp_path / "b.jpeg")
    (tmp_path / "notes.txt").write_text("no image")
    greys = load_others(tmp_path)
    expected = load_greys(read_folder(tiny_data, "test")[:2])
    assert len(greys) == 2
    assert (greys[0] == expected[1]).all()  # b.jpeg stands before deep/
    assert (greys[1] == expected[0]).all()


def test_a_folder_without_others_is_an_error(tmp_path):
    with pytest.raises(DataError, match="a folder with X-rays"):
        load_others(tmp_path)


# --- divide ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hundred(tmp_path_factory):
    """120 X-rays of 40 children over three splits; the bytes are no images, only told apart."""
    folder = tmp_path_factory.mktemp("hundred")
    for i in range(120):
        child = i // 3
        split = "train" if child < 32 else "val" if child < 34 else "test"
        for label, name in (("NORMAL", f"IM-{child:04}-{i}"), ("PNEUMONIA", f"person{child}_{i}")):
            path = folder / split / label / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
    return folder


def names(examples):
    return {example.path.name for example in examples}


def on_disk(*folders):
    return {path.name for folder in folders for path in folder.rglob("*.png")}


def true_patients(examples):
    return {patient_key(example.path.stem) for example in examples}


def parts(split):
    return split.training, split.validation, split.test


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_x_ray_is_in_two_parts_and_both_labels_are_in_each(hundred, protocol):
    split = divide(hundred, protocol, folds=10, seed=0)
    everything = [name for part in parts(split) for name in names(part)]
    assert len(everything) == len(set(everything)) == sum(len(part) for part in parts(split))
    for part in parts(split):
        assert {example.label for example in part} == {0, 1}


def test_official_leaves_the_test_split_alone_and_the_validation_split_out(hundred):
    split = divide(hundred, "official", folds=10, seed=0)
    assert names(split.test) == on_disk(hundred / "test")
    assert names(split.training) | names(split.validation) == on_disk(hundred / "train")
    assert not true_patients(split.training) & true_patients(split.validation)


def test_official_takes_a_folder_without_splits_and_has_no_test_part(hundred):
    split = divide(hundred / "train", "official", folds=10, seed=0)
    assert names(split.training) | names(split.validation) == on_disk(hundred / "train")
    assert split.test == []


@pytest.mark.parametrize("protocol", ["grouped", "ungrouped"])
def test_protocol_2_is_80_10_10_of_all_splits(hundred, protocol):
    split = divide(hundred, protocol, folds=10, seed=0)
    assert set.union(*map(names, parts(split))) == on_disk(hundred)
    shares = [len(part) / 240 for part in parts(split)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.015)


def test_grouped_has_no_patient_on_two_sides(hundred):
    training, validation, test = map(true_patients, parts(divide(hundred, "grouped", 10, 0)))
    assert not training & validation
    assert not training & test
    assert not validation & test


def test_ungrouped_has_and_its_examples_are_their_own_patients(hundred):
    split = divide(hundred, "ungrouped", folds=10, seed=0)
    training, validation, test = map(true_patients, parts(split))
    assert test <= training | validation
    assert len(test & training) > 5
    keys = [example.patient for part in parts(split) for example in part]
    assert len(keys) == len(set(keys)) == 240


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_seed_decides_how_it_is_divided(hundred, protocol):
    one, same, other = (divide(hundred, protocol, 10, seed) for seed in (0, 0, 1))
    assert parts(one) == parts(same)
    assert names(one.validation) != names(other.validation)


def test_protocol_2_of_a_folder_without_splits(hundred):
    split = divide(hundred / "train", "grouped", folds=10, seed=0)
    assert set.union(*map(names, parts(split))) == on_disk(hundred / "train")
    assert len(split.test) / len(on_disk(hundred / "train")) == pytest.approx(0.1, abs=0.03)


@pytest.mark.real_data
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_data_set_itself_is_divided_as_the_protocol_says(shared_data, protocol):
    split = divide(shared_data / "chest_xray_224", protocol, folds=10, seed=0)
    counts = [len(part) for part in parts(split)]
    if protocol == "official":
        assert counts[0] + counts[1] == 5216
        assert counts[2] == 624
    else:
        assert sum(counts) == 5856
        assert [count / 5856 for count in counts] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    keys = [{example.patient for example in part} for part in parts(split)]
    assert not keys[0] & keys[1]
    if protocol != "official":  # whose test split is as it was published
        assert not (keys[0] | keys[1]) & keys[2]


# --- cross-validation -----------------------------------------------------------------------------


@pytest.mark.parametrize("folds", [3, 5, 10])
def test_each_child_is_validated_on_once_and_never_trained_on_then(hundred, folds):
    frozen = divide(hundred, "official", folds=10, seed=0)
    splits = [turned(frozen, fold, folds, seed=0) for fold in range(folds)]
    validated = [patient for split in splits for patient in true_patients(split.validation)]
    everybody = true_patients([*frozen.training, *frozen.validation])
    assert sorted(validated) == sorted(everybody)
    for split in splits:
        assert true_patients(split.training) == everybody - true_patients(split.validation)
        assert len(split.training) + len(split.validation) == len(on_disk(hundred / "train"))
        assert {example.label for example in split.validation} == {0, 1}
        assert split.test == frozen.test


def test_fold_0_is_how_the_set_was_frozen(unpacked):
    frozen = divide(unpacked, "official", folds=10, seed=0)
    assert turned(frozen, 0, 5, seed=0) == frozen
    other = turned(frozen, 1, 5, seed=0)
    assert names(frozen.validation) < names(other.training)


def test_more_folds_than_children_are_refused(tiny_data):
    with pytest.raises(DataError, match="choose fewer folds"):
        turned(divide(tiny_data, "official", folds=3, seed=0), 1, 20, seed=0)


# --- a retraining set that was unpacked -----------------------------------------------------------


@pytest.fixture
def unpacked(hundred, tmp_path):
    """Of 60 X-rays, with a manifest that says otherwise than their names do."""
    entries = []
    for i, example in enumerate(read_folder(hundred, "train")[::6] + read_folder(hundred, "test")):
        path = example.path.relative_to(hundred)
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(example.path, tmp_path / path)
        top, label, _ = path.parts
        split = "test" if top == "test" else "validation" if i % 5 == 0 else "training"
        told = (path.as_posix(), example.sha256, "0" * 64, label, "base", f"child {i // 2}", split)
        entries.append(Entry(*told))
    sha256 = manifest.hash_of(entries)
    made = manifest.Manifest(sha256, "autumn", "2026", "zoe", tuple(entries))
    manifest.write(tmp_path / manifest.FILE, made)
    return tmp_path


def test_a_manifest_says_who_the_children_are_and_how_they_are_divided(unpacked):
    told = manifest.of_folder(unpacked)
    split = divide(unpacked, "official", folds=10, seed=0)
    assert split == divide(unpacked, "official", folds=3, seed=7)
    for part, name in zip(parts(split), manifest.SPLITS, strict=True):
        found = {example.path.relative_to(unpacked).as_posix(): example for example in part}
        assert found.keys() == {path for path, entry in told.items() if entry.split == name}
        for path, example in found.items():
            assert example.patient == told[path].patient
            assert example.label == (told[path].label == "PNEUMONIA")


def test_the_other_protocols_divide_the_children_of_the_manifest(unpacked):
    training, validation, test = parts(divide(unpacked, "grouped", folds=5, seed=0))
    keys = [{example.patient for example in part} for part in (training, validation, test)]
    assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    assert set.union(*keys) == {entry.patient for entry in manifest.of_folder(unpacked).values()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(b"other"), "a file that was changed"),
        (lambda path: path.unlink(), "a folder where 1 of them are missing"),
        (lambda path: path.with_name("new.png").write_bytes(b"new"), "a file that is not in it"),
        (lambda path: (path.parents[2] / manifest.FILE).write_text("{}"), "one that is damaged"),
    ],
)
def test_a_folder_that_is_not_as_its_manifest_says(unpacked, change, message):
    change(sorted((unpacked / "train" / "NORMAL").iterdir())[0])
    with pytest.raises(DataError, match=message):
        divide(unpacked, "official", folds=10, seed=0)


def test_a_manifest_that_was_changed_is_refused(unpacked):
    path = unpacked / manifest.FILE
    path.write_text(path.read_text().replace('"training"', '"validation"', 1))
    with pytest.raises(DataError, match="changed after it was frozen"):
        read_folder(unpacked, "train")
