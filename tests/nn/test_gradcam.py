import keras
import numpy as np
import pytest
import tensorflow as tf

from model.nn.gradcam import grad_cam, heatmap


def test_linear_head_gives_the_weighted_sum_of_the_maps():
    # logit = mean(2 * A0 - A1): alpha = (2, -1) / 4 for a 2 x 2 map
    features = np.zeros((1, 2, 2, 2), np.float32)
    features[0, :, :, 0] = [[1, 0], [0, 3]]
    features[0, :, :, 1] = [[0, 5], [0, 1]]

    def head(maps):
        return tf.reduce_mean(2 * maps[..., 0:1] - maps[..., 1:2], axis=(1, 2))

    logits, evidence = grad_cam(tf.constant(features), head)
    assert logits.numpy() == pytest.approx([(2 * 4 - 6) / 4])
    # the place where only the second map is active speaks against: ReLU makes it 0
    assert evidence.numpy()[0] == pytest.approx(np.array([[0.5, 0], [0, 1.25]]))


def test_alpha_is_the_mean_gradient_of_a_head_that_is_not_linear():
    # logit = A^2 at one of four places: gradient 2A there, 0 elsewhere, alpha = 2A / 4
    features = np.array([[[[3.0], [1.0]], [[0.0], [2.0]]]], np.float32)
    _, evidence = grad_cam(tf.constant(features), lambda maps: maps[:, 0, 0, :] ** 2)
    assert evidence.numpy()[0] == pytest.approx(1.5 * features[0, ..., 0])


def test_each_image_has_its_own_map():
    features = np.random.default_rng(0).random((3, 4, 4, 5)).astype(np.float32)
    head = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    head.build((None, 4, 4, 5))
    together = grad_cam(tf.constant(features), head)
    for i in range(3):
        alone = grad_cam(tf.constant(features[i : i + 1]), head)
        assert together[0][i].numpy() == pytest.approx(alone[0][0].numpy(), abs=1e-6)
        assert together[1][i].numpy() == pytest.approx(alone[1][0].numpy(), abs=1e-6)


def test_a_network_that_looks_at_one_corner_has_its_heat_there():
    # One 3 x 3 convolution passes the image through, the head reads the upper left corner only.
    image = np.zeros((1, 8, 8, 3), np.float32)
    image[0, 1, 1] = 1
    image[0, 6, 6] = 1
    corner = np.zeros((8, 8, 1), np.float32)
    corner[:4, :4] = 1
    conv = keras.layers.Conv2D(1, 3, padding="same", use_bias=False)
    conv.build((None, 8, 8, 3))
    conv.set_weights([np.ones((3, 3, 3, 1), np.float32) / 3])

    def head(maps):
        return tf.reduce_sum(maps * corner, axis=(1, 2))

    # Grad-CAM weighs whole maps: what the head ignores must be cut before the last features.
    _, evidence = grad_cam(conv(image) * corner, head)
    map_ = evidence.numpy()[0]
    assert map_[:4, :4].sum() > 0
    assert map_[4:].sum() == map_[:, 4:].sum() == 0


def test_no_evidence_stays_zero_and_finite():
    heat = heatmap(np.zeros((7, 7), np.float32), floor=0.5)
    assert heat.dtype == np.float32
    assert not heat.any()


def test_weak_evidence_is_not_stretched_and_strong_evidence_is():
    weak, strong = np.array([[0.1, 0.0]]), np.array([[4.0, 1.0]])
    assert heatmap(weak, floor=0.5) == pytest.approx(np.array([[0.2, 0.0]]))
    assert heatmap(strong, floor=0.5) == pytest.approx(np.array([[1.0, 0.25]]))
