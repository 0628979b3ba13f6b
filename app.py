"""Pneumoscope: page frame, sign-in, role, navigation. `streamlit run app.py`."""

import streamlit as st

from model.access import VISITOR, may
from pages.shared import auth, frame

frame.begin()
who = auth.actor()


def shown(name: str, title: str, icon: str, role: str = "visitor") -> st.Page:
    """A page of the navigation; its address stays, and asks to sign in, for who may not see it."""
    return st.Page(
        f"pages/{name}.py",
        title=title,
        icon=f":material/{icon}:",
        default=name == "read",
        visibility="visible" if may(who, role) else "hidden",
    )


groups = {
    "Read": [
        shown("read", "Read an X-ray", "radiology"),
        shown("worklist", "Worklist", "checklist", "clinician"),
        shown("review", "Review", "rate_review", "clinician"),
    ],
    "Trust": [
        shown("performance", "Performance", "monitoring"),
        shown("about", "About", "info"),
    ],
    "Manage": [
        shown("admin", "Admin", "admin_panel_settings", "admin"),
        shown("sign_in", "Sign in" if who == VISITOR else "Account", "person"),
    ],
}
# The four links of a visitor need no menus.
flat = [page for pages in groups.values() for page in pages]
page = st.navigation(flat if who == VISITOR else groups, position="top")
page.run()
frame.end()
