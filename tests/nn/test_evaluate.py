"""Figures of a bundle on a split, with a classifier whose answers are known."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from model import evaluated, metrics, xray
from model.bundle import Bundle, open_bundle, write_card
from model.errors import DataError, XRayError
from model.nn import classifier as nn
from model.nn import evaluate
from model.nn.changes import CHANGES
from model.nn.dataset import read_folder
from model.prediction import Gate, OperatingPoint, Prediction
from model.preprocessing import GREY_STANDARDISE_2
from tests.model.images import dicom, encode
from tests.model.images import film as smooth_film

ACCEPTED, REFUSED = Gate("accepted", 0.0, ""), Gate("refused", 1.0, "Blank.")


class Classifier:
    """Reads the mean grey of a film as it is shown as its logit; refuses what is blank."""

    def __init__(self, bundle):
        self.bundle = bundle

    def predict(self, xrays):
        return [self._read(film.display()) for film in xrays]

    def _read(self, pixels):
        if not pixels.std():
            return Prediction(None, None, None, REFUSED, "known")
        logit = self.logit(pixels)
        return Prediction(1 / (1 + np.exp(-logit)), logit, np.zeros((2, 2)), ACCEPTED, "known")

    @staticmethod
    def logit(pixels):
        return (float(pixels.mean()) - 100) / 10


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"weights")
    points = (OperatingPoint("default", 0.5, "a fold", "a rule"),)
    made = Bundle(
        folder, "known", "cnn", "model.keras", 64, GREY_STANDARDISE_2, 2.0, 0.1, points, {}, {}
    )
    write_card(made)
    return open_bundle(folder)


@pytest.fixture
def data(tmp_path):
    """Five films of each label; pneumonia is brighter, but one of each lies on the other side."""
    rng = np.random.default_rng(0)
    for label, greys in {
        "NORMAL": (60, 70, 80, 90, 130),
        "PNEUMONIA": (85, 115, 120, 140, 150),
    }.items():
        folder = tmp_path / "data" / "test" / label
        folder.mkdir(parents=True)
        for i, grey in enumerate(greys):
            film = np.uint8(grey + rng.integers(-5, 6, (64, 64)))
            (folder / f"{label.lower()}-{i}.png").write_bytes(encode(film, "PNG"))
    return tmp_path / "data"


def readings(bundle, data):
    return evaluate.read_all(Classifier(bundle), read_folder(data, "test"))


def test_every_film_is_read_once_in_order(bundle, data, monkeypatch):
    monkeypatch.setattr(evaluate, "BATCH_SIZE", 3)
    examples = read_folder(data, "test")
    got = readings(bundle, data)
    assert got.examples == examples
    assert got.num_refused == 0
    assert got.logits.dtype == np.float32
    assert np.argsort(got.logits).tolist() == [0, 1, 2, 5, 3, 6, 7, 4, 8, 9]


def test_figures_are_those_of_the_default_operating_point(bundle, data):
    figures = evaluate.figures(bundle, readings(bundle, data))
    assert (figures["n"], figures["n_positive"], figures["n_refused"]) == (10, 5, 0)
    assert figures["sensitivity"] == figures["specificity"] == figures["accuracy"] == 0.8
    assert figures["ppv"] == figures["npv"] == figures["f1"] == pytest.approx(0.8)
    assert figures["auroc"] == pytest.approx(21 / 25)
    assert figures["threshold"] == 0.5
    assert figures["model_version"] == "known"


def test_another_threshold_gives_other_figures(bundle, data):
    strict = replace(bundle, operating_points=(OperatingPoint("default", 0.9, "", ""),))
    figures = evaluate.figures(strict, readings(bundle, data))
    # probability .9 at temperature 2 is logit 4.4: mean grey 144
    assert figures["sensitivity"] == 0.2
    assert figures["specificity"] == 1


def test_probabilities_are_calibrated(bundle, data):
    got = readings(bundle, data)
    labels = np.array([example.label for example in got.examples])
    expected = metrics.ece(labels, 1 / (1 + np.exp(-got.logits / 2.0)))
    assert evaluate.figures(bundle, got)["ece"] == pytest.approx(expected)


def test_intervals_draw_patients_not_films(bundle, data):
    # ten films of two children: every resample has all or nothing of a child
    for label in ("NORMAL", "PNEUMONIA"):
        for i, path in enumerate(sorted((data / "test" / label).iterdir())):
            stem = f"person{i % 2}_virus_{label}{i}" if label == "PNEUMONIA" else f"IM-{i % 2}-{i}"
            path.rename(path.with_name(f"{stem}.png"))
    grouped = evaluate.figures(bundle, readings(bundle, data))
    labels = [example.label for example in read_folder(data, "test")]
    got = readings(bundle, data)
    probabilities = metrics.calibrate(got.logits, 2.0)
    groups = [example.patient for example in got.examples]
    expected = metrics.auroc(labels, probabilities, groups)
    assert len(set(groups)) == 4
    assert grouped["auroc_ci"] == [expected.low, expected.high]
    alone = metrics.auroc(labels, probabilities)
    assert grouped["auroc_ci"] != [alone.low, alone.high]


def test_refused_films_are_counted_and_left_out(bundle, data):
    blank = encode(np.full((64, 64), 200, np.uint8), "PNG")
    (data / "test" / "NORMAL" / "blank.png").write_bytes(blank)
    got = readings(bundle, data)
    assert "blank.png" not in [example.path.name for example in got.examples]
    assert len(got.examples) == len(got.logits) == 10
    figures = evaluate.figures(bundle, got)
    assert (figures["n"], figures["n_refused"]) == (10, 1)
    assert figures["specificity"] == 0.8


def test_nothing_but_refused_films_is_an_error(bundle, data):
    for path in data.rglob("*.png"):
        path.write_bytes(encode(np.full((64, 64), 200, np.uint8), "PNG"))
    with pytest.raises(DataError, match="10 refused"):
        readings(bundle, data)


def test_a_damaged_film_is_named(bundle, data):
    (data / "test" / "NORMAL" / "normal-2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(XRayError, match=r"normal-2\.png"):
        readings(bundle, data)


def test_what_is_recorded_is_in_the_card_and_gives_the_same_figures(bundle, data):
    got = readings(bundle, data)
    evaluate.record(bundle, "test", got)
    opened = open_bundle(bundle.folder)
    kept = opened.evaluations["test"]
    assert kept.description == "test split (10 X-rays)"
    assert kept.files == tuple(example.path.name for example in got.examples)
    assert kept.labels.tolist() == [0] * 5 + [1] * 5
    assert kept.logits == pytest.approx(got.logits, abs=1e-4)
    assert metrics.ece(kept.labels, opened.probabilities("test")) == pytest.approx(
        evaluate.figures(bundle, got)["ece"], abs=1e-4
    )


def test_a_second_split_leaves_the_first(bundle, data):
    evaluate.record(bundle, "test", readings(bundle, data))
    shutil.copytree(data / "test", data / "other")
    other = evaluate.read_all(Classifier(bundle), read_folder(data, "other"))
    evaluate.record(open_bundle(bundle.folder), "other", other)
    assert list(open_bundle(bundle.folder).evaluations) == ["test", "other"]


# --- what --keep leaves for the pages -------------------------------------------------------------


def kept(bundle, data, split="test"):
    """evaluate.keep, and robustness.json as it lies beside the card."""
    readings, _ = evaluate.keep(Classifier(bundle), read_folder(data, split), split, data)
    return readings, json.loads((bundle.folder / "robustness.json").read_text())


def test_robustness_has_every_change_of_every_film_and_whose_version_it_is(bundle, data):
    got, value = kept(bundle, data)
    examples = read_folder(data, "test")
    assert (value["format"], value["model_version"], value["split"]) == (1, "known", "test")
    assert "test" in value["description"]
    assert value["files"] == [example.path.name for example in examples]
    assert value["labels"] == [0] * 5 + [1] * 5
    assert value["patients"] == [example.patient for example in examples]
    told = [(change["name"], change["title"]) for change in value["changes"]]
    assert told == [(name, title) for name, (title, _) in CHANGES.items()]
    assert told[0][0] == "none"
    assert {len(change["logits"]) for change in value["changes"]} == {10}
    assert value["changes"][0]["logits"] == pytest.approx(got.logits, abs=1e-4)


def test_each_change_is_made_to_the_film_as_it_is_shown(bundle, data):
    film = smooth_film(90, 70, 4000, np.uint16)
    sent = dicom(film, WindowCenter=2000, WindowWidth=2000)
    (data / "test" / "NORMAL" / "a.dcm").write_bytes(sent)
    shown = xray.read(sent).display()
    assert 0 < (shown == 0).mean() < 0.5  # the window cuts the film, and so does what is read
    _, value = kept(bundle, data)
    at = value["files"].index("a.dcm")
    for change in value["changes"]:
        expected = Classifier.logit(CHANGES[change["name"]][1](shown))
        assert change["logits"][at] == pytest.approx(expected, abs=1e-4), change["name"]
    logits = {change["name"]: change["logits"][at] for change in value["changes"]}
    assert logits["brighter"] > logits["none"] > logits["darker"]


def test_a_film_that_a_change_takes_through_the_gate_is_null_there_and_read_elsewhere(bundle, data):
    white = np.full((64, 64), 235, np.uint8)
    white[:, ::2] = 240
    (data / "test" / "NORMAL" / "white.png").write_bytes(encode(white, "PNG"))
    got, value = kept(bundle, data)
    at = value["files"].index("white.png")
    logits = {change["name"]: change["logits"][at] for change in value["changes"]}
    assert logits["brighter"] is None  # all 255: the stand-in refuses what is blank
    assert logits["none"] == pytest.approx(Classifier.logit(white), abs=1e-4)
    assert got.num_refused == 0


def test_a_film_refused_as_it_is_stays_in_its_place_in_the_robustness_file(bundle, data):
    blank = encode(np.full((64, 64), 200, np.uint8), "PNG")
    (data / "test" / "NORMAL" / "a-blank.png").write_bytes(blank)
    got, value = kept(bundle, data)
    assert value["files"][0] == "a-blank.png"
    assert value["changes"][0]["logits"][0] is None
    assert value["changes"][0]["logits"][1:] == pytest.approx(got.logits, abs=1e-4)
    assert got.num_refused == 1
    assert "a-blank.png" not in open_bundle(bundle.folder).evaluations["test"].files


def test_each_file_is_decoded_once_for_all_changes(bundle, data, monkeypatch):
    names, read = [], xray.read
    monkeypatch.setattr(
        evaluate.xray, "read", lambda data, name: names.append(name) or read(data, name)
    )
    evaluate.read_changed(Classifier(bundle), read_folder(data, "test"))
    assert len(names) == len(set(names)) == 10


def test_keep_describes_the_data_set_where_the_splits_are_given(bundle, data):
    shutil.copytree(data / "test", data / "train")
    kept(bundle, data)
    value = json.loads((bundle.folder / "dataset.json").read_text())
    assert value["model_version"] == "known"
    assert [split["split"] for split in value["splits"]] == ["train", "test"]


def test_without_splits_there_is_no_description_of_the_data_set(bundle, data):
    evaluate.keep(Classifier(bundle), read_folder(data / "test"), "test", data / "test")
    assert sorted(path.name for path in bundle.folder.iterdir()) == [
        "bundle.json",
        "locked_test.json",
        "model.keras",
        "robustness.json",
    ]


def test_keep_lists_the_films_of_the_test_split_and_of_no_other(bundle, data):
    shutil.copytree(data / "test", data / "val")
    kept(bundle, data, "val")
    path = bundle.folder / "locked_test.json"
    assert not path.exists()
    kept(bundle, data)
    hashes = {sha256 for sha256, _, _ in json.loads(path.read_text())["films"]}
    assert hashes == {example.sha256 for example in read_folder(data, "test")}


# --- where it looks -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looked(tiny_bundle, tiny_data, tmp_path_factory):
    """A real bundle, what `keep` gives for its test split, and what `looks` says of it."""
    folder = tmp_path_factory.mktemp("looked") / "bundle"
    shutil.copytree(tiny_bundle, folder)
    classifier = nn.Classifier.load(folder)
    examples = read_folder(tiny_data, "test")
    kept = evaluate.keep(classifier, examples, "test", tiny_data)
    return open_bundle(folder), kept, evaluate.looks(classifier, kept[0])


def test_what_is_kept_of_where_it_looks_can_be_read_again(looked):
    bundle, (readings, found), _ = looked
    shortcuts, gate = evaluated.shortcuts(bundle), evaluated.gate(bundle)
    assert (
        shortcuts.whole.auroc.value
        == pytest.approx(evaluate.figures(bundle, readings)["auroc"], abs=0.01)
        or not shortcuts.num_xrays
    )  # made-up films may have no lungs
    assert gate.groups[0].num_images == gate.groups[0].refused.denominator == 8
    assert gate.groups[0].refused.numerator == readings.num_refused
    assert found["gate_false_refusals"] == readings.num_refused / 8
    heatmaps = evaluated.heatmaps(bundle)
    assert (heatmaps is None) == (found["deletion_auc"] is None)


def test_the_gate_is_tried_on_each_film_with_its_own_colour(bundle, data):
    class ByColour(Classifier):
        def predict(self, xrays):
            gates = [REFUSED if film.colourfulness > 0.08 else ACCEPTED for film in xrays]
            return [Prediction(None, None, None, gate, "known") for gate in gates]

    grey = smooth_film(90, 70)
    tinted = encode(np.dstack([grey, grey[::-1], grey[:, ::-1]]), "PNG")
    (data / "test" / "NORMAL" / "a-tinted.png").write_bytes(tinted)  # the first of the split
    own, *made = evaluate._gate(ByColour(bundle), read_folder(data, "test"), "test")["groups"]
    assert (own["num_images"], own["refused"]) == (11, 1)
    assert {group["refused"] for group in made} == {0}  # grey, whatever they were made of


def test_looking_without_keeping_gives_the_same(looked):
    _, (_, found), looks = looked
    assert looks.keys() == found.keys() == evaluate.UNKNOWN_LOOKS.keys()
    for name, value in found.items():
        assert looks[name] == (value if value is None else pytest.approx(value, abs=1e-3))


def test_a_network_without_lungs_and_gate_has_no_such_figures(bundle, data):
    got = readings(bundle, data)
    assert evaluate.looks(Classifier(bundle), got) == evaluate.UNKNOWN_LOOKS
    assert set(evaluate.UNKNOWN_LOOKS.values()) == {None}
    assert not (bundle.folder / evaluated.SHORTCUTS).exists()
