"""Trains the lung segmenter of `model.nn.lungs` from films and their lung masks.

The shipped one learnt from masks of viral pneumonia in children: machine-made, of the COVID-19
Radiography Database (Rahman et al. 2021, doi 10.1016/j.compbiomed.2021.104319).
Nothing here is TensorFlow's own.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import ops

from model import preprocessing, xray
from model.bundle import sha256_of
from model.errors import DataError
from model.files import write_json
from model.nn import network
from model.nn.dataset import SUFFIXES, patient_key
from model.nn.lungs import BATCH_SIZE, CARD, FORMAT, WEIGHTS, Lungs, unet
from model.nn.release import save_network

SIZE_PX = 96
LEARNING_RATE = 4e-3
THRESHOLD = 0.5
VALIDATION_SHARE = 0.15  # of the patients

Rng = np.random.Generator
Files = tuple[Path, Path]  # film and mask
Pair = tuple[np.ndarray, np.ndarray]  # film and mask, (H, W) each


def train_lungs(images: Path, masks: Path, out: Path, *, epochs: int = 24, seed: int = 0) -> float:
    """Trains on the films in `images` that have a mask (PNG of the same stem) in `masks`.

    Writes `out/lungs.keras`, weights rounded to bfloat16, then its card `out/lungs.json`; returns
    the Dice of those weights on validation patients, 0..1, at 224 px. Raises DataError when the
    films are not of two patients or more, XRayError for a file that cannot be read.
    """
    keras.utils.set_random_seed(seed)
    training, validation = _split(_matched(images, masks), seed)
    held = [_read(files) for files in validation]
    model, curve = _fit([_read(files) for files in training], held, epochs, seed)
    plain = unet(SIZE_PX)
    network.fold_batch_norm(model, plain)
    plain.set_weights([network.round_to_bfloat16(weights) for weights in plain.get_weights()])
    dice = _dice_of(plain, held)
    save_network(plain, out / WEIGHTS)
    card = {
        "format": FORMAT,
        "sha256": sha256_of(out / WEIGHTS),
        "size_px": SIZE_PX,
        "threshold": THRESHOLD,
        "validation_dice": dice,
        "num_training": len(training),
        "num_validation": len(validation),
        "data_sha256": _hash([*training, *validation]),
        "epochs": epochs,
        "seed": seed,
        "backend": keras.backend.backend(),
        "curve": curve,
        "validation": [film.name for film, _ in validation],
    }
    write_json(out / CARD, card)
    return dice


def _matched(images: Path, masks: Path) -> list[Files]:
    films = {path.stem: path for path in images.glob("*") if path.suffix.lower() in SUFFIXES}
    return [(films[path.stem], path) for path in sorted(masks.glob("*.png")) if path.stem in films]


def _split(files: Sequence[Files], seed: int) -> tuple[list[Files], list[Files]]:
    """(training, validation), no patient on both sides."""
    patients = sorted({patient_key(film.stem) for film, _ in files})
    if len(patients) < 2:
        raise DataError(
            "films of two patients or more, each with a lung mask (PNG) of the same name",
            f"{len(files)} films with a mask, of {len(patients)} patients",
            "Give the folder of the films and the folder of their masks.",
        )
    held = max(1, round(len(patients) * VALIDATION_SHARE))
    chosen = set(np.random.default_rng(seed).permutation(patients)[:held].tolist())
    sides: tuple[list[Files], list[Files]] = ([], [])
    for film, mask in files:
        sides[patient_key(film.stem) in chosen].append((film, mask))
    return sides


def _read(files: Files) -> Pair:
    """Film and mask, (224, 224) uint8 each."""
    film, mask = (xray.read(path.read_bytes(), path.name).display() for path in files)
    size_px = preprocessing.BASE_PX
    return preprocessing.resize(film, size_px), preprocessing.resize(mask, size_px)


def _hash(files: Sequence[Files]) -> str:
    """SHA-256 over the content of every film and its mask, whatever names and order."""
    lines = sorted(f"{sha256_of(film)} {sha256_of(mask)}" for film, mask in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fit(
    pairs: Sequence[Pair], held: Sequence[Pair], epochs: int, seed: int
) -> tuple[keras.Model, list[dict[str, float]]]:
    """The network with batch normalisation, and its loss and validation Dice after each epoch."""
    batches = _Batches(pairs, seed)
    model = unet(SIZE_PX, batch_norm=True, dtype="mixed_bfloat16")
    steps = epochs * len(batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 100, steps, warmup_target=LEARNING_RATE, warmup_steps=max(1, steps // 20)
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3, clipnorm=1.0),
        loss=loss,
        # XLA makes the CPU slower; JAX has no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    # Built in the first step, its variables would make TensorFlow trace that step twice.
    model.optimizer.build(model.trainable_variables)
    curve: list[dict[str, float]] = []

    def note(epoch: int, logs: dict[str, float]) -> None:
        dice = _dice_of(model, held)
        curve.append({"loss": round(float(logs["loss"]), 4), "validation_dice": round(dice, 4)})
        print(f"epoch {epoch + 1} of {epochs}: {curve[-1]}", flush=True)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=note)
    model.fit(batches, epochs=epochs, callbacks=[callback], verbose=0)
    return model, curve


def loss(masks: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy plus soft Dice loss (Milletari 2016, arXiv:1606.04797), one number.

    masks 0..1 and logits: (N, H, W, 1).
    """
    masks, logits = ops.cast(masks, "float32"), ops.cast(logits, "float32")
    entropy = ops.mean(ops.binary_crossentropy(masks, logits, from_logits=True))
    probabilities = ops.sigmoid(logits)
    both = ops.sum(probabilities * masks, axis=(1, 2, 3))  # (N,)
    either = ops.sum(probabilities + masks, axis=(1, 2, 3))  # (N,)
    # The 1 keeps films whose lungs were shifted out of sight from dividing by zero.
    return entropy + 1 - ops.mean((2 * both + 1) / (either + 1))


