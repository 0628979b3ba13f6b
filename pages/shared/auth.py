"""Who uses this session: a visitor, a local account, or somebody a provider vouches for.

    actor = auth.require("clinician")  # a page's first line

Without more, people sign in with local accounts (model/people/accounts.py); session_cookie.py has
the browser stay signed in. With an `[auth]` section in .streamlit/secrets.toml they sign in at an
OpenID Connect provider instead, by `st.login`:

    [auth]
    redirect_uri = "https://xray.clinic.example/oauth2callback"
    cookie_secret = "a long random text"
    client_id = "pneumoscope"
    client_secret = "..."
    server_metadata_url = "https://login.clinic.example/.well-known/openid-configuration"

    [auth.roles]  # who is what; people who are not in it are visitors
    clinician = ["ann@clinic.example"]
    admin = ["zoe@clinic.example"]
    # claim = "groups"  then the two lists hold values of this claim instead of e-mail addresses
    # trust_unverified_email = true  read on before

Everything is recorded under the e-mail address, so it must be one that the provider has verified
(`email_verified`). Some providers, Microsoft Entra ID among them, do not say whether they have.
`trust_unverified_email` takes their word. The risk: where people can set their own address, or
where anybody's directory may sign in, whoever enters zoe@clinic.example is the admin zoe. Set it
only with the metadata address of your own directory (Entra ID: that of your tenant, never `common`
or `organizations`) and where administrators alone set addresses. An address that the provider
calls not verified is refused all the same. A sign-in counts for SESSION_HOURS.

A visitor's session never opens the database: whatever needs it is imported inside.
"""

import contextlib
import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAuthError, StreamlitMissingAuthlibError

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import ROLES, SESSION_HOURS, VISITOR, Actor, may
from model.phrases import translated
from pages.shared import frame, session_cookie
from pages.shared.drawing import plain

CHECK_SECONDS = 3  # how long a local account that was deactivated may go on

ENDED = N_(
    "You were signed out. After {hours} hours a sign-in ends; before, when the account "
    "signs out on any device, gets another password or role, or is deactivated."
)
FOR_ROLE = {
    "clinician": N_("This page is for clinicians."),
    "admin": N_("This page is for admins."),
}
SIGNED_IN_AS = N_("You are signed in as {name}, {role}.")
NO_ROLE = N_(
    "Ask an admin to give you a role, or go on as a visitor: reading a film needs no account."
)
EXPIRED = f"Your sign-in is older than {SESSION_HOURS} hours. Sign in again."
NOT_VERIFIED = N_("Your provider does not say that it has verified your e-mail address.")
UNKNOWN = N_("This address has no role here.")
STAYS = N_(
    "You stay signed in with this browser for {hours} hours, or until you sign out. On a "
    "computer that others use too, sign out when you go."
)
ONLY_HERE = N_("You are signed out of this browser only; other devices may still be signed in.")
NOT_SET_UP = N_(
    "The sign-in is not set up completely: ask the administrator to look into the server's log."
)
NO_ACCOUNTS = N_(
    "There is no account yet. Who runs the server creates the first one, which makes the others "
    "on the page Admin:"
)
FIRST_ACCOUNT = "python -m model users add NAME --role admin"
NO_NEED = N_("To read an X-ray you need no account.")

_log = logging.getLogger(__name__)


def actor() -> Actor:
    """Who uses this session now; VISITOR if nobody is signed in.

    When a sign-in has ended the page starts again for who is there now: a fragment, which runs
    without app.py, would go on with what was drawn for somebody else.
    """
    known = st.session_state.get("auth.actor")
    found = _vouched_for() if by_provider() else _account()
    if found is None:
        st.session_state.pop("auth.actor", None)
    else:
        st.session_state["auth.actor"] = found
    if known not in (None, found):
        st.rerun()
    return found or VISITOR


def require(role: str) -> Actor:
    """The actor of this session, if it has the role. Else says what to do and ends the run.

    Fragments and what they call ask again: the actor of the page that drew them may be gone.
    """
    who = actor()
    if may(who, role):
        return who
    st.title(_("Sign in") if who == VISITOR else _("Not for this account"))
    if who == VISITOR:
        st.write(_(FOR_ROLE[role]))
        form()
    else:
        signed_in = _(SIGNED_IN_AS, name=plain(who.name), role=_(who.role))
        st.warning(f"{_(FOR_ROLE[role])} {signed_in}")
    frame.end()
    st.stop()


def by_provider() -> bool:
    """Whether people sign in with OpenID Connect: then there are no local accounts."""
    return "is_logged_in" in st.user


def sign_out() -> None:
    """Ends the sign-in, at the provider or on all devices; no film of it stays in this session."""
    state = st.session_state
    if by_provider():
        at_provider = st.user.get("is_logged_in")
        _clear()
        if at_provider:
            st.logout()
        return
    problem, mine = "", state.get("auth.token")
    if mine:
        from model.people import sessions

        try:
            sessions.end(mine)
        except PneumoscopeError as error:
            problem = f"{_(ONLY_HERE)} {error}"
    _forget(problem)
    state["auth.ticket"] = session_cookie.hand_over("")


def keep_signed_in(token: str) -> None:
    """This session, and later ones of this browser, go on with a token of `sessions`."""
    state = st.session_state
    state["auth.token"], state["auth.checked"] = token, time.monotonic()
    state["auth.ticket"] = session_cookie.hand_over(token)


def _forget(problem: str) -> None:
    """What this session knew; the cookie that its browser came with counts no more."""
    _clear()
    st.session_state["auth.over"] = session_cookie.token()
    st.session_state["auth.problem"] = problem


