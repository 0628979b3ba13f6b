"""The performance report as a PDF: A4, for readers without a technical background.

What is said comes from `words`, what is shown from `tables` and `figures`; here is layout only.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    ListFlowable,
    ListItem,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
)
from reportlab.platypus import Table as Grid

from model.performance_report import advice, texts, words
from model.performance_report.content import Content
from model.performance_report.figures import ILL, INK, LINE, QUIET, WELL, WIDTH_CM
from model.performance_report.table import Table, measured

TITLE = "How well does Pneumoscope find pneumonia?"
_MARGIN = (21.0 - WIDTH_CM) / 2 * cm
_FRAME = 6  # points that ReportLab keeps free inside the margins
_PADDING = 3  # points left and right of a cell
_FAMILY = {"": "DejaVuSans", "-Bold": "DejaVuSans-Bold", "-Oblique": "DejaVuSans-Oblique"}


def _style(name: str, size: float, **more: Any) -> ParagraphStyle:
    options = {"fontName": "DejaVuSans", "textColor": HexColor(INK), "leading": size * 1.45}
    return ParagraphStyle(name, fontSize=size, **(options | more))


_BODY = _style("body", 9, spaceAfter=5)
_QUIET = _style("quiet", 7.5, textColor=HexColor(QUIET), spaceAfter=4)
_H1 = _style("h1", 16.5, fontName="DejaVuSans-Bold", spaceAfter=4)
_H2 = _style("h2", 12.5, fontName="DejaVuSans-Bold", spaceBefore=12, spaceAfter=4)
_CELL = _style("cell", 7.2, leading=9.6)
_HEAD = _style("head", 7.2, leading=9.6, textColor=HexColor(QUIET))
_BOX = _style("box", 9.5, spaceAfter=4)


def _fonts() -> None:
    """DejaVu Sans, which comes with matplotlib: embedded, and it has the letters of most names."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in _FAMILY.values():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    normal, bold, italic = _FAMILY.values()
    pdfmetrics.registerFontFamily(normal, normal, bold, italic, bold)


