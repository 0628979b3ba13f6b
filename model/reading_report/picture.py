"""The overlay with a caption strip, as pixels: the PNG and the Secondary Capture show the same."""

import textwrap

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model import overlay
from model.reading_report import fonts
from model.reading_report.content import ReadingContent, gate, heat_caption, probability, verdict

LONGEST_PX = 2048  # a picture to look at; the film itself stays where it is
SHORTEST_PX = 800  # of the longer side: the strip's text needs room
# Mean width of a letter as part of the size, rather too much.
_LETTER = {fonts.NORMAL: 0.60, fonts.BOLD: 0.69}
_INK, _PAPER, _QUIET = (245, 248, 250), (15, 25, 31), (190, 203, 211)


def captioned(content: ReadingContent) -> np.ndarray:
    """RGB (H, W, 3) uint8; a refused X-ray is shown without heat."""
    pixels = shown(content, SHORTEST_PX, LONGEST_PX)  # (h, w, 3)
    height, width = pixels.shape[:2]
    strip = _strip(content, max(width, SHORTEST_PX))  # (s, W, 3)
    result = np.zeros((height + len(strip), strip.shape[1], 3), np.uint8)
    left = (strip.shape[1] - width) // 2
    result[:height, left : left + width] = pixels
    result[height:] = strip
    return result


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


def _strip(content: ReadingContent, width: int) -> np.ndarray:
    """The caption, RGB (H, W, 3) uint8, as high as its lines need."""
    size = max(15, width // 46)
    paragraphs = [(_headline(content), fonts.BOLD, _INK, round(1.15 * size))]
    paragraphs += [(text, fonts.NORMAL, _QUIET, size) for text in _details(content)]
    paragraphs.append(("Not a diagnosis: research and teaching only", fonts.BOLD, _INK, size))
    lines = [
        (line, font, ink, points)
        for text, font, ink, points in paragraphs
        for line in textwrap.wrap(
            text, int((width - 2 * size) / (points * _LETTER[font])), break_on_hyphens=False
        )
    ]
    height = sum(round(1.5 * points) for *_, points in lines) + 2 * (size // 2)
    strip = Image.new("RGB", (width, height), _PAPER)
    draw, top = ImageDraw.Draw(strip), size // 2
    for line, font, ink, points in lines:
        draw.text((size, top), line, ink, ImageFont.truetype(fonts.path(font), points))
        top += round(1.5 * points)
    return np.asarray(strip)


def _headline(content: ReadingContent) -> str:
    prediction = content.prediction
    if prediction.probability is None or content.decision is None:
        return verdict(content)
    return (
        f"{verdict(content)} · probability {probability(prediction.probability)} · "
        f"threshold {content.threshold:g}"
    )


def _details(content: ReadingContent) -> list[str]:
    prediction = content.prediction
    said = [heat_caption(prediction)]
    if prediction.gate.status != "accepted":
        said.append(f"Gate: {gate(prediction)}")
    said.append(f"Pneumoscope {prediction.model_version} · {content.time}")
    return said
