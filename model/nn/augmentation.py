"""Random changes of a training image: what other machines, hospitals and phones do to a film.

Each function takes (H, W) uint8, the side in pixels to return and a random generator, and gives
(size_px, size_px) float32 in about 0..1. OpenCV's warps cost microseconds where random layers on a
CPU cost milliseconds. The strength was chosen on validation; what it gave
stands in model/weights/README.md. Given (H, W, 2), film and lungs, the lungs are moved with the
film, and the film alone changes its greys.
"""

from collections.abc import Callable

import cv2
import numpy as np

from model import preprocessing

Rng = np.random.Generator


def strong(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """Crop, rotation, flip, change of contrast curve, noise and one erased rectangle."""
    image = _crop(_rotate(grey, rng, degrees=12), rng, area=(0.45, 1.0), aspect=0.25)
    image = _of_film(image, lambda film: _equalise(film, rng))
    small = _shrink_and_flip(image, size_px, rng)
    return _of_film(small, lambda film: _strong_greys(film, rng))


def _strong_greys(film: np.ndarray, rng: Rng) -> np.ndarray:
    film = _tone(film, rng, gamma=0.6, contrast=(-0.7, 0.5), brightness=0.15)
    if rng.random() < 0.3:
        film = film + rng.normal(0, rng.uniform(0, 0.05), film.shape).astype(np.float32)
    return _erase(film, rng) if rng.random() < 0.4 else film


def mild(grey: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    """A little of each: for comparison with `strong`."""
    image = _crop(_rotate(grey, rng, degrees=7), rng, area=(0.8, 1.0), aspect=0.1)
    small = _shrink_and_flip(image, size_px, rng)
    return _of_film(
        small, lambda film: _tone(film, rng, gamma=0.2, contrast=(-0.2, 0.2), brightness=0.05)
    )


def _of_film(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Changes the greys of the film (H, W), of film and lungs (H, W, 2) those of the film."""
    if image.ndim == 2:
        return change(image)
    return np.dstack([change(np.ascontiguousarray(image[..., 0])), image[..., 1]])


def _shrink_and_flip(image: np.ndarray, size_px: int, rng: Rng) -> np.ndarray:
    small = preprocessing.resize(image, size_px).astype(np.float32) / 255
    return small[:, ::-1] if rng.random() < 0.5 else small


def _rotate(grey: np.ndarray, rng: Rng, degrees: float) -> np.ndarray:
    height, width = grey.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-degrees, degrees), 1.0)
    border = cv2.BORDER_REFLECT if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(grey, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)


def _crop(grey: np.ndarray, rng: Rng, area: tuple[float, float], aspect: float) -> np.ndarray:
    height, width = grey.shape[:2]
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
    height, width = grey.shape[:2]
    zoom, shear = rng.uniform(0.8, 1.2), rng.uniform(-0.2, 0.2)
    middle = np.array([width / 2, height / 2])
    linear = np.array([[zoom, shear], [0, zoom]])
    matrix = np.column_stack([linear, middle - linear @ middle])
    moved = cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _shrink_and_flip(moved, size_px, rng)


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
    front = _soft(lungs, rng)
    kind = rng.random()
    behind: np.ndarray  # (H, W)
    if kind < 0.4:
        behind = other.astype(np.float32)
    elif kind < 0.8:
        behind = _even_or_noise(grey.shape, rng)
    else:
        behind = _blurred(grey, rng)
    return _mix(front, grey, behind)


def hide_lungs(grey: np.ndarray, lungs: np.ndarray, rng: Rng) -> np.ndarray:
    """A film whose lungs cannot be seen: of it nobody can say whether there is pneumonia.

    grey: (H, W) uint8; lungs: (H, W) bool. In their place is black, another even grey, noise, the
    film blurred, or what is around them drawn inwards.
    """
    front = _soft(lungs, rng)
    kind = rng.random()
    instead: np.ndarray  # (H, W)
    if kind < 0.25:
        instead = np.zeros(grey.shape, np.float32)
    elif kind < 0.5:
        instead = _even_or_noise(grey.shape, rng)
    elif kind < 0.75:
        instead = _blurred(grey, rng)
    else:
        instead = inpainted(grey, front > 0.05)
    return _mix(front, instead, grey)


def inpainted(grey: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """grey (H, W) uint8 with a hole (H, W) bool filled from its rim (Telea 2004), float32."""
    height, width = grey.shape
    size = (width // 4, height // 4)  # the rim's texture cannot be carried further than this
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    narrow = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    filled = cv2.inpaint(small, narrow.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _soft(lungs: np.ndarray, rng: Rng) -> np.ndarray:
    """The lungs with a random margin and a soft edge, (H, W) float32 0..1."""
    margin = 2 * int(rng.integers(1, 9)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))
    wide = cv2.dilate(lungs.astype(np.float32), kernel)
    return cv2.GaussianBlur(wide, (0, 0), rng.uniform(1, 4))


def _even_or_noise(shape: tuple[int, ...], rng: Rng) -> np.ndarray:
    if rng.random() < 0.5:
        return np.full(shape, rng.uniform(0, 255), np.float32)
    coarse = rng.uniform(0, 255, (int(rng.integers(2, 24)),) * 2).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _blurred(grey: np.ndarray, rng: Rng) -> np.ndarray:
    coarse = preprocessing.resize(grey, int(rng.integers(4, 16)))
    return preprocessing.resize(coarse, len(grey)).astype(np.float32)


def _mix(front: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    return np.clip(front * inside + (1 - front) * outside, 0, 255).astype(np.uint8)


AUGMENTATIONS = {"strong": strong, "mild": mild, "affine": affine, "none": none}
