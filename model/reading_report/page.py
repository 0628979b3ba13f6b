"""The report of one reading as a PDF: one A4 page, by ReportLab.

The text is laid out first; the pictures get the room that it leaves. When a comment is so long
that they would become too small to see anything, it is cut, and the page says so.
"""

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from model.language import N_, _, chosen
from model.prediction import OVERRULED, probability_text
from model.reading_report import fonts, picture
from model.reading_report.content import (
    NO_DIAGNOSIS,
    ReadingContent,
    facts,
    gate_alone,
    heat_caption,
    plain,
    verdict,
)

TITLE = N_("Reading of a chest X-ray")
SUBJECT = N_("Decision support for research and teaching, not a diagnosis")
FOUND = N_("probability of pneumonia {probability}, threshold {threshold:g}")
CUT = N_("[cut: the page is full]")
# As in the performance report and on the pages.
_INK, _QUIET, _LINE = HexColor("#0f191f"), HexColor("#4a5b66"), HexColor("#c3ced5")
_BARS = {"pneumonia": HexColor("#9a5b00"), "normal": HexColor("#0f6e66")}
_MARGIN = 1.8 * cm
_WIDTH, _HEIGHT = A4[0] - 2 * _MARGIN, A4[1] - 2 * _MARGIN
_GAP = 0.4 * cm  # between the two pictures
_LOWEST, _HIGHEST = 5.5 * cm, 10.5 * cm  # the pictures
_LONGEST_PX = 1100  # of a picture: 300 dots an inch


def _style(size: float, **more: Any) -> ParagraphStyle:
    options = {"fontName": fonts.NORMAL, "textColor": _INK, "leading": size * 1.4}
    return ParagraphStyle("", fontSize=size, **(options | more))


_H1 = _style(15, fontName=fonts.BOLD)
_VERDICT = _style(13, fontName=fonts.BOLD)
_BODY = _style(8.5)
_HEAD = _style(8.5, textColor=_QUIET)
_CAPTION = _style(7.2, textColor=_QUIET)
_WARNING = _style(9.5, fontName=fonts.BOLD)


def render(content: ReadingContent) -> bytes:
    """The PDF; the same content gives the same bytes."""
    for name in (fonts.NORMAL, fonts.BOLD):
        pdfmetrics.registerFont(TTFont(name, fonts.path(name)))
    data = io.BytesIO()
    canvas = Canvas(data, A4, invariant=1, lang=chosen(), initialFontName=fonts.NORMAL)
    canvas.setTitle(f"{_(TITLE)}, {content.time}")
    canvas.setAuthor("Pneumoscope")
    canvas.setCreator("Pneumoscope")
    canvas.setSubject(_(SUBJECT))
    _lay_out(canvas, content)
    canvas.showPage()
    canvas.save()
    return data.getvalue()


def _lay_out(canvas: Canvas, content: ReadingContent) -> None:
    pictures = _pictures(content)
    above = [_text(_(TITLE), _H1), Spacer(0, 8), _verdict(content), Spacer(0, 8)]
    captions = _captions([caption for _pixels, caption in pictures])
    below = [captions, Spacer(0, 6), _facts(content), Spacer(0, 8)]
    warning = _boxed([_text(_(NO_DIAGNOSIS), _WARNING)], _INK)
    room = _HEIGHT - _height_of([*above, *below, warning])
    comment = _comment(content.comment, room - _LOWEST)
    room -= _height_of(comment)
    column = (_WIDTH - _GAP * (len(pictures) - 1)) / len(pictures)
    tallest = max(column * pixels.shape[0] / pixels.shape[1] for pixels, _caption in pictures)
    height = min(tallest, room, _HIGHEST)

    top = _draw(canvas, above, _MARGIN + _HEIGHT)
    for place, (pixels, _caption) in enumerate(pictures):
        _draw_picture(canvas, pixels, _MARGIN + place * (column + _GAP), top, (column, height))
    _draw(canvas, [*below, *comment], top - height)
    _draw(canvas, [warning], _MARGIN + _height_of([warning]))


def _pictures(content: ReadingContent) -> list[tuple[np.ndarray, str]]:
    """Grey (h, w) or RGB (h, w, 3) uint8, each with its caption."""
    film = picture.scaled(content.xray.display(), 1, _LONGEST_PX)
    if content.prediction.heatmap is None:
        return [(film, f"{_('The film.')} {heat_caption(content.prediction)}")]
    heat = picture.shown(content, 1, _LONGEST_PX)
    return [(film, _("The film as it was read.")), (heat, heat_caption(content.prediction))]


