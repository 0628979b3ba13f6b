"""The figures of the performance report as PNG bytes: light paper, no colour as the only sign."""

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model import curves, metrics
from model.metrics import Estimate
from model.performance import Calibration, Row
from model.performance_report.table import Table, measured, percent
from model.prediction import OperatingPoint
from model.prevalence import NaturalNumbers

DPI = 200
WIDTH_CM = 17.0  # of the text on an A4 page
INK, QUIET, LINE = "#0f191f", "#4a5b66", "#c3ced5"
ILL, WELL = "#9a5b00", "#0f6e66"  # as on the pages
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4eaed",
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def _png(height_cm: float, panels: int, draw: Callable[[Figure, Any], None]) -> bytes:
    """`draw` fills the axes of a figure as wide as the text; same input, same bytes."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_CM / 2.54, height_cm / 2.54), dpi=DPI, layout="constrained")
        draw(figure, figure.subplots(1, panels))
        data = io.BytesIO()
        figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def children(numbers: NaturalNumbers) -> bytes:
    """One hundred children: found, missed, called back, cleared, each with its own sign."""
    signs: list[tuple[str, int, dict[str, Any]]] = [
        ("found", numbers.found, {"marker": "o", "color": ILL}),
        ("missed", numbers.missed, {"marker": "X", "color": ILL}),
        ("called back", numbers.called_back,
         {"marker": "o", "facecolors": "white", "edgecolors": WELL, "linewidths": 1.8}),
        ("cleared", numbers.cleared, {"marker": ".", "color": WELL}),
    ]  # fmt: skip

    def draw(figure: Figure, axes: Axes) -> None:
        start = 0
        for name, count, sign in signs:
            places = np.arange(start, start + count)  # (K,)
            axes.scatter(places % 25, -(places // 25), s=46, label=f"{count} {name}", **sign)
            start += count
        axes.set(xlim=(-0.7, 24.7), ylim=(-3.7, 0.7))
        axes.set_axis_off()
        figure.legend(loc="outside lower left", ncols=4, fontsize=9, handletextpad=0.2)

    return _png(3.6, 1, draw)


def roc(row: Row) -> bytes:
    """ROC and precision-recall with the default operating point."""

    def draw(figure: Figure, axes: Sequence[Axes]) -> None:
        left, right = axes
        curve = curves.roc(row.labels, row.probabilities)
        left.plot([0, 1], [0, 1], color=LINE, linestyle="--", label="guessing")
        left.plot(curve.x, curve.y, color=WELL, label=f"AUROC {row.auroc.value:.3f}")
        left.plot(1 - row.specificity.value, row.recall.value, "o", color=ILL, label="default")
        left.set(
            title="Found against false alarms",
            xlabel="1 - specificity: share of normal X-rays called back",
            ylabel="sensitivity: share of pneumonia found",
        )
        curve = curves.precision_recall(row.labels, row.probabilities)
        right.axhline(row.n_positive / row.n, color=LINE, linestyle="--", label="guessing")
        right.plot(curve.x, curve.y, color=WELL, label="this network")
        right.plot(row.recall.value, row.precision.value, "o", color=ILL, label="default")
        right.set(
            title="How often a call is right",
            xlabel="recall: share of pneumonia found",
            ylabel="precision: share of calls that are right",
        )
        for each in axes:
            each.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            each.legend(loc="lower right" if each is left else "lower left")

    return _png(7.2, 2, draw)


def intervals(table: Table, keys: Sequence[str], reference: bool = False) -> bytes:
    """One line a row of the table, a point and its interval for each of the columns `keys`.

    reference: a dashed line through the point of the first row.
    """
    places = [[column.key for column in table.columns].index(key) for key in keys]
    names = [_label(str(row[0])) for row in table.rows]

    def draw(figure: Figure, axes: Any) -> None:
        layout: Any = figure.get_layout_engine()
        layout.set(wspace=0.06)
        at = -np.arange(len(names))
        panels = np.atleast_1d(axes)
        for panel, place in zip(panels, places, strict=True):
            estimates = [row[place] for row in table.rows]
            _points(panel, at, estimates)
            if reference and not np.isnan(estimates[0].value):
                panel.axvline(estimates[0].value, color=QUIET, linewidth=0.8, linestyle="--")
            panel.set(
                title=table.columns[place].title, yticks=[], ylim=(-len(names) + 0.4, 0.6),
                xlim=(_start(table, places, place), 1.01),
            )  # fmt: skip
            panel.grid(axis="y", visible=False)
        panels[0].set_yticks(at, names, color=INK)

    high = 0.75 if any("\n" in name for name in names) else 0.57
    return _png(1.7 + high * len(names), len(keys), draw)


def _start(table: Table, places: Sequence[int], place: int) -> float:
    """Where the axis of a column begins; rates share it, AUROC has its own."""
    is_rate = "numerator" in table.columns[place].parts
    alike = [p for p in places if ("numerator" in table.columns[p].parts) == is_rate]
    lows = [row[p].low for row in table.rows for p in alike if not np.isnan(row[p].value)]
    return max(0.0, min(lows, default=0.0) - 0.02)


def _points(axes: Axes, at: np.ndarray, estimates: Sequence[Estimate]) -> None:
    for y, each in zip(at, estimates, strict=True):
        if np.isnan(each.value):
            axes.text(0.5, y, "not known", color=QUIET, va="center", transform=_across(axes))
            continue
        axes.plot([each.low, each.high], [y, y], color=WELL, linewidth=2.2, alpha=0.45)
        axes.plot(each.value, y, "o", color=WELL, markersize=4.5)


def _across(axes: Axes) -> Any:
    """x in parts of the panel, y as the data."""
    return axes.get_yaxis_transform()


def threshold(row: Row, points: Sequence[OperatingPoint]) -> bytes:
    """Sensitivity and specificity over all thresholds, and where the named ones lie."""
    grid = np.linspace(0, 1, 401)  # (T,)
    counts = [metrics.confusion(row.labels, row.probabilities, float(t)) for t in grid]

    def draw(figure: Figure, axes: Axes) -> None:
        axes.plot(grid, [c.sensitivity.value for c in counts], color=ILL, label="sensitivity")
        axes.plot(
            grid, [c.specificity.value for c in counts], color=WELL, linestyle=(0, (5, 1.5)),
            label="specificity",
        )  # fmt: skip
        for i, point in enumerate(sorted(points, key=lambda point: point.threshold)):
            axes.axvline(point.threshold, color=QUIET, linewidth=0.8, linestyle=":")
            # Neighbours may lie close: their names stand on lines of their own.
            axes.annotate(
                f"{point.name} {point.threshold:.3g}", (point.threshold, 1.04 + 0.075 * (i % 4)),
                xytext=(2, 0), textcoords="offset points", fontsize=7, color=INK,
                ha="left" if point.threshold < 0.8 else "right", annotation_clip=False,
            )  # fmt: skip
        axes.set(
            xlim=(0, 1), ylim=(0, 1.36), yticks=np.linspace(0, 1, 6),
            xlabel="threshold: from this probability on an X-ray is called pneumonia",
            ylabel="share called right",
        )  # fmt: skip
        axes.legend(loc="lower center", ncols=2)

    return _png(7.0, 1, draw)


def calibration(found: Calibration) -> bytes:
    """Reliability diagrams before and after temperature scaling."""

    def draw(figure: Figure, axes: Sequence[Axes]) -> None:
        for panel, name, probabilities, ece in (
            (axes[0], "Before", found.before, found.ece_before),
            (axes[1], "After", found.after, found.ece_after),
        ):
            panel.plot([0, 1], [0, 1], color=LINE, linestyle="--", label="perfect")
            for each in curves.reliability(found.labels, probabilities):
                x, share = each.mean_probability, each.share
                panel.plot([x, x], [share.low, share.high], color=WELL, linewidth=2.2, alpha=0.45)
                panel.plot(x, share.value, "o", color=WELL, markersize=4.5)
            panel.set(
                title=f"{name} temperature scaling, ECE {ece:.3f}",
                xlabel="probability said", ylabel="share with pneumonia",
                xlim=(-0.02, 1.02), ylim=(-0.02, 1.02),
            )  # fmt: skip
            panel.legend(loc="upper left")

    return _png(7.0, 2, draw)


def confusion(row: Row) -> bytes:
    """The four counts as areas of a square for each reference label."""
    counts = row.confusion
    rows = [
        ("with pneumonia", row.recall, counts.false_negatives, "found", "missed", ILL),
        ("without", row.specificity, counts.false_positives, "cleared", "called back", WELL),
    ]

    def draw(figure: Figure, axes: Axes) -> None:
        for y, (_, right, wrong, good, bad, colour) in zip((1, 0), rows, strict=True):
            axes.barh(y, right.value, 0.6, color=colour, alpha=0.85)
            axes.barh(y, 1 - right.value, 0.6, right.value, color="white", edgecolor=colour,
                      hatch="////")  # fmt: skip
            said = f"{right.numerator} {good} ({percent(right.value)})"
            behind = None if right.value > 0.4 else {"facecolor": "white", "edgecolor": "none"}
            ink = INK if behind else "white"
            axes.text(0.01, y, said, color=ink, va="center", fontsize=9, bbox=behind)
            axes.text(1.01, y, f"{wrong} {bad}", va="center", fontsize=9, color=INK)
        axes.set_yticks([1, 0], [f"{r[1].denominator} X-rays\n{r[0]}" for r in rows], color=INK)
        axes.set(xlim=(0, 1), xticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return _png(2.8, 1, draw)


def named(table: Table) -> Table:
    """The table of networks for `intervals`: the protocol in the name, no rows without figures."""
    rows = [
        (row[0] if row[1] == "official" else f"{row[0]}, {row[1]}", *row[1:])
        for row in measured(table).rows
    ]
    return replace(table, rows=rows)


def _label(name: str) -> str:
    """A name on at most two lines, so that it leaves room for the figure."""
    return "\n".join(textwrap.wrap(name, 30, max_lines=2, placeholder="…"))
