"""Pneumoscope: page frame, sign-in, role, navigation. `streamlit run app.py`."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from model.language import _
from model.people.access import VISITOR, Actor, may
from pages.shared import auth, frame, session_cookie


def shown(who: Actor, name: str, title: str, icon: str, role: str = "visitor") -> st.Page:
    """A page of the navigation; its address stays, and asks to sign in, for who may not see it."""
    return st.Page(
        f"pages/{name}.py",
        title=title,
        icon=f":material/{icon}:",
        default=name == "read",
        visibility="visible" if may(who, role) else "hidden",
    )


def run() -> None:
    """One run of the page that the visitor is on."""
    frame.begin()
    who = auth.actor()
    groups = {
        _("Read"): [
            shown(who, "read", _("Read an X-ray"), "radiology"),
            shown(who, "worklist", _("Worklist"), "checklist", "clinician"),
            shown(who, "review", _("Review"), "rate_review", "clinician"),
        ],
        _("Trust"): [
            shown(who, "performance", _("Performance"), "monitoring"),
            shown(who, "about", _("About"), "info"),
        ],
        _("Manage"): [
            shown(who, "admin", _("Admin"), "admin_panel_settings", "admin"),
            shown(who, "sign_in", _("Sign in") if who == VISITOR else _("Account"), "person"),
        ],
    }
    # The four links of a visitor need no menus.
    flat = [page for pages in groups.values() for page in pages]
    page = st.navigation(flat if who == VISITOR else groups, position="top")
    frame.name(page.title)
    page.run()
    frame.end()


# Streamlit imports this file once as a server that answers more than its own addresses, and then
# executes it for each run of a page.
if __name__ == "__main__":
    run()
else:
    # Streamlit takes a folder called pages/ for the older kind of app until `st.navigation` has run
    # once: the first visitor would see its menu, and pages without what is drawn around them.
    PagesManager.uses_pages_directory = False
    app = st.App(__file__, routes=session_cookie.routes())
