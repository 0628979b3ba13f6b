"""Where are the lungs? A small U-Net, for the input gate and for judging heatmaps.

It was trained (`model.nn.lung_training`) on machine-made masks that leave out the lung behind the
heart, and leaves it out too. Nothing here is TensorFlow's own.
"""

import json
import math
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import layers

from model import preprocessing
from model.bundle import sha256_of
from model.errors import BundleError, ConfigError

WEIGHTS, CARD = "lungs.keras", "lungs.json"
FORMAT = 1
CHANNELS = (12, 24, 32, 48, 64)
SIZE_STEP_PX = 2 ** (len(CHANNELS) - 1)
BATCH_SIZE = 16

# Shares of a film, from what the segmenter finds on 400 films of each of NORMAL, bacteria and
# virus: the smaller lung covers 1.9 % or more (a collapsed one), the middles of both are .33 or
# more of the width apart and .2 or less of the height. Adults' are not less than .26 apart.
MIN_LUNG_AREA = 0.015
MIN_LUNG_DISTANCE = 0.22
MAX_LUNG_OFFSET = 0.25


def unet(size_px: int, *, batch_norm: bool = False, dtype: str | None = None) -> keras.Model:
    """U-Net of Ronneberger 2015 (arXiv:1505.04597), 249 thousand weights, padded convolutions.

    From pixel_values (N, size_px, size_px, 1) to logits (N, size_px, size_px, 1), float32.
    `batch_norm` puts batch normalisation between convolution and ReLU for training;
    `network.fold_batch_norm` takes it out again. `dtype` is a Keras dtype policy. Raises
    ConfigError when `size_px` is no multiple of 16.
    """
    if size_px <= 0 or size_px % SIZE_STEP_PX:
        todo = "Choose such a size, such as 96."
        raise ConfigError(f"a size in steps of {SIZE_STEP_PX} px", f"{size_px} px", todo)
    values = keras.Input((size_px, size_px, 1), name="pixel_values")
    x, skips = values, list[keras.KerasTensor]()
    for level, filters in enumerate(CHANNELS, start=1):
        if skips:
            x = layers.MaxPooling2D(2, name=f"down{level}_pool", dtype=dtype)(x)
        x = _two_convs(x, filters, f"down{level}", batch_norm, dtype)
        skips.append(x)
    for level in range(len(CHANNELS) - 1, 0, -1):
        x = layers.UpSampling2D(2, name=f"up{level}_upsampling", dtype=dtype)(x)
        x = layers.Concatenate(name=f"up{level}_skip", dtype=dtype)([skips[level - 1], x])
        x = _two_convs(x, CHANNELS[level - 1], f"up{level}", batch_norm, dtype)
    # A dense layer over the channels of each pixel: a convolution of 1 x 1 that is never folded.
    logits = layers.Dense(1, name="logits", dtype="float32")(x)  # (N, size, size, 1)
    return keras.Model(values, logits, name="unet")


def _two_convs(
    x: keras.KerasTensor, filters: int, name: str, batch_norm: bool, dtype: str | None
) -> keras.KerasTensor:
    for conv in (f"{name}_conv1", f"{name}_conv2"):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation=None if batch_norm else "relu",
            kernel_initializer="he_normal",
            name=conv,
            dtype=dtype,
        )(x)
        if batch_norm:
            # Keras's momentum of .99 needs hundreds of steps to reach the real mean and variance.
            x = layers.BatchNormalization(momentum=0.9, name=f"{conv}_bn", dtype=dtype)(x)
            x = layers.ReLU(name=f"{conv}_relu", dtype=dtype)(x)
    return x


def pixel_values(greys: Sequence[np.ndarray], size_px: int) -> np.ndarray:
    """Greys, each (H, W) uint8 -> (N, size_px, size_px, 1) float32, each standardised by itself."""
    batch = np.empty((len(greys), size_px, size_px, 1), np.float32)  # (N, H, W, C)
    for i, grey in enumerate(greys):
        small = preprocessing.resize(preprocessing.resize(grey, preprocessing.BASE_PX), size_px)
        batch[i, ..., 0] = preprocessing.standardise(small)
    return batch


def check(folder: Path) -> tuple[int, float]:
    """Side in pixels and threshold of the segmenter in `folder`, which is not opened.

    Raises BundleError unless `lungs.keras` is what the card says.
    """
    try:
        card = json.loads((folder / CARD).read_text())
        form, size_px = card["format"], int(card["size_px"])
        threshold, sha256 = float(card["threshold"]), str(card["sha256"])
    except OSError:
        raise _refuse(f"{CARD} in the folder", "none that can be read") from None
    except (KeyError, TypeError, ValueError) as error:
        raise _refuse(f"a complete {CARD}", f"one that lacks or garbles {error}") from None
    if form != FORMAT:
        raise _refuse(f"a {CARD} of format {FORMAT}", f"format {form}")
    if not (folder / WEIGHTS).is_file():
        raise _refuse(f"the weights {WEIGHTS}", "no such file")
    if sha256_of(folder / WEIGHTS) != sha256:
        raise _refuse(f"{WEIGHTS} with the SHA-256 {sha256[:12]}... of {CARD}", "another file")
    return size_px, threshold


