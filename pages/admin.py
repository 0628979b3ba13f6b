"""For admins: versions, retraining, jobs, accounts, the audit trail, and what is kept."""

import importlib

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from pages.shared import auth, tabs

TABS = (
    N_("Versions"), N_("Retrain"), N_("Jobs"), N_("Accounts"), N_("Audit"), N_("Storage"),
)  # fmt: skip


def page() -> None:
    """Only the open tab is computed."""
    actor = auth.require("admin")
    st.title(_("Admin"))
    name, tab = tabs.opened(TABS)
    with tab:
        try:
            importlib.import_module(f"pages.shared.manage.{name.lower()}").draw(actor)
        except PneumoscopeError as error:
            st.error(str(error), icon=":material/error:")


page()
