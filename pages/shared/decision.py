"""The panel beside the film: verdict, threshold, and what that threshold does to children.

One fragment: a move of the threshold reruns this panel only. Nothing in it needs a forward pass.
"""

import streamlit as st

from model.bundle import Bundle
from model.evaluated import split_of
from model.language import _
from model.prediction import WORDS, Decision, decide
from model.prevalence import natural_numbers, predictive_values
from pages.shared import drawing, gate, operating_points, reports, services
from pages.shared.services import Reading


@st.fragment
def panel(reading: Reading) -> None:
    """Verdict and threshold for one reading; for a refused X-ray the reason and no probability."""
    prediction = reading.prediction
    assert prediction is not None
    if prediction.probability is None:
        gate.refusal(reading)
        default = services.bundle_of(reading).operating_point().threshold
        reports.offer(reading, "read", default, 0.0)
        return
    bundle = services.bundle_of(reading)
    _start(bundle)
    threshold, band = st.session_state["read.threshold"], st.session_state["read.band"]
    decided = decide(prediction, threshold, band)
    assert decided is not None
    gate.warning(prediction)
    split = split_of(bundle)
    drawing.show(_verdict(decided, bundle, split) + drawing.heat_in_lungs(prediction))
    _controls(bundle)
    _consequences(split, bundle)
    reports.offer(reading, "read", threshold, band)


def _start(bundle: Bundle) -> None:
    """The threshold of the address on the first run; else what was set, for this version."""
    state = st.session_state
    if "read.threshold" not in state:
        _take_address(bundle)
    threshold = operating_points.follow(bundle)
    if state.get("read.slider", threshold) != threshold:  # of the version that was served before
        _show(threshold)
    elif "t" not in st.query_params and threshold != bundle.operating_point().threshold:
        st.query_params["t"] = f"{threshold:g}"  # lost on the way to another page
    kept = state.setdefault("read.kept", {"band": 0.0, "prevalence": 12.0})
    # Widgets that one run did not show lose their keys: they are set again from what is kept.
    state.setdefault("read.band", kept["band"])
    state.setdefault("read.prevalence", kept["prevalence"])
    state.setdefault("read.slider", threshold)
    state.setdefault("read.typed", threshold)


def _take_address(bundle: Bundle) -> None:
    """`?t=0.42`, if it is a number from 0 to 1; that of a named point stands for its name."""
    try:
        threshold = float(st.query_params.get("t", "none"))
    except ValueError:
        return
    if 0 <= threshold <= 1:
        points = [p.name for p in bundle.operating_points if f"{p.threshold:g}" == f"{threshold:g}"]
        st.session_state["read.point"] = points[0] if points else ""
        st.session_state["read.threshold"] = threshold


def _keep(name: str) -> None:
    st.session_state["read.kept"][name] = st.session_state[f"read.{name}"]


def _set(threshold: float) -> None:
    st.session_state["read.threshold"], st.session_state["read.point"] = threshold, ""
    _show(threshold)


def _show(threshold: float) -> None:
    st.session_state["read.slider"] = threshold
    st.session_state["read.typed"] = threshold
    st.query_params["t"] = f"{threshold:g}"


def _verdict(decided: Decision, bundle: Bundle, split: str) -> str:
    scale = drawing.scale(decided, bundle.evaluations[split].labels, bundle.probabilities(split))
    return (
        f'<div class="decision {decided.label}" role="status">'
        f'<p class="words">{drawing.sign(decided.label)}{_(WORDS[decided.label])}</p>'
        f'<p class="figure"><span>{_("probability of pneumonia")}</span>'
        f"<b>{drawing.probability(decided.probability)}</b></p>{scale}</div>"
    )


def _controls(bundle: Bundle) -> None:
    wide, narrow = st.columns([3, 1], vertical_alignment="bottom")
    wide.slider(
        _("Threshold: pneumonia from here on"),
        0.0,
        1.0,
        step=0.01,
        key="read.slider",
        on_change=lambda: _set(st.session_state["read.slider"]),
    )
    narrow.number_input(
        _("Threshold, typed"),
        0.0,
        1.0,
        step=0.01,
        format="%.3f",
        key="read.typed",
        label_visibility="collapsed",
        on_change=lambda: _set(st.session_state["read.typed"]),
    )
    operating_points.buttons("read", st.session_state["read.threshold"], _set, bundle)


def _consequences(split: str, bundle: Bundle) -> None:
    threshold = st.session_state["read.threshold"]
    shown = services.consequences(bundle, split, threshold, st.session_state["read.band"])
    drawing.show(drawing.rates(shown, bundle.evaluations[split].description))
    left, right = st.columns(2)
    prevalence = left.number_input(
        _("Prevalence, % of such children"),
        0.1,
        99.9,
        step=1.0,
        format="%.1f",
        key="read.prevalence",
        on_change=_keep,
        args=("prevalence",),
        help=_("How many of 100 children whom you would X-ray like this one have pneumonia."),
    )
    right.number_input(
        _("Uncertain band, +/-"),
        0.0,
        0.5,
        step=0.01,
        format="%.2f",
        key="read.band",
        on_change=_keep,
        args=("band",),
        help=_("A probability closer to the threshold than this is referred for reading."),
    )
    ppv, npv = predictive_values(shown.sensitivity, shown.specificity, prevalence / 100)
    numbers = natural_numbers(shown.sensitivity.value, shown.specificity.value, prevalence / 100)
    drawing.show(drawing.children(numbers, ppv, npv))