def _verdict(content: ReadingContent) -> Flowable:
    prediction, decision = content.prediction, content.decision
    inside = [_text(verdict(content), _VERDICT)]
    if prediction.overruled:
        inside.append(_text(_(OVERRULED), _WARNING))
    if decision:
        known = probability_text(decision.probability)
        found = _(FOUND, probability=known, threshold=decision.threshold)
        inside.append(_text(found, _BODY))
    if prediction.gate.status != "accepted":
        inside.append(_text(_("Gate: {said}", said=gate_alone(prediction)), _BODY))
    return _boxed(inside, _BARS.get(decision.label if decision else "", _QUIET))


def _facts(content: ReadingContent) -> Flowable:
    rows = [[_text(name, _HEAD), _text(said, _BODY)] for name, said in facts(content)]
    lines = [("LINEBELOW", 0.4, _LINE), ("LINEABOVE", 0.4, _LINE)]
    return _grid(rows, [4.2 * cm, _WIDTH - 4.2 * cm], (2, 2, 1.5, 2.5), *lines)


def _comment(comment: str, room: float) -> list[Flowable]:
    """The reader's comment, cut to the room that there is, in points."""
    comment = plain(comment)
    if not comment:
        return []

    def laid_out(kept: int) -> list[Flowable]:
        said = comment if kept == len(comment) else f"{comment[:kept].rstrip()} … {_(CUT)}"
        return [_text(_("Reader's comment"), _HEAD), _text(said, _BODY), Spacer(0, 8)]

    # 20 characters a square centimetre are never reached: an upper limit spares the search.
    fits, too_many = 0, min(len(comment), 8000) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _height_of(laid_out(middle)) <= room:
            fits = middle
        else:
            too_many = middle
    return laid_out(fits)


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    """A paragraph of plain text: markup in it shows as it stands."""
    return Paragraph(escape(plain(text)).replace("\n", "<br/>"), style)


def _boxed(inside: Sequence[Flowable], bar: HexColor) -> Flowable:
    lines = [("BOX", 0.6, _LINE), ("LINEBEFORE", 4, bar)]
    return _grid([[list(inside)]], [_WIDTH], (10, 6, 4, 6), *lines)


def _captions(captions: Sequence[str]) -> Flowable:
    column = (_WIDTH + _GAP) / len(captions)
    texts = [_text(caption, _CAPTION) for caption in captions]
    return _grid([texts], [column] * len(texts), (0, _GAP, 3, 0))


def _grid(
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    padding: tuple[float, float, float, float],
    *lines: tuple[Any, ...],
) -> Flowable:
    """A table at the left margin. padding: left, right, top, bottom. lines: (command, ...)."""
    sides = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
    # The font is set for a cell even when all text is in paragraphs: without, it is Helvetica,
    # which is not embedded.
    style = [("FONTNAME", fonts.NORMAL), ("VALIGN", "TOP"), *zip(sides, padding, strict=True)]
    table = Table(rows, colWidths=widths, hAlign="LEFT")
    table.setStyle([(name, (0, 0), (-1, -1), *more) for name, *more in [*style, *lines]])
    return table


def _height_of(parts: Sequence[Flowable]) -> float:
    """Points from top to bottom."""
    return sum(part.wrap(_WIDTH, 100 * _HEIGHT)[1] for part in parts)


def _draw(canvas: Canvas, parts: Sequence[Flowable], top: float) -> float:
    """Draws one below the other from `top`, in points from the lower edge; gives where it ends."""
    for part in parts:
        top -= part.wrapOn(canvas, _WIDTH, 100 * _HEIGHT)[1]
        part.drawOn(canvas, _MARGIN, top)
    return top


def _draw_picture(
    canvas: Canvas, pixels: np.ndarray, left: float, top: float, box: tuple[float, float]
) -> None:
    """As large as the box allows, in its upper left corner.

    As JPEG, which a PDF holds as it is: a fifth of the size and of the time.
    """
    height, width = pixels.shape[:2]
    scale = min(box[0] / width, box[1] / height)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=92, subsampling=0)
    bottom = top - height * scale
    canvas.drawImage(ImageReader(data), left, bottom, width * scale, height * scale)
