"""How good is this model version, on whom, and when does it fail? Figures, curves, data set."""

import importlib

import streamlit as st

from model.errors import BundleError
from pages.shared import frame, services

TABS = (
    "Figures", "Threshold", "Calibration", "Robustness", "Lungs", "Heatmaps", "Gate", "Networks",
    "Data",
)  # fmt: skip


def page() -> None:
    """Only the open tab is computed, and only what it needs is imported: charts cost .4 s."""
    st.title("Performance")
    try:
        bundle = services.bundle()
    except BundleError as error:
        st.error(str(error), icon=":material/error:")
        return
    if not bundle.evaluations:
        st.info(
            "This version has not been read on any X-rays yet: run `python -m model evaluate "
            "--keep` with the data set.",
            icon=":material/info:",
        )
        return
    # The key is the name in the address: `?tab=Threshold`.
    tabs = st.tabs(TABS, key="tab", bind="query-params")
    for name, tab in zip(TABS, tabs, strict=True):
        if tab.open:
            with tab:
                importlib.import_module(f"pages.shared.trust.{name.lower()}").draw()


frame.inside()
page()
