"""dataset.json: what the data set is, counted by hand on a small one."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from model import evaluated
from model.bundle import Bundle
from model.errors import DataError, XRayError
from model.nn.dataset import data_hash, read_folder
from model.nn.dataset_facts import _counts, duplicates, facts, read_splits
from model.preprocessing import GREY_STANDARDISE_2
from tests.model.images import encode


def write(path, grey, size=(20, 30)):
    """A film of (height, width) whose left half is black: mean and spread are half its grey."""
    film = np.full(size, grey, np.uint8)
    film[:, : size[1] // 2] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(film, "PNG"))


@pytest.fixture
def data(tmp_path):
    """Two splits: in train three healthy and four ill children, in test one of each."""
    train, test = tmp_path / "train", tmp_path / "test"
    write(train / "NORMAL" / "IM-0001-0001.png", 100)
    write(train / "NORMAL" / "NORMAL2-IM-0001-0002.png", 110)
    write(train / "NORMAL" / "IM-0002-0001.png", 120, size=(40, 60))
    write(train / "PNEUMONIA" / "person1_bacteria_1.png", 200)
    write(train / "PNEUMONIA" / "person1_virus_2.png", 210)
    write(train / "PNEUMONIA" / "person2_virus_3.png", 220)
    write(train / "PNEUMONIA" / "person3_bacteria_4.png", 200)  # as person1_bacteria_1
    write(test / "NORMAL" / "IM-0009-0001.png", 130)
    write(test / "PNEUMONIA" / "person2_virus_9.png", 230)
    return tmp_path


def of(folder):
    return facts(read_splits(folder))


def test_counts_by_label_kind_and_patient(data):
    assert of(data)["splits"] == [
        {"split": "train", "normal": 3, "pneumonia": 4, "bacterial": 2, "viral": 2, "patients": 4},
        {"split": "test", "normal": 1, "pneumonia": 1, "bacterial": 0, "viral": 1, "patients": 2},
    ]


def test_the_names_of_the_third_release_tell_kind_and_child_too(tmp_path):
    well = ("NORMAL-4512-0001", "NORMAL-4512-0002", "NORMAL-32326-0001")
    ill = ("BACTERIA-7422-0001", "BACTERIA-7422-0002", "VIRUS-5051946-0002")
    for grey, name in enumerate(well + ill):
        label = "NORMAL" if name in well else "PNEUMONIA"
        write(tmp_path / "train" / label / f"{name}.png", 100 + grey)
    assert of(tmp_path)["splits"] == [
        {"split": "train", "normal": 3, "pneumonia": 3, "bacterial": 2, "viral": 1, "patients": 4}
    ]


def test_it_says_of_which_films_it_speaks(data):
    value = of(data)
    everything = [*read_folder(data, "train"), *read_folder(data, "test")]
    assert value["format"] == 1
    assert value["description"] == "9 X-rays (train, test)"
    assert value["data_sha256"] == data_hash(everything)


def test_it_goes_into_json(data):
    value = of(data)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_sizes_most_frequent_first(data):
    assert of(data)["image_sizes"] == [
        {"width": 30, "height": 20, "count": 8},
        {"width": 60, "height": 40, "count": 1},
    ]


def test_sizes_beyond_the_fortieth_are_one_line(data):
    for i in range(44):
        write(data / "test" / "NORMAL" / f"IM-1{i:03}-0001.png", i, size=(30, 100 + i))
    told = of(data)["image_sizes"]
    assert len(told) == 41
    assert told[0] == {"width": 30, "height": 20, "count": 8}
    assert told[-1] == {"other": 6}  # 46 sizes in all
    assert sum(line.get("count", 0) for line in told) == 9 + 44 - 6


def test_the_size_of_each_file_where_they_differ(data):
    sizes = of(data)["file_sizes"]
    assert len(sizes) == 9
    assert sizes["IM-0002-0001.png"] == [60, 40]
    assert sizes["person2_virus_9.png"] == [30, 20]
    (data / "train" / "NORMAL" / "IM-0002-0001.png").unlink()
    assert of(data)["file_sizes"] == {}


def test_the_pages_read_it(data, tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(of(data)))
    bundle = Bundle(tmp_path, "v", "vgg16", "w", 64, GREY_STANDARDISE_2, 1.0, 1.0, (), {}, {})
    told = evaluated.dataset(bundle)
    assert [split.split for split in told.splits] == ["train", "test"]
    assert told.file_sizes["IM-0002-0001.png"] == (60, 40)
    assert told.brightness.normal.sum() == 4


def test_mean_image_of_each_class(data):
    means = {name: np.array(image) for name, image in of(data)["mean_image"].items()}
    assert {image.shape for image in means.values()} == {(64, 64)}
    assert (means["normal"][:, 5] == 0).all()
    assert (means["normal"][:, 60] == round((100 + 110 + 120 + 130) / 4)).all()
    assert (means["pneumonia"][:, 60] == round((200 + 210 + 220 + 200 + 230) / 5)).all()


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_histograms_hold_every_film_at_its_grey(data, name):
    value = of(data)[name]
    edges = np.array(value["edges"])
    assert len(edges) == 33
    assert (np.diff(edges) > 0).all()
    # half black, half grey g: mean g / 2 and standard deviation g / 2
    for label, greys in (("normal", [50, 55, 60, 65]), ("pneumonia", [100, 105, 110, 100, 115])):
        assert value[label] == np.histogram(greys, edges)[0].tolist()
        assert sum(value[label]) == len(greys)


def test_black_and_white_films_are_in_the_histograms_too(data):
    for name, grey in (("IM-0500-0001", 0), ("IM-0501-0001", 255)):
        path = data / "test" / "NORMAL" / f"{name}.png"
        path.write_bytes(encode(np.full((20, 30), grey, np.uint8), "PNG"))
    write(data / "test" / "NORMAL" / "IM-0502-0001.png", 255)  # the most contrast there is
    value = of(data)
    assert sum(value["brightness"]["normal"]) == sum(value["contrast"]["normal"]) == 7


def test_identical_files_are_found(data):
    assert of(data)["duplicates"] == {
        "groups": 1, "images": 2, "across_splits": 0, "across_labels": 0,
    }  # fmt: skip


def test_identical_files_in_both_splits_and_under_both_labels_are_told(data):
    ill = data / "train" / "PNEUMONIA" / "person1_bacteria_1.png"
    shutil.copy(ill, data / "test" / "PNEUMONIA" / "person80_bacteria_1.png")
    well = data / "train" / "NORMAL" / "IM-0002-0001.png"
    shutil.copy(well, data / "train" / "PNEUMONIA" / "person81_virus_1.png")
    assert of(data)["duplicates"] == {
        "groups": 2, "images": 5, "across_splits": 1, "across_labels": 1,
    }  # fmt: skip


def test_patients_in_more_than_one_split(data):
    assert of(data)["patients_across_splits"] == 1  # person2
    write(data / "test" / "NORMAL" / "IM-0001-0007.png", 77)
    assert of(data)["patients_across_splits"] == 2


def test_a_folder_of_one_split_has_no_splits(data):
    assert read_splits(data / "train") == {}


def test_a_split_without_one_class_folder_is_no_split_and_an_empty_one_an_error(data):
    shutil.rmtree(data / "test" / "NORMAL")
    assert list(read_splits(data)) == ["train"]
    (data / "test" / "NORMAL").mkdir()
    with pytest.raises(DataError, match="NORMAL"):
        read_splits(data)


def test_a_damaged_film_is_named(data):
    (data / "test" / "NORMAL" / "IM-0009-0001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(XRayError, match=r"IM-0009-0001\.png"):
        of(data)


@pytest.mark.real_data
def test_what_is_known_of_the_data_set(shared_data):
    """Counts of Kermany et al. 2018; identical files as found by another program."""
    folder = shared_data / "chest_xray_224"
    splits = read_splits(folder)
    told = {split: _counts(split, examples) for split, examples in splits.items()}
    assert [(s["normal"], s["pneumonia"]) for s in told.values()] == [
        (1341, 3875),
        (8, 8),
        (234, 390),
    ]
    assert (told["test"]["bacterial"], told["test"]["viral"]) == (242, 148)
    hashes = [
        hashlib.md5(path.read_bytes()).digest() for path in folder.glob("*/*/*") if path.is_file()
    ]
    found = duplicates(splits)
    assert found["images"] - found["groups"] == len(hashes) - len(set(hashes))
    assert found["across_splits"] == found["across_labels"] == 0
