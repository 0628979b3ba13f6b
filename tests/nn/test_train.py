"""A real run of `python -m model train` (fixture tiny_bundle), seen from what it leaves."""

import json

import keras
import numpy as np
import pytest

from model import xray
from model.__main__ import main
from model.bundle import PARTS, open_bundle
from model.nn import batches, gate
from model.nn.classifier import Classifier
from model.nn.dataset import data_hash, divide, load_greys, read_folder
from model.nn.lungs import Lungs
from model.nn.network import BUILDERS, vgg16, with_evidence
from model.nn.recipe import recipe
from model.nn.release import release
from model.nn.train import mixed, outside_lungs, train
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
    assert bundle.training["num_parameters"] == vgg16(32).count_params()
    chosen_on = bundle.operating_point("default").chosen_on
    assert chosen_on.startswith("validation fold")
    assert "under a change that hospitals make" in chosen_on


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
    kinds = ("loss", "accuracy", "auroc")
    names = [f"{fold}_{kind}" for fold in ("validation", "changed") for kind in kinds]
    for name in ("loss", "accuracy", "seconds", *names):
        assert np.isfinite(line[name])
    assert all(0 <= line[name] <= 1 for name in names if not name.endswith("loss"))


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
    assert list(bundle.evaluations) == ["validation", "changed"]


def test_the_changed_fold_is_the_fold_with_other_logits(bundle):
    plain, changed = bundle.evaluations["validation"], bundle.evaluations["changed"]
    assert changed.files == plain.files
    assert changed.patients == plain.patients
    assert changed.labels.tolist() == plain.labels.tolist()
    assert (np.abs(changed.logits - plain.logits) > 1e-3).sum() >= len(plain.logits) // 4
    assert "under a change that hospitals make" in changed.description


def test_no_temporary_file_is_left_in_the_bundle(tiny_bundle):
    files = {path.name for path in tiny_bundle.iterdir()}
    assert files == {"bundle.json", "model.keras", "run", *PARTS}


def test_training_goes_on_from_a_bundle(bundle, network, tiny_bundle, tiny_data, tmp_path):
    changes = ["size_px=32", "epochs=1", "folds=3", "learning_rate=1e-12", f"init={tiny_bundle}"]
    split = divide(tiny_data, "official", folds=3, seed=0)
    trained = train(recipe("default", changes), split, tmp_path / "run")
    # With steps this small the weights stay those it started from: no others, no new ones.
    for before, after in zip(network.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)  # approx takes a minute for these
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


# --- the networks of the comparison ---------------------------------------------------------------

# recipe, side in pixels, side of its heatmap
COMPARED = [
    ("mlp", 32, 32),
    ("dense", 32, 32),
    ("cnn", 32, 4),
    ("cnn_150", 48, 2),
    ("vgg16_frozen", 32, 2),
]


def test_all_networks_are_tried_here_or_above():
    assert {recipe(name, []).network for name, _, _ in COMPARED} | {"vgg16"} == set(BUILDERS)


@pytest.mark.parametrize(("name", "size_px", "heat_side"), COMPARED)
def test_every_network_is_trained_and_served(name, size_px, heat_side, tiny_data, tmp_path):
    small = [f"size_px={size_px}", "epochs=1", "folds=3", "batch_size=8", "init=scratch"]
    chosen = recipe(name, small)
    trained = train(chosen, divide(tiny_data, "official", 3, 0), tmp_path / "run")
    bundle = release(trained, tmp_path)
    assert (bundle.network, bundle.input_px) == (chosen.network, size_px)
    assert bundle.training["num_parameters"] == trained.network.count_params()
    assert list(bundle.evaluations) == ["validation", "changed"]

    classifier = Classifier.load(tmp_path, precision="float32")
    by_name = {example.path.name: example.path for example in trained.validation}
    kept = bundle.evaluations["validation"]
    films = [xray.read(by_name[file].read_bytes(), file) for file in kept.files]
    predictions = classifier.predict(films)
    logits = [prediction.logit for prediction in predictions]
    assert logits == pytest.approx(kept.logits, abs=2e-3)
    for prediction in predictions:
        assert prediction.gate.reason == gate.UNTOLD
        assert 0 < prediction.probability < 1
        assert prediction.heatmap.shape == (heat_side, heat_side)
        assert 0 <= prediction.heatmap.min() <= prediction.heatmap.max() <= 1
    assert max(prediction.heatmap.max() for prediction in predictions) in (0, 1)


# --- looking at the lungs -------------------------------------------------------------------------


def right_halves(_, greys):
    """Stands for `Lungs.masks`, which finds no lungs in the made-up films."""
    masks = np.zeros((len(greys), 224, 224), bool)
    masks[:, :, 112:] = True
    return masks


