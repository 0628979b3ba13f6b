"""Is this a frontal chest X-ray, and is it like those that the network was trained on?

`check` needs no network: it refuses what cannot be a film, such as colour photographs, blank or
tiny images, drawings and text. `judge` looks at the network's inner features and at the lungs.
"""

import cv2
import keras
import numpy as np
from keras import ops

from model.language import N_
from model.nn.gate_statistics import FILE, Statistics, fit
from model.nn.lungs import MIN_LUNG_AREA, two_lungs
from model.prediction import Gate
from model.xray import XRay

__all__ = ["FILE", "Statistics", "check", "features", "fit", "judge"]

MIN_SIDE_PX = 64
MAX_ASPECT = 3.0
MIN_SPREAD = 4.0  # standard deviation of the 8-bit film; the flattest of the data set has 20
MIN_GREY_LEVELS = 24
ROWS_LOOKED_AT = 300
MAX_SHARE_OF_PAPER = 0.5  # of one light grey; the data set's films have up to .29
# Films photographed in tinted light stay below .03, photographs of rooms and people above .1.
MAX_COLOURFULNESS = 0.08

LAYER, BANDS = "block3_pool", 4
# Scores.
UNUSUAL_FROM, REFUSED_FROM = 1.0, 2.0
# The segmenter's uncertainty is up to .27 on 99 of 100 training films, .53 on films of adults in
# intensive care, and about .4 on lateral films, .8 on bones and more on photographs.
UNSURE_FROM = 0.35
UNSURE_WEIGHT = 0.5
ONE_LUNG = 0.3  # in limits of the chest distance
# The same: CT slices, bones and photographs are above 1.3, lateral films above 1.1.
STRANGE_FROM = 1.2
UPSIDE_DOWN_FROM = 0.55  # 99 of 100 upright films are below .25, of turned ones above .75

# Reasons stay English in what is kept: pages and reports say them in the reader's language, the two
# with numbers by their patterns in `model.phrases`.
COLOURED = N_(
    "This is a colour picture, not an X-ray. A photograph of a film has to show the film "
    "alone, on a light box, without a coloured background."
)
BLANK = N_("The image is blank: it has almost no contrast.")
DRAWN = N_("This is a drawing or text: an X-ray has many shades of grey.")
NO_CHEST = N_(
    "This does not look like a frontal chest X-ray, so it was not read: it is very unlike all "
    "chest films that this program knows."
)
NO_LUNGS = N_(
    "This does not look like an upright frontal chest X-ray, so it was not read: no two lungs were "
    "found side by side."
)
UPSIDE_DOWN = N_("This film looks upside down, so it was not read: turn it and read it again.")
UNUSUAL = N_(
    "This film is unlike those that the program learned from, as those of another machine, age or "
    "hospital are: trust its probability less."
)
UNTOLD = N_(
    "This model version was trained without a gate or on too few films for one, and cannot tell a "
    "chest X-ray from other images: check that this is one."
)
ODD_LUNGS = N_(
    "The lungs were not found as they are on an upright, complete frontal chest X-ray: check the "
    "film and trust its probability less."
)


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
        return _refused(COLOURED)
    rows = xray.display()[:: max(1, height // ROWS_LOOKED_AT)]  # a sample of a large film is enough
    counts = cv2.calcHist([rows], [0], None, [256], [0, 256]).ravel()  # (256,)
    shares, levels = counts / counts.sum(), np.arange(256)
    if np.sqrt(shares @ levels**2 - (shares @ levels) ** 2) < MIN_SPREAD:
        return _refused(BLANK)
    if np.count_nonzero(counts) < MIN_GREY_LEVELS or shares[128:].max() > MAX_SHARE_OF_PAPER:
        return _refused(DRAWN)
    return Gate("accepted", 0.0, "")


def features(model: keras.Model) -> keras.KerasTensor:
    """What the gate looks at, (N, D) float32, as an output of `model`, a VGG16 of `network`.

    Means of the third block over four rows and over four columns of the film: what it shows in
    which place. That block tells other images better than the last one, which knows only what
    matters for pneumonia.
    """
    maps = ops.cast(model.get_layer(LAYER).output, "float32")  # (N, h, w, C)
    parts = []
    for axis in (2, 1):
        lines = ops.mean(maps, axis=axis)  # (N, h or w, C)
        parts.append(ops.matmul(_bands(lines.shape[1]), lines))  # (N, BANDS, C)
    bands = ops.concatenate(parts, axis=1)
    return ops.reshape(bands, (-1, bands.shape[1] * bands.shape[2]))


def _bands(count: int) -> np.ndarray:
    """(BANDS, count): each row of it averages over its share of `count` lines."""
    edges = np.linspace(0, count, BANDS + 1)[:, None]  # in lines
    lines = np.arange(count)
    covered = np.minimum(edges[1:], lines + 1) - np.maximum(edges[:-1], lines)
    return (np.maximum(covered, 0) * BANDS / count).astype(np.float32)


def judge(statistics: Statistics, features: np.ndarray, lungs: np.ndarray) -> list[Gate]:
    """One of three answers for each of N images that `check` has accepted.

    features (N, D) of their pass; lungs (N, h, w) 0..1: how probably each pixel is lung.

    The score is 1 where an image begins to be unusual and 2 where it is refused.
    """
    if not statistics.tell:
        return [untold()] * len(lungs)
    film, chest, turn = (length.tolist() for length in statistics.distances(features))
    return [_judge(*signs) for signs in zip(film, chest, turn, lungs, strict=True)]


def _judge(distance: float, chest_distance: float, turn: float, lungs: np.ndarray) -> Gate:
    unsure, has_two = uncertainty(lungs), two_lungs(lungs > 0.5)
    # Each sign adds to the others: a lateral film is barely too far, but has one lung as well.
    strange = chest_distance + UNSURE_WEIGHT * min(unsure, 1) + (0 if has_two else ONE_LUNG)
    if strange > STRANGE_FROM:
        score = 1 + strange / STRANGE_FROM
        return Gate("refused", score, NO_CHEST if has_two else NO_LUNGS)
    if turn > UPSIDE_DOWN_FROM:
        return Gate("refused", 1 + turn / UPSIDE_DOWN_FROM, UPSIDE_DOWN)
    score = min(max(distance, unsure / UNSURE_FROM), REFUSED_FROM)
    if not has_two or unsure > UNSURE_FROM:
        return Gate("unusual", max(score, UNUSUAL_FROM), ODD_LUNGS)
    if distance > UNUSUAL_FROM:
        return Gate("unusual", score, UNUSUAL)
    return Gate("accepted", score, "")


def untold() -> Gate:
    """The answer of a model version that does not know chest films."""
    return Gate("unusual", UNUSUAL_FROM, UNTOLD)


def uncertainty(lungs: np.ndarray) -> float:
    """How unsure the segmenter is of lungs (h, w) 0..1: unsure pixels for each pixel of lung.

    It was trained on upright frontal films only and is sure of their lungs.
    """
    unsure = np.count_nonzero((lungs > 0.2) & (lungs < 0.8))
    return unsure / max(float(np.sum(lungs > 0.5)), MIN_LUNG_AREA * lungs.size)


def _refused(reason: str) -> Gate:
    return Gate("refused", REFUSED_FROM, reason)
