"""Grey images -> pixel_values, the same for training and for use.

The name of the preprocessing travels in the bundle: code that does not know it refuses the bundle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from model.language import N_

# Flat borders cut off, negatives made positive, squashed to 224 px, then to the network's size,
# percentiles 1 to 99, mean 0 and standard deviation 1.
GREY_STANDARDISE_2 = "grey-standardise-2"
KNOWN = (GREY_STANDARDISE_2,)

# The data set is kept at this size. Every X-ray passes through it, so that an original and its
# small copy reach the network with the same sharpness.
BASE_PX = 224

FLAT_LEVELS = 8  # a row whose greys differ by no more is border: JPEG leaves that much noise
MAX_BORDER = 0.3  # of the side, at each edge
MAX_FRAMES = 3  # one in another: a film's own black border on a white page
# Correlation with `_chest` below which a film is taken for a negative. Every positive film of
# Kermany et al. is above .2, every one of 2,463 films of adults above -.15.
NEGATIVE_BELOW = -0.2
PERCENTILES = (1, 99)
NEGATIVE = N_("This film is a negative, bones black: it was read as a positive.")
BORDER = N_("Its flat border was left out of the reading.")
_GRID_PX = 16
_CANVAS_PX = 64


@dataclass(frozen=True, eq=False)
class Prepared:
    """A film as the network is to see it, before it is brought to the network's size.

    grey: (224, 224) uint8, white = dense. box: (top, bottom, left, right) of the part that is
    used, 0..1 of the film. is_negative: black and white were exchanged.
    """

    grey: np.ndarray
    box: tuple[float, float, float, float]
    is_negative: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the film before it was read: sentences for its reader, in English."""
        notes = []
        if self.is_negative:
            notes.append(NEGATIVE)
        if self.box != (0, 1, 0, 1):
            notes.append(BORDER)
        return tuple(notes)

    def place(self, heat: np.ndarray) -> np.ndarray:
        """Heat (h, w) over the used part -> heat over the whole film; no heat on its border."""
        if self.box == (0, 1, 0, 1):
            return heat
        side = max(_CANVAS_PX, *heat.shape)
        top, bottom, left, right = (round(edge * side) for edge in self.box)
        canvas = np.zeros((side, side), np.float32)
        inside = cv2.resize(heat, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        canvas[top:bottom, left:right] = inside
        return canvas


def prepare(shown: np.ndarray) -> Prepared:
    """A film as shown, (H, W) uint8, without flat borders and as a positive."""
    height, width = shown.shape
    box = (0, height, 0, width)
    for _ in range(MAX_FRAMES):
        top, bottom, left, right = box
        inside = shown[top:bottom, left:right]
        rows = _inside(inside.max(axis=1), inside.min(axis=1), top, height)
        columns = _inside(inside.max(axis=0), inside.min(axis=0), left, width)
        if (*rows, *columns) == box:
            break
        box = (*rows, *columns)
    top, bottom, left, right = box
    grey = resize(shown[top:bottom, left:right], BASE_PX)
    negative = is_negative(grey)
    shares = (top / height, bottom / height, left / width, right / width)
    return Prepared(255 - grey if negative else grey, shares, negative)


def _inside(brightest: np.ndarray, darkest: np.ndarray, start: int, side: int) -> tuple[int, int]:
    """From which to before which row (or column) of the film there is a picture.

    brightest, darkest: (h,) of the rows from `start` on that are left of `side`. All of them where
    none holds a picture.
    """
    flat = brightest.astype(int) - darkest <= FLAT_LEVELS  # (h,)
    end = start + len(flat)
    if flat.all():
        return start, end
    limit = int(side * MAX_BORDER)
    before, after = int(np.argmin(flat)), int(np.argmin(flat[::-1]))
    return min(start + before, max(start, limit)), max(end - after, min(end, side - limit))


def is_negative(grey: np.ndarray) -> bool:
    """Whether the film is dark where a chest is bright."""
    small = standardise(cv2.resize(grey, (_GRID_PX, _GRID_PX), interpolation=cv2.INTER_AREA))
    return float((small * _chest()).mean()) < NEGATIVE_BELOW


def _chest() -> np.ndarray:
    """What all frontal films share, (16, 16): the middle and the belly bright, the sides dark."""
    rows, columns = np.mgrid[-1 : 1 : _GRID_PX * 1j, -1 : 1 : _GRID_PX * 1j]
    return standardise(np.cos(np.pi * columns) + 0.5 * rows)


def standardise(grey: np.ndarray) -> np.ndarray:
    """(H, W) of any scale -> (H, W) float32 with mean 0 and standard deviation 1.

    An image without contrast becomes all zero.
    """
    grey = grey.astype(np.float32)
    centred = grey - grey.mean()
    spread = float(centred.std())
    return centred / spread if spread > 1e-6 else np.zeros_like(centred)


def normalise(grey: np.ndarray) -> np.ndarray:
    """As `standardise`, between the percentiles: a marker or a bright tube does not set the scale.

    An image of which almost all is one grey is left between its extremes.
    """
    low, high = np.percentile(grey, PERCENTILES)
    return standardise(np.clip(grey, low, high) if high > low else grey)


def resize(grey: np.ndarray, size_px: int) -> np.ndarray:
    """(H, W[, C]) -> (size_px, size_px[, C]), squashed as the data set is: no aspect ratio kept."""
    height, width = grey.shape[:2]
    shrinks = height >= size_px and width >= size_px
    return cv2.resize(
        grey, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def pixel_values(greys: Sequence[np.ndarray], size_px: int) -> np.ndarray:
    """Prepared greys, each (224, 224) uint8 -> (N, size_px, size_px, 3) float32."""
    batch = np.empty((len(greys), size_px, size_px, 3), np.float32)  # (N, H, W, C)
    for i, grey in enumerate(greys):
        batch[i] = normalise(resize(grey, size_px))[:, :, None]
    return batch
