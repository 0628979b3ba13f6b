"""Classifier.load(folder).predict(xrays): a checked bundle, ready to read X-rays."""

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model import bundle as bundles
from model.bundle import Bundle
from model.metrics import calibrate
from model.nn import gate, network
from model.nn.gradcam import grad_cam, heatmap
from model.prediction import Prediction
from model.preprocessing import pixel_values, prepare
from model.xray import XRay

BATCH_SIZE = 16


def fastest_precision() -> str:
    """`bfloat16` where the processor multiplies in it, else `float32`."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class Classifier:
    """One model version in memory. Threads may share it."""

    def __init__(self, bundle: Bundle, precision: str | None = None) -> None:
        """`precision` is `float32` or `bfloat16`; by default the processor's fastest."""
        self.bundle = bundle
        self.precision = precision or fastest_precision()
        self.num_passes = 0
        self._pass = _compile(bundle, self.precision)
        # Sessions take turns: two passes at once would share the cores and both be late.
        self._thread = ThreadPoolExecutor(1, "classifier")
        # The first pass traces and allocates: better now than on somebody's X-ray.
        self.evidence(np.zeros((1, bundle.input_px, bundle.input_px, 3), np.float32))

    @classmethod
    def load(cls, folder: Path, precision: str | None = None) -> "Classifier":
        """Opens and checks the bundle in `folder`. Raises BundleError."""
        return cls(bundles.open_bundle(Path(folder)), precision)

    def predict(self, xrays: Sequence[XRay]) -> list[Prediction]:
        """One Prediction for each X-ray, in order; refused ones take no part in the pass."""
        gates = [gate.check(xray) for xray in xrays]
        accepted = [i for i, verdict in enumerate(gates) if verdict.status != "refused"]
        version = self.bundle.model_version
        predictions = [Prediction(None, None, None, verdict, version) for verdict in gates]
        for start in range(0, len(accepted), BATCH_SIZE):
            chosen = accepted[start : start + BATCH_SIZE]
            films = [prepare(xrays[i].display()) for i in chosen]
            values = pixel_values([film.grey for film in films], self.bundle.input_px)
            logits, evidence = self.evidence(values)
            probabilities = calibrate(logits, self.bundle.temperature)
            for i, film, logit, probability, map_ in zip(
                chosen, films, logits, probabilities, evidence, strict=True
            ):
                heat = film.place(heatmap(map_, self.bundle.heat_floor))
                predictions[i] = Prediction(
                    float(probability), float(logit), heat, gates[i], version
                )
        return predictions

    def evidence(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pixel_values (N, size, size, 3) -> logits (N,) and evidence maps (N, h, w), unscaled."""
        return self._thread.submit(self._evidence, values).result()

    def _evidence(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.num_passes += len(values)
        logits, evidence = self._pass(tf.constant(values))
        return logits.numpy(), evidence.numpy()


def keep_graphs() -> None:
    """Makes `keras.backend.clear_session` do nothing in this process; for the Streamlit server.

    Streamlit calls it after every script run of every visitor (`_clean_problem_modules`), and it
    throws away what TensorFlow has prepared: each reading would take most of a second longer.
    `keras.utils.clear_session` still does what it says.
    """
    keras.backend.clear_session = lambda: None


def _compile(bundle: Bundle, precision: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """One graph from pixel_values to (logits, evidence), convolutions in `precision`.

    Weights become constants of the graph: oneDNN then brings them into its own order once, not at
    every pass, which halves the time for one X-ray.
    """
    size_px = bundle.input_px
    settings = {"initializer": "zeros"} if bundle.network == "vgg16" else {}
    model = network.build(bundle.network, size_px, dtype=precision, **settings)
    _load_weights(model, bundle)
    features = model.get_layer(network.last_conv(model) or "pixel_values").output
    extractor = keras.Model(model.input, features)
    head = keras.Model(features, model.output)

    @tf.function(
        input_signature=[tf.TensorSpec((None, size_px, size_px, 3), tf.float32)],
        jit_compile=False,
    )
    def run(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return grad_cam(extractor(values), head)

    return convert_variables_to_constants_v2(run.get_concrete_function())


def _load_weights(model: keras.Model, bundle: Bundle) -> None:
    """As `keras.saving.load_model` finds them, without building a second network beside `model`.

    Taken out of the archive first: HDF5 reads here and there, which is slow in compressed data.
    """
    with zipfile.ZipFile(bundle.weights) as archive, tempfile.TemporaryDirectory() as folder:
        model.load_weights(archive.extract("model.weights.h5", folder))
