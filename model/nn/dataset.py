"""A folder of labelled X-rays -> examples, splits by patient, batches with augmentation.

Imports Keras for its batch protocol only. Files go the way of an upload: `xray.read`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model import preprocessing, xray
from model.errors import DataError
from model.nn.augmentation import change_background, hide_lungs
from model.nn.changes import CHANGES, Change
from model.retraining import manifest
from model.retraining.manifest import SUFFIXES as SUFFIXES
from model.retraining.manifest import Entry
from model.retraining.manifest import patient_key as patient_key

LABELS = {"NORMAL": 0, "PNEUMONIA": 1}
OTHERS_OF_EACH = 400
Augment = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Split:
    """Who is trained on, what everything is chosen on, and what is opened once at the end."""

    training: list["Example"]
    validation: list["Example"]
    test: list["Example"]


@dataclass(frozen=True)
class Example:
    """One labelled file. `patient` is the coarse key: nothing with the same key may be split."""

    path: Path
    label: int
    patient: str
    sha256: str


def read_folder(folder: Path, split: str | None = None) -> list[Example]:
    """Every image in `folder[/split]/{NORMAL,PNEUMONIA}`, sorted by path.

    Identical files under different names share one patient key; where `folder` is an unpacked
    retraining set, its manifest.json has the keys. Raises DataError when a class folder is missing
    or empty, and for a file that is not as the manifest says.
    """
    top = folder / split if split else folder
    told = manifest.of_folder(folder)
    examples: list[Example] = []
    key_of: dict[str, str] = {}
    for name, label in LABELS.items():
        paths = sorted(p for p in (top / name).glob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(
                f"images in {top.name}/NORMAL and {top.name}/PNEUMONIA",
                f"none in {top.name}/{name}",
                "Give a folder with these two folders, or with train/ and test/ that have them.",
            )
        for path in paths:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if told is None:
                patient = key_of.setdefault(sha256, patient_key(path.stem))
            else:
                patient = manifest.find(told, path.relative_to(folder), sha256).patient
            examples.append(Example(path, label, patient, sha256))
    return examples


def data_hash(examples: Sequence[Example]) -> str:
    """SHA-256 over label and content of every example, whatever the file names and order."""
    lines = sorted(f"{example.label} {example.sha256}" for example in examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def split_by_patient(
    examples: Sequence[Example], folds: int, seed: int, fold: int = 0
) -> tuple[list[Example], list[Example]]:
    """(training, validation): this one of `folds` stratified folds, no patient on both sides.

    Raises DataError when the patients do not suffice for both classes on both sides.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [example.label for example in examples]
    groups = [example.patient for example in examples]
    sides: tuple[list[Example], list[Example]] = ([], [])
    if len(set(groups)) >= folds and min(np.bincount(labels, minlength=2)) >= folds:
        folding = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        train, validation = list(folding.split(labels, labels, groups))[fold]
        sides = [examples[i] for i in train], [examples[i] for i in validation]
    if any({example.label for example in side} != {0, 1} for side in sides):
        raise DataError(
            f"patients of both classes for training and for one of {folds} folds",
            f"{len(set(groups))} patients with {len(labels)} X-rays",
            "Add X-rays or choose fewer folds.",
        )
    return sides


