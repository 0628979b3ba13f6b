"""Deletion, insertion and the known films, on networks of which it is known where they look."""

import json

import numpy as np
import pytest

from model.looks import Heatmaps
from model.nn import faithfulness
from model.nn.classifier import Classifier
from model.nn.dataset import Example, read_folder
from model.nn.faithfulness import (
    FRACTIONS,
    SAMPLES,
    beats,
    blurred,
    centre_of_heat,
    choose,
    controls,
    curves,
    mean,
)

SIDE, NUM_FILMS = 32, 20


@pytest.fixture
def films():
    """Chequered all over: of such a film the blurred one has nothing left."""
    rows, columns = np.indices((SIDE, SIDE))
    film = np.where((rows + columns) % 2, 1, -1).astype(np.float32)
    return np.repeat(film[None, ..., None], NUM_FILMS, axis=0) * np.ones(3, np.float32)


def looks_at(rows, columns):
    """A network that says how much of the pattern there is at one place."""
    return lambda values: np.abs(values[:, rows, columns, 0]).mean(axis=(1, 2))


def heat_at(rows, columns):
    maps = np.zeros((NUM_FILMS, SIDE, SIDE), np.float32)
    maps[:, rows, columns] = 1
    return maps


CORNER = slice(0, SIDE // 2), slice(0, SIDE // 2)
FAR_CORNER = slice(SIDE // 2, SIDE), slice(SIDE // 2, SIDE)


def test_blurring_leaves_nothing_of_the_pattern(films):
    assert np.abs(blurred(films)).max() < 1e-3
    assert blurred(films).shape == films.shape


def test_the_curves_of_the_right_map_are_known(films):
    found = curves(looks_at(*CORNER), films, {"right": heat_at(*CORNER)})["right"]
    # A quarter of the film holds all that the network sees.
    left = np.maximum(1 - 4 * FRACTIONS, 0)
    assert found.deletion == pytest.approx(np.tile(left, (NUM_FILMS, 1)), abs=0.01)
    assert found.insertion == pytest.approx(np.tile(1 - left, (NUM_FILMS, 1)), abs=0.01)
    area = np.trapezoid(left, FRACTIONS)
    assert found.deletion_areas == pytest.approx(np.full(NUM_FILMS, area), abs=0.01)
    assert found.insertion_areas == pytest.approx(np.full(NUM_FILMS, 1 - area), abs=0.01)


def test_the_right_map_beats_maps_that_know_nothing(films):
    maps = {"right": heat_at(*CORNER), **controls(NUM_FILMS, (4, 4))}
    found = curves(looks_at(*CORNER), films, maps)
    for rival in ("random", "gaussian"):
        assert max(beats(found["right"], found[rival])) < 0.001
    assert found["random"].deletion_areas.mean() == pytest.approx(0.5, abs=0.1)


def test_a_wrong_map_beats_none(films):
    maps = {"wrong": heat_at(*FAR_CORNER), **controls(NUM_FILMS, (4, 4))}
    found = curves(looks_at(*CORNER), films, maps)
    assert min(beats(found["wrong"], found["random"])) > 0.95
    assert found["wrong"].deletion_areas.mean() > 0.5


def test_a_map_is_as_good_as_itself(films):
    same = curves(looks_at(*CORNER), films, {"right": heat_at(*CORNER)})["right"]
    assert beats(same, same) == (1, 1)


def test_a_map_of_one_pixel_needs_one_pixel(films):
    pixel = slice(20, 21), slice(7, 8)
    found = curves(looks_at(*pixel), films, {"pixel": heat_at(*pixel)})["pixel"]
    assert found.deletion[:, 0] == pytest.approx(1)
    assert found.deletion[:, 1:] == pytest.approx(0, abs=0.01)
    assert found.insertion[:, 1:] == pytest.approx(1, abs=0.01)


def test_without_heat_the_order_is_a_random_map_not_from_the_top(films):
    upper = slice(0, SIDE // 2), slice(None)
    nothing = np.zeros((NUM_FILMS, 4, 4), np.float32)
    found = curves(looks_at(*upper), films, {"nothing": nothing})["nothing"]
    assert found.deletion_areas.mean() == pytest.approx(0.5, abs=0.1)
    assert np.ptp(found.deletion_areas) > 0.01  # each film has its own


def test_coarse_maps_are_stretched_over_the_film(films):
    coarse = np.zeros((NUM_FILMS, 2, 2), np.float32)
    coarse[:, 0, 0] = 1
    found = curves(looks_at(*CORNER), films, {"coarse": coarse})["coarse"]
    assert found.deletion_areas.mean() < 0.2


def test_the_random_control_is_another_for_each_film_and_the_gaussian_is_not():
    maps = controls(3, (5, 7))
    assert maps["random"].shape == maps["gaussian"].shape == (3, 5, 7)
    assert (maps["random"][0] != maps["random"][1]).any()
    assert np.unravel_index(maps["gaussian"][2].argmax(), (5, 7)) == (2, 3)
    assert (maps["gaussian"][0] == maps["gaussian"][2]).all()


def example(tmp_path, number, patient):
    return Example(tmp_path / f"{number}.jpeg", 1, f"person{patient}", str(number))


def test_one_film_of_each_patient_called_pneumonia_is_chosen(tmp_path):
    examples = [example(tmp_path, number, number // 3) for number in range(900)]
    called = np.arange(900) >= 300
    chosen = choose(examples, called)
    assert len(chosen) == 200
    assert len({each.patient for each in chosen}) == 200
    assert min(int(each.sha256) for each in chosen) >= 300
    assert choose(examples, called) == chosen
    assert choose(examples, called, seed=1) != chosen
    assert choose(examples, np.zeros(900, bool)) == []


def test_the_interval_of_a_mean():
    found = mean(np.array([1.0, 2.0, 3.0]))
    assert (found.value, found.low) == (2, pytest.approx(2 - 1.96 / 3**0.5, abs=1e-3))
    assert found.high - found.value == pytest.approx(found.value - found.low)
    assert np.isnan(mean(np.array([0.5])).value)


def test_centre_of_heat():
    heat = np.zeros((4, 8), np.float32)
    assert centre_of_heat(heat) is None
    heat[1, 6] = 0.3
    assert centre_of_heat(heat) == [6.5 / 8, 1.5 / 4]
    heat[3, 0] = 0.3
    assert centre_of_heat(heat) == [3.5 / 8, 2.5 / 4]


class Drawn:
    """Stands for a classifier whose heat lies where it is told to."""

    def __init__(self, left):
        self.heatmap = np.zeros((4, 4), np.float32)
        self.heatmap[2, 0 if left else 3] = left is not None

    def predict(self, xrays, overruled):
        return [self] * len(xrays)


@pytest.mark.parametrize(("left", "right_ones"), [(True, 2), (False, 2), (None, 0)])
def test_heat_in_the_half_of_the_opacity_is_right(left, right_ones):
    found = faithfulness.on_samples(Drawn(left))
    assert [each["name"] for each in found] == sorted(
        path.name for path in SAMPLES.glob("pneumonia-*")
    )
    assert sum(each["is_right"] for each in found) == right_ones
    assert {each["centre"] is None for each in found} == {left is None}


@pytest.fixture(scope="module")
def tiny(tiny_bundle):
    return Classifier.load(tiny_bundle)


def test_the_figures_of_a_bundle_can_be_kept_and_read(tiny, tiny_data):
    chosen = read_folder(tiny_data, "test")
    told = faithfulness.figures(tiny, chosen)
    read = Heatmaps.from_json(json.loads(json.dumps(told)) | {"description": "eight films"})
    assert read.num_xrays == 8
    assert [each.name for each in read.maps] == ["grad_cam", "random", "gaussian"]
    assert [each.title for each in read.offered] == ["Grad-CAM"]
    [ours] = read.offered
    # What is not yet deleted is the film itself, and all of it inserted is that too.
    assert ours.deletion.curve[0] == pytest.approx(ours.insertion.curve[-1], abs=1e-3)
    assert ours.deletion.curve[-1] == pytest.approx(ours.insertion.curve[0], abs=1e-3)
    assert ours.deletion.auc.value == pytest.approx(
        np.trapezoid(ours.deletion.curve, read.fractions), abs=1e-3
    )
    assert read.randomisation.layers[0] == "logit"
    assert read.randomisation.layers[-1] == "block1_conv1"
    assert len(read.samples) == 4


def test_the_headline_is_the_same_as_in_the_figures(tiny, tiny_data):
    chosen = read_folder(tiny_data, "test")[:3]
    passes = tiny.num_passes
    found = faithfulness.headline(tiny, chosen)
    assert tiny.num_passes == passes + 3 * 23
    assert 0 <= found["deletion_auc"] <= 1
    kept = faithfulness.figures(tiny, chosen)["maps"][0]
    assert kept["deletion"]["auc"]["value"] == pytest.approx(found["deletion_auc"], abs=1e-6)
    assert kept["insertion"]["auc"]["value"] == pytest.approx(found["insertion_auc"], abs=1e-6)


def test_without_a_film_called_pneumonia_there_is_no_headline(tiny):
    assert faithfulness.headline(tiny, []) == {"deletion_auc": None, "insertion_auc": None}
