"""The networks, each a flat functional Keras model that ends in one logit; `build` knows them all.

VGG16 is Simonyan & Zisserman 2015 (arXiv:1409.1556), configuration D, with the fully connected
layers replaced by global average pooling, dropout and one unit. Layers are flat, never a nested
model: Grad-CAM has to reach `block5_conv3` by name.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from model.errors import DataError

VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # (filters, convolutions)
LAST_CONV = "block5_conv3"
GRID_PX = 16  # side of the film's field behind each place of LAST_CONV: four poolings
BATCH_NORM_EPSILON = 1e-3
IMAGENET_PIXEL_SPREAD = 58.0


def vgg16(
    size_px: int | None = None,
    *,
    batch_norm: bool = False,
    dropout: float = 0.4,
    dtype: str | None = None,
    initializer: str = "he_normal",
) -> keras.Model:
    """VGG16 from (N, size_px, size_px, 3) to a logit (N, 1); `size_px=None` takes any size.

    `batch_norm` puts batch normalisation between convolution and ReLU for training;
    `fold_batch_norm` takes it out again. `dtype` is a Keras dtype policy; the logit is float32.
    `initializer` is for the convolutions: `zeros` saves half a second where weights are loaded.
    """
    pixel_values = keras.Input((size_px, size_px, 3), name="pixel_values")
    x = pixel_values
    for block, (filters, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        for conv in range(1, convolutions + 1):
            x = _conv(x, filters, f"block{block}_conv{conv}", batch_norm, dtype, initializer)
        if block < len(VGG16_BLOCKS):
            x = layers.MaxPooling2D(2, name=f"block{block}_pool", dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)  # (N, 512)
    x = layers.Dropout(dropout, name="dropout", dtype="float32")(x)
    logit = layers.Dense(1, name="logit", dtype="float32")(x)  # (N, 1)
    return keras.Model(pixel_values, logit, name="vgg16")


def vgg16_frozen(size_px: int, *, dropout: float = 0.4, dtype: str | None = None) -> keras.Model:
    """VGG16 as a fixed feature extractor: only the dense head behind the pooling is trained."""
    features = vgg16(size_px, dtype=dtype)
    for layer in features.layers:
        layer.trainable = False
    x = features.get_layer("pool").output  # (N, 512)
    x = layers.Dense(256, activation="relu", name="dense", dtype="float32")(x)
    return _with_logit(features.input, x, dropout, "vgg16_frozen")


def with_evidence(model: keras.Model) -> keras.Model:
    """`model`, a VGG16 of `vgg16`, that also gives the class activation map it decides by.

    Same weights; outputs: logit (N, 1) and evidence (N, h, w, 1), whose mean is the logit but for
    the bias and dropout (Zhou 2016, arXiv:1512.04150).
    """
    logit = model.get_layer("logit")
    features = model.get_layer(LAST_CONV)
    if f"{LAST_CONV}_relu" in [layer.name for layer in model.layers]:
        features = model.get_layer(f"{LAST_CONV}_relu")
    evidence = layers.Lambda(
        lambda values: ops.matmul(ops.cast(values, "float32"), logit.kernel),
        output_shape=lambda shape: (*shape[:-1], 1),
        name="evidence",
        dtype="float32",
    )(features.output)
    return keras.Model(model.input, [model.output, evidence], name=model.name)


def mlp(size_px: int, *, dropout: float = 0.0, dtype: str | None = None) -> keras.Model:
    """Multilayer perceptron on the pixels: two hidden layers, no regularisation."""
    return _dense("mlp", size_px, (256, 128), dropout, dtype)


def dense(size_px: int, *, dropout: float = 0.4, dtype: str | None = None) -> keras.Model:
    """Dense baseline: a smaller perceptron with dropout behind each layer."""
    return _dense("dense", size_px, (128, 64), dropout, dtype)


def cnn(size_px: int, *, dropout: float = 0.4, dtype: str | None = None) -> keras.Model:
    """Plain CNN: three convolutions with pooling, one dense layer."""
    pixel_values = keras.Input((size_px, size_px, 3), name="pixel_values")
    x = pixel_values
    for block, filters in enumerate((32, 64, 128), start=1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{block}", dtype=dtype)(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    x = layers.Dense(128, activation="relu", name="dense", dtype=dtype)(x)
    return _with_logit(pixel_values, x, dropout, "cnn")


def cnn_150(size_px: int = 150, *, dropout: float = 0.2, dtype: str | None = None) -> keras.Model:
    """Four conv-pool blocks of 32, 64, 128, 128 filters with spatial dropout, dense 512.

    The network of github.com/sciencelee's paediatric chest X-ray project, made for 150 px.
    """
    pixel_values = keras.Input((size_px, size_px, 3), name="pixel_values")
    x = pixel_values
    for block, filters in enumerate((32, 64, 128, 128), start=1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv{block}", dtype=dtype)(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}", dtype=dtype)(x)
        x = layers.SpatialDropout2D(dropout, name=f"dropout{block}", dtype=dtype)(x)
    x = layers.Flatten(name="flatten", dtype=dtype)(x)
    x = layers.Dense(512, activation="relu", name="dense", dtype=dtype)(x)
    return _with_logit(pixel_values, x, 0.0, "cnn_150")


BUILDERS = {
    "vgg16": vgg16,
    "vgg16_frozen": vgg16_frozen,
    "cnn_150": cnn_150,
    "cnn": cnn,
    "dense": dense,
    "mlp": mlp,
}


def build(name: str, size_px: int, **settings: Any) -> keras.Model:
    """The network of that name; its input has the fixed size (N, size_px, size_px, 3)."""
    return BUILDERS[name](size_px, **settings)


def last_conv(model: keras.Model) -> str | None:
    """Name of the last convolution, on which heatmaps are made; None for a perceptron."""
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    return names[-1] if names else None


def _dense(
    name: str, size_px: int, units: tuple[int, ...], dropout: float, dtype: str | None
) -> keras.Model:
    pixel_values = keras.Input((size_px, size_px, 3), name="pixel_values")
    x = layers.Flatten(name="flatten", dtype=dtype)(pixel_values)
    for number, width in enumerate(units, start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{number}", dtype=dtype)(x)
        if number < len(units):
            x = layers.Dropout(dropout, name=f"dropout{number}", dtype=dtype)(x)
    return _with_logit(pixel_values, x, dropout, name)


def _with_logit(
    pixel_values: keras.KerasTensor, x: keras.KerasTensor, dropout: float, name: str
) -> keras.Model:
    x = layers.Dropout(dropout, name="dropout", dtype="float32")(x)
    return keras.Model(pixel_values, layers.Dense(1, name="logit", dtype="float32")(x), name=name)


def _conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    batch_norm: bool,
    dtype: str | None,
    initializer: str,
) -> keras.KerasTensor:
    conv = layers.Conv2D(
        filters,
        3,
        padding="same",
        activation=None if batch_norm else "relu",
        kernel_initializer=initializer,
        name=name,
        dtype=dtype,
    )
    x = conv(x)
    if not batch_norm:
        return x
    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn", dtype=dtype)(x)
    return layers.ReLU(name=f"{name}_relu", dtype=dtype)(x)


def fold_batch_norm(trained: keras.Model, plain: keras.Model) -> None:
    """Copies `trained` (with batch normalisation) into `plain` (without), same outputs.

    y = gamma (Wx + b - mean) / sqrt(var + eps) + beta, the inference form of Ioffe & Szegedy 2015
    (arXiv:1502.03167, eq. in algorithm 2), is one convolution with scaled weights.
    """
    for layer in plain.layers:
        if not layer.weights:
            continue
        weights = trained.get_layer(layer.name).get_weights()
        if isinstance(layer, layers.Conv2D):
            kernel, bias = weights  # (3, 3, C_in, C_out), (C_out,)
            norm = trained.get_layer(f"{layer.name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            weights = [kernel * scale, (bias - mean) * scale + beta]
        layer.set_weights(weights)


def round_to_bfloat16(weights: np.ndarray) -> np.ndarray:
    """float32 -> the nearest float32 whose lower 16 bits are zero."""
    bits = weights.astype(np.float32).view(np.uint32)
    nearest_even = bits + 0x7FFF + ((bits >> 16) & 1)
    return (nearest_even & np.uint32(0xFFFF0000)).view(np.float32)


def load_imagenet(network: keras.Model) -> None:
    """Puts the ImageNet weights of keras.applications into the convolutions (downloads 59 MB).

    Raises DataError when they cannot be downloaded.

    Those weights expect pixels minus their mean, in steps of 1/255; ours are standardised. All
    three channels hold the same grey, so scaling the first kernel by ImageNet's standard deviation
    (58 of 255) is all that it takes to feed them our pixel_values.
    """
    try:
        imagenet = keras.applications.VGG16(weights="imagenet", include_top=False)
    except Exception as error:  # what the download raises depends on the network
        raise DataError(
            "the ImageNet weights of VGG16, which Keras downloads",
            "none: their server cannot be reached from the computer that trains",
            "Give that computer access to the internet for this training, or choose another start, "
            "such as the served version (init=champion) or nothing (init=scratch).",
        ) from error
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            kernel, bias = imagenet.get_layer(layer.name).get_weights()
            scale = IMAGENET_PIXEL_SPREAD if layer.name == "block1_conv1" else 1.0
            layer.set_weights([kernel * scale, bias])