def render(content: Content, tables: Mapping[str, Table], pictures: Mapping[str, bytes]) -> bytes:
    """The PDF; the same content gives the same bytes."""
    _fonts()
    data = io.BytesIO()
    document = SimpleDocTemplate(
        data,
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME, rightMargin=_MARGIN - _FRAME,
        topMargin=1.9 * cm, bottomMargin=2.0 * cm,
        title=f"{TITLE} {content.bundle.model_version}",
        author="Pneumoscope",
        subject="Performance report",
        creator="Pneumoscope",
        lang="en",
        invariant=1,
    )  # fmt: skip

    def footer(canvas: Any, _: Any) -> None:
        canvas.saveState()
        canvas.setFont("DejaVuSans", 7)
        canvas.setFillColor(HexColor(QUIET))
        version = content.bundle.model_version[:40]
        canvas.drawString(
            _MARGIN,
            1.2 * cm,
            f"Pneumoscope · {version} · research and teaching, not a medical device",
        )
        canvas.drawRightString(A4[0] - _MARGIN, 1.2 * cm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    story = _Story(content, tables, pictures).story()
    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return data.getvalue()


class _Story:
    def __init__(
        self, content: Content, tables: Mapping[str, Table], pictures: Mapping[str, bytes]
    ) -> None:
        self.content, self.tables, self.pictures = content, tables, pictures

    def story(self) -> list[Flowable]:
        """The sections in order."""
        return [
            *self._opening(),
            *self._how_good(),
            *self._errors(),
            *self._threshold(),
            *self._calibration(),
            *self._robustness(),
            *self._networks(),
            *self._recommendations(),
            *self._limits(),
            *self._method(),
        ]

    def _opening(self) -> list[Flowable]:
        content = self.content
        facts = (
            f"Model version {escape(content.bundle.model_version)}, measured on "
            f"{content.source.measured_on.isoformat()} on {content.row.n:,} X-rays of the "
            f"{escape(content.source.split)} split."
        )
        return [
            Paragraph(TITLE, _H1),
            Paragraph(facts, _QUIET),
            _section("What it is for", [Paragraph(texts.PURPOSE, _BODY)]),
            _section("The answer", [self._box()]),
            _section("What follows", [_bullets(advice.headlines(content))]),
            _section("Words", [_bullets(texts.GLOSSARY)]),
        ]

    def _box(self) -> Flowable:
        inside: list[Flowable] = [Paragraph(line, _BOX) for line in words.answer(self.content)]
        inside.insert(1, self._picture("children", WIDTH_CM - 1.0))
        box = Grid([[inside]], colWidths=[WIDTH_CM * cm])
        box.setStyle(
            [
                ("BOX", (0, 0), (-1, -1), 0.8, HexColor(LINE)),
                ("LINEBEFORE", (0, 0), (0, -1), 4, HexColor(WELL)),
                ("BACKGROUND", (0, 0), (-1, -1), HexColor("#ffffff")),
                ("LEFTPADDING", (0, 0), (-1, -1), 12),
                ("RIGHTPADDING", (0, 0), (-1, -1), 10),
                ("TOPPADDING", (0, 0), (-1, -1), 8),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
        return box

    def _how_good(self) -> list[Flowable]:
        said = Paragraph(words.how_good(self.content), _BODY)
        return [
            _section("How good is it?", [said, self._table("figures")]),
            KeepTogether([Spacer(1, 6), self._picture("roc"), _caption(texts.ROC)]),
        ]

    def _errors(self) -> list[Flowable]:
        said = Paragraph(words.errors(self.content), _BODY)
        return [
            _section("How often is it wrong, and on whom?", [said, self._picture("confusion")]),
            KeepTogether(
                [
                    Paragraph(texts.GROUPS, _BODY),
                    self._table("subgroups"),
                    Spacer(1, 6),
                    self._picture("subgroups"),
                ]
            ),
        ]

    def _threshold(self) -> list[Flowable]:
        parts: list[Flowable] = [
            Paragraph(texts.THRESHOLD, _BODY),
            self._picture("threshold"),
            _caption(texts.THRESHOLD_FIGURE),
        ]
        after: list[Flowable] = [
            Paragraph(words.price(self.content), _BODY),
            self._table("operating_points"),
            _caption(words.of_1000(self.content)),
        ]
        chosen: list[Flowable] = [Paragraph(texts.CHOICE, _BODY), Spacer(1, 2)]
        chosen += (
            [self._table("threshold_choice")] if self.content.choices else self._not("choices")
        )
        return [_section("The price of the threshold", parts), KeepTogether(after),
                KeepTogether([Spacer(1, 8), *chosen])]  # fmt: skip

    def _calibration(self) -> list[Flowable]:
        said = Paragraph(words.calibration(self.content), _BODY)
        return [
            _section(
                "Can a probability be taken at its word?", [said, self._picture("calibration")]
            )
        ]

    def _robustness(self) -> list[Flowable]:
        heading = "Does it stand what hospitals do to X-rays?"
        if not self.content.changes:
            return [_section(heading, self._not("robustness"))]
        said = Paragraph(words.robustness(self.content), _BODY)
        picture = self._picture("robustness")
        return [_section(heading, [said, picture]), Spacer(1, 4), self._table("robustness")]

    def _networks(self) -> list[Flowable]:
        heading = "Would another network do?"
        if not self.content.networks:
            return [_section(heading, self._not("networks"))]
        said = Paragraph(words.networks(self.content), _BODY)
        return [
            _section(heading, [said, self._picture("networks")]),
            Spacer(1, 4),
            KeepTogether([_grid(measured(self.tables["networks"])), _caption(texts.PROTOCOLS)]),
        ]

    def _recommendations(self) -> list[Flowable]:
        recommended = advice.recommendations(self.content)
        note = Paragraph(texts.ADVICE, _BODY)
        first, rest = _bullets(recommended[:1], start=1), _bullets(recommended[1:], start=2)
        return [_section("Recommendations", [note, first]), rest]

    def _limits(self) -> list[Flowable]:
        return [_section("Limits", [_bullets(texts.LIMITS)])]

    def _method(self) -> list[Flowable]:
        lines = [Paragraph(line, _BODY) for line in words.method(self.content)]
        return [_section("Method, and how to repeat it", lines)]

    def _not(self, name: str) -> list[Flowable]:
        return [Paragraph(f"<i>{words.marked(self.content.missing[name])}</i>", _BODY)]

    def _picture(self, name: str, width_cm: float = WIDTH_CM) -> Flowable:
        data = self.pictures[name]
        width, height = ImageReader(io.BytesIO(data)).getSize()
        return Image(io.BytesIO(data), width_cm * cm, width_cm * cm * height / width)

    def _table(self, name: str) -> Flowable:
        return _grid(self.tables[name])


def _section(heading: str, body: Sequence[Flowable]) -> Flowable:
    """A heading with what must not be torn from it."""
    return KeepTogether([Paragraph(heading, _H2), *body])


def _caption(text: str) -> Flowable:
    return Paragraph(text, _QUIET)


def _bullets(lines: Sequence[str], start: int | None = None) -> Flowable:
    items = [ListItem(Paragraph(line, _BODY), leftIndent=14) for line in lines]
    return ListFlowable(
        items, bulletType="1" if start else "bullet", start=start or "•", leftIndent=14,
        bulletFontName="DejaVuSans", bulletFontSize=8, bulletColor=HexColor(ILL if start else WELL),
    )  # fmt: skip


def _grid(table: Table) -> Flowable:
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
    grid.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(QUIET)),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor(LINE)),
            ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
            ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    return grid


def _fitted(cell: str, width: float) -> str:
    """Markup of a cell; an interval that does not fit beside its figure goes below it."""
    needed = pdfmetrics.stringWidth(cell, _CELL.fontName, _CELL.fontSize)
    said = escape(cell)
    return said if needed < width - 2 * _PADDING else said.replace(" (", "<br/>(")
