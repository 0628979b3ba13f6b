"""Charts with tooltips, in the colours of the theme. Import late: Altair takes .4 s.

Colours are the theme's categories in their order (.streamlit/config.toml), so that they change
with light and dark: the first is the accent and the sign for "well", the second for "ill". Shape
or dash says the same again.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from model.curves import Bin, Curve
from model.evaluated import Change, ChangeFigures
from model.language import N_, _
from model.metrics import Rate
from model.performance import Row
from model.phrases import translated

HEIGHT_PX = 340  # with axes and legend
GREY = "#84939c"  # 3:1 or more on both backgrounds, for lines that are no data
_MOVED = "#d98e04"  # 3:1 or more on dark, near it on light, where it is large and round
PERCENT = ".0%"
Point = Mapping[str, Any]
Layers = alt.LayerChart | alt.FacetChart  # what altair.layer says it gives


def inline(records: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """Records in the specification itself."""
    return alt.InlineData(values=[dict(record) for record in records])


def share_axis(field: str, title: str, domain: tuple[float, float], kind: Any = alt.X) -> Any:
    """In per cent, from end to end of the domain."""
    scale = alt.Scale(domain=list(domain), nice=False)
    return kind(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(format=PERCENT, tickCount=6))


def bottom(title: str | None = None, columns: int = 1) -> alt.Legend:
    """Under the chart; one column where two would not fit on a phone."""
    return alt.Legend(orient="bottom", title=title, columns=columns, labelLimit=260)


def _points(curve: Curve) -> list[dict[str, Any]]:
    return [
        {"x": float(x), "y": float(y), "threshold": min(float(t), 1.0), "order": i}
        for i, (x, y, t) in enumerate(zip(curve.x, curve.y, curve.thresholds, strict=True))
    ]


def operating_curve(
    curve: Curve,
    here: Sequence[Point],
    named: Sequence[Point],
    titles: tuple[str, str],
    corner: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Layers:
    """A curve, the named operating points on it, and the one that is being moved.

    here (none or one) and named: {"name", "x", "y", "threshold"}. titles: of the x and the y axis.
    corner: the domains of a part to show alone.
    """
    domains = corner or ((0.0, 1.0), (0.0, 1.0))
    clip = corner is not None
    x = share_axis("x", titles[0], domains[0])
    y = share_axis("y", titles[1], domains[1], alt.Y)
    tooltip = [
        alt.Tooltip("x:Q", title=titles[0], format=".1%"),
        alt.Tooltip("y:Q", title=titles[1], format=".1%"),
        alt.Tooltip("threshold:Q", title=_("Threshold"), format=".4~f"),
    ]
    line = (
        alt.Chart(inline(_points(curve)))
        .mark_line(clip=clip, point=alt.OverlayMarkDef(size=30, opacity=0))
        .encode(x, y, order="order:Q", tooltip=tooltip)
    )
    names = [point["name"] for point in named]
    marks = (
        alt.Chart(inline(named))
        .mark_point(size=110, filled=False, strokeWidth=2, color=GREY, clip=clip)
        .encode(
            x,
            y,
            shape=alt.Shape("name:N", sort=names, legend=bottom(_("Named operating points"), 2)),
            tooltip=[alt.Tooltip("name:N", title=_("Operating point")), *tooltip],
        )
    )
    moved = (
        alt.Chart(inline(here))
        .mark_circle(size=240, opacity=1, color=_MOVED, clip=clip)
        .encode(x, y, tooltip=tooltip)
    )
    return alt.layer(line, marks, moved).properties(height=HEIGHT_PX + 80)


def roc_curves(curves: Mapping[str, Curve], corner: bool) -> alt.Chart:
    """One curve for each title, told apart by colour and dash; with `corner` the top left only."""
    low, high = ((0.0, 0.4), (0.6, 1.0)) if corner else ((0.0, 1.0), (0.0, 1.0))
    records = [
        {"network": title, **point} for title, curve in curves.items() for point in _points(curve)
    ]
    titles = list(curves)
    return (
        alt.Chart(inline(records))
        .mark_line(clip=True, point=alt.OverlayMarkDef(size=30, opacity=0))
        .encode(
            share_axis("x", _("False alarms (1 - specificity)"), low),
            share_axis("y", _("Found (sensitivity)"), high, alt.Y),
            order="order:Q",
            color=alt.Color("network:N", sort=titles, legend=bottom(_("Network"))),
            strokeDash=alt.StrokeDash("network:N", sort=titles),
            tooltip=[
                alt.Tooltip("network:N", title=_("Network")),
                alt.Tooltip("x:Q", title=_("False alarms"), format=".1%"),
                alt.Tooltip("y:Q", title=_("Found"), format=".1%"),
                alt.Tooltip("threshold:Q", title=_("Threshold"), format=".4~f"),
            ],
        )
        .properties(height=HEIGHT_PX + 240)
    )


def reliability(bins: Sequence[Bin]) -> Layers:
    """What was said against what was so, with Wilson's intervals; the grey line is perfect."""
    records = [
        {
            "said": b.mean_probability,
            "so": b.share.value,
            "low": b.share.low,
            "high": b.share.high,
            "n": b.share.denominator,
            "bin": _("{low:.1f} to {high:.1f}", low=b.low, high=b.high),
        }
        for b in bins
    ]
    x = share_axis("said", _("Mean probability that was given"), (0, 1))
    title = _("Share with pneumonia")
    tooltip = [
        alt.Tooltip("bin:N", title=_("Probability")),
        alt.Tooltip("n:Q", title=_("X-rays")),
        alt.Tooltip("said:Q", title=_("Mean probability"), format=".1%"),
        alt.Tooltip("so:Q", title=title, format=".1%"),
        alt.Tooltip("low:Q", title=_("95 % interval from"), format=".1%"),
        alt.Tooltip("high:Q", title=_("to"), format=".1%"),
    ]
    perfect = (
        alt.Chart(inline([{"said": 0, "so": 0}, {"said": 1, "so": 1}]))
        .mark_line(color=GREY, strokeDash=[4, 4])
        .encode(x, share_axis("so", title, (0, 1), alt.Y))
    )
    base = alt.Chart(inline(records)).encode(x, tooltip=tooltip)
    bars = base.mark_rule(strokeWidth=2, color=GREY).encode(
        share_axis("low", title, (0, 1), alt.Y), alt.Y2("high:Q")
    )
    dots = base.mark_circle(opacity=1).encode(
        share_axis("so", title, (0, 1), alt.Y),
        size=alt.Size("n:Q", scale=alt.Scale(range=[50, 400]), legend=None),
    )
    return alt.layer(perfect, bars, dots).properties(height=HEIGHT_PX)


