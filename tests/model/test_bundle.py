import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from model.bundle import PARTS, Bundle, Evaluation, open_bundle, read_card, write_card
from model.errors import BundleError
from model.prediction import OperatingPoint


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights" * 1000)
    for name in PARTS:
        (tmp_path / name).write_bytes(name.encode())
    written = Bundle(
        folder=tmp_path,
        model_version="vgg16-test",
        network="vgg16",
        weights_file="model.keras",
        input_px=64,
        preprocessing="grey-standardise-2",
        temperature=1.5,
        heat_floor=0.2,
        operating_points=(OperatingPoint("default", 0.4, "a fold", "a rule"),),
        evaluations={
            "validation": Evaluation(
                "a fold", ("a", "b"), np.array([0, 1]), np.array([-1.5, 3.0]), ("p1", "p2")
            )
        },
        training={"recipe": {"seed": 0}},
    )
    write_card(written)
    return written


def change(bundle, **changes):
    card = json.loads((bundle.folder / "bundle.json").read_text())
    (bundle.folder / "bundle.json").write_text(json.dumps(card | changes))


def test_what_was_written_is_read_again(bundle):
    opened = open_bundle(bundle.folder)
    assert opened.model_version == "vgg16-test"
    assert opened.operating_points == bundle.operating_points
    assert opened.evaluations["validation"].labels.tolist() == [0, 1]
    assert opened.probabilities("validation") == pytest.approx(
        [1 / (1 + np.exp(1)), 1 / (1 + np.exp(-2))]
    )
    assert opened.operating_point().threshold == 0.4
    assert opened.weights_sha256 == hashlib.sha256(b"weights" * 1000).hexdigest()


def test_writing_again_replaces_the_card_and_leaves_nothing_beside_it(bundle):
    write_card(replace(bundle, temperature=2.0))
    assert open_bundle(bundle.folder).temperature == 2.0
    files = {path.name for path in bundle.folder.iterdir()}
    assert files == {"bundle.json", "model.keras", *PARTS}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_missing_or_another_gives_no_verdict(bundle, name):
    part = bundle.folder / name
    part.write_bytes(b"another")
    with pytest.raises(BundleError, match=f"{name} with the SHA-256"):
        open_bundle(bundle.folder)
    part.unlink()
    with pytest.raises(BundleError, match="no such file"):
        open_bundle(bundle.folder)
    # Its weights may still be a start for training.
    assert open_bundle(bundle.folder, is_outdated=True).model_version == "vgg16-test"


def test_a_card_without_parts_gives_no_verdict_for_the_network_that_is_served(bundle):
    change(bundle, parts={})
    with pytest.raises(BundleError, match="a card that names"):
        open_bundle(bundle.folder)
    change(bundle, network="cnn")  # for comparison only
    assert open_bundle(bundle.folder).parts == {}


def test_unknown_operating_point_is_named(bundle):
    with pytest.raises(BundleError, match="default"):
        bundle.operating_point("screening")


def test_one_changed_byte_of_the_weights_is_refused(bundle):
    data = bytearray(bundle.weights.read_bytes())
    data[100] ^= 1
    bundle.weights.write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256"):
        open_bundle(bundle.folder)


def test_a_git_lfs_pointer_is_told_apart(bundle):
    bundle.weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(BundleError, match="git lfs pull"):
        open_bundle(bundle.folder)


def test_missing_weights_are_refused(bundle):
    bundle.weights.unlink()
    with pytest.raises(BundleError, match=r"model\.keras"):
        open_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("preprocessing", "bgr-minus-means"),
        ("network", "resnet"),
        ("temperature", 0),
        ("temperature", "warm"),
        ("heat_floor", float("inf")),
        ("operating_points", [{"name": "default", "threshold": 7, "chosen_on": "", "rule": ""}]),
        ("operating_points", [{"name": "default"}]),
        ("evaluations", {"test": {"labels": [1]}}),
        ("weights", {}),
    ],
)
def test_a_card_that_does_not_check_is_refused(bundle, key, value):
    change(bundle, **{key: value})
    with pytest.raises(BundleError):
        open_bundle(bundle.folder)


def test_evaluations_of_unequal_length_are_refused(bundle):
    split = {"description": "", "files": ["a"], "labels": [0, 1], "logits": [0.0], "patients": [""]}
    change(bundle, evaluations={"test": split})
    with pytest.raises(BundleError):
        open_bundle(bundle.folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_damaged_json_is_refused(bundle, text):
    (bundle.folder / "bundle.json").write_text(text)
    with pytest.raises(BundleError):
        open_bundle(bundle.folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"bundle\.json"):
        open_bundle(tmp_path)


def test_weights_cannot_be_named_outside_the_folder(bundle, tmp_path):
    card = json.loads((bundle.folder / "bundle.json").read_text())
    change(bundle, weights=card["weights"] | {"file": "../../etc/model.keras"})
    assert open_bundle(bundle.folder).weights.parent == bundle.folder


def test_weights_of_an_older_preprocessing_can_be_opened_to_calibrate_them_but_not_to_read(bundle):
    change(bundle, preprocessing="grey-standardise-1")
    with pytest.raises(BundleError, match="preprocessing"):
        open_bundle(bundle.folder)
    assert open_bundle(bundle.folder, is_outdated=True).preprocessing == "grey-standardise-1"


def test_a_card_can_be_read_where_its_weights_are_not(bundle):
    bundle.weights.unlink()
    card = read_card(bundle.folder / "bundle.json")
    assert card.model_version == bundle.model_version
    assert card.evaluations.keys() == bundle.evaluations.keys()
    with pytest.raises(BundleError, match="none that can be read"):
        read_card(bundle.folder / "nothing.json")
