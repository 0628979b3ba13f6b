import keras
import numpy as np
import pytest

from model.bundle import NETWORKS
from model.errors import DataError
from model.nn import network
from model.nn.recipe import RECIPES


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


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_mean_of_the_evidence_is_the_logit_but_for_the_bias(batch_norm):
    model = network.vgg16(48, batch_norm=batch_norm, dtype="float32")
    model.get_layer("logit").bias.assign([0.7])
    looking = network.with_evidence(model)
    values = np.random.default_rng(0).normal(size=(2, 48, 48, 3)).astype(np.float32)
    logits, evidence = looking(values)
    assert logits.numpy() == pytest.approx(model(values).numpy(), abs=1e-5)
    side = 48 // network.GRID_PX
    assert evidence.shape == (2, side, side, 1)
    means = evidence.numpy().mean(axis=(1, 2))
    assert np.abs(means).min() > 0
    assert means + 0.7 == pytest.approx(logits.numpy(), rel=1e-3, abs=1e-4)


def test_with_evidence_has_the_weights_of_the_network():
    model = network.vgg16(32, dtype="mixed_bfloat16")
    looking = network.with_evidence(model)
    pairs = zip(looking.weights, model.weights, strict=True)
    assert all(one is other for one, other in pairs)
    model.get_layer("logit").kernel.assign(np.zeros((512, 1)))
    _, evidence = looking(np.ones((1, 32, 32, 3), np.float32))
    assert evidence.dtype == "float32"
    assert not evidence.numpy().any()


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
    with pytest.raises(DataError, match=r"access to the internet .*init=scratch") as raised:
        network.load_imagenet(network.vgg16(32))
    assert "OSError" not in str(raised.value)


@pytest.mark.parametrize("name", network.BUILDERS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_every_network_is_flat_and_takes_pixel_values_to_one_logit(name, dtype):
    model = network.build(name, 64, dropout=0.3, dtype=dtype)
    assert model.name == name
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.input_shape == (None, 64, 64, 3)
    assert model.get_layer("pixel_values").output is model.input
    logits = model(np.zeros((2, 64, 64, 3), np.float32))
    assert logits.shape == (2, 1)
    assert logits.dtype == "float32"
    assert model.layers[-1].name == "logit"
    assert model.layers[-1].activation is keras.activations.linear


def test_the_names_are_those_that_bundles_and_presets_know():
    assert set(network.BUILDERS) == set(NETWORKS)
    assert {preset.network for preset in RECIPES.values()} == set(NETWORKS)


def test_the_four_block_network_is_the_published_one():
    model = network.build("cnn_150", 150)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convs] == [32, 64, 128, 128]
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.SpatialDropout2D)]
    assert [layer.rate for layer in drops] == [0.2] * 4
    # 150 -> 148 / 2 = 74 -> 36 -> 17 -> 7; weights and biases layer by layer
    convolutions = [(3, 32), (32, 64), (64, 128), (128, 128)]
    counts = [9 * before * after + after for before, after in convolutions]
    assert model.count_params() == sum(counts) + (7 * 7 * 128 + 1) * 512 + 512 + 1


def test_the_frozen_network_trains_its_head_only():
    model = network.build("vgg16_frozen", 32)
    layers = {layer.name for layer in model.layers if layer.trainable_weights}
    assert layers == {"dense", "logit"}
    assert network.last_conv(model) == network.LAST_CONV
    rng = np.random.default_rng(0)
    before = model.get_weights()
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(rng.normal(size=(4, 32, 32, 3)), np.array([0, 1, 0, 1]), verbose=0)
    same = [bool((a == b).all()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(same) == 26  # kernels and biases of 13 convolutions
    assert same.count(False) == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg16", "block5_conv3"),
        ("vgg16_frozen", "block5_conv3"),
        ("cnn_150", "conv4"),
        ("cnn", "conv3"),
        ("dense", None),
        ("mlp", None),
    ],
)
def test_heatmaps_are_made_on_the_last_convolution(name, expected):
    assert network.last_conv(network.build(name, 64)) == expected


def test_rounding_is_to_the_nearest():
    # Between 1 and 2 bfloat16 goes in steps of 1/128; ties go to the even step.
    steps = np.array([0.25, 0.5, 0.75, 1.5, -0.75], np.float32)
    values = np.sign(steps) * (1 + np.abs(steps) / 128)
    rounded = (np.abs(network.round_to_bfloat16(values)) - 1) * 128 * np.sign(steps)
    assert rounded.tolist() == [0, 0, 1, 2, -1]


def test_rounding_keeps_any_size():
    values = np.array([0.0, 1e-30, -3e-5, 3.14159265, -6e20], np.float32)
    rounded = network.round_to_bfloat16(values)
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    assert rounded == pytest.approx(values, rel=2**-8)