def divide(folder: Path, protocol: str, folds: int, seed: int) -> Split:
    """The three parts of a data folder under a protocol.

    official: train/ (or the folder itself) divided by patient, test/ left as it is.
    grouped: all X-rays of all splits together, a tenth each for test and validation, by patient.
    ungrouped: the same without regard to patients, to show how much that flatters.

    An unpacked retraining set (manifest.json) is already divided: official leaves it so.
    Raises DataError when there are too few patients or X-rays, or others than in the manifest.
    """
    told = manifest.of_folder(folder)
    if protocol == "official" and told is not None:
        return _as_frozen(folder, told)
    if protocol == "official":
        has_splits = (folder / "train").is_dir()
        training, validation = split_by_patient(
            read_folder(folder, "train" if has_splits else None), folds, seed
        )
        has_test = has_splits and (folder / "test").is_dir()
        return Split(training, validation, read_folder(folder, "test") if has_test else [])
    found = [name for name in ("train", "val", "test") if (folder / name).is_dir()]
    splits: list[str | None] = [*found] or [None]
    everything = [example for split in splits for example in read_folder(folder, split)]
    if protocol == "ungrouped":
        # Each X-ray its own patient: the next X-ray of a child may lie on the other side.
        everything = [replace(example, patient=example.path.name) for example in everything]
    rest, test = split_by_patient(everything, folds, seed)
    training, validation = split_by_patient(rest, folds - 1, seed)
    return Split(training, validation, test)


def turned(split: Split, fold: int, folds: int, seed: int) -> Split:
    """One fold of a cross-validation of at least 3, in which each patient is validated on once.

    Fold 0 is `split`. The others validate on a part each of its training and train on the rest and
    on its validation. Raises DataError when there are too few patients.
    """
    if fold:
        training, validation = split_by_patient(split.training, folds - 1, seed, fold - 1)
        split = replace(split, training=[*training, *split.validation], validation=validation)
    return split


def _as_frozen(folder: Path, told: dict[str, Entry]) -> Split:
    """The parts that the manifest names."""
    tops = sorted({entry.path.split("/")[0] for entry in told.values()}, reverse=True)
    found = [example for top in tops for example in read_folder(folder, top)]
    if missing := len(told) - len(found):
        raise manifest.changed(f"a folder where {missing} of them are missing")
    split = [told[example.path.relative_to(folder).as_posix()].split for example in found]
    parts = [[e for e, own in zip(found, split, strict=True) if own == p] for p in manifest.SPLITS]
    return Split(*parts)


def load_greys(
    examples: Sequence[Example], change: Callable[[], Change] = lambda: CHANGES["none"][1]
) -> list[np.ndarray]:
    """Each file as the network is to see it, (224, 224) uint8, in order.

    `change` gives for each file what is done to it before the preprocessing. Raises XRayError for
    an unreadable file.
    """
    films = (xray.read(example.path.read_bytes(), example.path.name) for example in examples)
    return [preprocessing.prepare(change()(film.display())).grey for film in films]


def load_others(folder: Path) -> list[np.ndarray]:
    """Images in a folder and the folders in it, as `load_greys`, in order of their names.

    Of a folder with more than OTHERS_OF_EACH an even selection, so that no hospital outweighs the
    others. Raises DataError when there are none.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise DataError("a folder with X-rays", f"none in {folder.name}", "Give another folder.")
    chosen = []
    for of_one in {path.parent: None for path in paths}:
        its = [path for path in paths if path.parent == of_one]
        step = max(1.0, len(its) / OTHERS_OF_EACH)
        chosen += [its[int(i * step)] for i in range(min(len(its), OTHERS_OF_EACH))]
    return load_greys([Example(path, 0, path.stem, "") for path in chosen])


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
        super().__init__(workers=1, max_queue_size=4)
        self.greys, self.labels, self.size_px = greys, labels.astype(np.float32), size_px
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.lungs = lungs
        share = np.bincount(labels.astype(int), minlength=2) / len(labels)
        self.class_weight = 0.5 / np.maximum(share, 1e-9) if balanced else np.ones(2)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Each epoch has its own order and augmentation, which follow from seed and epoch."""
        self.epoch = epoch
        self.order = np.arange(len(self.greys))
        if self.augment:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)

    def __len__(self) -> int:
        # In training the last, smaller batch is left out: its batch statistics would be poor.
        count = len(self.greys) / self.batch_size
        return max(1, int(count)) if self.augment else int(np.ceil(count))

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any, Any]:
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
    ) -> tuple[np.ndarray, Any, Any]:
        hidden = rng.random(len(chosen)) < lungs.hidden  # (N,)
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
        if rng.random() >= lungs.background:
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
