"""A table of the performance report: raw values, shown as CSV and as cells of a page."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.metrics import Estimate

NOT_KNOWN = "not known"
# parts of an Estimate, and of a Rate beside them
INTERVAL = ("low", "high")
COUNTS = ("numerator", "denominator")


@dataclass(frozen=True)
class Column:
    """key: in the CSV; title: on the page; parts: what follows the value in the CSV.

    width: on the page, in parts of the table; 0 is for the CSV only.
    """

    key: str
    title: str
    show: Callable[[Any], str] = str
    parts: tuple[str, ...] = ()
    width: float = 1.0


@dataclass(frozen=True)
class Table:
    """Rows of raw values: str, int, float, None, Estimate or Rate, one for each column."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]

    def csv(self) -> str:
        """Header and one line a row; an Estimate fills value, low, high, a Rate its counts too."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(key for column in self.columns for key in (column.key, *_parts(column)))
        for row in self.rows:
            cells = zip(self.columns, row, strict=True)
            writer.writerow(cell for column, value in cells for cell in _raw(column, value))
        return text.getvalue()

    @property
    def shown(self) -> list[Column]:
        """The columns on the page."""
        return [column for column in self.columns if column.width]

    def cells(self) -> list[list[str]]:
        """The rows in words, without the header."""
        return [
            [c.show(value) for c, value in zip(self.columns, row, strict=True) if c.width]
            for row in self.rows
        ]


def _parts(column: Column) -> list[str]:
    return [f"{column.key}_{part}" for part in column.parts]


def _raw(column: Column, value: Any) -> list[Any]:
    """NaN and None become empty cells, but an interval stays."""
    if not column.parts:
        return [_number(value)]
    parts = [getattr(value, part, None) for part in column.parts]
    return [_number(getattr(value, "value", None)), *map(_number, parts)]


def _number(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


# --- values in words ------------------------------------------------------------------------------


def percent(share: float) -> str:
    """`97.9 %`."""
    return NOT_KNOWN if math.isnan(share) else f"{100 * share:.1f} %"


def percent_interval(estimate: Estimate) -> str:
    """`97.9 % (96.0 to 99.0)`."""
    if math.isnan(estimate.value):
        return NOT_KNOWN
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def decimal_interval(estimate: Estimate) -> str:
    """`0.983 (0.972 to 0.991)`."""
    if math.isnan(estimate.value):
        return NOT_KNOWN
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def decimal(value: float | None) -> str:
    """Three decimals."""
    return NOT_KNOWN if value is None or math.isnan(value) else f"{value:.3f}"


def p_value(value: float | None) -> str:
    """`< 0.001`; none where nothing was tested."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def threshold_text(value: float) -> str:
    """As short as it is."""
    return NOT_KNOWN if math.isnan(value) else f"{value:.3g}"


def count(value: int | None) -> str:
    """`1,234`."""
    return NOT_KNOWN if value is None else f"{value:,}"


# --- columns ---


def rate(key: str, title: str) -> Column:
    """A proportion in percent, with its counts in the CSV."""
    return Column(key, title, percent_interval, INTERVAL + COUNTS, 1.5)


def estimate(key: str, title: str) -> Column:
    """A figure that is no proportion."""
    return Column(key, title, decimal_interval, INTERVAL, 1.5)


def text(key: str, title: str, width: float) -> Column:
    """Words; none is not known."""
    return Column(key, title, lambda said: said or NOT_KNOWN, (), width)


def number(key: str, title: str) -> Column:
    """A whole number."""
    return Column(key, title, count, (), 0.7)


def measured(table: Table) -> Table:
    """Without the rows whose last figure is not known."""
    return replace(table, rows=[row for row in table.rows if not math.isnan(row[-1].value)])
