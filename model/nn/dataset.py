"""A folder of labelled X-rays -> examples, splits by patient, films. Imports no Keras.

Files go the way of an upload: `xray.read`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model import preprocessing, xray
from model.errors import DataError
from model.nn.changes import CHANGES, Change
from model.retraining import manifest
from model.retraining.manifest import SUFFIXES as SUFFIXES
from model.retraining.manifest import Entry
from model.retraining.manifest import patient_key as patient_key

LABELS = {"NORMAL": 0, "PNEUMONIA": 1}
OTHERS_OF_EACH = 400


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


def is_frozen(folder: Path) -> bool:
    """Whether it is an unpacked retraining set, which says itself how it is divided."""
    return manifest.of_folder(folder) is not None


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