def changes(figures: Sequence[tuple[Change, ChangeFigures]]) -> Layers:
    """Sensitivity and specificity under each change with their intervals, as dots in a row."""
    names = [_("Finds (sensitivity)"), _("Clears (specificity)")]
    records = [
        {"change": translated(change.title), "figure": name, **_interval(rate)}
        for change, found in figures
        for name, rate in zip(names, (found.sensitivity, found.specificity), strict=True)
        if not math.isnan(rate.value)
    ]
    lowest = min((record["low"] for record in records), default=0.0)
    domain = (math.floor(10 * lowest) / 10, 1.0)
    y = alt.Y(
        "change:N",
        sort=[translated(change.title) for change, _found in figures],
        title=None,
        axis=alt.Axis(labelLimit=170),
    )
    base = alt.Chart(inline(records)).encode(
        y,
        yOffset=alt.YOffset("figure:N", sort=names),
        color=alt.Color("figure:N", sort=names, legend=bottom()),
        tooltip=[
            alt.Tooltip("change:N", title=_("Change")),
            alt.Tooltip("figure:N", title=_("Figure")),
            alt.Tooltip("value:Q", title=_("Value"), format=".1%"),
            alt.Tooltip("low:Q", title=_("95 % interval from"), format=".1%"),
            alt.Tooltip("high:Q", title=_("to"), format=".1%"),
            alt.Tooltip("count:N", title=_("X-rays")),
        ],
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        share_axis("low", _("Share of X-rays"), domain), alt.X2("high:Q")
    )
    dots = base.mark_point(size=70, filled=True, opacity=1).encode(
        share_axis("value", _("Share of X-rays"), domain),
        shape=alt.Shape("figure:N", sort=names, legend=bottom()),
    )
    return alt.layer(bars, dots).properties(height=34 * len(figures) + 130)