def test_a_share_of_the_weights_from_before_stays():
    after, before = [np.full(2, 8.0), np.zeros(1)], [np.zeros(2), np.ones(1)]
    [first, second] = mixed(after, before, 0.25)
    assert (first.tolist(), second.tolist()) == ([6, 6], [0.25])


def test_the_preset_lungs_trains_the_served_network_with_a_second_loss(
    bundle, tiny_bundle, tiny_data, tmp_path, monkeypatch
):
    hidden, behind = [], []
    monkeypatch.setattr(Lungs, "masks", right_halves)
    monkeypatch.setattr(batches, "hide_lungs", lambda *of: hidden.append(of[1]) or of[0])
    monkeypatch.setattr(batches, "change_background", lambda *of: behind.append(of[1]) or of[0])
    changes = ["size_px=32", "epochs=1", "folds=3", "batch_size=8", f"init={tiny_bundle}"]
    chosen = recipe("lungs", [*changes, "hidden=0.5", "learning_rate=1e-12"])
    assert chosen.attention > 0
    run = tmp_path / "run"
    trained = train(chosen, divide(tiny_data, "official", folds=3, seed=0), run)
    assert hidden
    assert behind
    assert all(mask[:, 112:].all() and not mask[:, :112].any() for mask in hidden + behind)
    kept = bundle.evaluations["validation"]
    assert trained.logits == pytest.approx(kept.logits, abs=0.01)  # steps too small to matter
    lines = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
    assert len(lines) == 1
    assert all(np.isfinite(line["loss"]) and 0 <= line["accuracy"] <= 1 for line in lines)
    # It is the plain network that is kept, with one output.
    assert (trained.network.name, trained.network.output_shape) == ("vgg16", (None, 1))


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # of the bias
def test_the_second_loss_draws_the_evidence_into_the_lungs():
    """One small network on noise, lungs to the right: each step moves evidence to the right."""
    keras.utils.set_random_seed(0)
    model = vgg16(32, dtype="float32")
    looking = with_evidence(model)
    looking.compile(optimizer=keras.optimizers.Adam(1e-3), loss=[None, outside_lungs])
    values = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype(np.float32)
    values[:, :, 16:] *= 0.3
    shares = np.zeros((8, 2, 2, 1), np.float32)
    shares[:, :, 1] = 1

    def outside():
        return float(np.mean(outside_lungs(shares, looking.predict_on_batch(values)[1])))

    before = outside()
    for _ in range(6):
        looking.train_on_batch(values, [np.zeros((8, 1)), shares])
    assert outside() < before - 0.02


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([[0, 0], [0, 3]], 0),  # all inside
        ([[0, 0], [5, 0]], 1),  # all outside
        ([[0, 0], [2, 2]], 0.5),
        ([[0, 0], [-2, 2]], 0.5),  # evidence against counts as evidence for
        ([[1, 0], [0, 3]], 0.25 * 0.6),  # a field of which two fifths are lung
        ([[0, 0], [0, 0]], 0),  # no evidence
    ],
)
def test_evidence_outside_the_lungs(evidence, expected):
    shares = np.array([[0.4, 1], [0, 1]], np.float32)[None, :, :, None]
    loss = outside_lungs(shares, np.array(evidence, np.float32)[None, :, :, None])
    assert np.asarray(loss) == pytest.approx([expected], abs=1e-5)


def test_evidence_outside_the_lungs_is_one_figure_a_film():
    shares = np.zeros((3, 2, 2, 1), np.float32)
    shares[1] = 1
    shares[2, 0] = 1
    even = np.ones((3, 2, 2, 1), np.float32)
    assert np.asarray(outside_lungs(shares, even)) == pytest.approx([1, 0, 0.5], abs=1e-5)


@pytest.mark.parametrize("protocol", ["grouped", "ungrouped"])
def test_protocol_2_trains_on_its_part_of_all_splits(protocol, tiny_data, tmp_path):
    arguments = ["train", "--data", str(tiny_data), "--out", str(tmp_path), "--config", "mlp"]
    for change in (f"protocol={protocol}", "size_px=32", "epochs=1", "folds=4", "batch_size=8"):
        arguments += ["--set", change]
    assert main(arguments) == 0
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    split = divide(tiny_data, protocol, folds=4, seed=0)
    assert run["recipe"]["protocol"] == protocol
    assert set(run["training"]) == {example.path.name for example in split.training}
    assert set(run["validation"]) == {example.path.name for example in split.validation}
    assert len(run["training"]) + len(run["validation"]) + len(split.test) == 32