@dataclass(frozen=True, eq=False)
class Lungs:
    """The segmenter in memory. threshold: the probability from which a pixel counts as lung."""

    network: keras.Model
    threshold: float

    @classmethod
    def load(cls, folder: Path, dtype: str | None = None) -> "Lungs":
        """Opens `lungs.keras` in `folder`; raises BundleError unless it is what the card says.

        dtype: the Keras dtype policy that its convolutions compute in; float32 unless given.
        """
        size_px, threshold = check(folder)
        model = unet(size_px, dtype=dtype)
        # Taken out of the archive first: HDF5 reads here and there, slow in compressed data.
        with zipfile.ZipFile(folder / WEIGHTS) as archive, tempfile.TemporaryDirectory() as place:
            model.load_weights(archive.extract("model.weights.h5", place))
        return cls(model, threshold)

    @property
    def size_px(self) -> int:
        """Side of the segmenter's input and of its answer."""
        return self.network.input_shape[1]

    def probabilities(self, greys: Sequence[np.ndarray]) -> np.ndarray:
        """Greys as shown, each (H, W) uint8 -> (N, size, size) float32, 0..1, in batches."""
        found = np.empty((len(greys), self.size_px, self.size_px), np.float32)
        for start in range(0, len(greys), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            # Not `predict`, which takes 50 ms to begin.
            logits = self.network.predict_on_batch(pixel_values(greys[batch], self.size_px))
            found[batch] = 1 / (1 + np.exp(-np.asarray(logits, np.float32)[..., 0]))
        return found

    def masks(self, greys: Sequence[np.ndarray], shape: tuple[int, int] = (224, 224)) -> np.ndarray:
        """Greys as shown, each (H, W) uint8 -> (N, *shape) bool, at most two lungs in each."""
        return self.masks_of(self.probabilities(greys), shape)

    def masks_of(
        self, probabilities: np.ndarray, shape: tuple[int, int] = (224, 224)
    ) -> np.ndarray:
        """What `probabilities` gives, (N, size, size) -> (N, *shape) bool."""
        height, width = shape
        found = np.empty((len(probabilities), height, width), bool)
        for i, small in enumerate(probabilities):
            found[i] = without_islands(cv2.resize(small, (width, height)) > self.threshold)
        return found


def _refuse(expected: str, received: str) -> BundleError:
    return BundleError(
        expected,
        received,
        f"The lungs cannot be found: restore {WEIGHTS} and {CARD} from the repository, or train "
        "them again (model/nn/lung_training.py).",
    )


def without_islands(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> its two largest parts, holes filled, if they cover MIN_LUNG_AREA or more."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    kept = sorted(outlines, key=cv2.contourArea, reverse=True)[:2]
    kept = [line for line in kept if cv2.contourArea(line) >= MIN_LUNG_AREA * mask.size]
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(drawn, kept, -1, 1, cv2.FILLED)
    return drawn.astype(bool)


def two_lungs(mask: np.ndarray) -> bool:
    """Whether a mask (H, W) bool, islands aside, could be the two lungs of a frontal film.

    Two parts, one with its middle in each half of the film, well apart and about as high. A film
    upside down passes; one on its side, half a film or a single lung does not.
    """
    height, width = mask.shape
    labels = without_islands(mask).astype(np.uint8)
    count, _, _, middles = cv2.connectedComponentsWithStats(labels)
    if count != 3:  # the background is one of them
        return False
    places = (middles[1:] / (width, height)).tolist()  # 0..1 of the film
    (left, y_left), (right, y_right) = sorted(places)
    apart = right - left >= MIN_LUNG_DISTANCE and abs(y_left - y_right) <= MAX_LUNG_OFFSET
    return bool(left < 0.5 < right and apart)


def lung_share(heat: np.ndarray, mask: np.ndarray) -> float:
    """Share of the heat (h, w) that lies in the lungs, mask (H, W) bool: 0..1, nan without heat.

    The heat is stretched over the mask as it is shown over the film, bilinearly. Heat that knows
    nothing of the lungs has about their share of the area, `mask.mean()`.
    """
    height, width = mask.shape
    spread = np.maximum(heat, 0).astype(np.float32)
    spread = cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR)  # (H, W)
    total = float(spread.sum(dtype=np.float64))
    return float(spread[mask].sum(dtype=np.float64)) / total if total > 0 else math.nan
