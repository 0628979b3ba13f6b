"""train(recipe, split, run_dir): one function for every machine and Keras back end.

Nothing here is TensorFlow's own: a GPU host may have Keras on JAX or PyTorch (KERAS_BACKEND).
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from model.bundle import open_bundle
from model.config import settings
from model.nn import changes, network
from model.nn.augmentation import AUGMENTATIONS
from model.nn.dataset import Batches, Example, Split, data_hash, load_greys
from model.nn.lungs import Lungs
from model.nn.recipe import Recipe
from model.nn.run_log import RunLog, predict_logits


@dataclass(frozen=True)
class Trained:
    """What a run gives: the plain network and what it says on its validation fold.

    logits, changed_logits: (N,) float32, before calibration, of the fold as it is and with each
    film under one of the changes that hospitals make.
    """

    network: keras.Model
    validation: list[Example]
    logits: np.ndarray
    changed_logits: np.ndarray


def train(recipe: Recipe, split: Split, run_dir: Path) -> Trained:
    """Trains as `recipe` says and keeps in `run_dir` what is needed to repeat and to judge it.

    Writes run.json (recipe, data hash, split), curves.jsonl (one line an epoch) and
    best.weights.h5 (highest AUROC on the changed validation fold among the epochs of the last
    stage). A run that was interrupted goes on after its last finished epoch when it is started
    again with the same recipe and data; anything else in `run_dir` is started afresh.
    `split.test` is not looked at.
    """
    keras.utils.set_random_seed(recipe.seed)
    log = RunLog(run_dir, _describe(recipe, split), _labels(split.validation), recipe.average > 0)
    print(
        f"{len(split.training)} training and {len(split.validation)} validation X-rays", flush=True
    )
    data = _load(recipe, split)
    model = _start(recipe)
    for stage in range(log.stage, len(recipe.epochs)):
        _run_stage(recipe, stage, model, data, log)
    if log.best.exists():
        model.load_weights(log.best)
    trained = _finish(recipe, model, data, split.validation)
    log.clear_checkpoints()
    return trained


@dataclass(frozen=True)
class _Data:
    train_greys: list[np.ndarray]
    train_labels: np.ndarray
    train_masks: np.ndarray | None
    validation_greys: list[np.ndarray]
    changed_greys: list[np.ndarray]


def _load(recipe: Recipe, split: Split) -> _Data:
    greys = load_greys(split.training)
    masks = Lungs.load(settings().bundle).masks(greys) if recipe.background else None
    return _Data(
        greys,
        _labels(split.training),
        masks,
        *validation_greys(split.validation, recipe.seed),
    )


def validation_greys(
    examples: Sequence[Example], seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The fold as it is, and each film under one change that hospitals make, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    return load_greys(examples), load_greys(examples, change=lambda: changes.draw(rng))


def _labels(examples: Sequence[Example]) -> np.ndarray:
    return np.array([example.label for example in examples])


def _describe(recipe: Recipe, split: Split) -> dict[str, object]:
    return {
        "recipe": asdict(recipe),
        "backend": keras.backend.backend(),
        "data_sha256": data_hash([*split.training, *split.validation]),
        "training": sorted(example.path.name for example in split.training),
        "validation": sorted(example.path.name for example in split.validation),
    }


def _start(recipe: Recipe) -> keras.Model:
    """The network at the first step. Only VGG16 from scratch needs batch normalisation.

    It takes any size and so goes through the stages with the same weights.
    """
    if recipe.network == "vgg16":
        model = network.vgg16(
            batch_norm=_normalises(recipe), dropout=recipe.dropout, dtype="mixed_bfloat16"
        )
    else:
        model = network.build(
            recipe.network, recipe.final_px, dropout=recipe.dropout, dtype="mixed_bfloat16"
        )
    if recipe.init == "imagenet":
        network.load_imagenet(model)
    elif recipe.init != "scratch":
        folder = settings().bundle if recipe.init == "champion" else Path(recipe.init)
        start = keras.saving.load_model(open_bundle(folder).weights, compile=False)
        model.set_weights(start.get_weights())
    return model


def _normalises(recipe: Recipe) -> bool:
    return recipe.network == "vgg16" and recipe.init == "scratch"


def _run_stage(recipe: Recipe, stage: int, model: keras.Model, data: _Data, log: RunLog) -> None:
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
        balanced=recipe.balanced,
        masks=data.train_masks,
        background=recipe.background,
    )
    model.compile(
        optimizer=_optimizer(recipe, stage, len(batches) * epochs),
        loss=keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)],
        # XLA makes the CPU slower; JAX has no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    fold = (data.validation_greys, data.changed_greys)
    batches.begin_epoch(log.begin(model, stage, stage == len(recipe.epochs) - 1, size_px, fold))
    verbose = 1 if os.isatty(1) else 2  # a progress bar, or a line an epoch
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=batches.epoch,
        callbacks=[log],
        verbose=verbose,
        shuffle=False,  # the batches do it by themselves, from seed and epoch
    )


def _optimizer(recipe: Recipe, stage: int, steps: int) -> keras.optimizers.Optimizer:
    kind = {"adamw": keras.optimizers.AdamW, "rmsprop": keras.optimizers.RMSprop}[recipe.optimizer]
    return kind(
        _schedule(recipe, stage, steps),
        weight_decay=recipe.weight_decay,
        clipnorm=recipe.clip_norm,
        # Flat minima carry over better to other hospitals: SWAD, Cha 2021 (arXiv:2102.08604).
        use_ema=recipe.average > 0,
        ema_momentum=recipe.average or 0.99,
    )


def _schedule(
    recipe: Recipe, stage: int, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    if recipe.schedule == "constant":
        return recipe.learning_rate[stage]
    warmup = min(recipe.warmup_steps, max(1, steps // 5))
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate[stage] / 100,
        decay_steps=max(1, steps - warmup),
        warmup_target=recipe.learning_rate[stage],
        warmup_steps=warmup,
    )


def _finish(recipe: Recipe, model: keras.Model, data: _Data, validation: list[Example]) -> Trained:
    """Takes batch normalisation out, rounds the weights to bfloat16 and reads the fold again.

    The rounded weights are what is shipped: they compress to less than half, are the same numbers
    for a processor that computes in bfloat16, and every figure is measured with them.
    """
    size_px = recipe.final_px
    plain = network.build(recipe.network, size_px, dropout=recipe.dropout, dtype="float32")
    if _normalises(recipe):
        network.fold_batch_norm(model, plain)
    else:
        plain.set_weights(model.get_weights())
    plain.set_weights([network.round_to_bfloat16(weights) for weights in plain.get_weights()])
    return measure(plain, validation, data.validation_greys, data.changed_greys)


def measure(
    plain: keras.Model,
    validation: list[Example],
    greys: Sequence[np.ndarray],
    changed_greys: Sequence[np.ndarray],
) -> Trained:
    """What a finished network says on its validation fold, see `validation_greys`."""
    size_px = plain.input_shape[1]
    return Trained(
        plain,
        validation,
        predict_logits(plain, greys, size_px),
        predict_logits(plain, changed_greys, size_px),
    )
