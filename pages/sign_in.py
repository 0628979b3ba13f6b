"""Signing in; for who is signed in, the account and the way out."""

import streamlit as st

from model.access import VISITOR
from model.errors import PneumoscopeError
from pages.shared import auth, frame
from pages.shared.drawing import plain

MAY = {
    "visitor": "You may read single X-rays.",
    "clinician": "You may use worklists and review films.",
    "admin": "You may use worklists, review films, and manage accounts and what is kept.",
}
OUT = "Forgets the films of this session. A local account is signed out on all devices."
CHANGED = "The new password counts from now on. Other devices were signed out."
NOT_TWICE = "The new password was not typed the same twice."


def page() -> None:
    """The form for a visitor, the account for everybody else."""
    who = auth.actor()
    if who == VISITOR:
        st.title("Sign in")
        auth.form()
        return
    st.title("Account")
    st.markdown(f"Signed in as **{plain(who.name)}**, {who.role}. {MAY.get(who.role, '')}")
    st.button(
        "Sign out", on_click=auth.sign_out, type="primary", icon=":material/logout:",
        help=OUT,
    )  # fmt: skip
    if not auth.by_provider():
        st.caption(auth.STAYS)
        _password()


def _password() -> None:
    with st.expander("Change my password", icon=":material/key:"):
        said, ok = st.session_state.pop("sign_in.said", ("", True))
        with st.container():  # with or without, so that the form keeps the focus
            if said:
                (st.success if ok else st.error)(plain(said))
        with st.form("sign_in.form", border=False, width=420):
            for label, key, kind in (
                ("Password until now", "old", "current-password"),
                ("New password, at least 10 characters", "new", "new-password"),
                ("New password again", "again", "new-password"),
            ):
                st.text_input(label, type="password", key=f"sign_in.{key}", autocomplete=kind)
            st.form_submit_button("Change password", on_click=_change)


def _change() -> None:
    from model import accounts

    state = st.session_state
    old, new, again = (state[f"sign_in.{key}"] for key in ("old", "new", "again"))
    state.update({f"sign_in.{key}": "" for key in ("old", "new", "again")})
    who = auth.actor()
    try:
        if new != again:
            state["sign_in.said"] = NOT_TWICE, False
            return
        auth.keep_signed_in(accounts.change_own_password(who.name, old, new))
        state["sign_in.said"] = CHANGED, True
    except PneumoscopeError as error:
        state["sign_in.said"] = str(error), False


frame.inside()
page()
