"""A real run of `python -m model train` (fixture tiny_bundle), seen from what it leaves."""

import json

import keras
import numpy as np
import pytest

from model.__main__ import main
from model.bundle import open_bundle
from model.config import settings
from model.nn.dataset import data_hash, load_greys, read_folder
from model.nn.recipe import recipe
from model.nn.release import release
from model.nn.train import round_to_bfloat16, train
from model.preprocessing import pixel_values

pytestmark = pytest.mark.timeout(900)  # a minute on a quiet machine, six on a busy one
CONVOLUTIONS = [
    f"block{block}_conv{conv}"
    for block, count in enumerate((2, 2, 3, 3, 3), start=1)
    for conv in range(1, count + 1)
]


@pytest.fixture(scope="module")
def bundle(tiny_bundle):
    return open_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def network(bundle):
    return keras.saving.load_model(bundle.weights, compile=False)


@pytest.fixture(scope="module")
def run(tiny_bundle):
    return json.loads((tiny_bundle / "run" / "run.json").read_text())


def logits_of(network, greys):
    return network.predict(pixel_values(greys, 32), verbose=0)[:, 0]


def test_the_bundle_opens_and_says_how_it_was_made(bundle):
    assert bundle.input_px == 32
    assert bundle.network == "vgg16"
    assert bundle.training["num_training"] + bundle.training["num_validation"] == 24
    assert len(bundle.training["curves"]) == 1
    assert bundle.operating_point("default").chosen_on.startswith("validation fold")


def test_run_json_has_what_repeats_the_run(run, tiny_data):
    recipe = run["recipe"]
    assert (recipe["size_px"], recipe["epochs"], recipe["folds"]) == ([32], [1], 3)
    assert recipe["seed"] == 0
    assert run["data_sha256"] == data_hash(read_folder(tiny_data, "train"))


def test_one_line_of_curves_an_epoch(tiny_bundle):
    lines = (tiny_bundle / "run" / "curves.jsonl").read_text().splitlines()
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert (line["stage"], line["epoch"], line["size_px"]) == (0, 0, 32)
    for name in ("loss", "validation_loss", "validation_accuracy", "validation_auroc", "seconds"):
        assert np.isfinite(line[name])


def test_the_file_is_plain_flat_vgg16(network):
    assert [layer.name for layer in network.layers if layer.weights] == [*CONVOLUTIONS, "logit"]
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)
    assert network.input_shape == (None, 32, 32, 3)
    assert network.output_shape == (None, 1)
    assert network.get_layer("block5_conv3").output.shape == (None, 2, 2, 512)


def test_weights_are_rounded_to_bfloat16(network):
    for weights in network.get_weights():
        assert not (weights.view(np.uint32) & 0xFFFF).any()


def test_the_file_says_what_the_validation_fold_in_the_card_says(network, bundle, tiny_data):
    kept = bundle.evaluations["validation"]
    by_name = {example.path.name: example for example in read_folder(tiny_data, "train")}
    examples = [by_name[name] for name in kept.files]
    assert kept.labels.tolist() == [example.label for example in examples]
    assert logits_of(network, load_greys(examples)) == pytest.approx(kept.logits, abs=0.01)


def test_no_patient_on_both_sides_and_no_film_twice(run, bundle, tiny_data):
    patient = {e.path.name: e.patient for e in read_folder(tiny_data, "train")}
    assert sorted(run["training"] + run["validation"]) == sorted(patient)
    training = {patient[name] for name in run["training"]}
    assert training.isdisjoint(patient[name] for name in run["validation"])
    assert sorted(bundle.evaluations["validation"].files) == run["validation"]


def test_the_test_split_was_left_alone(run, bundle, tiny_data):
    test = {example.path.name for example in read_folder(tiny_data, "test")}
    assert len(test) == 8
    assert test.isdisjoint(run["training"] + run["validation"])
    assert list(bundle.evaluations) == ["validation"]


def test_no_temporary_file_is_left_in_the_bundle(tiny_bundle):
    assert sorted(path.name for path in tiny_bundle.iterdir()) == [
        "bundle.json",
        "model.keras",
        "run",
    ]


def test_training_goes_on_from_a_bundle(bundle, network, tiny_bundle, tiny_data, tmp_path):
    changes = ["size_px=32", "epochs=1", "folds=3", "learning_rate=1e-12", f"init={tiny_bundle}"]
    trained = train(recipe("default", changes), read_folder(tiny_data, "train"), tmp_path / "run")
    # With steps this small the weights stay those it started from: no others, no new ones.
    for before, after in zip(network.get_weights(), trained.network.get_weights(), strict=True):
        assert after == pytest.approx(before, abs=1e-6)
    again = release(trained, tmp_path)
    assert again.training["recipe"]["init"] == str(tiny_bundle)
    kept = bundle.evaluations["validation"]
    assert again.evaluations["validation"].logits == pytest.approx(kept.logits, abs=0.01)


def refused(capsys, tmp_path, data, *changes):
    """Trains with these settings, expects a sentence and no bundle; gives the sentence."""
    words = [word for change in changes for word in ("--set", change)]
    arguments = ["train", "--data", str(data), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--config", "quick", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Expected ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "bundle.json").exists()
    assert not (tmp_path / "out" / "model.keras").exists()
    return error


def test_a_folder_without_pneumonia_is_refused(capsys, tmp_path, tiny_data):
    data = tmp_path / "data"
    data.mkdir()
    (data / "NORMAL").symlink_to(tiny_data / "train" / "NORMAL")
    assert "PNEUMONIA" in refused(capsys, tmp_path, data)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("network=resnet50", "vgg16"),
        ("augmentation=wild", "strong"),
        ("batch_size=0", "batch_size"),
        ("folds=30", "folds"),
        ("init=nowhere", "bundle.json"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(capsys, tmp_path, tiny_data, change, named):
    assert named in refused(capsys, tmp_path, tiny_data, "folds=3", change)


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_fold_without_one_class_is_refused_before_hours_of_training(
    capsys, tmp_path, tiny_data, monkeypatch
):
    data = tmp_path / "data"
    (data / "NORMAL").mkdir(parents=True)
    (data / "PNEUMONIA").symlink_to(tiny_data / "train" / "PNEUMONIA")
    one = min((tiny_data / "train" / "NORMAL").iterdir())
    (data / "NORMAL" / one.name).write_bytes(one.read_bytes())
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("it began to train"))
    refused(capsys, tmp_path, data, "folds=4")


def test_champion_is_the_served_bundle(monkeypatch):
    from model.nn import train as module

    opened = []

    def note(folder):
        opened.append(folder)
        raise StopIteration

    monkeypatch.setattr(module, "open_bundle", note)
    with pytest.raises(StopIteration):
        module._start(recipe("quick", ["init=champion"]))
    assert opened == [settings().bundle]


def test_rounding_is_to_the_nearest():
    # Between 1 and 2 bfloat16 goes in steps of 1/128; ties go to the even step.
    steps = np.array([0.25, 0.5, 0.75, 1.5, -0.75], np.float32)
    values = np.sign(steps) * (1 + np.abs(steps) / 128)
    rounded = (np.abs(round_to_bfloat16(values)) - 1) * 128 * np.sign(steps)
    assert rounded.tolist() == [0, 0, 1, 2, -1]


def test_rounding_keeps_any_size():
    values = np.array([0.0, 1e-30, -3e-5, 3.14159265, -6e20], np.float32)
    rounded = round_to_bfloat16(values)
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    assert rounded == pytest.approx(values, rel=2**-8)
