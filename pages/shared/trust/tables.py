"""Tables of figures with their intervals and counts, each of which can be had as CSV.

A record is one row: column -> text, number, `metrics.Rate` or `metrics.Estimate`. Its texts are
English, as the CSV is; those on the page are translated when they are shown.
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from model.language import N_, _
from model.metrics import Confusion, Estimate, Rate
from model.phrases import translated


class Own(str):
    """A text with its own words on the page: what people have entered is never translated."""

    def __new__(cls, text: str, shown: str | None = None) -> "Own":
        """text: in the CSV. shown: on the page, the same unless given."""
        new = super().__new__(cls, text)
        new.shown = text if shown is None else shown
        return new

    shown: str


Cell = str | int | float | Estimate | None
Record = Mapping[str, Cell]
UNKNOWN = N_("unknown")


def show(name: str, caption: str, records: Sequence[Record]) -> None:
    """The table, and a button that downloads it as `NAME.csv`; see `draw`."""
    draw(caption, records)
    if not records:
        return
    st.download_button(
        "CSV",
        data=lambda: as_csv(records),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        key=f"performance.csv.{name}",
        help=_(
            "{caption}, as CSV with intervals and counts in columns of their own", caption=caption
        ),
    )


def draw(caption: str, records: Sequence[Record]) -> None:
    """The table; nothing where there is no record.

    caption: in the reader's language.
    """
    if not records:
        return
    head = "".join(f'<th scope="col">{escape(translated(column))}</th>' for column in records[0])
    body = "".join(f"<tr>{_row(list(record.values()))}</tr>" for record in records)
    # The caption stays outside of what scrolls, so that a phone shows all of it.
    st.html(
        f'<figure class="figures"><figcaption>{escape(caption)}</figcaption>'
        f'<div tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )


def _row(cells: list[Cell]) -> str:
    first, *others = cells
    return f'<th scope="row">{html(first)}</th>' + "".join(
        f"<td>{html(cell)}</td>" for cell in others
    )


def html(cell: Cell) -> str:
    """A cell as HTML: the figure, under it the 95 % interval and the counts."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return _(UNKNOWN)
    if isinstance(cell, Estimate):
        if math.isnan(cell.value):
            return _(UNKNOWN)
        return f"<b>{value(cell)}</b><small>{interval(cell)}{_counts(cell)}</small>"
    if isinstance(cell, str):
        return escape(cell.shown if isinstance(cell, Own) else translated(cell))
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}"


def value(estimate: Estimate) -> str:
    """A rate in per cent, anything else with three decimals."""
    if math.isnan(estimate.value):
        return _(UNKNOWN)
    return (
        f"{100 * estimate.value:.1f} %" if isinstance(estimate, Rate) else f"{estimate.value:.3f}"
    )


def interval(estimate: Estimate) -> str:
    """The 95 % interval in the unit of `value`."""
    if isinstance(estimate, Rate):
        return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def loss(now: Estimate, before: Estimate, times: int = 1, decimals: int = 3) -> str:
    """How much less than before, in units of 1 / times; a gain has a minus."""
    less = round(times * (before.value - now.value), decimals) + 0.0  # no "-0.0"
    return UNKNOWN if math.isnan(less) else f"{less:.{decimals}f}"


def _counts(estimate: Estimate) -> str:
    return f" · {estimate.numerator}/{estimate.denominator}" if isinstance(estimate, Rate) else ""


def as_csv(records: Sequence[Record]) -> bytes:
    """UTF-8 with a header line; an interval takes columns `NAME low` and `NAME high`.

    The byte-order mark tells Excel that it is UTF-8.
    """
    flat = [_flat(record) for record in records]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in flat for name in row)))
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue().encode("utf-8-sig")


def _flat(record: Record) -> dict[str, str | int | float | None]:
    flat: dict[str, str | int | float | None] = {}
    for name, cell in record.items():
        if not isinstance(cell, Estimate):
            flat[name] = _harmless(cell)
            continue
        flat |= {name: cell.value, f"{name} low": cell.low, f"{name} high": cell.high}
        if isinstance(cell, Rate):
            flat |= {f"{name} count": cell.numerator, f"{name} of": cell.denominator}
    return flat


def _harmless(cell: str | int | float | None) -> str | int | float | None:
    """A text that a spreadsheet would calculate gets an apostrophe, a number with a sign none."""
    from model.clinic.reviews import harmless  # its store is nothing for the figures' first paint

    return cell if re.fullmatch(r"-[\d.]+", str(cell)) else harmless(cell)


def confusion(counts: Confusion) -> list[Record]:
    """The four counts: a row for each reference label, a column for each decision."""
    return [
        {
            N_("Reference label"): N_("Pneumonia"),
            N_("called pneumonia"): f"{counts.true_positives:,} found",
            N_("called normal"): f"{counts.false_negatives:,} missed",
        },
        {
            N_("Reference label"): N_("Normal"),
            N_("called pneumonia"): f"{counts.false_positives:,} false alarms",
            N_("called normal"): f"{counts.true_negatives:,} cleared",
        },
    ]
