"""Grey images -> pixel_values, the same for training and for use.

The name of the preprocessing travels in the bundle: code that does not know it refuses the bundle.
"""

from collections.abc import Sequence

import cv2
import numpy as np

GREY_STANDARDISE_1 = "grey-standardise-1"
KNOWN = (GREY_STANDARDISE_1,)

# The data set is kept at this size. Every X-ray passes through it, so that an original and its
# small copy reach the network with the same sharpness.
BASE_PX = 224


def standardise(grey: np.ndarray) -> np.ndarray:
    """(H, W) of any scale -> (H, W) float32 with mean 0 and standard deviation 1.

    An image without contrast becomes all zero.
    """
    grey = grey.astype(np.float32)
    centred = grey - grey.mean()
    spread = float(centred.std())
    return centred / spread if spread > 1e-6 else np.zeros_like(centred)


def resize(grey: np.ndarray, size_px: int) -> np.ndarray:
    """(H, W) -> (size_px, size_px), squashed as the data set is: no aspect ratio kept."""
    height, width = grey.shape
    shrinks = height >= size_px and width >= size_px
    return cv2.resize(
        grey, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def pixel_values(greys: Sequence[np.ndarray], size_px: int) -> np.ndarray:
    """Grey images as shown, each (H, W) uint8 -> (N, size_px, size_px, 3) float32, standardised."""
    batch = np.empty((len(greys), size_px, size_px, 3), np.float32)  # (N, H, W, C)
    for i, grey in enumerate(greys):
        small = resize(resize(grey, BASE_PX), size_px)
        batch[i] = standardise(small)[:, :, None]
    return batch
