"""ROC and precision-recall with an operating point that moves along them, and its price."""

import math
from typing import Any

import streamlit as st

from model import curves, metrics
from model.metrics import Confusion
from model.performance import split_of, threshold_choice
from pages.shared import drawing, operating_points, services
from pages.shared.trust import charts, evidence, tables

FOUND = "Found (sensitivity, recall)"
ALARMS = "False alarms (1 - specificity)"
PRECISION = "Right if called pneumonia (precision, PPV)"


def draw() -> None:
    """The tab."""
    _movable()
    _choice()


@st.fragment
def _movable() -> None:
    state = st.session_state
    # The threshold that the visitor set while reading, where there is one.
    default = evidence.champion().threshold
    state.setdefault("performance.threshold", state.get("read.threshold", default))
    state.setdefault("performance.slider", state["performance.threshold"])
    st.slider(
        "Threshold: pneumonia from here on",
        0.0,
        1.0,
        step=0.01,
        key="performance.slider",
        on_change=lambda: _set(state["performance.slider"]),
    )
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        operating_points.buttons("performance", state["performance.threshold"], _set)
    corner = right.toggle("Enlarge the corner", key="performance.corner")
    _charts(corner)
    _price()


def _set(threshold: float) -> None:
    st.session_state["performance.threshold"] = threshold
    st.session_state["performance.slider"] = threshold


def _charts(corner: bool) -> None:
    row, threshold = evidence.champion(), st.session_state["performance.threshold"]
    if not 0 < row.n_positive < row.n:
        st.info("No curves: all X-rays of this split have the same label.", icon=":material/info:")
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
    for column, title, curve, place, titles, domains in [
        (left, "ROC", curves.roc, _on_roc, (ALARMS, FOUND), ((0.0, 0.3), (0.7, 1.0))),
        (right, "Precision and recall", curves.precision_recall, _on_precision_recall,
         (FOUND, PRECISION), ((0.7, 1.0), (0.7, 1.0))),
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
                key=f"performance.chart.{title[:3].lower()}",
                alt=f"{title} of {row.title}; the point is at threshold {threshold:g}",
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
        shown = services.consequences(split, threshold, 0.0)
        drawing.show(drawing.rates(shown, bundle.evaluations[split].description))
    counts = metrics.confusion(row.labels, row.probabilities, threshold)
    with right:
        tables.show("confusion", f"X-rays at threshold {threshold:g}", tables.confusion(counts))


def _choice() -> None:
    st.subheader("What the thresholds were chosen on")
    choices = threshold_choice(services.bundle())
    if not choices:
        st.caption(
            "This version's thresholds were chosen on the validation fold as it is; there is no "
            "second choice, on films changed as hospitals change them, to compare them with."
        )
        return
    st.caption(
        "A validation fold is easier than films from elsewhere, so this version chooses on films "
        "under changes too. Both choices, and what each does on the test split:"
    )
    tables.show(
        "threshold_choice",
        "Plain: chosen on the fold as it is. Used: chosen on the fold as it is and changed",
        [
            {
                "Operating point": operating_points.title(choice.name),
                "Plain: threshold": f"{choice.plain.threshold:g}",
                "Plain: finds": choice.on_plain.sensitivity,
                "Plain: clears": choice.on_plain.specificity,
                "Used: threshold": f"{choice.shipped.threshold:g}",
                "Used: finds": choice.on_shipped.sensitivity,
                "Used: clears": choice.on_shipped.specificity,
            }
            for choice in choices
        ],
    )