def mean_dice(found: np.ndarray, reference: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|), mean over masks (N, H, W) bool; 1 where both are empty."""
    both = (found & reference).sum(axis=(1, 2))  # (N,)
    either = found.sum(axis=(1, 2)) + reference.sum(axis=(1, 2))  # (N,)
    return float(np.where(either > 0, 2 * both / np.maximum(either, 1), 1).mean())


def _dice_of(model: keras.Model, held: Sequence[Pair]) -> float:
    found = Lungs(model, THRESHOLD).masks([film for film, _ in held])
    return mean_dice(found, np.stack([mask > 127 for _, mask in held]))


class _Batches(keras.utils.PyDataset):
    """Augmented (pixel_values, masks), (N, size, size, 1) float32 each; all follows from seed."""

    def __init__(self, pairs: Sequence[Pair], seed: int) -> None:
        super().__init__(workers=1, max_queue_size=4)
        self.pairs, self.seed = pairs, seed
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs))

    def __len__(self) -> int:
        # The last, smaller batch is left out: its batch statistics would be poor.
        return max(1, len(self.pairs) // BATCH_SIZE)

    def __getitem__(self, index: int) -> Pair:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        pairs = (self.pairs[i] for i in chosen)
        made = [augment(film, mask, SIZE_PX, rng) for film, mask in pairs]
        values = np.stack([preprocessing.standardise(grey) for grey, _ in made])  # (N, H, W)
        return values[..., None], np.stack([mask for _, mask in made])[..., None]

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self._begin(self.epoch + 1)


def augment(film: np.ndarray, mask: np.ndarray, size_px: int, rng: Rng) -> Pair:
    """A film and its mask, (H, W) uint8, changed alike; (size_px, size_px) float32, about 0..1.

    The masks are of viral pneumonia in children only. What other films have is added here: other
    shapes, borders and tones, and opacities, under which the mask stays as it is.
    """
    film, mask = _warp(film, mask, rng)
    draw = rng.random()
    if draw < 0.15:
        film = cv2.equalizeHist(film)
    elif draw < 0.35:
        film = cv2.createCLAHE(rng.uniform(1, 4), (8, 8)).apply(film)
    grey = preprocessing.resize(film, size_px).astype(np.float32) / 255
    small = preprocessing.resize(mask, size_px).astype(np.float32) / 255
    for _ in range(rng.integers(1, 5) if rng.random() < 0.5 else 0):
        grey = _opacify(grey, small, rng)
    grey = np.power(grey, np.exp(rng.uniform(-0.7, 0.7)), dtype=np.float32)
    grey = (grey - grey.mean()) * np.exp(rng.uniform(-0.7, 0.6)) + 0.5 + rng.uniform(-0.2, 0.2)
    grey = np.clip(grey, 0, 1).astype(np.float32)
    if rng.random() < 0.3:
        grey += rng.normal(0, rng.uniform(0, 0.08), grey.shape).astype(np.float32)
    for _ in range(rng.integers(1, 3) if rng.random() < 0.4 else 0):
        _box(grey, rng)
    return grey, small


def _warp(film: np.ndarray, mask: np.ndarray, rng: Rng) -> Pair:
    """Flip, rotation, scale, aspect, shift: one affine map about the middle."""
    side = film.shape[0]
    turn = np.deg2rad(rng.uniform(-12, 12))
    scale, aspect = np.exp(rng.uniform(-0.3, 0.4)), np.exp(rng.uniform(-0.2, 0.2))
    flip = rng.choice([-1, 1])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = scale * rotation @ np.diag([flip * aspect, 1 / aspect])  # (2, 2)
    middle = np.full(2, (side - 1) / 2)
    shift = middle - matrix @ middle + rng.uniform(-0.12, 0.12, 2) * side
    affine = np.column_stack([matrix, shift])  # (2, 3)
    border = cv2.BORDER_REFLECT if rng.random() < 1 / 3 else cv2.BORDER_CONSTANT
    grey = float(rng.integers(0, 256)) if rng.random() < 1 / 3 else 0.0
    size = (side, side)
    return (
        cv2.warpAffine(film, affine, size, borderMode=border, borderValue=grey),
        cv2.warpAffine(mask, affine, size, borderMode=border),
    )


def _opacify(grey: np.ndarray, mask: np.ndarray, rng: Rng) -> np.ndarray:
    """A soft bright spot in a lung, as bright as the body: a dense pneumonia, made up."""
    inside = np.argwhere(mask > 0.5)
    if not len(inside):
        return grey
    (y0, x0), side = inside[rng.integers(len(inside))], len(grey)
    y, x = np.ogrid[:side, :side]
    radii = rng.uniform(0.04, 0.22, 2) * side
    spot = np.exp(-(((y - y0) / radii[0]) ** 2) - ((x - x0) / radii[1]) ** 2)  # (H, W)
    body = np.quantile(grey, rng.uniform(0.6, 0.95))
    share = (rng.uniform(0.3, 1) * spot).astype(np.float32)
    return grey + share * np.maximum(body - grey, 0)


def _box(grey: np.ndarray, rng: Rng) -> None:
    """One erased rectangle of up to 12 % of the area: a marker, a label, a device."""
    height, width = (round(rng.uniform(0.05, 0.35) * side) for side in grey.shape)
    top, left = (rng.integers(0, side) for side in grey.shape)
    grey[top : top + height, left : left + width] = rng.random()
