"""What the pages say to who is signed in when the database is full, locked, or gone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from model import store
from model.config import settings
from model.errors import StoreError
from model.people import accounts, audit
from model.people.access import COMMAND_LINE, Actor
from pages.shared import auth, session_cookie
from tests.model.conftest import new_database
from tests.pages.conftest import PASSWORD, Session, add, trail

GONE = "it does not answer"
FULL = "its disk is full"
ZOE = Actor("zoe", "admin")


@pytest.fixture
def postgres(home: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database of PostgreSQL in which zoe is an admin."""
    url = new_database(postgresql)
    monkeypatch.setenv("XRAY_DATABASE_URL", url)
    settings.cache_clear()
    add("zoe", "admin")
    return url


def break_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is down: no connection is left, and no new one comes about."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    refused = psycopg.OperationalError("connection refused")

    def connect(*_: object, **__: object) -> None:
        raise refused

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(psycopg.Connection, "connect", connect)


def fill_disk() -> None:
    """SQLite may take no more pages, as on a full disk, and those it has are full."""
    with store.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    for size in (1000, 100, 1):
        with contextlib.suppress(StoreError):
            while True:
                audit.record("zoe", "counted", text="x" * size)


def test_who_is_signed_in_is_told_that_postgresql_is_gone_and_stays_signed_in(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Session().sign_in("zoe")
    assert shown.actor == ZOE
    with monkeypatch.context() as down:
        break_off(postgres, down)
        for tab in ("Accounts", "Audit", "Storage"):
            shown.at.query_params["tab"] = tab
            assert GONE in shown.go("admin").text
            assert "secret" not in shown.text
            assert postgres not in shown.text
        assert GONE in shown.go("worklist").text
        assert GONE in Session().text  # a visitor who wants to sign in
        assert "Pneumoscope" in shown.go("about").text
    assert shown.go("sign_in").later().actor == ZOE
    assert trail() == [("command line", "account added"), ("zoe", "signed in")]


def test_a_cookie_while_postgresql_is_gone_is_looked_at_again_later(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Session().sign_in("zoe").at.session_state["auth.token"]
    monkeypatch.setattr(session_cookie, "token", lambda: token)
    with monkeypatch.context() as down:
        break_off(postgres, down)
        shown = Session()
        assert shown.actor is None
        assert GONE in shown.text
    assert shown.later().actor == ZOE


def test_signing_out_while_postgresql_is_gone_says_what_is_still_signed_in(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Session().sign_in("zoe")
    token = shown.at.session_state["auth.token"]
    monkeypatch.setattr(session_cookie, "token", lambda: token)
    with monkeypatch.context() as down:
        break_off(postgres, down)
        shown.press("Sign out")
        assert auth.ONLY_HERE in shown.text
    assert shown.actor is None
    shown.at.run()
    assert shown.actor is None


def test_a_new_password_while_postgresql_is_gone_is_not_set(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Session().sign_in("zoe")
    with monkeypatch.context() as down:
        break_off(postgres, down)
        for key in ("old", "new", "again"):
            password = PASSWORD if key == "old" else "another password"
            shown.at.text_input(key=f"sign_in.{key}").set_value(password)
        assert GONE in shown.press("Change password").text
    assert shown.later().actor == ZOE
    assert Session().sign_in("zoe").actor == ZOE


def test_a_full_disk_lets_nobody_sign_in_and_says_so(home: Path) -> None:
    add("zoe", "admin")
    fill_disk()
    shown = Session().sign_in("zoe")
    assert FULL in shown.text
    assert "Free some space" in shown.text
    assert shown.actor is None
    assert ("zoe", "signed in") not in trail()


def test_a_full_disk_is_said_on_the_page_of_accounts_and_nothing_is_half_done(home: Path) -> None:
    add("zoe", "admin")
    shown = Session().sign_in("zoe")
    fill_disk()
    shown.at.query_params["tab"] = "Accounts"
    shown.go("admin")
    shown.at.text_input(key="admin.add.name").set_value("ann")
    shown.at.text_input(key="admin.add.password").set_value(PASSWORD)
    assert FULL in shown.press("Add account").text
    assert [account.name for account in accounts.list_accounts(COMMAND_LINE)] == ["zoe"]
    assert shown.later().actor == ZOE
