"""How good is this model version, on whom, and when does it fail? Figures, curves, data set."""

import importlib

import streamlit as st

from model.errors import BundleError
from model.language import N_, _
from pages.shared import services, tabs

TABS = (
    N_("Figures"), N_("Threshold"), N_("Calibration"), N_("Robustness"), N_("Lungs"),
    N_("Heatmaps"), N_("Gate"), N_("Networks"), N_("Data"),
)  # fmt: skip


def page() -> None:
    """Only the open tab is computed, and only what it needs is imported: charts cost .4 s."""
    st.title(_("Performance"))
    try:
        bundle = services.bundle()
    except BundleError as error:
        st.error(str(error), icon=":material/error:")
        return
    if not bundle.evaluations:
        st.info(
            _(
                "This version has not been read on any X-rays yet: run `python -m model evaluate "
                "--keep` with the data set."
            ),
            icon=":material/info:",
        )
        return
    name, tab = tabs.opened(TABS)
    with tab:
        importlib.import_module(f"pages.shared.trust.{name.lower()}").draw()


page()
