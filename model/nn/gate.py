"""Is this a chest X-ray at all? The checks that need no network.

They refuse what cannot be a film: colour photographs, blank or tiny images, drawings and text.
"""

import cv2
import numpy as np

from model.prediction import Gate
from model.xray import XRay

MIN_SIDE_PX = 64
MAX_ASPECT = 3.0
MIN_SPREAD = 4.0  # standard deviation of the 8-bit film; the flattest of the data set has 20
MIN_GREY_LEVELS = 24
MAX_SHARE_OF_PAPER = 0.5  # of one light grey; the data set's films have up to .29
# Films photographed in tinted light stay below .03, photographs of rooms and people above .1.
MAX_COLOURFULNESS = 0.08


def check(xray: XRay) -> Gate:
    """Accepted, or refused with the reason in words for the reader."""
    height, width = xray.pixels.shape
    if min(height, width) < MIN_SIDE_PX:
        return _refused(
            f"The image is {width} x {height} px; a chest X-ray needs at least "
            f"{MIN_SIDE_PX} px on each side."
        )
    if max(height, width) > MAX_ASPECT * min(height, width):
        return _refused(
            f"{width} x {height} px is no shape of a chest X-ray: upload the film alone."
        )
    if xray.colourfulness > MAX_COLOURFULNESS:
        return _refused(
            "This is a colour picture, not an X-ray. A photograph of a film has to show the film "
            "alone, on a light box, without a coloured background."
        )
    counts = cv2.calcHist([xray.display()], [0], None, [256], [0, 256]).ravel()  # (256,)
    shares, levels = counts / counts.sum(), np.arange(256)
    if np.sqrt(shares @ levels**2 - (shares @ levels) ** 2) < MIN_SPREAD:
        return _refused("The image is blank: it has almost no contrast.")
    if np.count_nonzero(counts) < MIN_GREY_LEVELS or shares[128:].max() > MAX_SHARE_OF_PAPER:
        return _refused("This is a drawing or text: an X-ray has many shades of grey.")
    return Gate("accepted", 0.0, "")


def _refused(reason: str) -> Gate:
    return Gate("refused", 1.0, reason)
