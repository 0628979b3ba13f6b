"""How long is one reading, from the bytes of a film to the overlay? All in one process, in turns.

    python tests/benchmarks/reading.py [--rounds 20] [--agreement DIR]

(a) the bare forward pass of the same weights: VGG16 to its logit, nothing else
(b) our way: decode, gate, pixel_values, one pass with Grad-CAM, heatmap, overlay at full size
(c) the usual way: `model.predict`, then a GradientTape over the whole network, float32
"""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from common import large_film, machine, medians_ms, table  # first: it sets paths and logging

# isort: split

import cv2
import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from model import overlay, xray
from model.config import settings
from model.metrics import calibrate
from model.nn import gate, network
from model.nn.classifier import Classifier
from model.nn.dataset import read_folder
from model.nn.gradcam import heatmap
from model.preprocessing import pixel_values, prepare, standardise


def bare(classifier: Classifier, precision: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The network as one graph from pixel_values to the logit."""
    model = network.vgg16(classifier.bundle.input_px, dtype=precision)
    model.set_weights(keras.saving.load_model(classifier.bundle.weights).get_weights())
    return tf.function(lambda values: model(values, training=False))


def usual(classifier: Classifier) -> Callable[[bytes], Any]:
    """Most apps of this kind: see (c)."""
    model = keras.saving.load_model(classifier.bundle.weights)
    side = classifier.bundle.input_px
    both = keras.Model(model.input, [model.get_layer(network.LAST_CONV).output, model.output])

    def read(data: bytes) -> Any:
        film = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        small = standardise(cv2.resize(film, (side, side)))[None]
        model.predict(small, verbose=0)
        with tf.GradientTape() as tape:
            features, logit = both(small)
        gradient = tf.reduce_mean(tape.gradient(logit, features), axis=(0, 1, 2))
        heat = np.maximum((features[0] @ gradient[:, None])[..., 0].numpy(), 0)
        heat = cv2.resize(heat / max(heat.max(), 1e-9), film.shape[1::-1])
        colors = cv2.applyColorMap(np.uint8(255 * heat), cv2.COLORMAP_JET)
        return cv2.addWeighted(film, 0.6, colors, 0.4, 0)

    return read


def draw(film: xray.XRay, heat: np.ndarray) -> np.ndarray:
    """The last stage: heat stretched over the film, and both as RGB."""
    return overlay.overlay(film.display(), heat)


def measure(rounds: int) -> None:
    """Prints the table."""
    classifier = Classifier.load(settings().bundle)
    bundle, data = classifier.bundle, large_film()
    print(f"{machine()}\n{bundle.model_version} at {bundle.input_px} px, {classifier.precision}")
    print(f"film of 1500 x 1200 px, JPEG of {len(data) // 1000} KB; medians of {rounds}\n")

    film = xray.read(data, "film.jpg")
    values = pixel_values([film.display()], bundle.input_px)
    logits, evidence = classifier.evidence(values)
    heat = heatmap(evidence[0], bundle.heat_floor)
    tensor = tf.constant(values)
    passes = {p: bare(classifier, p) for p in ("float32", "bfloat16")}
    as_usual = usual(classifier)

    def read_and_predict() -> Any:
        decoded = xray.read(data, "film.jpg")
        return decoded, classifier.predict([decoded])[0]

    def all_of_it() -> Any:
        decoded, prediction = read_and_predict()
        return draw(decoded, prediction.heatmap)

    ways = {
        "(a) bare pass, float32": lambda: passes["float32"](tensor).numpy(),
        "(a) bare pass, bfloat16": lambda: passes["bfloat16"](tensor).numpy(),
        "(b) ours, bytes to overlay": all_of_it,
        "    without the overlay": read_and_predict,
        "    1 decode": lambda: xray.read(data, "film.jpg"),
        "    2 gate": lambda: gate.check(film),
        "    3 pixel_values": lambda: pixel_values([prepare(film.display()).grey], bundle.input_px),
        "    4 pass with Grad-CAM": lambda: classifier.evidence(values),
        "    5 probability, heatmap": lambda: (
            calibrate(logits, bundle.temperature),
            heatmap(evidence[0], bundle.heat_floor),
        ),
        "    6 overlay": lambda: draw(film, heat),
        "(c) as usual, bytes to overlay": lambda: as_usual(data),
    }
    medians = medians_ms(ways, rounds)
    table(medians)
    fastest = min(medians["(a) bare pass, float32"], medians["(a) bare pass, bfloat16"])
    ours = medians["(b) ours, bytes to overlay"]
    print()
    table(
        {
            "b / fastest a": f"{ours / fastest:9.2f}",
            "b without the overlay / fastest a": (
                f"{medians['    without the overlay'] / fastest:9.2f}"
            ),
            "c / b": f"{medians['(c) as usual, bytes to overlay'] / ours:9.2f}",
        }
    )


def agreement(folder: Path) -> None:
    """Prints how far the probabilities in bfloat16 and in float32 are apart on labelled films."""
    examples = read_folder(folder)
    got = {}
    for precision in ("float32", "bfloat16"):
        classifier = Classifier.load(settings().bundle, precision)
        got[precision] = np.concatenate(
            [
                [p.probability for p in classifier.predict(films) if p.probability is not None]
                for films in _batches([example.path for example in examples])
            ]
        )
    difference = np.abs(got["float32"] - got["bfloat16"])
    threshold = classifier.bundle.operating_point().threshold
    other = (got["float32"] >= threshold) != (got["bfloat16"] >= threshold)
    table(
        {
            "films": f"{len(difference)} of {len(examples)}",
            "largest |difference of probability|": f"{difference.max():.4f}",
            "median": f"{np.median(difference):.5f}",
            "decided otherwise at the default threshold": f"{other.sum()}",
        }
    )


def _batches(paths: list[Path], size: int = 16) -> Any:
    for start in range(0, len(paths), size):
        yield [xray.read(path.read_bytes()) for path in paths[start : start + size]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--agreement", type=Path, metavar="DIR", help="holds NORMAL and PNEUMONIA")
    options = parser.parse_args()
    if options.agreement:
        agreement(options.agreement)
    else:
        measure(options.rounds)
