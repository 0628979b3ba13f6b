"""Many X-rays: read in the background, the suspicious ones first, each to be opened."""

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from pages.shared import auth, frame, operating_points, services
from pages.shared.drawing import plain
from pages.shared.worklist import case, intake, table

BAND = N_("Uncertain band of ± {band:.2f}, as set on the page Read an X-ray.")


def page() -> None:
    """Lists at the top, then the threshold, then the table beside the film that is open."""
    actor = auth.require("clinician")
    frame.heading(_("Worklist"))
    services.classifier_ready()  # from here on it loads
    number = intake.choose(actor)
    if number is None:
        return
    thresholds = _thresholds()
    left, right = st.columns([5, 4], gap="medium")
    with left:
        rows = table.draw(actor, number, thresholds)
    with right:
        case.draw(actor, number, rows, thresholds)


def _thresholds() -> operating_points.Thresholds:
    """What is set in this session, here and on the page Read an X-ray, and the band set there."""
    state, served = st.session_state, services.bundle()
    threshold = operating_points.follow(served)
    if state.get("worklist.threshold") != threshold:  # else a slider in motion would jump back
        state["worklist.threshold"] = threshold
    wide, points = st.columns([3, 2], vertical_alignment="bottom")
    wide.slider(
        _("Threshold: pneumonia from here on"),
        0.0,
        1.0,
        step=0.01,
        key="worklist.threshold",
        on_change=lambda: _set(state["worklist.threshold"]),
    )
    with points:
        operating_points.buttons("worklist", threshold, _set, served)
    band = state.get("read.kept", {}).get("band", 0.0)
    if band:
        st.caption(_(BAND, band=band))
    return operating_points.Thresholds(served.model_version, threshold, state["read.point"], band)


def _set(threshold: float) -> None:
    st.session_state["read.threshold"], st.session_state["read.point"] = threshold, ""


try:
    page()
except PneumoscopeError as error:
    st.error(plain(str(error)), icon=":material/error:")
