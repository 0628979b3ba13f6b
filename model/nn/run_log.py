"""What a training run leaves on disk: figures of each epoch, best weights, a checkpoint.

With these a run that was killed goes on where it was, and ends as if nothing had happened. After
a loss that is no number, a full memory or a full disk it goes on from there as well.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.errors import TrainingError
from model.files import write_json, write_whole
from model.metrics import calibrate
from model.nn.batches import Batches
from model.nn.devices import num_devices

CHECKPOINTS = "checkpoints"
STEPS_APART = 1_000_000  # random numbers of one epoch never reach those of the next
SMALLEST_BATCH = 2  # batch normalisation needs more than one image
PREDICTED_TOGETHER = 32
HALVED = "out_of_memory"  # in run.json: where the memory was full, and the batch size since then


class RunLog(keras.callbacks.Callback):
    """What a run leaves on disk: after each epoch figures on the fold, best weights, a checkpoint.

    A checkpoint `STAGE-EPOCHS.weights.h5` holds weights and optimizer after so many epochs of a
    stage; its name is all the state there is, so one rename takes a run from epoch to epoch.
    """

    # What Keras tells after each batch is looked at beside the training, which goes on meanwhile.
    async_safe = True

    def __init__(
        self,
        run_dir: Path,
        run: dict[str, object],
        labels: np.ndarray,
        averages: bool,
        budget_minutes: float = 0.0,
    ) -> None:
        super().__init__()
        self.labels, self.averages = labels, averages
        self.curves, self.best = run_dir / "curves.jsonl", run_dir / "best.weights.h5"
        self.checkpoints, self.described = run_dir / CHECKPOINTS, run_dir / "run.json"
        self.budget_seconds = 60 * budget_minutes
        kept = _halved(self.described, run)
        self.run, self.halved = run, kept or []
        if kept is None:
            self.clear_checkpoints()
            with disk_has_room():
                write_json(self.described, run)
        self.network: Any = None  # the Keras model, from `begin` on
        self._go_back()
        self.started, self.used_before = time.monotonic(), 0.0
        for line in self._lines()[-1:]:
            self.used_before = line["used_seconds"]

    def _go_back(self) -> None:
        """To the last checkpoint, or where there is none to the beginning."""
        names = [path.name.split(".")[0] for path in self.checkpoints.glob("*-*.weights.h5")]
        points = [tuple(int(part) for part in name.split("-")) for name in names]
        self.stage, self.done = max(points, default=(0, 0))
        if not points:
            self.best.unlink(missing_ok=True)
        self._keep_lines_before(self.stage, self.done)

    def halve_batch(self, batch_size: int, error: BaseException) -> None:
        """The memory was full: smaller batches from the last checkpoint on, also when resumed.

        batch_size: the one to halve. Raises TrainingError when it is as small as can be.
        """
        if batch_size < 2 * SMALLEST_BATCH:
            raise TrainingError(
                f"memory for batches of {batch_size} X-rays",
                "a device or machine whose memory is full",
                "End other programs that use it, choose a smaller size_px, or train on another "
                "machine; started again in the same folder it goes on after the last finished "
                "epoch.",
            ) from error
        # The network of the failed try must not stay in the memory.
        self.set_model(None)
        self.network = None
        self._go_back()
        point = {"stage": self.stage, "epoch": self.done, "batch_size": batch_size // 2}
        self.halved = [*self.halved, point]
        with disk_has_room():
            write_json(self.described, {**self.run, HALVED: self.halved})
        place = f"after {_place(self.stage, self.done)}" if self.done else "from the beginning"
        smaller = f"batches of {batch_size // 2} X-rays instead of {batch_size}"
        print(f"Out of memory: {smaller} {place}.", flush=True)

    @property
    def batch_size(self) -> int | None:
        """The one that fits into the memory, if that of the recipe did not."""
        return self.halved[-1]["batch_size"] if self.halved else None

    @property
    def is_over(self) -> bool:
        """Whether the budget lets no epoch follow the last finished one."""
        return any(self._is_used_up(line) for line in self._lines()[-1:])

    def _is_used_up(self, line: dict[str, Any]) -> bool:
        return 0 < self.budget_seconds <= line["used_seconds"]

    def begin(
        self,
        trainee: keras.Model,
        network: keras.Model,
        stage: int,
        is_last: bool,
        size_px: int,
        fold: tuple[list[np.ndarray], list[np.ndarray]],
        batches: Batches,
    ) -> int:
        """Called before each stage; returns how many of its epochs are done and restored.

        trainee: what is fitted, `network` or it with another output. fold: the greys of the
        validation fold, as they are and changed.
        """
        done = self.done if stage == self.stage else 0
        if done:
            trainee.load_weights(self._checkpoint(stage, done))
            # With smaller batches than before it has to be further in its schedule.
            trainee.optimizer.iterations.assign(done * len(batches))
        self.network, self.stage = network, stage
        self.num_images = min(len(batches) * batches.batch_size, len(batches.greys))
        self.is_last, self.size_px = is_last, size_px
        self.greys, self.changed_greys = fold
        return done

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch, self.began = epoch, time.monotonic()
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                # Checkpoints do not hold how far it is in its random numbers.
                layer.seed_generator.state.assign([self.stage, epoch * STEPS_APART])

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._check_numbers("a loss", [(logs or {}).get("loss", 0.0)])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        seconds = time.monotonic() - self.began
        # Nothing that is no number may get into what is kept.
        state = [*self.model.variables, *self.model.optimizer.variables]
        self._check_numbers("weights", map(keras.ops.convert_to_numpy, state))
        last_step = self._average()
        line = {
            "stage": self.stage,
            "epoch": epoch,
            "size_px": self.size_px,
            "loss": float((logs or {})["loss"]),
            "accuracy": float(_accuracy(logs or {})),
            **self._figures("validation", self.greys),
            **self._figures("changed", self.changed_greys),
            "seconds": seconds,
            "images_per_second": self.num_images / seconds,
            "used_seconds": self.used_before + time.monotonic() - self.started,
        }
        with disk_has_room():
            self._keep(line, last_step)
        if self.is_over:
            used = f"The {self.budget_seconds / 60:g} minutes of this training are used up"
            print(f"{used} after {_place(self.stage, epoch + 1)}: it ends here.", flush=True)
            self.model.stop_training = True

    def _keep(self, line: dict[str, Any], last_step: list[np.ndarray]) -> None:
        """Best weights, the line of an epoch and a checkpoint; the model holds `last_step` then."""
        # An average over epochs is not chosen among epochs once more.
        is_best = self.averages or line["changed_auroc"] > self._best_so_far()
        # Of a stage before the last nothing is kept, unless the budget lets no other follow.
        if is_best if self.is_last else self._is_used_up(line):
            write_whole(self.best, self.network.save_weights)
        if last_step:
            self.network.set_weights(last_step)
        with self.curves.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self._save_checkpoint(line["epoch"] + 1)

    def _check_numbers(self, name: str, values: Iterable[Any]) -> None:
        """Raises TrainingError unless all are finite."""
        if all(np.isfinite(value).all() for value in values):
            return
        todo = "Started again, the training goes on after the last finished epoch. If this happens "
        todo += "again, lower the learning rate; that begins the training anew."
        if not (self.stage or self.epoch):
            todo = "No epoch is finished yet: lower the learning rate and start again."
        place = f"{_place(self.stage, self.epoch + 1)} ({self.size_px} px)"
        raise TrainingError(f"{name} of finite numbers", f"other values in {place}", todo)

    def _average(self) -> list[np.ndarray]:
        """Puts the averaged weights into the model and returns those of the last step, if any."""
        if not self.averages:
            return []
        last_step = self.network.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        # Under JAX both now hold the same array, which the next step gives away: a copy.
        self.network.set_weights(self.network.get_weights())
        return last_step

    def _figures(self, name: str, greys: list[np.ndarray]) -> dict[str, float]:
        from sklearn.metrics import log_loss, roc_auc_score

        logits = predict_logits(self.network, greys, self.size_px, self.batch_size)
        self._check_numbers("logits", [logits])
        probabilities = calibrate(logits, 1.0)
        return {
            f"{name}_loss": float(log_loss(self.labels, probabilities, labels=[0, 1])),
            f"{name}_accuracy": float(((probabilities >= 0.5) == self.labels).mean()),
            f"{name}_auroc": float(roc_auc_score(self.labels, probabilities)),
        }

    def clear_checkpoints(self) -> None:
        """Removes them: another run begins here."""
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


def _accuracy(logs: dict) -> float:
    """Keras puts the output's name before the metric's where there are two outputs."""
    return next(value for name, value in logs.items() if name.endswith("accuracy"))


def _place(stage: int, done: int) -> str:
    """Counted as people do; `done` is how many epochs of the stage there are then."""
    return f"epoch {done} of stage {stage + 1}"


def _halved(described: Path, run: dict[str, object]) -> list[dict[str, int]] | None:
    """Where batches were halved in the run that stands there; None if it is another one."""
    try:
        kept = json.loads(described.read_text())
        halved = kept.pop(HALVED, [])
    except (OSError, ValueError, AttributeError):
        return None
    return halved if kept == json.loads(json.dumps(run)) else None


@contextmanager
def disk_has_room() -> Iterator[None]:
    """Writes inside either end well or raise TrainingError."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            "room on the disk for what a training writes",
            os.strerror(error.errno) if error.errno else type(error).__name__,
            "Free some space or correct the folder's rights, then start the training again: it "
            "goes on after the last finished epoch.",
        ) from error


def predict_logits(
    model: keras.Model, greys: Sequence[np.ndarray], size_px: int, batch_size: int | None = None
) -> np.ndarray:
    """Grey images, each (H, W) uint8 -> (N,) float32 logits, in batches of up to 32."""
    devices = num_devices()
    together = min(batch_size or PREDICTED_TOGETHER, PREDICTED_TOGETHER)
    together = max(1, together // devices) * devices
    padded = [*greys, *[greys[0]] * (-len(greys) % devices)]
    batches = Batches(padded, np.zeros(len(padded)), size_px, together)
    logits = model.predict(batches, verbose=0)[: len(greys)]  # (N, 1)
    return logits[:, 0].astype(np.float32)
