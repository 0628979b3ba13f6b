"""Signing in; for who is signed in, the account and the way out."""

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import SESSION_HOURS, VISITOR
from pages.shared import auth
from pages.shared.drawing import plain

MAY = {
    "visitor": N_("You may read single X-rays."),
    "clinician": N_("You may use worklists and review films."),
    "admin": N_("You may use worklists, review films, and manage accounts and what is kept."),
}
OUT = N_("Forgets the films of this session. A local account is signed out on all devices.")
CHANGED = N_("The new password counts from now on. Other devices were signed out.")
NOT_TWICE = N_("The new password was not typed the same twice.")
FIELDS = (
    (N_("Password until now"), "old", "current-password"),
    (N_("New password, at least 10 characters"), "new", "new-password"),
    (N_("New password again"), "again", "new-password"),
)


def page() -> None:
    """The form for a visitor, the account for everybody else."""
    who = auth.actor()
    if who == VISITOR:
        st.title(_("Sign in"))
        auth.form()
        return
    st.title(_("Account"))
    role = _(who.role)
    signed_in = _("Signed in as **{name}**, {role}.", name=plain(who.name), role=role)
    st.markdown(f"{signed_in} {_(MAY[who.role])}")
    st.button(
        _("Sign out"), on_click=auth.sign_out, type="primary", icon=":material/logout:",
        help=_(OUT),
    )  # fmt: skip
    if not auth.by_provider():
        st.caption(_(auth.STAYS, hours=SESSION_HOURS))
        _password()


def _password() -> None:
    with st.expander(_("Change my password"), icon=":material/key:"):
        said, ok = st.session_state.pop("sign_in.said", ("", True))
        with st.container():  # with or without, so that the form keeps the focus
            if said:
                (st.success if ok else st.error)(plain(said))
        with st.form("sign_in.form", border=False, width=420):
            for label, key, kind in FIELDS:
                st.text_input(_(label), type="password", key=f"sign_in.{key}", autocomplete=kind)
            st.form_submit_button(_("Change password"), on_click=_change)


def _change() -> None:
    from model.people import accounts

    state = st.session_state
    old, new, again = (state[f"sign_in.{key}"] for key in ("old", "new", "again"))
    state.update({f"sign_in.{key}": "" for key in ("old", "new", "again")})
    who = auth.actor()
    try:
        if new != again:
            state["sign_in.said"] = _(NOT_TWICE), False
            return
        auth.keep_signed_in(accounts.change_own_password(who.name, old, new))
        state["sign_in.said"] = _(CHANGED), True
    except PneumoscopeError as error:
        state["sign_in.said"] = str(error), False


page()
