"""What hospitals do to a film: the changes under which a network is judged and calibrated.

Each takes a film as shown, (H, W) uint8 of any size, and gives one of the same kind. They act
before the preprocessing, as in use, and are deterministic but for the noise, whose seed is fixed.
"""

from collections.abc import Callable

import cv2
import numpy as np

from model.language import N_

Change = Callable[[np.ndarray], np.ndarray]


def _tone(curve: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change of each grey by itself; `curve` maps 0..1 to 0..1, what lies beyond is cut off."""
    values = curve(np.arange(256) / 255)
    table = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return lambda film: cv2.LUT(film, table)


def _jpeg(film: np.ndarray) -> np.ndarray:
    data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def _small(film: np.ndarray) -> np.ndarray:
    return cv2.resize(film, (128, 128), interpolation=cv2.INTER_AREA)


def _noise(film: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.05 * 255, film.shape)
    return np.clip(film + noise, 0, 255).astype(np.uint8)


def _move(degrees: float = 0, right: float = 0, down: float = 0) -> Change:
    """Turned counter-clockwise about the middle and shifted by shares of the sides."""

    def move(film: np.ndarray) -> np.ndarray:
        height, width = film.shape
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        matrix[:, 2] += right * width, down * height
        return cv2.warpAffine(film, matrix, (width, height))

    return move


def _marker(film: np.ndarray) -> np.ndarray:
    """A white R and a date in the upper corners, about as large as lead letters are."""
    film = film.copy()
    height, width = film.shape
    scale = height / 224
    thick = max(1, round(3 * scale))
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(film, "R", (round(width * 0.04), round(height * 0.17)), font, scale, 255, thick)
    date = (round(width * 0.66), round(height * 0.08))
    cv2.putText(film, "12.03.2019", date, font, 0.4 * scale, 255, max(1, thick // 3))
    return film


def _borders(film: np.ndarray) -> np.ndarray:
    """Black borders of an eighth of the sides."""
    height, width = film.shape
    rows, columns = height // 8, width // 8
    return cv2.copyMakeBorder(film, rows, rows, columns, columns, cv2.BORDER_CONSTANT)


CHANGES: dict[str, tuple[str, Change]] = {
    "none": (N_("As it is"), lambda film: film),
    "brighter": (N_("Brightness + 20 %"), _tone(lambda v: v + 0.2)),
    "darker": (N_("Brightness - 20 %"), _tone(lambda v: v - 0.2)),
    "contrast-half": (N_("Contrast x 0.5"), _tone(lambda v: (v - 0.5) * 0.5 + 0.5)),
    "contrast-double": (N_("Contrast x 2"), _tone(lambda v: (v - 0.5) * 2 + 0.5)),
    "gamma-half": (N_("Gamma 0.5"), _tone(lambda v: v**0.5)),
    "gamma-double": (N_("Gamma 2"), _tone(lambda v: v**2)),
    "negative": (N_("Inverted"), _tone(lambda v: 1 - v)),
    "jpeg": (N_("JPEG quality 20"), _jpeg),
    "small": (N_("Downscaled to 128 px"), _small),
    "noise": (N_("Noise, standard deviation 5 %"), _noise),
    "rotated": (N_("Rotated by 10 degrees"), _move(degrees=10)),
    "shifted": (N_("Shifted by 10 %"), _move(right=0.1, down=0.1)),
    "marker": (N_("Burned-in marker and date"), _marker),
    "borders": (N_("Black borders"), _borders),
}


def draw(rng: np.random.Generator) -> Change:
    """One of the changes, all of them equally likely, "none" left out."""
    names = [name for name in CHANGES if name != "none"]
    return CHANGES[names[rng.integers(len(names))]][1]
