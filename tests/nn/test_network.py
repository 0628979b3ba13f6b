import keras
import numpy as np
import pytest

from model.errors import DataError
from model.nn import network


def test_vgg16_is_the_published_network():
    model = network.vgg16(64)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convs] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert convs[0].name == "block1_conv1"
    assert convs[-1].name == network.LAST_CONV
    assert all(layer.kernel_size == (3, 3) and layer.padding == "same" for layer in convs)
    # 14,714,688 of keras.applications without its top, and one unit
    assert model.count_params() == 14_714_688 + 513
    assert model.output_shape == (None, 1)


def test_layers_are_flat_and_names_reach_them():
    model = network.vgg16(64)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.get_layer(network.LAST_CONV).output.shape == (None, 4, 4, 512)


def test_folding_batch_norm_keeps_the_outputs():
    trained = network.vgg16(32, batch_norm=True, dtype="float32")
    rng = np.random.default_rng(1)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.get_weights()[0].shape
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, shape),
                    rng.normal(0, 0.2, shape),
                    rng.normal(0, 0.5, shape),
                    rng.uniform(0.5, 2.0, shape),
                ]
            )
    plain = network.vgg16(32, dtype="float32")
    network.fold_batch_norm(trained, plain)
    values = rng.normal(size=(3, 32, 32, 3)).astype(np.float32)
    assert plain(values).numpy() == pytest.approx(trained(values).numpy(), rel=1e-3, abs=1e-5)


def test_any_size_without_a_fixed_input():
    model = network.vgg16()
    assert model(np.zeros((1, 48, 48, 3), np.float32)).shape == (1, 1)
    assert model(np.zeros((1, 64, 64, 3), np.float32)).shape == (1, 1)


def test_imagenet_weights_go_into_the_convolutions(monkeypatch):
    # Stands for the download: the same architecture with weights of its own.
    source = keras.applications.VGG16(weights=None, include_top=False)
    monkeypatch.setattr(keras.applications, "VGG16", lambda **_: source)
    model = network.vgg16(32)
    network.load_imagenet(model)
    for name, scale in [("block1_conv1", network.IMAGENET_PIXEL_SPREAD), ("block5_conv3", 1)]:
        expected, _ = source.get_layer(name).get_weights()
        assert model.get_layer(name).get_weights()[0] == pytest.approx(expected * scale)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def fail(**_):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "VGG16", fail)
    with pytest.raises(DataError, match="init=scratch"):
        network.load_imagenet(network.vgg16(32))
