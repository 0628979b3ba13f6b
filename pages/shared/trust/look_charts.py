"""Charts of where the network looks and of what the gate refuses; see `charts` for the colours."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from model.language import N_, _
from model.looks import GateFigures, MapFigures, Randomisation, Variant
from model.phrases import translated
from pages.shared.trust import charts
from pages.shared.trust.charts import GREY, HEIGHT_PX, Layers, bottom, inline

KINDS = {
    "whole": N_("Whole X-ray"),
    "lungs_only": N_("Lungs only"),
    "lungs_removed": N_("Lungs taken away"),
}


def variants(found: Sequence[Variant]) -> Layers:
    """AUROC of each variant with its interval; the dashed line is guessing."""
    records = [
        {
            "variant": translated(v.title),
            "kind": _(KINDS[v.kind]),
            "value": v.auroc.value,
            "low": v.auroc.low,
            "high": v.auroc.high,
        }
        for v in found
        if not math.isnan(v.auroc.value)
    ]
    lowest = min((v.auroc.low for v in found), default=0.5)
    scale = alt.Scale(domain=[min(0.5, math.floor(10 * lowest) / 10), 1.0], nice=False)
    kinds = [_(KINDS[kind]) for kind in KINDS]
    y = alt.Y(
        "variant:N",
        sort=[translated(v.title) for v in found],
        title=None,
        axis=alt.Axis(labelLimit=150, labelFlush=False),
    )
    base = alt.Chart(inline(records)).encode(
        y,
        color=alt.Color("kind:N", sort=kinds, legend=bottom()),
        tooltip=[
            alt.Tooltip("variant:N", title=_("X-rays")),
            alt.Tooltip("value:Q", title=_("AUROC"), format=".3f"),
            alt.Tooltip("low:Q", title=_("95 % interval from"), format=".3f"),
            alt.Tooltip("high:Q", title=_("to"), format=".3f"),
        ],
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        alt.X("low:Q", title=_("AUROC"), scale=scale, axis=alt.Axis(tickCount=6)), alt.X2("high:Q")
    )
    dots = base.mark_point(size=90, filled=True, opacity=1).encode(
        alt.X("value:Q", title=_("AUROC"), scale=scale),
        shape=alt.Shape("kind:N", sort=kinds, legend=bottom()),
    )
    guessing = _lines([{"at": 0.5, "name": _("guessing")}], "x", scale)
    return alt.layer(*guessing, bars, dots).properties(height=36 * len(found) + 200)


def shares(in_lungs: np.ndarray, areas: np.ndarray) -> alt.Chart:
    """Shares (N,) of the heat of each X-ray that is in the lungs, and of the film that is lung."""
    edges = np.linspace(0, 1, 21).round(2)  # (B + 1,)
    counts = {
        _("Heat in the lungs"): np.histogram(in_lungs, edges)[0],
        _("Film that is lung"): np.histogram(areas, edges)[0],
    }
    return charts.steps(edges, counts, _("Share in the lungs"), "X-rays")


def fading(
    maps: Sequence[MapFigures], way: str, fractions: np.ndarray, titles: tuple[str, str]
) -> alt.Chart:
    """Deletion or insertion curves, one for each map; titles: of the x and the y axis."""
    names = [translated(each.title) for each in maps]
    records = [
        {"map": name, "x": float(x), "y": float(y)}
        for name, each in zip(names, maps, strict=True)
        for x, y in zip(fractions, getattr(each, way).curve, strict=True)
    ]
    return (
        alt.Chart(inline(records))
        .mark_line(point=alt.OverlayMarkDef(size=30, opacity=0))
        .encode(
            charts.share_axis("x", titles[0], (0, 1)),
            alt.Y("y:Q", title=titles[1], scale=alt.Scale(domainMin=0)),
            color=alt.Color("map:N", sort=names, legend=bottom()),
            strokeDash=alt.StrokeDash("map:N", sort=names, legend=bottom()),
            tooltip=[
                alt.Tooltip("map:N", title=_("Map")),
                alt.Tooltip("x:Q", title=titles[0], format=".0%"),
                alt.Tooltip("y:Q", title=titles[1], format=".3f"),
            ],
        )
        .properties(height=HEIGHT_PX + 60)
    )


def randomisation(found: Randomisation) -> Layers:
    """Similarity to the true map, layer by layer; the dashed line is that of different X-rays."""
    records = [
        {"layer": layer, "similarity": similarity}
        for layer, similarity in zip(found.layers, found.similarity, strict=True)
    ]
    scale = alt.Scale(domain=[min(0.0, found.random_pairs, *found.similarity), 1.0])
    line = (
        alt.Chart(inline(records))
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True))
        .encode(
            alt.X(
                "layer:N",
                sort=None,
                title=_("Random from the logit back to"),
                axis=alt.Axis(labelAngle=-40),
            ),
            alt.Y("similarity:Q", title=_("Similarity to the true map"), scale=scale),
            tooltip=[
                alt.Tooltip("layer:N", title=_("Random back to")),
                alt.Tooltip("similarity:Q", title=_("Similarity"), format=".3f"),
            ],
        )
    )
    pairs = _lines([{"at": found.random_pairs, "name": _("maps of different X-rays")}], "y", scale)
    return alt.layer(*pairs, line).properties(height=HEIGHT_PX)


def distances(found: GateFigures) -> Layers:
    """How strange the images are to the gate, with both limits."""
    counts = {_("X-rays of the split"): found.split, _("Other images"): found.others}
    limits = [
        {"at": found.unusual_from, "name": _("unusual from here")},
        {"at": found.refused_from, "name": _("refused from here")},
    ]
    domain = [float(found.edges[0]), float(found.edges[-1])]
    scale = alt.Scale(domain=domain, nice=False)
    shown = charts.steps(found.edges, counts, _("Score of the gate"), "group")
    return alt.layer(shown, *_lines(limits, "x", scale)).properties(height=HEIGHT_PX)


def _lines(at: Sequence[Mapping[str, Any]], axis: str, scale: alt.Scale) -> list[alt.Chart]:
    """Dashed lines across the chart, each with its name: records of `at` and `name`."""
    kind = alt.X if axis == "x" else alt.Y
    layers: list[alt.Chart] = []
    for i, each in enumerate(at):
        base = alt.Chart(inline([each])).encode(
            kind("at:Q", scale=scale),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("at:Q", format=".3~f")],
        )
        # Names of lines that lie close stand below one another.
        place: dict[str, Any] = {"dx": 4, "y": 8 + 16 * i} if axis == "x" else {"dy": -8, "x": 4}
        layers += [
            base.mark_rule(color=GREY, strokeDash=[4, 4], strokeWidth=1.5),
            base.mark_text(color=GREY, align="left", **place).encode(text="name:N"),
        ]
    return layers
