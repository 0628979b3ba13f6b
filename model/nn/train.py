"""train(recipe, split, run_dir): one function for every machine and Keras back end.

Nothing here is TensorFlow's own: a GPU host may have Keras on JAX or PyTorch (KERAS_BACKEND).
"""

import gc
import os
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from keras import ops

from model.bundle import PARTS, open_bundle
from model.errors import DataError
from model.nn import network
from model.nn.augmentation import AUGMENTATIONS
from model.nn.batches import Batches, LungTraining
from model.nn.dataset import Split, data_hash
from model.nn.devices import all_devices, is_out_of_memory, num_devices
from model.nn.lungs import Lungs
from model.nn.recipe import Recipe
from model.nn.run_log import RunLog
from model.nn.start import start_of
from model.nn.trained import Films, Trained, labels_of, load_films, measure
from model.versions import champion


def train(recipe: Recipe, split: Split, run_dir: Path) -> Trained:
    """Trains as `recipe` says and keeps in `run_dir` what is needed to repeat and to judge it.

    Writes run.json (recipe, data hash, split), curves.jsonl (one line an epoch) and
    best.weights.h5 (averaged weights of the last epoch, or without averaging the highest AUROC on
    the changed validation fold among the epochs of the last stage). A run that was interrupted
    goes on after its last finished epoch when it is started again with the same recipe and data;
    anything else in `run_dir` is started afresh. `release` ends the run: until then a
    training that is finished is not lost, and started again it gives the same at once.
    When the memory is full it goes on from there with batches of half the size.
    `split.test` is not looked at.

    Raises TrainingError for a loss that is no number, a disk that is full and a memory that is
    too small for two X-rays; XRayError for a file that cannot be read.
    """
    log = RunLog(
        run_dir,
        _describe(recipe, split),
        labels_of(split.validation),
        recipe.average > 0,
        recipe.budget_minutes,
    )
    print(
        f"{len(split.training)} training and {len(split.validation)} validation X-rays", flush=True
    )
    films = load_films(split, recipe.seed)
    while True:
        try:
            return _try(recipe, split, films, log)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.halve_batch(log.batch_size or recipe.batch_size, error)
        gc.collect()  # what is left of the failed try


def _try(recipe: Recipe, split: Split, films: Films, log: RunLog) -> Trained:
    with all_devices():
        model = _fit(recipe, split, films, log)
    return measure(_plain(recipe, model), split, films, batch_size=log.batch_size)


def _fit(recipe: Recipe, split: Split, films: Films, log: RunLog) -> keras.Model:
    """The trained network; goes on from where the log says."""
    keras.utils.set_random_seed(recipe.seed)
    masks = Lungs.load(champion.served()).masks(films.training) if recipe.needs_lungs else None
    labels = labels_of(split.training)
    model = _start(recipe)
    before = model.get_weights() if recipe.mix else []
    for stage in range(log.stage, len(recipe.epochs)):
        if recipe.epochs[stage]:
            size = log.batch_size or recipe.batch_size
            batches = _batches(recipe, stage, size, films.training, labels, masks)
            _run_stage(recipe, stage, model, batches, films, log)
        if log.is_over:
            break
    if log.best.exists():
        model.load_weights(log.best)
    if before:
        model.set_weights(mixed(model.get_weights(), before, recipe.mix))
    return model


def mixed(after: list[np.ndarray], before: list[np.ndarray], share: float) -> list[np.ndarray]:
    """`share` of the weights from before a training, the rest from after it; see `Recipe.mix`."""
    return [(1 - share) * new + share * old for new, old in zip(after, before, strict=True)]


