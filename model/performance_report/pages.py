"""The performance report as a PDF: A4, for readers without a technical background.

What is said comes from `words`, what is shown from `tables` and `figures`; here is the order.
"""

import io
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import cm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from model.performance_report import advice, words
from model.performance_report.content import LOOKS, Content
from model.performance_report.figures import LINE, QUIET, WELL, WIDTH_CM
from model.performance_report.layout import (
    BOX,
    FRAME,
    H1,
    MARGIN,
    bullets,
    caption,
    fonts,
    grid,
    section,
    styled,
    together,
)  # fmt: skip
from model.performance_report.table import Table, measured

TITLE = "How well does Pneumoscope find pneumonia?"


def render(content: Content, tables: Mapping[str, Table], pictures: Mapping[str, bytes]) -> bytes:
    """The PDF; the same content gives the same bytes."""
    fonts()
    data = io.BytesIO()
    document = SimpleDocTemplate(
        data,
        pagesize=A4,
        leftMargin=MARGIN - FRAME, rightMargin=MARGIN - FRAME,
        topMargin=1.9 * cm, bottomMargin=2.0 * cm,
        title=f"{TITLE} {content.bundle.model_version}",
        author="Pneumoscope",
        subject="Performance report",
        creator="Pneumoscope",
        lang="en",
        invariant=1,
        initialFontName="DejaVuSans",  # Helvetica would be in the file, and not embedded
    )  # fmt: skip

    def footer(canvas: Any, _: Any) -> None:
        canvas.saveState()
        canvas.setFont("DejaVuSans", 7)
        canvas.setFillColor(HexColor(QUIET))
        version = content.bundle.model_version[:40]
        canvas.drawString(
            MARGIN,
            1.2 * cm,
            f"Pneumoscope · {version} · research and teaching, not a medical device",
        )
        canvas.drawRightString(A4[0] - MARGIN, 1.2 * cm, f"Page {canvas.getPageNumber()}")
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
            *self._looks(),
            *self._networks(),
            *self._recommendations(),
            section("Limits", bullets(words.LIMITS)),
            section("Method, and how to repeat it", *words.method(self.content)),
        ]

    def _opening(self) -> list[Flowable]:
        content = self.content
        facts = (
            f"Model version {escape(content.bundle.model_version)}, measured on "
            f"{content.source.measured_on.isoformat()} on {content.row.n:,} X-rays of the "
            f"{escape(content.source.split)} split."
        )
        return [
            Paragraph(TITLE, H1),
            caption(facts),
            section("What it is for", words.PURPOSE),
            section("The answer", self._box()),
            section("What follows", bullets(advice.headlines(content))),
            section("Words", bullets(words.GLOSSARY)),
        ]

    def _box(self) -> Flowable:
        inside: list[Flowable] = [Paragraph(line, BOX) for line in words.answer(self.content)]
        inside.insert(1, self._picture("children", WIDTH_CM - 1.0))
        return styled(
            Grid([[inside]], colWidths=[WIDTH_CM * cm]),
            ("BOX", (0, 0), (-1, -1), 0.8, HexColor(LINE)),
            ("LINEBEFORE", (0, 0), (0, -1), 4, HexColor(WELL)),
            ("BACKGROUND", (0, 0), (-1, -1), HexColor("#ffffff")),
            ("LEFTPADDING", (0, 0), (-1, -1), 12),
            ("RIGHTPADDING", (0, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, -1), 8),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        )

    def _how_good(self) -> list[Flowable]:
        said = words.how_good(self.content)
        return [
            section("How good is it?", said, self._table("figures")),
            together(Spacer(1, 6), self._picture("roc"), caption(words.ROC)),
        ]

    def _errors(self) -> list[Flowable]:
        said, picture = words.errors(self.content), self._picture("confusion")
        table, groups = self._table("subgroups"), self._picture("subgroups")
        return [
            section("How often is it wrong, and on whom?", said, picture),
            together(words.GROUPS, table, Spacer(1, 6), groups),
        ]

    def _threshold(self) -> list[Flowable]:
        figure = [self._picture("threshold"), caption(words.THRESHOLD_FIGURE)]
        price = caption(words.of_1000(self.content))
        chosen = (
            self._table("threshold_choice") if self.content.choices else self._missing("choices")
        )
        return [
            section("The price of the threshold", words.THRESHOLD, *figure),
            together(words.price(self.content), self._table("operating_points"), price),
            together(Spacer(1, 8), words.CHOICE, Spacer(1, 2), chosen),
        ]

    def _calibration(self) -> list[Flowable]:
        heading = "Can a probability be taken at its word?"
        return [section(heading, words.calibration(self.content), self._picture("calibration"))]

    def _robustness(self) -> list[Flowable]:
        heading = "Does it stand what hospitals do to X-rays?"
        if not self.content.changes:
            return [section(heading, self._missing("robustness"))]
        said, picture = words.robustness(self.content), self._picture("robustness")
        return [section(heading, said, picture), Spacer(1, 4), self._table("robustness")]

    def _looks(self) -> list[Flowable]:
        """A table for each of the three files, under what it means."""
        story: list[Flowable] = []
        for i, (name, question) in enumerate(LOOKS.items()):
            part: list[str | Flowable] = [f"<b>{question}</b>"]
            if name in self.content.missing:
                part.append(self._missing(name))
            else:
                part += [words.looks(self.content, name), self._table(name), Spacer(1, 10)]
            story.append(together(*part) if i else section("Where it looks", *part))
        return story

    def _networks(self) -> list[Flowable]:
        heading = "Would another network do?"
        if not self.content.networks:
            return [section(heading, self._missing("networks"))]
        table = grid(measured(self.tables["networks"]))
        return [
            section(heading, words.networks(self.content), self._picture("networks")),
            Spacer(1, 4),
            together(table, caption(words.PROTOCOLS)),
        ]

    def _recommendations(self) -> list[Flowable]:
        recommended = advice.recommendations(self.content)
        first, rest = bullets(recommended[:1], start=1), bullets(recommended[1:], start=2)
        return [section("Recommendations", words.ADVICE, first), rest]

    def _missing(self, name: str) -> str:
        return f"<i>{words.marked(self.content.missing[name])}</i>"

    def _picture(self, name: str, width_cm: float = WIDTH_CM) -> Flowable:
        data = self.pictures[name]
        width, height = ImageReader(io.BytesIO(data)).getSize()
        return Image(io.BytesIO(data), width_cm * cm, width_cm * cm * height / width)

    def _table(self, name: str) -> Flowable:
        return grid(self.tables[name])
