"""Clinicians' structured review of verdict and heatmap, and what came of it."""

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import auth, frame, operating_points, review_services, services, tabs
from pages.shared.drawing import plain
from pages.shared.review import case, dashboard, films, keys, queue

TABS = (N_("Review"), N_("Dashboard"))
BAND = 0.05  # about the threshold, where the reader has set none on the page Read
AT = N_(
    "The queue and the verdicts are at the threshold {threshold:g}; the page Read an X-ray sets it."
)


def page(actor: Actor) -> None:
    """Only the open tab is computed."""
    frame.heading(_("Review"))
    try:
        services.bundle()
        name, tab = tabs.opened(TABS)
        with tab:
            (_review if name == TABS[0] else dashboard.draw)(actor)
    except PneumoscopeError as error:  # no model version, or no store
        st.error(plain(str(error)), icon=":material/error:")


def _review(actor: Actor) -> None:
    state = st.session_state
    served = services.bundle()
    threshold = operating_points.threshold(served)
    band = state.get("read.kept", {}).get("band") or BAND
    point = state.get("read.point", "default")
    at = operating_points.Thresholds(served.model_version, threshold, point, band)
    opened = films.opened()
    try:
        state["review.cases"] = review_services.cases(actor, at, opened)
    except PneumoscopeError as error:
        if "review.cases" not in state:
            raise
        # The open form stays, with what was typed: only a form that is shown keeps it.
        st.error(plain(str(error)), icon=":material/error:")
    cases = state["review.cases"]
    top = st.container()
    chosen = queue.draw(cases, opened)
    if chosen is None:
        return
    words, image = state.get("review.stored", ("", ""))
    if image == chosen.image:  # until another case is opened, however often the page runs
        top.success(words, icon=":material/check:")
    else:
        state.pop("review.stored", None)
    keys.listen()
    images = [one.image for one in cases]
    after = images[(images.index(chosen.image) + 1) % len(images)]
    case.draw(actor, chosen, then=lambda: queue.show(after))
    st.caption(_(AT, threshold=threshold))
    services.classifier_ready()  # from here on it loads


page(auth.require("clinician"))
