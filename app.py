"""Pneumoscope: page frame, sign-in, role, navigation. `streamlit run app.py`."""

import streamlit as st

from model.access import VISITOR, Actor, may
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
        "Read": [
            shown(who, "read", "Read an X-ray", "radiology"),
            shown(who, "worklist", "Worklist", "checklist", "clinician"),
            shown(who, "review", "Review", "rate_review", "clinician"),
        ],
        "Trust": [
            shown(who, "performance", "Performance", "monitoring"),
            shown(who, "about", "About", "info"),
        ],
        "Manage": [
            shown(who, "admin", "Admin", "admin_panel_settings", "admin"),
            shown(who, "sign_in", "Sign in" if who == VISITOR else "Account", "person"),
        ],
    }
    # The four links of a visitor need no menus.
    flat = [page for pages in groups.values() for page in pages]
    page = st.navigation(flat if who == VISITOR else groups, position="top")
    page.run()
    frame.end()


# Streamlit imports this file once as a server that answers more than its own addresses, and then
# executes it for each run of a page.
if __name__ == "__main__":
    run()
else:
    app = st.App(__file__, routes=session_cookie.routes())
