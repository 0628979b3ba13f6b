"""Accounts: who may sign in, with which role."""

import streamlit as st

from model.language import N_, _
from model.people.access import ROLES, Actor
from model.people.accounts import Account
from pages.shared import auth
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, said, when

BY_PROVIDER = N_(
    "People sign in with OpenID Connect. Who has which role is set in `[auth.roles]` of "
    "`.streamlit/secrets.toml`; there are no accounts to manage here."
)
WHAT_ROLES = N_(
    "A visitor reads single films, a clinician uses worklists and reviews, an admin manages "
    "accounts and what is kept. An account is never deleted: what it did stays on record."
)
NEW_PASSWORD = N_("New password, at least 10 characters")


def draw(actor: Actor) -> None:
    """The list, a change of one account, a new account."""
    if auth.by_provider():
        st.info(_(BY_PROVIDER), icon=":material/info:")
        return
    from model.people import accounts

    said()
    found = accounts.list_accounts(actor)
    records = [
        {
            _("Name"): account.name,
            _("Role"): _(account.role),
            _("May sign in"): _("yes") if account.active else _("no, deactivated"),
            _("Since (UTC)"): when(account.created),
        }
        for account in found
    ]
    listing(_("Accounts: {n}", n=len(found)), records, _("No accounts."))
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(_("Change an account"))
        _change(found)
    with right:
        st.subheader(_("Add an account"))
        _add()
    st.caption(_(WHAT_ROLES))


def _change(found: list[Account]) -> None:
    names = {account.name: account for account in found}
    if not names:
        return
    name = st.selectbox(_("Account"), list(names), key="admin.account")
    account = names[name]
    # Keys hold the name: what was chosen or typed for one is never done to another.
    with st.form(f"admin.role.{name}", border=False):
        role = st.selectbox(
            _("Role"), ROLES, index=ROLES.index(account.role), format_func=_,
            key=f"admin.new_role.{name}",
        )  # fmt: skip
        role_given = st.form_submit_button(_("Change role"), icon=":material/badge:")
    if role_given:
        _do("change_role", _("{name} is {role} now.", name=name, role=_(role)), name, role)
    with st.container(horizontal=True):
        if account.active:
            if st.button(
                _("Deactivate"), key=f"admin.deactivate.{name}", icon=":material/person_off:"
            ):
                _do("deactivate", _("{name} can no longer sign in.", name=name), name)
        elif st.button(_("Activate"), key=f"admin.activate.{name}", icon=":material/person:"):
            _do("activate", _("{name} can sign in again.", name=name), name)
        _new_password(name)


def _new_password(name: str) -> None:
    with st.popover(_("New password"), icon=":material/key:"):
        st.write(_("For {name}", name=plain(name)))
        with st.form(f"admin.password.{name}", border=False, clear_on_submit=True):
            password = st.text_input(
                _(NEW_PASSWORD), type="password", key=f"admin.password_of.{name}",
                autocomplete="new-password",
            )  # fmt: skip
            if st.form_submit_button(_("Set password")):
                _do("change_password", _("{name} has a new password.", name=name), name, password)


def _add() -> None:
    with st.form("admin.add", border=False, clear_on_submit=True):
        name = st.text_input(_("Name"), key="admin.add.name", autocomplete="off")
        role = st.selectbox(_("Role"), ROLES, index=1, format_func=_, key="admin.add.role")
        password = st.text_input(
            _(NEW_PASSWORD), type="password", key="admin.add.password", autocomplete="new-password"
        )
        if st.form_submit_button(_("Add account"), icon=":material/person_add:"):
            _do("add", _("{name} can sign in now.", name=name), name, role, password)


def _do(change: str, done: str, *arguments: str) -> None:
    """Calls model.people.accounts and starts again, so that the whole page shows it."""
    from model.people import accounts

    with Saying(done):
        getattr(accounts, change)(auth.require("admin"), *arguments)
    st.rerun()
