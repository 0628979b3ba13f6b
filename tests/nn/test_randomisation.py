"""Cascading randomisation, on networks of which it is known what their heatmaps depend on."""

import keras
import numpy as np
import pytest

from model.nn import network
from model.nn.randomisation import Randomisation, randomise

SIDE, NUM_FILMS = 8, 20


def squares(kernel):
    """A network whose heatmap is the square of what its one convolution sees, whatever its head."""
    values = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(1, 1, activation=keras.ops.square, name="conv")(values)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    logit = keras.layers.Dense(1, activation=keras.ops.abs, name="logit")(pooled)
    model = keras.Model(values, logit)
    model.get_layer("conv").set_weights([np.reshape(kernel, (1, 1, 3, 1)), np.zeros(1)])
    return model


@pytest.fixture
def grey():
    """Films of noise, three times the same grey."""
    noise = np.random.default_rng(0).random((NUM_FILMS, SIDE, SIDE, 1), np.float32)
    return np.repeat(noise, 3, axis=-1)


def test_a_map_that_shows_the_film_stays_as_it_is_and_does_not_pass(grey):
    found = randomise(squares([1.0, 0.0, 0.0]), grey)
    assert found.layers == ["logit", "conv"]
    assert found.similarity == pytest.approx([1, 1], abs=0.01)
    assert found.random_pairs == pytest.approx(0, abs=0.1)
    assert not found.passes


def test_a_map_of_what_was_learned_is_lost_and_passes(grey):
    # What the first channel shows is alike in all films, and the network learned to look at it.
    films = np.random.default_rng(1).random((NUM_FILMS, SIDE, SIDE, 3), np.float32)
    films[..., 0] = 0.2 * films[..., 0] + grey[0, ..., 0]
    found = randomise(squares([1.0, 0.0, 0.0]), films)
    assert found.similarity[0] == pytest.approx(1)
    assert found.similarity[1] < found.random_pairs
    assert found.random_pairs > 0.8
    assert found.passes


def test_an_even_map_is_like_none():
    found = randomise(squares([1.0, 0.0, 0.0]), np.ones((3, SIDE, SIDE, 3), np.float32))
    assert found.similarity.tolist() == [0, 0]
    assert found.random_pairs == 0


def test_vgg16_becomes_random_from_the_logit_backwards():
    model = network.vgg16(32, dtype="float32")
    before = model.get_layer("block1_conv1").get_weights()[0]
    found = randomise(model, np.random.default_rng(0).random((2, 32, 32, 3), np.float32))
    assert found.layers[:2] == ["logit", "block5_conv3"]
    assert (len(found.layers), found.layers[-1]) == (14, "block1_conv1")
    assert found.similarity.shape == (14,)
    assert np.abs(model.get_layer("block1_conv1").get_weights()[0] - before).max() > 0.01


def test_it_is_the_end_of_the_cascade_that_counts():
    layers = ["logit", "conv"]
    assert Randomisation(layers, np.array([0.9, 0.1]), 0.3).passes
    assert not Randomisation(layers, np.array([0.1, 0.9]), 0.3).passes
