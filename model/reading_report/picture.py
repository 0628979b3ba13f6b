"""The overlay with a caption strip, as pixels: the PNG and the Secondary Capture show the same."""

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model import overlay
from model.language import N_, _
from model.prediction import OVERRULED, Prediction, probability_text
from model.reading_report import fonts
from model.reading_report.content import ReadingContent, gate_alone, heat_caption, verdict
from model.xray import XRay

LONGEST_PX = 2048  # a picture to look at; the film itself stays where it is
SHORTEST_PX = 800  # of the longer side: the strip's text needs room
_SMALLEST_LETTER = 15  # pixels
# Mean width of a letter as part of the size, rather too much.
_LETTER = {fonts.NORMAL: 0.60, fonts.BOLD: 0.69}
_INK, _PAPER, _QUIET = (245, 248, 250), (15, 25, 31), (190, 203, 211)
# A paragraph of a strip: text, font, colour, its size as part of the strip's.
_Paragraph = tuple[str, str, tuple[int, int, int], float]
NOT_A_DIAGNOSIS = N_("Not a diagnosis: research and teaching only")
HEADLINE = N_("{verdict} · probability {probability} · threshold {threshold:g}")


def captioned(content: ReadingContent) -> np.ndarray:
    """RGB (H, W, 3) uint8; a refused X-ray is shown without heat."""
    pixels = shown(content, SHORTEST_PX, LONGEST_PX)  # (h, w, 3)
    height, width = pixels.shape[:2]
    strip = _strip(_paragraphs(content), max(width, SHORTEST_PX))  # (s, W, 3)
    result = np.zeros((height + len(strip), strip.shape[1], 3), np.uint8)
    left = (strip.shape[1] - width) // 2
    result[:height, left : left + width] = pixels
    result[height:] = strip
    return result


def full_size(film: XRay, prediction: Prediction) -> np.ndarray:
    """RGB (H, W, 3) uint8, pixel on pixel of the film; below it that the gate was overruled."""
    assert prediction.heatmap is not None
    pixels = overlay.overlay(film.display(), prediction.heatmap)
    if not prediction.overruled:
        return pixels
    said = _("Gate: {said}", said=gate_alone(prediction))
    paragraphs = [_mark(), (said, fonts.NORMAL, _QUIET, 1.0)]
    return np.vstack([pixels, _strip(paragraphs, pixels.shape[1])])


def shown(content: ReadingContent, shortest_px: int, longest_px: int) -> np.ndarray:
    """The film with its heat, RGB (H, W, 3) uint8, with its longer side within these limits."""
    film = scaled(content.xray.display(), shortest_px, longest_px)  # (H, W)
    heat = content.prediction.heatmap
    return cv2.cvtColor(film, cv2.COLOR_GRAY2RGB) if heat is None else overlay.overlay(film, heat)


def scaled(film: np.ndarray, shortest_px: int, longest_px: int) -> np.ndarray:
    """Film (H, W) uint8 -> the same with its longer side within these limits."""
    longer = max(film.shape)
    wanted = min(max(longer, shortest_px), longest_px)
    if wanted == longer:
        return film
    height, width = (max(1, round(side * wanted / longer)) for side in film.shape)
    how = cv2.INTER_AREA if wanted < longer else cv2.INTER_CUBIC
    return cv2.resize(film, (width, height), interpolation=how)


def _strip(paragraphs: Sequence[_Paragraph], width: int) -> np.ndarray:
    """Text, RGB (H, W, 3) uint8, as high as its lines need."""
    size = max(_SMALLEST_LETTER, width // 46)
    lines = [
        (line, ink, ImageFont.truetype(fonts.path(font), round(part * size)))
        for text, font, ink, part in paragraphs
        for line in textwrap.wrap(
            text,
            max(4, int((width - 2 * size) / (part * size * _LETTER[font]))),
            break_on_hyphens=False,
        )
    ]
    height = sum(round(1.5 * font.size) for *_, font in lines) + 2 * (size // 2)
    strip = Image.new("RGB", (width, height), _PAPER)
    draw, top = ImageDraw.Draw(strip), size // 2
    for line, ink, font in lines:
        draw.text((size, top), line, ink, font)
        top += round(1.5 * font.size)
    return np.asarray(strip)


def _mark() -> _Paragraph:
    return _(OVERRULED), fonts.BOLD, _INK, 1.0


def _paragraphs(content: ReadingContent) -> list[_Paragraph]:
    """What stands below the picture."""
    prediction = content.prediction
    said = [heat_caption(prediction)]
    if prediction.gate.status != "accepted":
        said.append(_("Gate: {said}", said=gate_alone(prediction)))
    said.append(f"Pneumoscope {prediction.model_version} · {content.time}")
    return [
        (_headline(content), fonts.BOLD, _INK, 1.15),
        *([_mark()] if prediction.overruled else []),
        *((text, fonts.NORMAL, _QUIET, 1.0) for text in said),
        (_(NOT_A_DIAGNOSIS), fonts.BOLD, _INK, 1.0),
    ]


def _headline(content: ReadingContent) -> str:
    prediction = content.prediction
    if prediction.probability is None or content.decision is None:
        return verdict(content)
    return _(
        HEADLINE,
        verdict=verdict(content),
        probability=probability_text(prediction.probability),
        threshold=content.threshold,
    )
