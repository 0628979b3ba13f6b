"""The images on which the gate is tried, and the figures of what it said of them."""

import numpy as np
import pytest

from model.nn import gate_images
from model.nn.gate_images import Group, figures, other_images
from model.prediction import Gate


@pytest.fixture(scope="module")
def films():
    """Each brighter towards its lower right corner."""
    ramp = np.linspace(0, 100, 80)[:, None] + np.linspace(0, 100, 96)
    return [(ramp + i).astype(np.uint8) for i in range(4)]


@pytest.fixture(scope="module")
def groups(films):
    return {group.name: group for group in other_images(films, seed=1, count=3)}


def test_every_kind_has_as_many_images_as_were_asked_for(groups):
    assert list(groups) == list(gate_images.KINDS)
    for group in groups.values():
        assert len(group.images) == 3
        for image in group.images:
            assert image.dtype == np.uint8
            assert image.ndim == 2


def test_the_images_follow_from_the_seed(films, groups):
    for again in other_images(films, seed=1, count=3):
        for one, other in zip(again.images, groups[again.name].images, strict=True):
            np.testing.assert_array_equal(one, other)
    noise = {g.name: g for g in other_images(films, seed=2, count=3)}["noise"]
    assert not np.array_equal(noise.images[0], groups["noise"].images[0])


def corner(image):
    """Where the brightest part lies."""
    y, x = np.unravel_index(np.argmax(image), image.shape)
    return "lower" if y > image.shape[0] / 2 else "upper", (
        "right" if x > image.shape[1] / 2 else "left"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mirrored", ("lower", "left")),
        ("negatives", ("upper", "left")),
        ("upside_down", ("upper", "left")),
        ("on_the_left_side", ("upper", "right")),
        ("on_the_right_side", ("lower", "left")),
    ],
)
def test_films_are_turned_as_their_title_says(groups, name, expected):
    assert {corner(image) for image in groups[name].images} == {expected}


def test_only_whole_upright_films_count_as_chest_films(groups):
    assert {g.name for g in groups.values() if g.is_chest} == {"mirrored", "negatives"}


def gates(**counts):
    scores = {"accepted": 0.5, "unusual": 1.5, "refused": 99.0}
    return [Gate(status, scores[status], "") for status, n in counts.items() for _ in range(n)]


def test_figures_count_the_three_answers_and_the_scores():
    split = Group("split", "Test split", True, [])
    upright, turned = Group("mirrored", "M", True, []), Group("upside_down", "U", False, [])
    told = figures(
        [
            (split, gates(accepted=97, unusual=2, refused=1)),
            (upright, gates(accepted=5)),
            (turned, gates(unusual=1, refused=9)),
        ]
    )
    assert told["groups"][0] == {
        "name": "split", "title": "Test split", "is_chest": True, "num_images": 100,
        "accepted": 97, "unusual": 2, "refused": 1,
    }  # fmt: skip
    histogram = told["histogram"]
    assert len(histogram["edges"]) - 1 == len(histogram["split"]) == len(histogram["others"])
    assert sum(histogram["split"]) == 100
    assert sum(histogram["others"]) == 10  # the mirrored films are chest films
    assert histogram["others"][-1] == 9  # beyond the last edge
    assert told["unusual_from"] < told["refused_from"]
