"""For admins: versions, retraining, jobs, accounts, the audit trail, and what is kept."""

import importlib

import streamlit as st

from model.errors import PneumoscopeError
from pages.shared import auth, frame

TABS = ("Versions", "Retrain", "Jobs", "Accounts", "Audit", "Storage")


def page() -> None:
    """Only the open tab is computed."""
    actor = auth.require("admin")
    st.title("Admin")
    # The key is the name in the address: `?tab=Audit`.
    tabs = st.tabs(TABS, key="tab", bind="query-params")
    for name, tab in zip(TABS, tabs, strict=True):
        if tab.open:
            with tab:
                try:
                    importlib.import_module(f"pages.shared.manage.{name.lower()}").draw(actor)
                except PneumoscopeError as error:
                    st.error(str(error), icon=":material/error:")


frame.inside()
page()
