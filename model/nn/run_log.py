"""What a training run leaves on disk: figures of each epoch, best weights, a checkpoint.

With these a run that was killed goes on where it was, and ends as if nothing had happened.
"""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from model.files import write_json, write_whole
from model.metrics import calibrate
from model.nn.dataset import Batches

STEPS_APART = 1_000_000  # random numbers of one epoch never reach those of the next


class RunLog(keras.callbacks.Callback):
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
        self,
        trainee: keras.Model,
        network: keras.Model,
        stage: int,
        is_last: bool,
        size_px: int,
        fold: tuple[list[np.ndarray], list[np.ndarray]],
    ) -> int:
        """Called before each stage; returns how many of its epochs are done and restored.

        trainee: what is fitted, `network` or it with another output. fold: the greys of the
        validation fold, as they are and changed.
        """
        done = self.done if stage == self.stage else 0
        if done:
            trainee.optimizer.build(trainee.trainable_variables)
            trainee.load_weights(self._checkpoint(stage, done))
        self.network, self.stage = network, stage
        self.is_last, self.size_px = is_last, size_px
        self.greys, self.changed_greys = fold
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
            "accuracy": float(_accuracy(logs or {})),
            **self._figures("validation", self.greys),
            **self._figures("changed", self.changed_greys),
            "seconds": seconds,
        }
        # An average over epochs is not chosen among epochs once more.
        if self.is_last and (self.averages or line["changed_auroc"] > self._best_so_far()):
            write_whole(self.best, self.network.save_weights)
        if last_step:
            self.network.set_weights(last_step)
        with self.curves.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self._save_checkpoint(epoch + 1)

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

        probabilities = calibrate(predict_logits(self.network, greys, self.size_px), 1.0)
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


def _accuracy(logs: dict) -> float:
    """Keras puts the output's name before the metric's where there are two outputs."""
    return next(value for name, value in logs.items() if name.endswith("accuracy"))


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
