"""Staying signed in: which cookie a browser gets, and what a session makes of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from model import store
from model.people import accounts, sessions
from model.people.access import COMMAND_LINE, SESSION_HOURS, Actor
from pages.shared import auth, session_cookie
from tests.pages.conftest import PASSWORD, Session, add, trail

ANN = Actor("ann", "clinician")


@pytest.fixture(autouse=True)
def browser(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cookie jar of the browser in which all sessions of a test run."""
    jar: dict[str, str] = {}
    monkeypatch.setattr(session_cookie, "token", lambda: jar.get("token", ""))
    monkeypatch.setattr(session_cookie, "_handed_over", {})
    return jar


def post(ticket: str, origin: str = "http://clinic.example") -> Response:
    """What the server answers to the script of a page."""
    headers = [(b"x-ticket", ticket.encode()), (b"origin", origin.encode())]
    scope = {"type": "http", "method": "POST", "path": "/session", "headers": headers}
    with ThreadPoolExecutor(1) as pool:  # Playwright's event loop may run in this thread
        return pool.submit(asyncio.run, session_cookie._answer(Request(scope))).result()


def keep_cookie(shown: Session, browser: dict[str, str]) -> None:
    """What the script of the page does in a browser."""
    given = post(shown.at.session_state["auth.ticket"]).headers["set-cookie"]
    browser["token"] = given.split(";")[0].removeprefix(f"{session_cookie.NAME}=").strip('"')


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    answer = post(session_cookie.hand_over("the token"), "https://clinic.example")
    assert answer.status_code == 204
    name_and_value, *rest = answer.headers["set-cookie"].lower().split("; ")
    assert name_and_value == 'pneumoscope_session="the token"'
    seconds = f"max-age={SESSION_HOURS * 3600}"
    assert set(rest) == {"httponly", "samesite=strict", "secure", "path=/", seconds}
    without_tls = post(session_cookie.hand_over("the token"), "http://127.0.0.1:8501")
    assert "secure" not in without_tls.headers["set-cookie"].lower()


def test_a_ticket_is_good_once_and_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = session_cookie.hand_over("the token")
    assert session_cookie.waits(ticket)
    assert "the token" in post(ticket).headers["set-cookie"]
    late = session_cookie.hand_over("the token")
    monkeypatch.setattr(session_cookie, "TICKET_SECONDS", 0)
    expired = session_cookie.hand_over("the token")
    session_cookie._handed_over[late] = "the token", 0.0
    for refused in (ticket, late, expired, "", "another"):
        assert not session_cookie.waits(refused)
        answer = post(refused)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    session_cookie.hand_over("")
    assert len(session_cookie._handed_over) == 1  # the others are forgotten


def test_the_ticket_for_signing_out_takes_the_cookie_away() -> None:
    given = post(session_cookie.hand_over("")).headers["set-cookie"]
    assert f'{session_cookie.NAME}="";' in given
    assert "Max-Age=0" in given


def test_a_sign_in_survives_a_reload_and_is_one_in_the_trail(browser: dict[str, str]) -> None:
    add()
    keep_cookie(Session().sign_in(), browser)
    assert Session("about").actor == ANN
    store.close()  # a restart
    assert "Signed in as **ann**" in Session().text
    assert trail()[1:] == [("ann", "signed in")]


def test_signing_out_ends_it_on_all_devices(browser: dict[str, str]) -> None:
    add()
    shown, elsewhere = Session().sign_in(), Session().sign_in()
    keep_cookie(shown, browser)
    reloaded = Session()
    reloaded.press("Sign out")
    assert reloaded.actor is None  # though its connection came with the cookie
    reloaded.at.run()
    assert reloaded.actor is None
    assert auth.ENDED.format(hours=SESSION_HOURS) in elsewhere.later().text
    assert elsewhere.actor is None
    assert Session().actor is None
    keep_cookie(reloaded, browser)
    assert browser["token"] == ""


def test_what_was_in_the_browser_before_does_not_count_after_a_sign_in(
    browser: dict[str, str],
) -> None:
    add()
    browser["token"] = planted = "a token that somebody else has put there"
    shown = Session().sign_in()
    assert shown.actor == ANN
    assert shown.at.session_state["auth.token"] != planted
    assert sessions.actor(planted) is None
    keep_cookie(shown, browser)
    assert browser["token"] != planted
    assert Session().actor == ANN


def test_two_people_in_one_browser(browser: dict[str, str]) -> None:
    add()
    add("zoe", "admin")
    first = Session().sign_in()
    keep_cookie(first, browser)
    reloaded = Session()
    keep_cookie(reloaded.press("Sign out").sign_in("zoe"), browser)
    assert Session().actor == Actor("zoe", "admin")
    assert first.later().actor is None  # ann has signed out


def test_a_new_password_ends_the_others_and_this_one_goes_on(browser: dict[str, str]) -> None:
    add()
    elsewhere, shown = Session().sign_in(), Session().sign_in()
    for key in ("old", "new", "again"):
        password = PASSWORD if key == "old" else "another password"
        shown.at.text_input(key=f"sign_in.{key}").set_value(password)
    shown.press("Change password").later()
    keep_cookie(shown, browser)
    assert shown.actor == Session().actor == ANN
    assert elsewhere.later().actor is None
    assert trail()[1:] == [("ann", "signed in")] * 2 + [("ann", "password changed")]


def test_the_cookie_of_a_deactivated_account_makes_a_visitor(browser: dict[str, str]) -> None:
    add()
    keep_cookie(Session().sign_in(), browser)
    accounts.deactivate(COMMAND_LINE, "ann")
    shown = Session("about")
    shown.at.session_state["read.readings"] = {}
    assert shown.later().actor is None
    assert "read.readings" in shown.at.session_state
    # This session never was theirs.
    assert auth.ENDED.format(hours=SESSION_HOURS) not in shown.go("sign_in").text