def _clear() -> None:
    """Takes all out of this session but the language of who is still there."""
    chosen = st.session_state.get("language")
    st.session_state.clear()
    if chosen:
        st.session_state["language"] = chosen


def form() -> None:
    """Name and password, or the way to the provider; with no account, how to make one."""
    problem = st.session_state.pop("auth.problem", "")
    if by_provider():
        _provider_button(problem)
        return
    with st.container():  # with or without: else the form is another one, and loses the focus
        if problem:
            st.error(plain(problem), icon=":material/error:")
    try:
        from model.people import accounts

        ready = accounts.any_accounts()
    except PneumoscopeError as error:
        st.error(str(error), icon=":material/error:")
        return
    if not ready:
        st.info(_(NO_ACCOUNTS), icon=":material/person_add:")
        st.code(FIRST_ACCOUNT, language="bash")
        st.caption(_(NO_NEED))
        return
    with st.form("auth.form", width=420):
        st.text_input(_("Name"), key="auth.name", autocomplete="username")
        st.text_input(
            _("Password"), type="password", key="auth.password", autocomplete="current-password"
        )
        st.form_submit_button(_("Sign in"), type="primary", on_click=_sign_in)
    st.caption(f"{_(STAYS, hours=SESSION_HOURS)} {_(NO_NEED)}")


def _sign_in() -> None:
    """Before the next run, so that its navigation is already that of the account."""
    from model.people import accounts

    state = st.session_state
    name, password = state.get("auth.name", ""), state.get("auth.password", "")
    state["auth.password"] = ""
    try:
        state["auth.actor"], token = accounts.sign_in(name, password)
        keep_signed_in(token)
    except PneumoscopeError as error:
        state["auth.problem"] = str(error)


def _account() -> Actor | None:
    """The local account of this session, or of the browser's cookie; looked up every few seconds"""
    state = st.session_state
    known, token = state.get("auth.actor"), state.get("auth.token") or session_cookie.token()
    if not token or token == state.get("auth.over"):
        return known
    if time.monotonic() - state.get("auth.checked", -math.inf) < CHECK_SECONDS:
        return known
    state["auth.checked"] = time.monotonic()
    with contextlib.suppress(PneumoscopeError):  # without the store nothing of theirs can be done
        from model.people import sessions

        found = sessions.actor(token)
        if known and found != known:
            _forget(_(ENDED, hours=SESSION_HOURS))
            return None
        state["auth.token" if found else "auth.over"] = token
        return found
    return known


def _provider_button(problem: str) -> None:
    person = st.user.to_dict()
    if person.get("is_logged_in"):
        refused = problem or translated(_refusal(person))
        st.warning(f"{plain(refused)} {_(NO_ROLE)}", icon=":material/person_off:")
        st.button(_("Sign out"), on_click=sign_out)
        return
    # Not as a callback: the redirect has to be sent by a run of the page.
    if st.button(_("Sign in at your provider"), type="primary", icon=":material/login:"):
        try:
            st.login()
        except (StreamlitAuthError, StreamlitMissingAuthlibError):
            _log.exception("OpenID Connect is not set up completely")
            st.error(_(NOT_SET_UP), icon=":material/error:")
    st.caption(_(NO_NEED))


def _vouched_for() -> Actor | None:
    """Whom the provider has named, with the role of the settings; on record or not at all."""
    person = st.user.to_dict()
    if not person.get("is_logged_in"):
        return None
    role, refusal = _role(person), _refusal(person)
    name = "unknown name" if refusal else str(person["email"]).strip().casefold()
    try:
        _record(f"{person.get('iss')} {person.get('sub')} {person.get('iat')}", name, role, refusal)
    except PneumoscopeError as error:
        st.session_state["auth.problem"] = str(error)
        return None
    return None if refusal else Actor(name, role)


@st.cache_resource(show_spinner=False, max_entries=1000)
def _record(sign_in: str, name: str, role: str, refusal: str) -> None:
    """Once for each sign-in at the provider, however many pages and reloads it serves.

    A refused address stays out of the trail, as an unknown name does in model/people/accounts.py.
    """
    from model.people import audit

    if refusal:
        audit.record(name, "sign-in refused", reason=refusal, by="OpenID Connect")
    else:
        audit.record(name, "signed in", role=role, by="OpenID Connect")


def _refusal(person: dict[str, Any]) -> str:
    """Why this person is a visitor here, in English for the trail; "" for one with a role."""
    verified = person.get("email_verified")
    trusted = verified is None and _roles().get("trust_unverified_email") is True
    if not person.get("email") or not (verified in (True, "true") or trusted):
        return NOT_VERIFIED
    issued = person.get("iat")
    if not isinstance(issued, (int, float)) or time.time() - issued > SESSION_HOURS * 3600:
        return EXPIRED
    return "" if _role(person) else UNKNOWN


def _role(person: dict[str, Any]) -> str:
    """The highest role that the settings give to the person's e-mail address or claim, or ""."""
    given = _roles()
    claim = given.get("claim", "email")
    values = person.get(claim) or []
    values = {_same(v, claim) for v in ([values] if isinstance(values, str) else values)}
    for role in reversed(ROLES[1:]):
        if values & {_same(value, claim) for value in given.get(role, [])}:
            return role
    return ""


def _roles() -> Mapping[str, Any]:
    return st.secrets["auth"].get("roles", {})


def _same(value: Any, claim: str) -> str:
    """E-mail addresses differ in more than case, groups may differ in case alone."""
    return str(value).strip().casefold() if claim == "email" else str(value)
