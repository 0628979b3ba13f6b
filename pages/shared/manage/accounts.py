"""Accounts: who may sign in, with which role."""

import streamlit as st

from model.access import ROLES, Actor
from model.accounts import Account
from pages.shared import auth
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, said, when

BY_PROVIDER = (
    "People sign in with OpenID Connect. Who has which role is set in `[auth.roles]` of "
    "`.streamlit/secrets.toml`; there are no accounts to manage here."
)
WHAT_ROLES = (
    "A visitor reads single films, a clinician uses worklists and reviews, an admin manages "
    "accounts and what is kept. An account is never deleted: what it did stays on record."
)
NEW_PASSWORD = "New password, at least 10 characters"


def draw(actor: Actor) -> None:
    """The list, a change of one account, a new account."""
    if auth.by_provider():
        st.info(BY_PROVIDER, icon=":material/info:")
        return
    from model import accounts

    said()
    found = accounts.list_accounts(actor)
    records = [
        {
            "Name": account.name,
            "Role": account.role,
            "May sign in": "yes" if account.active else "no, deactivated",
            "Since (UTC)": when(account.created),
        }
        for account in found
    ]
    listing(f"Accounts: {len(found)}", records, "No accounts.")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Change an account")
        _change(found)
    with right:
        st.subheader("Add an account")
        _add()
    st.caption(WHAT_ROLES)


def _change(found: list[Account]) -> None:
    names = {account.name: account for account in found}
    if not names:
        return
    name = st.selectbox("Account", list(names), key="admin.account")
    account = names[name]
    # Keys hold the name: what was chosen or typed for one is never done to another.
    with st.form(f"admin.role.{name}", border=False):
        role = st.selectbox(
            "Role", ROLES, index=ROLES.index(account.role), key=f"admin.new_role.{name}"
        )
        role_given = st.form_submit_button("Change role", icon=":material/badge:")
    if role_given:
        _do("change_role", f"{name} is {role} now.", name, role)
    with st.container(horizontal=True):
        if account.active:
            if st.button(
                "Deactivate", key=f"admin.deactivate.{name}", icon=":material/person_off:"
            ):
                _do("deactivate", f"{name} can no longer sign in.", name)
        elif st.button("Activate", key=f"admin.activate.{name}", icon=":material/person:"):
            _do("activate", f"{name} can sign in again.", name)
        _new_password(name)


def _new_password(name: str) -> None:
    with st.popover("New password", icon=":material/key:"):
        st.write(f"For {plain(name)}")
        with st.form(f"admin.password.{name}", border=False, clear_on_submit=True):
            password = st.text_input(
                NEW_PASSWORD, type="password", key=f"admin.password_of.{name}",
                autocomplete="new-password",
            )  # fmt: skip
            if st.form_submit_button("Set password"):
                _do("change_password", f"{name} has a new password.", name, password)


def _add() -> None:
    with st.form("admin.add", border=False, clear_on_submit=True):
        name = st.text_input("Name", key="admin.add.name", autocomplete="off")
        role = st.selectbox("Role", ROLES, index=1, key="admin.add.role")
        password = st.text_input(
            NEW_PASSWORD, type="password", key="admin.add.password", autocomplete="new-password"
        )
        if st.form_submit_button("Add account", icon=":material/person_add:"):
            _do("add", f"{name} can sign in now.", name, role, password)


def _do(change: str, done: str, *arguments: str) -> None:
    """Calls model.accounts and starts again, so that the whole page shows it."""
    from model import accounts

    with Saying(done):
        getattr(accounts, change)(auth.require("admin"), *arguments)
    st.rerun()
