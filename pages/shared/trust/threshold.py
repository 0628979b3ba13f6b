"""ROC and precision-recall with an operating point that moves along them, and its price."""

import math
from typing import Any

import streamlit as st

from model import curves, metrics
from model.language import N_, _
from model.metrics import Confusion
from model.performance import split_of, threshold_choice
from model.phrases import translated
from pages.shared import drawing, operating_points, services
from pages.shared.trust import charts, evidence, tables

FOUND = N_("Found (sensitivity, recall)")
ALARMS = N_("False alarms (1 - specificity)")
PRECISION = N_("Right if called pneumonia (precision, PPV)")


def draw() -> None:
    """The tab."""
    _movable()
    _choice()


@st.fragment
def _movable() -> None:
    state = st.session_state
    # The threshold that the visitor set while reading, where there is one.
    for name in ("threshold", "point"):
        if f"read.{name}" in state:
            state.setdefault(f"performance.{name}", state[f"read.{name}"])
    threshold = operating_points.follow(services.bundle(), "performance")
    if state.get("performance.slider", threshold) != threshold:
        state["performance.slider"] = threshold
    state.setdefault("performance.slider", threshold)
    st.slider(
        _("Threshold: pneumonia from here on"),
        0.0,
        1.0,
        step=0.01,
        key="performance.slider",
        on_change=lambda: _set(state["performance.slider"]),
    )
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        operating_points.buttons("performance", threshold, _set, state="performance")
    corner = right.toggle(_("Enlarge the corner"), key="performance.corner")
    _charts(corner)
    _price()


def _set(threshold: float) -> None:
    st.session_state["performance.threshold"], st.session_state["performance.point"] = threshold, ""
    st.session_state["performance.slider"] = threshold


def _charts(corner: bool) -> None:
    row, threshold = evidence.champion(), st.session_state["performance.threshold"]
    if not 0 < row.n_positive < row.n:
        one_label = _("No curves: all X-rays of this split have the same label.")
        st.info(one_label, icon=":material/info:")
        return
    counts = metrics.confusion(row.labels, row.probabilities, threshold)
    named = {
        f"{operating_points.title(point.name)} ({point.threshold:g})": metrics.confusion(
            row.labels, row.probabilities, point.threshold
        )
        for point in services.bundle().operating_points
    }
    thresholds = [point.threshold for point in services.bundle().operating_points]
    left, right = st.columns(2, gap="medium")
    for column, key, title, curve, place, titles, domains in [
        (left, "roc", _("ROC"), curves.roc, _on_roc, (_(ALARMS), _(FOUND)),
         ((0.0, 0.3), (0.7, 1.0))),
        (right, "pre", _("Precision and recall"), curves.precision_recall, _on_precision_recall,
         (_(FOUND), _(PRECISION)), ((0.7, 1.0), (0.7, 1.0))),
    ]:  # fmt: skip
        points = [
            {"name": name, "threshold": at, **place(c)}
            for (name, c), at in zip(named.items(), thresholds, strict=True)
        ]
        with column:
            st.markdown(f"**{title}**")
            st.altair_chart(
                charts.operating_curve(
                    curve(row.labels, row.probabilities),
                    _known([{"threshold": threshold, **place(counts)}]),
                    _known(points),
                    titles,
                    domains if corner else None,
                ),
                key=f"performance.chart.{key}",
                alt=_(
                    "{curve} of {network}; the point is at threshold {threshold:g}",
                    curve=title,
                    network=translated(row.title),
                    threshold=threshold,
                ),
            )


def _known(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that have no precision because nobody is called ill."""
    return [point for point in points if not math.isnan(point["y"])]


def _on_roc(counts: Confusion) -> dict[str, Any]:
    return {"x": 1 - counts.specificity.value, "y": counts.sensitivity.value}


def _on_precision_recall(counts: Confusion) -> dict[str, Any]:
    return {"x": counts.sensitivity.value, "y": counts.ppv.value}


def _price() -> None:
    bundle, row = services.bundle(), evidence.champion()
    threshold, split = st.session_state["performance.threshold"], split_of(bundle)
    left, right = st.columns(2, gap="large")
    with left:
        shown = services.consequences(bundle, split, threshold, 0.0)
        drawing.show(drawing.rates(shown, translated(bundle.evaluations[split].description)))
    counts = metrics.confusion(row.labels, row.probabilities, threshold)
    with right:
        caption = _("X-rays at threshold {threshold:g}", threshold=threshold)
        tables.show("confusion", caption, tables.confusion(counts))


def _choice() -> None:
    st.subheader(_("What the thresholds were chosen on"))
    choices = threshold_choice(services.bundle())
    if not choices:
        st.caption(
            _(
                "This version's thresholds were chosen on the validation fold as it is; there is "
                "no second choice, on films changed as hospitals change them, to compare them with."
            )
        )
        return
    st.caption(
        _(
            "A validation fold is easier than films from elsewhere, so this version chooses on "
            "films under changes too. Both choices, and what each does on the test split:"
        )
    )
    tables.show(
        "threshold_choice",
        _("Plain: chosen on the fold as it is. Used: chosen on the fold as it is and changed"),
        [
            {
                N_("Operating point"): operating_points.title(choice.name),
                N_("Plain: threshold"): f"{choice.plain.threshold:g}",
                N_("Plain: finds"): choice.on_plain.sensitivity,
                N_("Plain: clears"): choice.on_plain.specificity,
                N_("Used: threshold"): f"{choice.shipped.threshold:g}",
                N_("Used: finds"): choice.on_shipped.sensitivity,
                N_("Used: clears"): choice.on_shipped.specificity,
            }
            for choice in choices
        ],
    )
