"""Figures of a bundle on a split, with a classifier whose answers are known."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from model import metrics
from model.bundle import Bundle, open_bundle, write_card
from model.errors import DataError, XRayError
from model.nn import evaluate
from model.nn.dataset import read_folder
from model.prediction import Gate, OperatingPoint, Prediction
from tests.model.images import encode

ACCEPTED, REFUSED = Gate("accepted", 0.0, ""), Gate("refused", 1.0, "Blank.")


class Classifier:
    """Reads the mean grey of a film as its logit; refuses what is blank."""

    def __init__(self, bundle):
        self.bundle = bundle

    def predict(self, xrays):
        return [self._read(film.pixels) for film in xrays]

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
        folder, "known", "vgg16", "model.keras", 64, "grey-standardise-1", 2.0, 0.1, points, {}, {}
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
