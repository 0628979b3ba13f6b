"""How the performance report looks on paper: styles, sections, tables that break well."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, KeepTogether, ListFlowable, ListItem, Paragraph
from reportlab.platypus import Table as Grid

from model.performance_report.figures import ILL, INK, LINE, QUIET, WELL, WIDTH_CM
from model.performance_report.table import Table

MARGIN = (21.0 - WIDTH_CM) / 2 * cm
FRAME = 6  # points that ReportLab keeps free inside the margins
_PADDING = 3  # points left and right of a cell
_FAMILY = {"": "DejaVuSans", "-Bold": "DejaVuSans-Bold", "-Oblique": "DejaVuSans-Oblique"}


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    options = {"fontName": "DejaVuSans", "textColor": HexColor(INK), "leading": size * 1.45}
    return ParagraphStyle(name, fontSize=size, **(options | more))


_BODY = _style("body", 9, spaceAfter=5)
_SMALL = _style("quiet", 7.5, textColor=HexColor(QUIET), spaceAfter=4)
H1 = _style("h1", 16.5, fontName="DejaVuSans-Bold", spaceAfter=4)
_H2 = _style("h2", 12.5, fontName="DejaVuSans-Bold", spaceBefore=12, spaceAfter=4)
_CELL = _style("cell", 7.2, leading=9.6)
_HEAD = _style("head", 7.2, leading=9.6, textColor=HexColor(QUIET))
BOX = _style("box", 9.5, spaceAfter=4)


def fonts() -> None:
    """DejaVu Sans, which comes with matplotlib: embedded, and it has the letters of most names."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in _FAMILY.values():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    normal, bold, italic = _FAMILY.values()
    pdfmetrics.registerFontFamily(normal, normal, bold, italic, bold)


def together(*parts: str | Flowable) -> Flowable:
    """What must not be torn apart by the end of a page; text becomes a paragraph."""
    return KeepTogether([Paragraph(p, _BODY) if isinstance(p, str) else p for p in parts])


def section(heading: str, *parts: str | Flowable) -> Flowable:
    """A heading with what must not be torn from it."""
    return together(Paragraph(heading, _H2), *parts)


def caption(text: str) -> Flowable:
    """Small print."""
    return Paragraph(text, _SMALL)


def bullets(lines: Sequence[str], start: int | None = None) -> Flowable:
    """A list; with `start` a numbered one."""
    items = [ListItem(Paragraph(line, _BODY), leftIndent=14) for line in lines]
    return ListFlowable(
        items, bulletType="1" if start else "bullet", start=start or "•", leftIndent=14,
        bulletFontName="DejaVuSans", bulletFontSize=8, bulletColor=HexColor(ILL if start else WELL),
    )  # fmt: skip


def grid(table: Table) -> Flowable:
    """A table as wide as the text that goes on with its header on the next page."""
    columns = table.shown
    unit = WIDTH_CM * cm / sum(column.width for column in columns)
    widths = [unit * column.width for column in columns]
    head = [Paragraph(escape(column.title), _HEAD) for column in columns]
    body = [
        [Paragraph(_fitted(cell, width), _CELL) for cell, width in zip(row, widths, strict=True)]
        for row in table.cells()
    ]
    grid = Grid([head, *body], colWidths=widths, repeatRows=1)
    return styled(
        grid,
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(QUIET)),
        ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor(LINE)),
        ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    )


def styled(grid: Grid, *commands: tuple[Any, ...]) -> Grid:
    """With a font of ours even where all text is in paragraphs: Helvetica is not embedded."""
    grid.setStyle([("FONTNAME", (0, 0), (-1, -1), _FAMILY[""]), *commands])
    return grid


def _fitted(cell: str, width: float) -> str:
    """Markup of a cell; an interval that does not fit beside its figure goes below it."""
    needed = pdfmetrics.stringWidth(cell, _CELL.fontName, _CELL.fontSize)
    said = escape(cell)
    return said if needed < width - 2 * _PADDING else said.replace(" (", "<br/>(")
