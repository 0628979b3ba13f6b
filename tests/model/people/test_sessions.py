"""Sessions: who stays signed in, until when, and what ends it."""

import datetime
import hashlib

import pytest
from argon2 import PasswordHasher

from model import store, tables
from model.people import accounts, audit, sessions
from model.people.access import COMMAND_LINE, SESSION_HOURS, Actor

PASSWORD = "correct horse battery"
ANN = Actor("Ann", "clinician")
BO = Actor("bo", "clinician")


@pytest.fixture(autouse=True)
def people(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann, bo, and zoe, who is an admin."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)
    for name, role in (("Ann", "clinician"), ("bo", "clinician"), ("zoe", "admin")):
        accounts.add(COMMAND_LINE, name, role, PASSWORD)


def signed_in(name: str = "ann") -> str:
    return accounts.sign_in(name, PASSWORD)[1]


def began(hours_ago: float) -> None:
    """Moves the beginning of all sessions into the past."""
    time = datetime.datetime.now(datetime.UTC)
    then = store.time_text(time - datetime.timedelta(hours=hours_ago))
    with store.writing() as connection:
        connection.execute(tables.sessions.update().values(created=then))


def num_stored() -> int:
    with store.reading() as connection:
        return len(connection.execute(tables.sessions.select()).all())


def test_who_signed_in_is_known_by_the_token_after_a_restart():
    token = signed_in()
    store.close()
    assert sessions.actor(token) == ANN
    assert sessions.actor(signed_in("bo")) == BO


def test_each_sign_in_has_a_token_of_256_bits_and_a_record():
    tokens = {signed_in() for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) == 43 for token in tokens)  # 32 bytes in base 64
    for token in tokens:  # looking leaves no record
        assert sessions.actor(token) == ANN
    actions = [(entry.actor, entry.action) for entry in audit.entries(COMMAND_LINE)]
    assert actions[:4] == [("Ann", "signed in")] * 3 + [("command line", "account added")]


def test_the_store_holds_no_token():
    token = signed_in()
    with store.reading() as connection:
        row = connection.execute(tables.sessions.select()).one()
    assert row.key == hashlib.sha256(token.encode()).hexdigest()
    assert token not in "".join(row)
    assert sessions.actor(row.key) is None


@pytest.mark.parametrize("token", ["", "x", "\0\ud800", "'; DROP TABLE sessions; --", "é" * 9999])
def test_any_other_text_is_nobody(token: str):
    signed_in()
    assert sessions.actor(token) is None
    sessions.end(token)
    assert num_stored() == 1


def test_it_ends_after_twelve_hours_and_is_forgotten():
    token = signed_in()
    began(SESSION_HOURS - 0.01)
    assert sessions.actor(token) == ANN
    began(SESSION_HOURS + 0.01)
    assert sessions.actor(token) is None
    signed_in("bo")
    assert num_stored() == 1


@pytest.mark.parametrize(
    "ends",
    [
        lambda token: sessions.end(token),
        lambda token: accounts.deactivate(COMMAND_LINE, "ann"),
        lambda token: accounts.change_role(COMMAND_LINE, "ANN", "admin"),
        lambda token: accounts.change_password(COMMAND_LINE, "ann", "another password"),
    ],
    ids=["signing out", "deactivation", "another role", "another password"],
)
def test_all_sessions_of_the_account_end_and_no_other(ends):
    here, there, other = signed_in(), signed_in(), signed_in("bo")
    ends(here)
    assert [sessions.actor(token) for token in (here, there, other)] == [None, None, BO]
    accounts.activate(COMMAND_LINE, "ann")  # brings none of them back
    assert sessions.actor(there) is None


def test_a_password_of_ones_own_ends_all_but_the_one_it_begins():
    here, there = signed_in(), signed_in()
    new = accounts.change_own_password("ann", PASSWORD, "another password")
    assert [sessions.actor(token) for token in (here, there, new)] == [None, None, ANN]


def test_a_refused_change_ends_nothing():
    token = signed_in("zoe")
    with pytest.raises(Exception, match="at least one admin"):
        accounts.deactivate(COMMAND_LINE, "zoe")
    with pytest.raises(Exception, match="its password"):
        accounts.change_own_password("zoe", "wrong password", "another password")
    assert sessions.actor(token) == Actor("zoe", "admin")