def _interval(rate: Rate) -> dict[str, Any]:
    of = _("{count} of {all}", count=rate.numerator, all=rate.denominator)
    return {"value": rate.value, "low": rate.low, "high": rate.high, "count": of}


SETS = {
    "": N_("Training"),
    "validation_": N_("Validation"),
    "changed_": N_("Validation, films changed"),
}
FIGURES = {"loss": N_("Loss"), "accuracy": N_("Accuracy")}


def training(row: Row, figure: str) -> alt.Chart | None:
    """Loss or accuracy over the epochs; None where the run did not write it."""
    titles = {prefix: translated(title) for prefix, title in SETS.items()}
    records = [
        {
            "epoch": number,
            "set": title,
            "value": line[prefix + figure],
            "size": f"{line.get('size_px', row.size_px)} px",
        }
        for number, line in enumerate(row.curves, 1)
        for prefix, title in titles.items()
        if line.get(prefix + figure) is not None
    ]
    if not records:
        return None
    sets = [title for title in titles.values() if any(r["set"] == title for r in records)]
    domain = alt.Scale(zero=False, type="log" if figure == "loss" else "linear")
    axis = alt.Axis(format=PERCENT) if figure == "accuracy" else alt.Axis(format="~g", tickCount=4)
    return (
        alt.Chart(inline(records))
        .mark_line(point=alt.OverlayMarkDef(size=36, filled=True))
        .encode(
            alt.X("epoch:Q", title=_("Epoch"), axis=alt.Axis(format="d", tickMinStep=1)),
            alt.Y("value:Q", title=_(FIGURES[figure]), scale=domain, axis=axis),
            color=alt.Color("set:N", sort=sets, legend=bottom()),
            strokeDash=alt.StrokeDash("set:N", sort=sets, legend=bottom()),
            tooltip=[
                alt.Tooltip("set:N", title=_("Set")),
                alt.Tooltip("epoch:Q", title=_("Epoch")),
                alt.Tooltip("value:Q", title=_(FIGURES[figure]), format=".4f"),
                alt.Tooltip("size:N", title=_("Image size")),
            ],
        )
        .properties(height=HEIGHT_PX + 40)
    )


# What the lines of `steps` are: the title of one, and of its axis.
LINES = {
    "class": (N_("Class"), N_("Share of the class")),
    "X-rays": (N_("X-rays"), N_("Share of the X-rays")),
    "group": (N_("Group"), N_("Share of the group")),
    "set": (N_("Set"), N_("Share of the set")),
}


def steps(edges: np.ndarray, counts: Mapping[str, np.ndarray], title: str, of: str) -> alt.Chart:
    """Counts (B,) between edges (B + 1,) in shares of each line, which is one of LINES."""
    line, share = (translated(title) for title in LINES[of])
    records = [
        {
            "class": name,
            "edge": float(edge),
            "share": float(values[i] / max(values.sum(), 1)),
            "count": int(values[i]),
            "range": _("{low:g} to {high:g}", low=edges[i], high=edges[i + 1]),
        }
        for name, values in counts.items()
        # The last bin once more, so that its step reaches the last edge.
        for i, edge in zip([*range(len(values)), len(values) - 1], edges, strict=True)
    ]
    classes = list(counts)
    legend = bottom(columns=2 if len("".join(classes)) < 40 else 1)  # a phone is narrow
    return (
        alt.Chart(inline(records))
        .mark_line(interpolate="step-after", point=alt.OverlayMarkDef(size=40, opacity=0))
        .encode(
            alt.X("edge:Q", title=title, scale=alt.Scale(nice=False, zero=False)),
            alt.Y("share:Q", title=share, axis=alt.Axis(format=PERCENT)),
            color=alt.Color("class:N", sort=classes, legend=legend),
            strokeDash=alt.StrokeDash("class:N", sort=classes, legend=legend),
            tooltip=[
                alt.Tooltip("class:N", title=line),
                alt.Tooltip("range:N", title=title),
                alt.Tooltip("count:Q", title=_("Count")),
                alt.Tooltip("share:Q", title=share, format=".1%"),
            ],
        )
        .properties(height=HEIGHT_PX)
    )
