"""Films -> batches to train on: their order, augmentation, class weights, what is done to lungs."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from model import preprocessing
from model.nn import gpus
from model.nn.augmentation import change_background, hide_lungs

Augment = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
Batch = tuple[np.ndarray, Any, Any]  # pixel_values, labels, weights


@dataclass(frozen=True, eq=False)
class LungTraining:
    """What is done so that a network looks at the lungs.

    masks: the lungs of each training image, (224, 224) bool. background: share of the images whose
    lungs get another background. hidden: share whose lungs are hidden; whether there is pneumonia
    nobody can tell, so their label is one half. grid_px: side of a field of the network's last
    features; with it each batch also says what share of each field is lung, else 0.
    """

    masks: np.ndarray
    background: float = 0.0
    hidden: float = 0.0
    grid_px: int = 0


class Batches(keras.utils.PyDataset):
    """(pixel_values, label, weight) batches; the order and the augmentation follow from the seed.

    `augment=None` keeps order and images as they are. `balanced` weights make both classes count
    the same. With `lungs` and its grid, labels and weights are (of the logit, of the evidence):
    the second label is (N, h, w, 1) 0..1, the share of lung, its weight 0 where lungs are hidden.
    """

    def __init__(
        self,
        greys: Sequence[np.ndarray],
        labels: np.ndarray,
        size_px: int,
        batch_size: int,
        seed: int = 0,
        augment: Augment | None = None,
        balanced: bool = True,
        lungs: LungTraining | None = None,
    ) -> None:
        super().__init__()
        self.greys, self.labels, self.size_px = greys, labels.astype(np.float32), size_px
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.lungs = lungs
        share = np.bincount(labels.astype(int), minlength=2) / len(labels)
        self.class_weight = 0.5 / np.maximum(share, 1e-9) if balanced else np.ones(2)
        # One thread makes 400 images a second at 224 px: enough for a processor, little for a GPU.
        # Keras' own workers lose the batch that it builds a network with, under JAX.
        self.ahead = (os.cpu_count() or 1) if augment and gpus.gpus() else 0
        self.threads = ThreadPoolExecutor(self.ahead or 1)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Each epoch has its own order and augmentation, which follow from seed and epoch."""
        self.epoch = epoch
        self.begun: dict[int, Future[Batch]] = {}
        self.order = np.arange(len(self.greys))
        if self.augment:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)

    def __len__(self) -> int:
        # In training the last, smaller batch is left out: its batch statistics would be poor.
        count = len(self.greys) / self.batch_size
        return max(1, int(count)) if self.augment else int(np.ceil(count))

    def __getitem__(self, index: int) -> Batch:
        """The batch; with a GPU the next ones are begun meanwhile."""
        if not self.ahead:
            return self._make(index)
        for number in range(index, min(index + self.ahead + 1, len(self))):
            if number not in self.begun:
                self.begun[number] = self.threads.submit(self._make, number)
        return self.begun.pop(index).result()

    def _make(self, index: int) -> Batch:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        labels = self.labels[chosen]
        weights = self.class_weight[labels.astype(int)].astype(np.float32)
        if not self.augment:
            values = preprocessing.pixel_values([self.greys[i] for i in chosen], self.size_px)
            return values, labels[:, None], weights
        rng = np.random.default_rng([self.seed, self.epoch, index])
        if not self.lungs:
            images = [self.augment(self.greys[i], self.size_px, rng) for i in chosen]
            return _values(images), labels[:, None], weights
        return self._of_lungs(chosen, labels, weights, self.augment, self.lungs, rng)

    def _of_lungs(
        self,
        chosen: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        augment: Augment,
        lungs: LungTraining,
        rng: np.random.Generator,
    ) -> Batch:
        # Where no lungs were found nothing can be hidden, nor put before something else.
        found = lungs.masks[chosen].any(axis=(1, 2))
        hidden = found & (rng.random(len(chosen)) < lungs.hidden)  # (N,)
        films = []
        for i, hide in zip(chosen, hidden, strict=True):
            film = self._film(i, bool(hide), lungs, rng)
            mask = lungs.masks[i].astype(np.uint8) * 255
            films.append(augment(np.dstack([film, mask]), self.size_px, rng))  # (size, size, 2)
        values = _values([film[..., 0] for film in films])
        labels = np.where(hidden, np.float32(0.5), labels)[:, None]
        if not lungs.grid_px:
            return values, labels, weights
        side = self.size_px // lungs.grid_px
        shares = [preprocessing.resize(film[..., 1], side) for film in films]
        seen = np.where(hidden, 0, 1).astype(np.float32)
        return values, (labels, np.stack(shares)[..., None]), (weights, seen)

    def _film(
        self, index: int, hide: bool, lungs: LungTraining, rng: np.random.Generator
    ) -> np.ndarray:
        """A training image, sometimes without its lungs or with them before something else."""
        if hide:
            return hide_lungs(self.greys[index], lungs.masks[index], rng)
        if rng.random() >= lungs.background or not lungs.masks[index].any():
            return self.greys[index]
        other = self.greys[int(rng.integers(len(self.greys)))]
        return change_background(self.greys[index], lungs.masks[index], other, rng)

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self.begin_epoch(self.epoch + 1)


def _values(images: Sequence[np.ndarray]) -> np.ndarray:
    """Augmented images, each (H, W) -> pixel_values (N, H, W, 3)."""
    batch = np.stack([preprocessing.normalise(image) for image in images])
    return np.repeat(batch[..., None], 3, axis=-1)
