"""What a trained network says of the films that everything is chosen on, for its bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from model.nn import changes, gate
from model.nn.batches import Batches
from model.nn.dataset import Example, Split, load_greys
from model.nn.run_log import PREDICTED_TOGETHER, predict_logits
from model.preprocessing import prepare


@dataclass(frozen=True, eq=False)
class Films:
    """The films of a run, each as the network is to see it, (224, 224) uint8.

    changed: the validation fold again, each film under one of the changes that hospitals make.
    """

    training: list[np.ndarray]
    validation: list[np.ndarray]
    changed: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Trained:
    """A plain network, what it says on its validation fold, and whom its gate knows.

    logits, changed_logits: (N,) float32, before calibration, of the fold as it is and changed.
    gate: None for a network that is no VGG16 and so is never served.
    """

    network: keras.Model
    validation: list[Example]
    logits: np.ndarray
    changed_logits: np.ndarray
    gate: gate.Statistics | None


def labels_of(examples: Sequence[Example]) -> np.ndarray:
    """(N,) 0/1."""
    return np.array([example.label for example in examples])


def load_films(split: Split, seed: int) -> Films:
    """Reads training and validation; `seed` draws the changes. Raises XRayError."""
    rng = np.random.default_rng(seed)
    return Films(
        load_greys(split.training),
        load_greys(split.validation),
        load_greys(split.validation, change=lambda: changes.draw(rng)),
    )


def measure(
    plain: keras.Model,
    split: Split,
    films: Films,
    others: Sequence[np.ndarray] = (),
    batch_size: int | None = None,
) -> Trained:
    """Reads the fold and fits the gate; minutes for thousands of films on a CPU.

    others: chest X-rays of other hospitals and ages, greys as in `films`, that the gate is to find
    unusual, not to refuse. batch_size: how many are read together where memory is short.
    """
    size_px = plain.input_shape[1]
    together = min(batch_size or PREDICTED_TOGETHER, PREDICTED_TOGETHER)
    return Trained(
        plain,
        split.validation,
        predict_logits(plain, films.validation, size_px, together),
        predict_logits(plain, films.changed, size_px, together),
        _fit_gate(plain, split, films, others, together) if plain.name == "vgg16" else None,
    )


def _fit_gate(
    plain: keras.Model,
    split: Split,
    films: Films,
    others: Sequence[np.ndarray],
    together: int,
) -> gate.Statistics:
    extractor = keras.Model(plain.input, gate.features(plain))

    def features(greys: Sequence[np.ndarray]) -> np.ndarray:
        batches = Batches(greys, np.zeros(len(greys)), plain.input_shape[1], together)
        return np.asarray(extractor.predict(batches, verbose=0), np.float32)  # (N, D)

    return gate.fit(
        features(films.training),
        labels_of(split.training),
        np.concatenate([features(films.validation), features(films.changed)]),
        features(others) if len(others) else None,
        features([prepare(np.rot90(grey, 2)).grey for grey in films.validation]),
    )
