"""How near a film is to those of the training by the network's inner features, and the answer."""

from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from model.errors import BundleError
from model.nn import gate, gate_statistics

NUM_FEATURES, NUM_WAYS = 40, 10
WAYS = np.random.default_rng(99).normal(0, 1, (NUM_WAYS, NUM_FEATURES))


def of_films(count, seed, shift=0.0, spread=1.0):
    """(N, D): features that vary together in ten ways, and a little each by itself."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.1, (count, NUM_FEATURES))
    return (5 + rng.normal(shift, spread, (count, NUM_WAYS)) @ WAYS + own).astype(np.float32)


TRAINING = of_films(600, seed=0)
LABELS = np.arange(600) % 2
VALIDATION = of_films(200, seed=1)
OTHERS = of_films(200, seed=2, shift=1.5)
STRANGE = of_films(50, seed=3, spread=12)
TURN = 6 * WAYS[0]  # what turning a film does to its features
TURNED = VALIDATION + TURN


@pytest.fixture(scope="module")
def statistics():
    return gate.fit(TRAINING, LABELS, VALIDATION, OTHERS, TURNED)


def test_a_training_film_that_is_shifted_a_little_is_near_and_anything_else_is_far(statistics):
    shifted = TRAINING[:50] + np.float32(0.02)
    np.testing.assert_allclose(
        statistics.distances(shifted).film, statistics.distances(TRAINING[:50]).film, atol=0.05
    )
    assert statistics.distances(shifted).film.mean() < 0.7
    assert statistics.distances(STRANGE).film.min() > 2
    assert statistics.distances(STRANGE).chest.min() > 2


def test_almost_all_films_of_the_fold_are_within_both_limits(statistics):
    assert np.mean(statistics.distances(VALIDATION).film > 1) <= 0.01
    assert np.mean(statistics.distances(VALIDATION).chest > 1) <= 0.01


def test_films_of_another_hospital_are_unlike_the_training_films_and_yet_chest_films(statistics):
    others = of_films(200, seed=4, shift=1.5)
    assert np.mean(statistics.distances(others).film > 1) > 0.5
    assert np.mean(statistics.distances(others).chest > 1) < 0.05


def test_without_others_the_limit_lies_beyond_the_fold():
    alone = gate.fit(TRAINING, LABELS, VALIDATION)
    assert alone.distances(VALIDATION).chest.max() < 1
    assert alone.distances(STRANGE).chest.min() > 1
    assert not alone.distances(TURNED).turn.any()  # no turned films were shown: none is found


def test_what_turning_a_film_does_is_learnt(statistics):
    turned = of_films(200, seed=5) + TURN
    assert np.mean(statistics.distances(turned).turn > gate.UPSIDE_DOWN_FROM) > 0.97
    assert np.mean(statistics.distances(TRAINING).turn > gate.UPSIDE_DOWN_FROM) < 0.03


def test_a_handful_of_films_does_not_tell_what_is_unlike_them():
    few = gate.fit(TRAINING[:16], LABELS[:16], VALIDATION[:8], turned=TURNED[:8])
    assert not few.distances(STRANGE).film.any()
    assert not few.distances(STRANGE).chest.any()
    assert not few.tell
    assert gate.judge(few, STRANGE[:1], TWO[None]) == [gate.untold()]


def test_the_components_do_not_depend_on_which_product_they_come_from():
    """Fewer films than features, or more: the same distances."""
    films = TRAINING[:30] * np.linspace(1, 2, NUM_FEATURES, dtype=np.float32)
    twice = np.concatenate([films, films])  # the same mean and covariance
    values = [gate_statistics._components(rows - rows.mean(axis=0)) for rows in (films, twice)]
    kept = len(values[0][1])
    np.testing.assert_allclose(values[0][1], values[1][1][-kept:], rtol=1e-3)


def test_statistics_survive_saving_and_loading(statistics, tmp_path):
    statistics.save(tmp_path / gate.FILE)
    again = gate.Statistics.load(tmp_path / gate.FILE)
    np.testing.assert_allclose(again.distances(OTHERS), statistics.distances(OTHERS))


def damaged(data):
    return data[: len(data) // 2]


def garbled(data):
    return b"garbage" + data[7:]


def empty(data):
    return b""


@pytest.mark.parametrize("harm", [damaged, garbled, empty])
def test_a_damaged_file_is_refused(statistics, tmp_path, harm):
    path = tmp_path / gate.FILE
    statistics.save(path)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(BundleError, match=gate.FILE):
        gate.Statistics.load(path)


def test_a_missing_file_and_one_whose_parts_do_not_fit_are_refused(statistics, tmp_path):
    with pytest.raises(BundleError, match=gate.FILE):
        gate.Statistics.load(tmp_path / gate.FILE)
    replace(statistics, basis=statistics.basis[:, 1:]).save(tmp_path / gate.FILE)
    with pytest.raises(BundleError, match=gate.FILE):
        gate.Statistics.load(tmp_path / gate.FILE)
    replace(statistics, centre=statistics.centre * np.nan).save(tmp_path / gate.FILE)
    with pytest.raises(BundleError, match=gate.FILE):
        gate.Statistics.load(tmp_path / gate.FILE)


def network_of_maps(size_px):
    """A network whose third block is its input."""
    maps = keras.Input((size_px, size_px, 1))
    return keras.Model(maps, keras.layers.Identity(name=gate.LAYER)(maps))


@pytest.mark.parametrize("size_px", [4, 10, 16])
def test_features_say_what_is_where(size_px):
    network = network_of_maps(size_px)
    found = keras.Model(network.input, gate.features(network))
    maps = np.zeros((2, size_px, size_px, 1), np.float32)
    maps[0, size_px // 2 :] = 1  # the lower half
    maps[1, :, 0] = 1  # the left column
    rows_and_columns = keras.ops.convert_to_numpy(found(maps))  # (2, 8)
    np.testing.assert_allclose(rows_and_columns[0], [0, 0, 1, 1, 0.5, 0.5, 0.5, 0.5], atol=1e-6)
    share = 1 / size_px
    expected = [share, share, share, share, 4 * share, 0, 0, 0]
    np.testing.assert_allclose(rows_and_columns[1], expected, atol=1e-6)


# The three answers


def lungs(*places, sure=1.0):
    """(96, 96) 0..1 with a lung about each of these columns."""
    found = np.zeros((96, 96), np.float32)
    for column in places:
        cv2.ellipse(found, (column, 45), (12, 30), 0, 0, 360, sure, cv2.FILLED)
    return found


TWO, ONE = lungs(28, 68), lungs(48)


@pytest.fixture(scope="module")
def typical(statistics):
    """The features of the training film that is nearest to the others."""
    return TRAINING[np.argmin(statistics.distances(TRAINING).film)]


def judge(statistics, features, found):
    [verdict] = gate.judge(statistics, features[None], found[None])
    return verdict


def test_a_film_like_those_of_the_training_is_accepted_without_a_word(statistics, typical):
    verdict = judge(statistics, typical, TWO)
    assert (verdict.status, verdict.reason) == ("accepted", "")
    assert 0 < verdict.score < gate.UNUSUAL_FROM


def test_a_film_of_another_hospital_is_unusual(statistics):
    others = of_films(50, seed=7, shift=1.5)
    farthest = others[np.argmax(statistics.distances(others).film)]
    verdict = judge(statistics, farthest, TWO)
    assert verdict.status == "unusual"
    assert gate.UNUSUAL_FROM <= verdict.score <= gate.REFUSED_FROM
    assert "unlike those that the program learned from" in verdict.reason


def test_what_is_far_from_every_chest_film_is_refused(statistics):
    verdict = judge(statistics, STRANGE[0], TWO)
    assert verdict.status == "refused"
    assert verdict.score > gate.REFUSED_FROM
    assert "frontal chest X-ray" in verdict.reason


def test_a_film_upside_down_is_refused_and_told_so(statistics):
    found = TURNED[statistics.distances(TURNED).turn > 0.7]
    clear = found[np.argmin(statistics.distances(found).chest)]
    verdict = judge(statistics, clear, TWO)
    assert verdict.status == "refused"
    assert verdict.score > gate.REFUSED_FROM
    assert "upside down" in verdict.reason


@pytest.mark.parametrize("found", [ONE, lungs(), lungs(28, 68, sure=0.7)])
def test_a_film_without_two_clear_lungs_is_not_accepted(statistics, typical, found):
    verdict = judge(statistics, typical, found)
    assert verdict.status == "unusual"
    assert gate.UNUSUAL_FROM <= verdict.score <= gate.REFUSED_FROM
    assert "lungs" in verdict.reason


def test_the_signs_add_up(statistics):
    """Films at the edge of what a chest film is: refused when they have one lung as well."""
    away = STRANGE[np.argmin(np.abs(statistics.distances(STRANGE).turn))] - statistics.centre
    away *= 1.05 / statistics.distances(statistics.centre + away[None]).chest
    edge = statistics.centre + away
    found = {name: judge(statistics, edge, seen).status for name, seen in
             {"two": TWO, "one": ONE}.items()}  # fmt: skip
    assert found == {"two": "unusual", "one": "refused"}


def test_uncertainty_is_the_share_of_unsure_pixels():
    assert gate.uncertainty(TWO) == 0
    assert gate.uncertainty(lungs(28, 68, sure=0.7)) == 1
    assert gate.uncertainty(lungs()) == 0
