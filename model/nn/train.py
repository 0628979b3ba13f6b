"""train(recipe, examples, run_dir): one function for every machine and Keras back end.

Nothing here is TensorFlow's own: a GPU host may have Keras on JAX or PyTorch (KERAS_BACKEND).
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from model.bundle import open_bundle
from model.config import settings
from model.errors import ConfigError
from model.files import write_json
from model.nn import network
from model.nn.augmentation import AUGMENTATIONS
from model.nn.dataset import Batches, Example, data_hash, load_greys, split_by_patient
from model.nn.recipe import Recipe


@dataclass(frozen=True)
class Trained:
    """What a run gives: the plain network and what it says on its validation fold."""

    network: keras.Model
    validation: list[Example]
    logits: np.ndarray  # (N,) float32, before calibration


def train(recipe: Recipe, examples: Sequence[Example], run_dir: Path) -> Trained:
    """Trains as `recipe` says and keeps in `run_dir` what is needed to repeat and to judge it.

    Writes run.json (recipe, seed, data hash, split), curves.jsonl (one line an epoch), and
    best.weights.h5 (highest validation AUROC among the epochs of the last stage).
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    training, validation = split_by_patient(examples, recipe.folds, recipe.seed)
    write_json(run_dir / "run.json", _describe(recipe, training, validation))
    print(f"{len(training)} training and {len(validation)} validation X-rays", flush=True)

    data = _Data(load_greys(training), _labels(training), load_greys(validation))
    model = _start(recipe)
    best = _Best(run_dir, _labels(validation))
    for stage in range(len(recipe.epochs)):
        _run_stage(recipe, stage, model, data, best)
    if best.path.exists():
        model.load_weights(best.path)
    return _finish(recipe, model, data, validation)


@dataclass(frozen=True)
class _Data:
    train_greys: list[np.ndarray]
    train_labels: np.ndarray
    validation_greys: list[np.ndarray]


def _labels(examples: Sequence[Example]) -> np.ndarray:
    return np.array([example.label for example in examples])


def _describe(
    recipe: Recipe, training: Sequence[Example], validation: Sequence[Example]
) -> dict[str, object]:
    return {
        "recipe": asdict(recipe),
        "backend": keras.backend.backend(),
        "data_sha256": data_hash([*training, *validation]),
        "training": sorted(example.path.name for example in training),
        "validation": sorted(example.path.name for example in validation),
    }


def _start(recipe: Recipe) -> keras.Model:
    """The network at the first step. Only a start from scratch needs batch normalisation."""
    if recipe.network != "vgg16":
        raise ConfigError("the network vgg16", f"{recipe.network!r}", "Choose it.")
    scratch = recipe.init == "scratch"
    model = network.vgg16(batch_norm=scratch, dropout=recipe.dropout, dtype="mixed_bfloat16")
    if recipe.init == "imagenet":
        network.load_imagenet(model)
    elif not scratch:
        folder = settings().bundle if recipe.init == "champion" else Path(recipe.init)
        start = keras.saving.load_model(open_bundle(folder).weights, compile=False)
        model.set_weights(start.get_weights())
    return model


def _run_stage(recipe: Recipe, stage: int, model: keras.Model, data: _Data, best: "_Best") -> None:
    size_px, epochs = recipe.size_px[stage], recipe.epochs[stage]
    if not epochs:
        return
    batches = Batches(
        data.train_greys,
        data.train_labels,
        size_px,
        recipe.batch_size,
        seed=recipe.seed * 1000 + stage,
        augment=AUGMENTATIONS[recipe.augmentation],
    )
    best.begin(stage == len(recipe.epochs) - 1, stage, size_px, data.validation_greys)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            _schedule(recipe, stage, len(batches) * epochs),
            weight_decay=recipe.weight_decay,
            clipnorm=recipe.clip_norm,
        ),
        loss=keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        # XLA makes the CPU slower; JAX has no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    verbose = 1 if os.isatty(1) else 2
    model.fit(batches, epochs=epochs, callbacks=[best], verbose=verbose)


def _schedule(
    recipe: Recipe, stage: int, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = min(recipe.warmup_steps, max(1, steps // 5))
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate[stage] / 100,
        decay_steps=max(1, steps - warmup),
        warmup_target=recipe.learning_rate[stage],
        warmup_steps=warmup,
    )


class _Best(keras.callbacks.Callback):
    """After each epoch: figures on the validation fold, one line of curves, the best weights."""

    def __init__(self, run_dir: Path, labels: np.ndarray) -> None:
        super().__init__()
        self.curves = run_dir / "curves.jsonl"
        self.path = run_dir / "best.weights.h5"
        self.last = run_dir / "last.weights.h5"
        self.labels, self.best_auroc = labels, -1.0
        self.curves.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def begin(self, is_last: bool, stage: int, size_px: int, greys: list[np.ndarray]) -> None:
        self.is_last, self.stage, self.size_px, self.greys = is_last, stage, size_px, greys

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        from sklearn.metrics import log_loss, roc_auc_score

        seconds = time.monotonic() - self.began
        probabilities = 1 / (1 + np.exp(-predict_logits(self.model, self.greys, self.size_px)))
        auroc = float(roc_auc_score(self.labels, probabilities))
        line = {
            "stage": self.stage,
            "epoch": epoch,
            "size_px": self.size_px,
            "loss": float((logs or {})["loss"]),
            "validation_loss": float(log_loss(self.labels, probabilities, labels=[0, 1])),
            "validation_accuracy": float(((probabilities >= 0.5) == self.labels).mean()),
            "validation_auroc": auroc,
            "seconds": seconds,
        }
        with self.curves.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self.model.save_weights(self.last)
        if self.is_last and auroc > self.best_auroc:
            self.best_auroc = auroc
            self.model.save_weights(self.path)


def predict_logits(
    model: keras.Model, greys: Sequence[np.ndarray], size_px: int, batch_size: int = 32
) -> np.ndarray:
    """Grey images, each (H, W) uint8 -> (N,) float32 logits, in batches."""
    labels = np.zeros(len(greys))
    logits = model.predict(Batches(greys, labels, size_px, batch_size), verbose=0)  # (N, 1)
    return logits[:, 0].astype(np.float32)


def _finish(recipe: Recipe, model: keras.Model, data: _Data, validation: list[Example]) -> Trained:
    """Takes batch normalisation out, rounds the weights to bfloat16 and reads the fold again.

    The rounded weights are what is shipped: they compress to less than half, are the same numbers
    for a processor that computes in bfloat16, and every figure is measured with them.
    """
    plain = network.vgg16(recipe.final_px, dropout=recipe.dropout, dtype="float32")
    if recipe.init == "scratch":
        network.fold_batch_norm(model, plain)
    else:
        plain.set_weights(model.get_weights())
    plain.set_weights([round_to_bfloat16(weights) for weights in plain.get_weights()])
    logits = predict_logits(plain, data.validation_greys, recipe.final_px)
    return Trained(plain, validation, logits)


def round_to_bfloat16(weights: np.ndarray) -> np.ndarray:
    """float32 -> the nearest float32 whose lower 16 bits are zero."""
    bits = weights.astype(np.float32).view(np.uint32)
    nearest_even = bits + 0x7FFF + ((bits >> 16) & 1)
    return (nearest_even & np.uint32(0xFFFF0000)).view(np.float32)
