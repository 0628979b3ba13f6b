"""Random changes of a training image: what other machines, hospitals and phones do to a film.

Each function takes (H, W) uint8, the side in pixels to return and a random generator, and gives
(size_px, size_px) float32 in about 0..1. OpenCV's warps cost microseconds where random layers on a
CPU cost milliseconds. The strength was chosen on validation; what it gave
stands in model/weights/README.md.
"""

import cv2
import numpy as np

from model import preprocessing

Rng = np.random.Generator


def strong(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """Crop, rotation, flip, change of contrast curve, noise and one erased rectangle."""
    image = _crop(_rotate(grey, rng, degrees=12), rng, area=(0.45, 1.0), aspect=0.25)
    image = _equalise(image, rng)
    small = preprocessing.resize(image, size_px).astype(np.float32) / 255
    if rng.random() < 0.5:
        small = small[:, ::-1]
    small = _tone(small, rng, gamma=0.6, contrast=(-0.7, 0.5), brightness=0.15)
    if rng.random() < 0.3:
        small = small + rng.normal(0, rng.uniform(0, 0.05), small.shape).astype(np.float32)
    return _erase(small, rng) if rng.random() < 0.4 else small


def mild(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """A little of each: for comparison with `strong`."""
    image = _crop(_rotate(grey, rng, degrees=7), rng, area=(0.8, 1.0), aspect=0.1)
    small = preprocessing.resize(image, size_px).astype(np.float32) / 255
    if rng.random() < 0.5:
        small = small[:, ::-1]
    return _tone(small, rng, gamma=0.2, contrast=(-0.2, 0.2), brightness=0.05)


def _rotate(grey: np.ndarray, rng: Rng, degrees: float) -> np.ndarray:
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-degrees, degrees), 1.0)
    border = cv2.BORDER_REFLECT if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(grey, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)


def _crop(grey: np.ndarray, rng: Rng, area: tuple[float, float], aspect: float) -> np.ndarray:
    height, width = grey.shape
    side = np.sqrt(rng.uniform(*area))
    stretch = np.sqrt(np.exp(rng.uniform(-aspect, aspect)))
    crop_height = min(height, max(8, round(height * side * stretch)))
    crop_width = min(width, max(8, round(width * side / stretch)))
    top = rng.integers(0, height - crop_height + 1)
    left = rng.integers(0, width - crop_width + 1)
    return grey[top : top + crop_height, left : left + crop_width]


def _equalise(grey: np.ndarray, rng: Rng) -> np.ndarray:
    draw = rng.random()
    if draw < 0.15:
        return cv2.equalizeHist(grey)
    if draw < 0.35:
        return cv2.createCLAHE(rng.uniform(1, 4), (8, 8)).apply(grey)
    return grey


def _tone(
    image: np.ndarray, rng: Rng, gamma: float, contrast: tuple[float, float], brightness: float
) -> np.ndarray:
    """Gamma, contrast about the mean and brightness, cut off at black and white like a film."""
    image = np.power(image, np.exp(rng.uniform(-gamma, gamma)), dtype=np.float32)
    mean = image.mean()
    image = (image - mean) * np.exp(rng.uniform(*contrast)) + mean
    return np.clip(image + rng.uniform(-brightness, brightness), 0, 1).astype(np.float32)


def _erase(image: np.ndarray, rng: Rng) -> np.ndarray:
    """One rectangle of 2 to 20 % of the area at a random grey (Zhong 2017, arXiv:1708.04896)."""
    height, width = image.shape
    area, stretch = rng.uniform(0.02, 0.2), np.exp(rng.uniform(-0.7, 0.7))
    box_height = min(height, max(1, round(height * np.sqrt(area * stretch))))
    box_width = min(width, max(1, round(width * np.sqrt(area / stretch))))
    top = rng.integers(0, height - box_height + 1)
    left = rng.integers(0, width - box_width + 1)
    erased = image.copy()
    erased[top : top + box_height, left : left + box_width] = rng.random()
    return erased


def affine(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """Shear, zoom and horizontal flip, as student projects augment."""
    height, width = grey.shape
    zoom, shear = rng.uniform(0.8, 1.2), rng.uniform(-0.2, 0.2)
    middle = np.array([width / 2, height / 2])
    linear = np.array([[zoom, shear], [0, zoom]])
    matrix = np.column_stack([linear, middle - linear @ middle])
    moved = cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    small = preprocessing.resize(moved, size_px).astype(np.float32) / 255
    return small[:, ::-1] if rng.random() < 0.5 else small


def none(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """The film as it is."""
    return preprocessing.resize(grey, size_px).astype(np.float32) / 255


def change_background(
    grey: np.ndarray, lungs: np.ndarray, other: np.ndarray, rng: Rng
) -> np.ndarray:
    """The lungs of a film in front of something else: what is outside them must not decide.

    grey, other: (H, W) uint8; lungs: (H, W) bool. The lungs are taken with a random margin and a
    soft edge; behind them come another film, an even grey, noise or the film itself blurred.
    """
    margin = 2 * int(rng.integers(1, 9)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))
    front = cv2.dilate(lungs.astype(np.float32), kernel)
    front = cv2.GaussianBlur(front, (0, 0), rng.uniform(1, 4))  # (H, W) 0..1
    kind = rng.random()
    behind: np.ndarray  # (H, W)
    if kind < 0.4:
        behind = other.astype(np.float32)
    elif kind < 0.6:
        behind = np.full(grey.shape, rng.uniform(0, 255), np.float32)
    elif kind < 0.8:
        coarse = rng.uniform(0, 255, (int(rng.integers(2, 24)),) * 2).astype(np.float32)
        behind = cv2.resize(coarse, grey.shape[::-1], interpolation=cv2.INTER_CUBIC)
    else:
        coarse = preprocessing.resize(grey, int(rng.integers(4, 16)))
        behind = preprocessing.resize(coarse, len(grey)).astype(np.float32)
    mixed = front * grey + (1 - front) * behind
    return np.clip(mixed, 0, 255).astype(np.uint8)


AUGMENTATIONS = {"strong": strong, "mild": mild, "affine": affine, "none": none}
