"""Accounts: passwords, roles, the delay after wrong passwords, and the trail of it all."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher, Type

from model import store
from model.errors import AccessError, InputError
from model.people import accounts, audit
from model.people.access import COMMAND_LINE, ROLES, VISITOR, Actor, may, require
from model.tables import sign_ins

PASSWORD = "correct horse battery"
HOSTILE = "<b>Ann</b>'; DROP TABLE accounts; --"
ADMIN = Actor("zoe", "admin")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 is slow on purpose; one test looks at the real parameters."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)


def refused(name: str, password: str = "wrong password") -> str:
    with pytest.raises(AccessError) as caught:
        accounts.sign_in(name, password)
    return str(caught.value)


def make_earlier(**changes: str) -> None:
    """Moves what is remembered of wrong passwords into the past."""
    with store.writing() as connection:
        connection.execute(sign_ins.update().values(**changes))


def actions() -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in reversed(audit.entries(COMMAND_LINE))]


def test_roles_are_ordered():
    assert [[may(Actor("a", mine), wanted) for wanted in ROLES] for mine in ROLES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert not may(Actor("a", "root"), "visitor")
    with pytest.raises(AccessError, match=r"role admin.*role visitor.*Sign in"):
        require(VISITOR, "admin")


def test_who_has_an_account_signs_in(database: str):
    assert not accounts.any_accounts()
    accounts.add(COMMAND_LINE, "Ann", "clinician", PASSWORD)
    assert accounts.any_accounts()
    assert accounts.sign_in("Ann", PASSWORD)[0] == Actor("Ann", "clinician")
    assert accounts.sign_in("  ann ", PASSWORD)[0] == Actor("Ann", "clinician")
    assert "Check both" in refused("ann")
    assert actions() == [
        ("command line", "account added"),
        ("Ann", "signed in"),
        ("Ann", "signed in"),
        ("Ann", "sign-in refused"),
    ]


@pytest.mark.parametrize("name", ["visitor", " COMMAND LINE"])
def test_nobody_is_called_what_the_trail_calls_no_person(database: str, name: str):
    with pytest.raises(InputError, match="name of a person"):
        accounts.add(COMMAND_LINE, name, "clinician", PASSWORD)
    assert not accounts.any_accounts()


def test_a_password_is_kept_as_an_argon2id_hash(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    monkeypatch.setattr(accounts, "_hasher", PasswordHasher)
    hashed = accounts._checked_hash("ann", PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert PASSWORD not in hashed
    assert accounts._verify(hashed, PASSWORD)
    assert not accounts._verify(hashed, PASSWORD + " ")
    hasher = PasswordHasher()
    assert hasher.type == Type.ID
    assert hasher.memory_cost >= 19 * 1024  # KiB, OWASP's least


def test_a_known_and_an_unknown_name_are_refused_alike(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    for _ in range(4):
        assert refused("ann") == refused("nobody")
    assert refused("ann") == refused("nobody")  # the fifth
    assert re.search(r"Wait (30|29|28) s", refused("ann", PASSWORD))
    assert re.search(r"Wait (30|29|28) s", refused("nobody"))


def test_what_was_typed_for_an_unknown_name_is_not_recorded(database: str):
    refused("my secret password")
    assert actions() == [("unknown name", "sign-in refused")]
    assert "my secret" not in "".join(audit.export(ADMIN))


def test_the_delay_doubles_ends_and_is_forgotten(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    for _ in range(5):
        assert "Wait" not in refused("ann")
    for wait in ("30 s", "60 s", "2 min", "4 min", "8 min"):
        assert f"Wait {wait}" in refused("ann", PASSWORD)  # not even looked at
        make_earlier(blocked_until="2020")
        assert "Wait" not in refused("ann")
    make_earlier(blocked_until="2020")
    assert accounts.sign_in("ann", PASSWORD)[0].name == "ann"
    assert "Wait" not in refused("ann")  # counting begins anew
    for _ in range(4):
        refused("ann")
    assert re.search(r"Wait (30|29|28) s", refused("ann"))
    make_earlier(last="2020")  # a day later
    assert accounts.sign_in("ann", PASSWORD)[0].name == "ann"


def test_the_delay_grows_to_an_hour_and_no_further(database: str):
    for _ in range(5):
        refused("ann")
    with store.writing() as connection:
        connection.execute(sign_ins.update().values(failures=1000, blocked_until=""))
    refused("ann")
    assert "Wait 60 min" in refused("ann")


def test_the_delay_outlives_a_restart_and_is_recorded(database: str):
    for _ in range(5):
        refused("ann")
    store.close()
    assert "Wait" in refused("ann")
    last, before, *_ = audit.entries(COMMAND_LINE)
    assert last.details == {"reason": "too many wrong passwords"}
    assert before.details == {"reason": "wrong name or password"}


def test_tries_at_the_same_time_are_not_free(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: refused("ann"), range(12)))
    assert sum("Check both" in text for text in said) == 5
    assert sum("Wait" in text for text in said) == 7


def test_an_admin_sets_a_new_password_and_ends_the_delay(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    for _ in range(6):
        refused("ann")
    accounts.change_password(ADMIN, "Ann", "another password")
    assert accounts.sign_in("ann", "another password")[0].name == "ann"
    assert "Check both" in refused("ann", PASSWORD)


def test_the_owner_sets_a_new_password_with_the_old_one(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    with pytest.raises(AccessError, match="Check both"):
        accounts.change_own_password("ann", "wrong password", "another password")
    with pytest.raises(InputError, match="at least 10"):
        accounts.change_own_password("ann", PASSWORD, "short")
    assert accounts.sign_in("ann", PASSWORD)[0].name == "ann"
    accounts.change_own_password("ann", PASSWORD, "another password")
    assert actions()[-2:] == [("ann", "signed in"), ("ann", "password changed")]  # once
    assert accounts.sign_in("ann", "another password")[0].name == "ann"
    assert "Check both" in refused("ann", PASSWORD)


def test_a_password_that_was_replaced_while_it_was_checked_is_refused(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    verify = accounts._verify

    def slowly(hashed: str, password: str) -> bool:
        accounts.change_password(ADMIN, "ann", "another password")
        return verify(hashed, password)

    monkeypatch.setattr(accounts, "_verify", slowly)
    assert "Check both" in refused("ann", PASSWORD)


def test_a_deactivated_account_is_out_at_once(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    accounts.deactivate(ADMIN, "ann")
    assert "deactivated" in refused("ann", PASSWORD)
    assert "Check both" in refused("ann")
    assert not accounts.any_accounts()
    accounts.activate(ADMIN, "ann")
    assert accounts.sign_in("ann", PASSWORD)[0].name == "ann"


def test_a_change_of_role_counts_at_once(database: str):
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    accounts.change_role(ADMIN, "ANN", "admin")
    entry = audit.entries(COMMAND_LINE)[0]
    assert (entry.actor, entry.action, entry.subject) == ("zoe", "role changed", "ann")
    assert entry.details == {"role": "admin", "before": {"role": "clinician"}}
    assert accounts.sign_in("ann", PASSWORD)[0] == Actor("ann", "admin")


def test_only_an_admin_manages_accounts(database: str):
    accounts.add(COMMAND_LINE, "zoe", "admin", PASSWORD)
    for actor in (VISITOR, Actor("ann", "clinician"), Actor("x", "root")):
        for call in (
            lambda actor=actor: accounts.add(actor, "eve", "admin", PASSWORD),
            lambda actor=actor: accounts.change_role(actor, "zoe", "visitor"),
            lambda actor=actor: accounts.deactivate(actor, "zoe"),
            lambda actor=actor: accounts.activate(actor, "zoe"),
            lambda actor=actor: accounts.change_password(actor, "zoe", PASSWORD),
            lambda actor=actor: accounts.list_accounts(actor),
        ):
            with pytest.raises(AccessError):
                call()
    assert actions() == [("command line", "account added")]


@pytest.mark.parametrize(
    ("name", "role", "password", "says"),
    [
        ("", "admin", PASSWORD, "1 to 100 printable"),
        ("x" * 101, "admin", PASSWORD, "1 to 100 printable"),
        ("a\nb", "admin", PASSWORD, "1 to 100 printable"),
        ("a\u202eb", "admin", PASSWORD, "1 to 100 printable"),  # turns the text around
        ("ann", "root", PASSWORD, "visitor, clinician, admin"),
        ("ann", "admin", "short", "at least 10"),
        ("ann-elizabeth", "admin", "Ann-Elizabeth", "not the name"),
        ("ZOE", "admin", PASSWORD, "not taken"),
        ("ｚｏｅ", "admin", PASSWORD, "not taken"),  # full width
    ],
)
def test_what_will_not_do_is_refused(database: str, name, role, password, says):
    accounts.add(COMMAND_LINE, "zoe", "admin", PASSWORD)
    with pytest.raises(InputError, match=says) as caught:
        accounts.add(COMMAND_LINE, name, role, password)
    assert password not in str(caught.value)
    assert [account.name for account in accounts.list_accounts(ADMIN)] == ["zoe"]


def test_an_account_that_is_not_there_cannot_be_changed(database: str):
    with pytest.raises(InputError, match="name of an account"):
        accounts.change_role(ADMIN, "nobody", "admin")


def test_hostile_names_come_back_as_they_were(database: str):
    accounts.add(COMMAND_LINE, HOSTILE, "clinician", PASSWORD)
    assert accounts.list_accounts(ADMIN)[0].name == HOSTILE
    assert accounts.sign_in(HOSTILE, PASSWORD)[0].name == HOSTILE


def test_any_password_may_be_tried(database: str):
    """A long one, NUL, half a surrogate pair: refused or right, never a traceback."""
    odd = "\0\ud800 " + "é" * 20
    accounts.add(COMMAND_LINE, "ann", "clinician", odd)
    assert accounts.sign_in("ann", odd)[0].name == "ann"
    assert "Check both" in refused("ann\0\ud800", "x" * 1_000_000)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_one_admin_stays(database: str, seed: int):
    accounts.add(COMMAND_LINE, "first", "admin", PASSWORD)
    accounts.add(COMMAND_LINE, "second", "admin", PASSWORD)
    drawn = random.Random(seed)
    num_refused = 0
    for _ in range(25):
        name = drawn.choice(["first", "second"])
        change = drawn.choice([accounts.deactivate, accounts.activate, accounts.change_role])
        role = (drawn.choice(ROLES),) if change is accounts.change_role else ()
        try:
            change(ADMIN, name, *role)
        except InputError as error:
            assert "at least one admin" in str(error)  # noqa: PT017
            num_refused += 1
        listed = accounts.list_accounts(ADMIN)
        assert any(account.role == "admin" and account.active for account in listed)
    assert num_refused
    assert audit.check() == []
