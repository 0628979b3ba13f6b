"""train(recipe, split, run_dir): one function for every machine and Keras back end.

Nothing here is TensorFlow's own: a GPU host may have Keras on JAX or PyTorch (KERAS_BACKEND).
"""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from model.bundle import open_bundle
from model.config import settings
from model.files import write_json, write_whole
from model.metrics import calibrate
from model.nn import changes, network
from model.nn.augmentation import AUGMENTATIONS
from model.nn.dataset import Batches, Example, Split, data_hash, load_greys
from model.nn.lungs import Lungs
from model.nn.recipe import Recipe

STEPS_APART = 1_000_000  # random numbers of one epoch never reach those of the next


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
    log = _Log(run_dir, _describe(recipe, split), _labels(split.validation), recipe.average > 0)
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


def _run_stage(recipe: Recipe, stage: int, model: keras.Model, data: _Data, log: "_Log") -> None:
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
    batches.begin_epoch(log.begin(model, stage, stage == len(recipe.epochs) - 1, size_px, data))
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


class _Log(keras.callbacks.Callback):
    """What a run leaves on disk: after each epoch figures on the fold, best weights, a checkpoint.

    A checkpoint `STAGE-EPOCHS.weights.h5` holds weights and optimizer after so many epochs of a
    stage; its name is all the state there is, so one rename takes a run from epoch to epoch.
    """

    def __init__(
        self, run_dir: Path, run: dict[str, object], labels: np.ndarray, averages: bool
    ) -> None:
        super().__init__()
        self.labels, self.averages = labels, averages
        self.curves, self.best = run_dir / "curves.jsonl", run_dir / "best.weights.h5"
        self.checkpoints = run_dir / "checkpoints"
        described, text = run_dir / "run.json", json.dumps(run, sort_keys=True)
        if not (described.exists() and _same(described, text)):
            self.clear_checkpoints()
            write_json(described, run)
        names = [path.name.split(".")[0] for path in self.checkpoints.glob("*-*.weights.h5")]
        points = [tuple(int(part) for part in name.split("-")) for name in names]
        self.stage, self.done = max(points, default=(0, 0))
        if not points:
            self.best.unlink(missing_ok=True)
        self._keep_lines_before(self.stage, self.done)

    def begin(
        self, model: keras.Model, stage: int, is_last: bool, size_px: int, data: _Data
    ) -> int:
        """Called before each stage; returns how many of its epochs are done and restored."""
        done = self.done if stage == self.stage else 0
        if done:
            model.optimizer.build(model.trainable_variables)
            model.load_weights(self._checkpoint(stage, done))
        self.stage, self.is_last, self.size_px = stage, is_last, size_px
        self.greys, self.changed_greys = data.validation_greys, data.changed_greys
        return done

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.monotonic()
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                # Checkpoints do not hold how far it is in its random numbers.
                layer.seed_generator.state.assign([self.stage, epoch * STEPS_APART])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        seconds = time.monotonic() - self.began
        last_step = self._average()
        line = {
            "stage": self.stage,
            "epoch": epoch,
            "size_px": self.size_px,
            "loss": float((logs or {})["loss"]),
            "accuracy": float((logs or {})["accuracy"]),
            **self._figures("validation", self.greys),
            **self._figures("changed", self.changed_greys),
            "seconds": seconds,
        }
        if self.is_last and line["changed_auroc"] > self._best_so_far():
            write_whole(self.best, self.model.save_weights)
        if last_step:
            self.model.set_weights(last_step)
        with self.curves.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self._save_checkpoint(epoch + 1)

    def _average(self) -> list[np.ndarray]:
        """Puts the averaged weights into the model and returns those of the last step, if any."""
        if not self.averages:
            return []
        last_step = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        # Under JAX both now hold the same array, which the next step gives away: a copy.
        self.model.set_weights(self.model.get_weights())
        return last_step

    def _figures(self, name: str, greys: list[np.ndarray]) -> dict[str, float]:
        from sklearn.metrics import log_loss, roc_auc_score

        probabilities = calibrate(predict_logits(self.model, greys, self.size_px), 1.0)
        return {
            f"{name}_loss": float(log_loss(self.labels, probabilities, labels=[0, 1])),
            f"{name}_accuracy": float(((probabilities >= 0.5) == self.labels).mean()),
            f"{name}_auroc": float(roc_auc_score(self.labels, probabilities)),
        }

    def clear_checkpoints(self) -> None:
        """Removes them: the run is finished, or another one begins here."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _checkpoint(self, stage: int, done: int) -> Path:
        return self.checkpoints / f"{stage}-{done}.weights.h5"

    def _save_checkpoint(self, done: int) -> None:
        path = self._checkpoint(self.stage, done)
        write_whole(path, self.model.save_weights)
        for older in self.checkpoints.glob("*.weights.h5"):
            if older != path:
                older.unlink()

    def _lines(self) -> list[dict]:
        text = self.curves.read_text() if self.curves.exists() else ""
        # A line without its end was being written when the run was killed.
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _best_so_far(self) -> float:
        aurocs = [line["changed_auroc"] for line in self._lines() if line["stage"] == self.stage]
        return max(aurocs, default=-1.0)

    def _keep_lines_before(self, stage: int, done: int) -> None:
        lines = [line for line in self._lines() if (line["stage"], line["epoch"]) < (stage, done)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_whole(self.curves, lambda path: path.write_text(text))


def _same(described: Path, text: str) -> bool:
    try:
        return json.dumps(json.loads(described.read_text()), sort_keys=True) == text
    except ValueError:
        return False


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
