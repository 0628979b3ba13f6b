"""Does a heatmap depend on what the network has learned? Cascading randomisation.

Adebayo 2018 (arXiv:1810.03292, section 4.1): layers are made random one after the other, and the
heatmaps must change with them. A map that stays as it was shows the film, not the network.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from model.nn import network
from model.nn.gradcam import grad_cam

BATCH_SIZE = 16


@dataclass(frozen=True, eq=False)
class Randomisation:
    """How like a network's heatmaps are to those of the network with random layers.

    similarity: mean rank correlation with the network's own maps when the layer of that name and
    all behind it are random, (L,). random_pairs: that of the maps of two different films.
    """

    layers: list[str]
    similarity: np.ndarray
    random_pairs: float

    @property
    def passes(self) -> bool:
        """A map that still shows the same when nothing is left of the network shows the film."""
        return bool(self.similarity[-1] < self.random_pairs)


def randomise(model: keras.Model, values: np.ndarray, seed: int = 0) -> Randomisation:
    """Makes the layers of `model` random, from the logit backwards; it is of no use afterwards.

    model: with convolutions, pixel_values to logit, float32. values: (N, S, S, 3), N > 1. New
    weights are He-normal as before training, biases 0 (Adebayo 2018, section 4.1).
    """
    features = model.get_layer(network.last_conv(model)).output
    extractor, head = keras.Model(model.input, features), keras.Model(features, model.output)
    signature = [tf.TensorSpec((None, *values.shape[1:]), tf.float32)]
    run = tf.function(lambda batch: grad_cam(extractor(batch), head)[1], input_signature=signature)

    def ranks() -> np.ndarray:
        starts = range(0, len(values), BATCH_SIZE)
        maps = [run(tf.constant(values[i : i + BATCH_SIZE])).numpy() for i in starts]
        return _ranks(np.concatenate(maps))

    ours = ranks()  # (N, h * w)
    pairs = (ours @ ours.T)[np.triu_indices(len(ours), 1)]
    layers = [layer for layer in reversed(model.layers) if layer.weights]
    progress = track(layers, "Making layers random", console=Console(stderr=True))
    similarity = []
    for depth, layer in enumerate(progress):
        kernel, bias = layer.get_weights()
        new = keras.initializers.HeNormal(seed=1000 * seed + depth)(kernel.shape)
        layer.set_weights([keras.ops.convert_to_numpy(new), np.zeros_like(bias)])
        similarity.append((ours * ranks()).sum(axis=1).mean())
    return Randomisation(
        [layer.name for layer in layers], np.array(similarity), float(pairs.mean())
    )


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Maps (N, h, w) -> (N, h * w) whose products are rank correlations; 0 for an even map."""
    from scipy.stats import rankdata

    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    return ranks / np.maximum(np.linalg.norm(ranks, axis=1, keepdims=True), 1e-12)