def _describe(recipe: Recipe, split: Split) -> dict[str, object]:
    """What makes it this run and no other: "champion" may be another bundle when it goes on."""
    start = start_of(recipe)
    parts = open_bundle(champion.served(), is_outdated=True).parts if recipe.needs_lungs else {}
    return {
        "start_sha256": start.weights_sha256 if start else "",
        "lungs_sha256": parts.get(PARTS[0], ""),
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
    elif start := start_of(recipe):
        before = keras.saving.load_model(start.weights, compile=False)
        model.set_weights(before.get_weights())
    return model


def _normalises(recipe: Recipe) -> bool:
    return recipe.network == "vgg16" and recipe.init == "scratch"


def _batches(
    recipe: Recipe,
    stage: int,
    batch_size: int,
    greys: list[np.ndarray],
    labels: np.ndarray,
    masks: np.ndarray | None,
) -> Batches:
    lungs = None
    if masks is not None:
        grid_px = network.GRID_PX if recipe.attention else 0
        lungs = LungTraining(masks, recipe.background, recipe.hidden, grid_px)
    return Batches(
        greys,
        labels,
        recipe.size_px[stage],
        _shareable(batch_size, len(greys)),
        seed=recipe.seed * 1000 + stage,
        augment=AUGMENTATIONS[recipe.augmentation],
        balanced=recipe.balanced,
        lungs=lungs,
    )


def _shareable(batch_size: int, num_images: int) -> int:
    """A batch size near this one that the devices can share evenly."""
    devices = num_devices()
    if devices == 1:
        return batch_size
    if num_images < devices:
        raise DataError(
            f"an X-ray to train on for each of {devices} devices",
            f"{num_images} X-rays",
            "Add X-rays, or let the training see fewer devices.",
        )
    return max(1, min(batch_size, num_images) // devices) * devices


def _run_stage(
    recipe: Recipe, stage: int, model: keras.Model, batches: Batches, films: Films, log: RunLog
) -> None:
    size_px, epochs = recipe.size_px[stage], recipe.epochs[stage]
    entropy = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
    accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    looks = recipe.attention > 0
    trainee = network.with_evidence(model) if looks else model
    trainee.compile(
        optimizer=_optimizer(recipe, stage, len(batches) * epochs),
        loss=[entropy, outside_lungs] if looks else entropy,
        loss_weights=[1.0, recipe.attention] if looks else None,
        metrics=[[accuracy], []] if looks else [accuracy],
        # XLA makes the CPU slower; JAX has no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    # Built in the first step, its variables would make TensorFlow trace that step twice.
    trainee.optimizer.build(trainee.trainable_variables)
    fold = (films.validation, films.changed)
    is_last = stage == len(recipe.epochs) - 1
    batches.begin_epoch(log.begin(trainee, model, stage, is_last, size_px, fold, batches))
    if log.is_over:
        return
    verbose = 1 if os.isatty(1) else 2  # a progress bar, or a line an epoch
    trainee.fit(
        batches,
        epochs=epochs,
        initial_epoch=batches.epoch,
        callbacks=[log],
        verbose=verbose,
        shuffle=False,  # the batches do it by themselves, from seed and epoch
    )


def outside_lungs(shares: keras.KerasTensor, evidence: keras.KerasTensor) -> keras.KerasTensor:
    """Share of the evidence, for and against, that is not on the lungs: (N,), 0..1.

    shares: how much of each field is lung, 0..1; evidence: both (N, h, w, 1). After "Right for the
    right reasons" (Ross 2017, arXiv:1703.03717), on class activation maps instead of gradients.
    """
    strength = ops.abs(ops.cast(evidence, "float32"))
    outside = ops.sum(strength * (1 - ops.cast(shares, "float32")), axis=(1, 2, 3))
    return outside / (ops.sum(strength, axis=(1, 2, 3)) + 1e-6)


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


def _plain(recipe: Recipe, model: keras.Model) -> keras.Model:
    """The network without batch normalisation, in float32, its weights rounded to bfloat16.

    The rounded weights are what is shipped: they compress to less than half, are the same numbers
    for a processor that computes in bfloat16, and every figure is measured with them.
    """
    plain = network.build(recipe.network, recipe.final_px, dropout=recipe.dropout, dtype="float32")
    if _normalises(recipe):
        network.fold_batch_norm(model, plain)
    else:
        plain.set_weights(model.get_weights())
    plain.set_weights([network.round_to_bfloat16(weights) for weights in plain.get_weights()])
    return plain
