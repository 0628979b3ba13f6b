"""Classifier.load(folder).predict(xrays): a checked bundle, ready to read X-rays."""

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model import bundle as bundles
from model.bundle import Bundle
from model.errors import BundleError
from model.metrics import calibrate
from model.nn import gate, network
from model.nn.gradcam import grad_cam, heatmap
from model.nn.lungs import Lungs, lung_share
from model.nn.lungs import pixel_values as lung_values
from model.prediction import Gate, Prediction
from model.preprocessing import BASE_PX, Prepared, pixel_values, prepare
from model.xray import XRay

BATCH_SIZE = 16


def fastest_precision() -> str:
    """`bfloat16` where the processor multiplies in it, else `float32`."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


@dataclass(frozen=True, eq=False)
class _Looked:
    """What one pass gives for N films; no features or lungs where the bundle has no gate."""

    logits: np.ndarray  # (N,)
    evidence: np.ndarray  # (N, h, w) >= 0, unscaled
    features: np.ndarray  # (N, D)
    lungs: np.ndarray | None  # (N, s, s) 0..1


class Classifier:
    """One model version in memory. Threads may share it."""

    def __init__(self, bundle: Bundle, precision: str | None = None) -> None:
        """`precision` is `float32` or `bfloat16`; by default the processor's fastest."""
        self.bundle = bundle
        self.precision = precision or fastest_precision()
        self.num_passes = 0
        self._pass = _compile(bundle, self.precision)
        self._segmenter: _Segmenter | None = None
        self._statistics: gate.Statistics | None = None
        if bundle.parts:
            self._segmenter = _Segmenter(bundle.folder, self.precision)
            self._statistics = gate.Statistics.load(bundle.folder / gate.FILE)
        # Sessions take turns: two passes at once would share the cores and both be late. The small
        # segmenter fits into what a pass leaves of them.
        self._thread = ThreadPoolExecutor(1, "classifier")
        self._lung_thread = ThreadPoolExecutor(1, "lungs")
        # The first pass traces and allocates: better now than on somebody's X-ray.
        self._look([np.zeros((BASE_PX, BASE_PX), np.uint8)])
        self.num_passes = 0

    @classmethod
    def load(cls, folder: Path, precision: str | None = None) -> "Classifier":
        """Opens and checks the bundle in `folder`. Raises BundleError."""
        return cls(bundles.open_bundle(Path(folder)), precision)

    def predict(self, xrays: Sequence[XRay], overruled: bool = False) -> list[Prediction]:
        """One Prediction for each X-ray, in order.

        overruled: also those that the gate refuses are read, at a reader's own risk.
        """
        gates = [gate.check(xray) for xray in xrays]
        version = self.bundle.model_version
        predictions = [Prediction(None, None, None, verdict, version) for verdict in gates]
        looked_at = [i for i, found in enumerate(gates) if overruled or found.status != "refused"]
        for start in range(0, len(looked_at), BATCH_SIZE):
            chosen = looked_at[start : start + BATCH_SIZE]
            films = [prepare(xrays[i].display()) for i in chosen]
            looked = self._look([film.grey for film in films])
            for i, verdict in zip(chosen, self._judge(looked), strict=True):
                gates[i] = verdict if gates[i].status == "accepted" else gates[i]
            for n, (i, film) in enumerate(zip(chosen, films, strict=True)):
                predictions[i] = self._say(gates[i], film, looked, n, overruled)
        return predictions

    def _judge(self, looked: _Looked) -> list[Gate]:
        if looked.lungs is None or self._statistics is None:
            return [gate.untold()] * len(looked.logits)
        return gate.judge(self._statistics, looked.features, looked.lungs)

    def _say(
        self, verdict: Gate, film: Prepared, looked: _Looked, n: int, overruled: bool
    ) -> Prediction:
        """The prediction for the n-th of the films that were looked at together."""
        lungs = None
        if looked.lungs is not None and self._segmenter:
            [lungs] = self._segmenter.masks(looked.lungs[n : n + 1])
        version = self.bundle.model_version
        refused = verdict.status == "refused"
        if refused and not overruled:
            return Prediction(None, None, None, verdict, version)
        heat = heatmap(looked.evidence[n], self.bundle.heat_floor)
        if lungs is not None and not lungs.any():
            lungs = None
        return Prediction(
            float(calibrate(looked.logits[n], self.bundle.temperature)),
            float(looked.logits[n]),
            film.place(heat),
            verdict,
            version,
            lungs=None if lungs is None else film.place(lungs.astype(np.float32)) > 0.5,
            heat_in_lungs=None if lungs is None or not heat.any() else lung_share(heat, lungs),
            lungs_area=None if lungs is None else float(lungs.mean()),
            overruled=refused,
        )

    def evidence(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pixel_values (N, size, size, 3) -> logits (N,) and evidence maps (N, h, w), unscaled."""
        return self._thread.submit(self._run, values).result()[:2]

    def find_lungs(self, greys: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared greys, each (224, 224) uint8 -> their lungs (N, 224, 224) bool.

        Raises BundleError for a bundle without a segmenter, which is one for comparison.
        """
        if self._segmenter is None:
            raise BundleError("a bundle with a lung segmenter", self.bundle.network, "Use another.")
        return self._segmenter.masks(self._lung_thread.submit(self._segmenter, greys).result())

    def _look(self, greys: Sequence[np.ndarray]) -> _Looked:
        values = pixel_values(greys, self.bundle.input_px)
        passed = self._thread.submit(self._run, values)
        if self._segmenter is None:
            return _Looked(*passed.result(), None)
        lungs = self._lung_thread.submit(self._segmenter, greys)
        return _Looked(*passed.result(), lungs.result())

    def _run(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.num_passes += len(values)
        logits, evidence, features = self._pass(tf.constant(values))
        return logits.numpy(), evidence.numpy(), features.numpy()


class _Segmenter:
    """The lung segmenter of a bundle as a graph: greys, each (224, 224) uint8 -> (N, s, s) 0..1."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._lungs = Lungs.load(folder, precision)
        network = self._lungs.network
        self._pass = _with_constants(lambda values: [network(values)], self._lungs.size_px, 1)

    def __call__(self, greys: Sequence[np.ndarray]) -> np.ndarray:
        [logits] = self._pass(tf.constant(lung_values(greys, self._lungs.size_px)))
        return calibrate(logits.numpy()[..., 0], temperature=1.0)

    def masks(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, s, s) 0..1 -> (N, 224, 224) bool."""
        return self._lungs.masks_of(probabilities)


def keep_graphs() -> None:
    """Makes `keras.backend.clear_session` do nothing in this process; for the Streamlit server.

    Streamlit calls it after every script run of every visitor (`_clean_problem_modules`), and it
    throws away what TensorFlow has prepared: each reading would take most of a second longer.
    `keras.utils.clear_session` still does what it says.
    """
    keras.backend.clear_session = lambda: None


def _compile(bundle: Bundle, precision: str) -> Callable[[tf.Tensor], Sequence[tf.Tensor]]:
    """One graph from pixel_values to logits, evidence and the gate's features.

    Convolutions compute in `precision`.
    """
    size_px = bundle.input_px
    settings = {"initializer": "zeros"} if bundle.network == "vgg16" else {}
    model = network.build(bundle.network, size_px, dtype=precision, **settings)
    _load_weights(model, bundle)
    features = model.get_layer(network.last_conv(model) or "pixel_values").output
    for_gate = gate.features(model) if bundle.parts else features[:, 0, 0, :0]  # (N, D), D = 0
    extractor = keras.Model(model.input, [features, for_gate])
    head = keras.Model(features, model.output)

    def run(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        maps, for_gate = extractor(values)
        return *grad_cam(maps, head), for_gate

    return _with_constants(run, size_px, channels=3)


def _with_constants(
    run: Callable[[tf.Tensor], Sequence[tf.Tensor]], size_px: int, channels: int
) -> Callable[[tf.Tensor], Sequence[tf.Tensor]]:
    """The graph of `run` over (N, size_px, size_px, channels) float32, weights as constants.

    oneDNN then brings them into its own order once, not at every pass, which halves the time for
    one X-ray.
    """
    signature = tf.TensorSpec((None, size_px, size_px, channels), tf.float32)
    graph = tf.function(run, input_signature=[signature], jit_compile=False)
    return convert_variables_to_constants_v2(graph.get_concrete_function())


def _load_weights(model: keras.Model, bundle: Bundle) -> None:
    """As `keras.saving.load_model` finds them, without building a second network beside `model`.

    Taken out of the archive first: HDF5 reads here and there, which is slow in compressed data.
    """
    with zipfile.ZipFile(bundle.weights) as archive, tempfile.TemporaryDirectory() as folder:
        model.load_weights(archive.extract("model.weights.h5", folder))
