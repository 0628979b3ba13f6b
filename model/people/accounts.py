"""Local accounts: who may sign in, with which role.

    accounts.add(COMMAND_LINE, "ann", "clinician", password)
    actor, token = accounts.sign_in("ann", password)  # the token: see model/people/sessions.py

Passwords are kept as Argon2id hashes. From the fifth wrong password on, a name has to wait before
the next try, each time twice as long; an unknown name behaves as a known one. Every change and
every sign-in, refused or not, goes to the audit trail in the same transaction.
"""

import contextlib
import datetime
import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy.engine import Connection, Row

from model import store
from model.errors import AccessError, InputError
from model.language import _
from model.people import audit, sessions
from model.people.access import COMMAND_LINE, ROLES, VISITOR, Actor, require
from model.tables import accounts, sign_ins

MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 1000  # characters: hashing a novel is work for the server
MAX_NAME = 100  # characters
FREE_FAILURES = 5  # from this one on, a wrong password costs time
FIRST_WAIT_SECONDS = 30
LONGEST_WAIT_SECONDS = 3600
FORGET_FAILURES = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Account:
    """As an admin sees it; `created` in UTC."""

    name: str
    role: str
    active: bool
    created: str


def any_accounts() -> bool:
    """Whether there is anybody who could sign in."""
    with store.reading() as connection:
        active = connection.execute(accounts.select().where(accounts.c.active == 1))
        return active.first() is not None


def list_accounts(actor: Actor) -> list[Account]:
    """All accounts by name, those that were deactivated too; for an admin."""
    require(actor, "admin")
    with store.reading() as connection:
        rows = connection.execute(accounts.select().order_by(accounts.c.key)).all()
    return [Account(row.name, row.role, bool(row.active), row.created) for row in rows]


def add(actor: Actor, name: str, role: str, password: str) -> None:
    """A new account; by an admin. Raises InputError for a name, role or password that won't do."""
    require(actor, "admin")
    name = _checked_name(name)
    _check_role(role)
    hashed = _checked_hash(name, password)
    with store.writing() as connection:
        if _row(connection, name):
            raise InputError(_("a name that is not taken"), name, _("Choose another name."))
        values = {"key": _key(name), "name": name, "role": role, "active": 1}
        connection.execute(
            accounts.insert().values(**values, password_hash=hashed, created=store.now())
        )
        audit.append(connection, actor.name, "account added", name, role=role)


def change_role(actor: Actor, name: str, role: str) -> None:
    """Another role for the account, which is signed out; by an admin. The last admin stays one."""
    _check_role(role)
    _change(actor, name, "role changed", role=role)


def deactivate(actor: Actor, name: str) -> None:
    """Signs the account out for good, what it did stays; by an admin, not on the last one."""
    _change(actor, name, "account deactivated", active=0)


def activate(actor: Actor, name: str) -> None:
    """The account can sign in again; by an admin."""
    _change(actor, name, "account activated", active=1)


def change_password(actor: Actor, name: str, password: str) -> None:
    """A new password for an account, which is signed out; by an admin."""
    require(actor, "admin")
    with store.reading() as connection:
        name = _found(connection, name).name
    hashed = _checked_hash(name, password)
    with store.writing() as connection:
        _set_password(connection, actor, name, hashed)


def change_own_password(name: str, old: str, new: str) -> str:
    """A new password, by who has the old one: signed out everywhere, but for the token returned."""
    hashed = _checked_hash(name, new)
    with _proven(name, old) as (connection, row):
        _set_password(connection, Actor(row.name, row.role), row.name, hashed)
        return sessions.begin(connection, row.key)


def sign_in(name: str, password: str) -> tuple[Actor, str]:
    """The owner of name and password, and the token of a new session; on record.

    Raises AccessError, with the time to wait if there is one.
    """
    with _proven(name, password) as (connection, row):
        audit.append(connection, row.name, "signed in")
        return Actor(row.name, row.role), sessions.begin(connection, row.key)


@contextlib.contextmanager
def _proven(name: str, password: str) -> Iterator[tuple[Connection, "Row[Any]"]]:
    """A transaction for what the owner of name and password may do, and the account."""
    with store.writing() as connection:
        row = _row(connection, name)
        wait_seconds = _count_try(connection, name)
        if wait_seconds:
            _refuse(connection, row, "too many wrong passwords")
    if wait_seconds:
        time = _in_words(wait_seconds)
        raise AccessError(
            _("a pause after several wrong passwords"),
            _("another try"),
            _("Wait {time}, then try again; an admin can set a new password.", time=time),
        )
    # Outside of a transaction: it is slow on purpose. The try has already been counted.
    right = _verify(row.password_hash if row else _nobody(), password)
    with store.writing() as connection:
        known, row = row, _row(connection, name)
        right = bool(row and known and right and row.password_hash == known.password_hash)
        if row and row.active and right:
            connection.execute(sign_ins.delete().where(sign_ins.c.key == _hidden(name)))
            yield connection, row
            return
        _refuse(connection, row, "deactivated" if right else "wrong name or password")
    if row and right:
        raise AccessError(
            _("an active account"), _("one that was deactivated"), _("Ask an admin for it.")
        )
    raise AccessError(
        _("a name and its password"), _("another pair"), _("Check both, then try again.")
    )


def _count_try(connection: Connection, name: str) -> int:
    """Seconds to wait, or 0 and the try is counted as wrong until it proves right.

    Before the password is looked at, so that a hundred tries at once are no hundred free ones.
    """
    now = datetime.datetime.now(datetime.UTC)
    forgotten = store.time_text(now - FORGET_FAILURES)
    connection.execute(sign_ins.delete().where(sign_ins.c.last < forgotten))
    mine = sign_ins.c.key == _hidden(name)
    row = connection.execute(sign_ins.select().where(mine)).first()
    if row and row.blocked_until > store.time_text(now):
        until = datetime.datetime.fromisoformat(row.blocked_until)
        return max(1, round((until - now).total_seconds()))
    failures = row.failures + 1 if row else 1
    values = {"failures": failures, "last": store.time_text(now), "blocked_until": ""}
    if failures >= FREE_FAILURES:
        doubled = FIRST_WAIT_SECONDS * 2 ** min(failures - FREE_FAILURES, 20)
        wait = datetime.timedelta(seconds=min(doubled, LONGEST_WAIT_SECONDS))
        values["blocked_until"] = store.time_text(now + wait)
    if row:
        connection.execute(sign_ins.update().where(mine).values(**values))
    else:
        connection.execute(sign_ins.insert().values(key=_hidden(name), **values))
    return 0


def _refuse(connection: Connection, row: "Row[Any] | None", reason: str) -> None:
    """Records it; an unknown name is left out, since it may be a password typed too early."""
    name = row.name if row else "unknown name"
    audit.append(connection, name, "sign-in refused", reason=reason)


def _change(actor: Actor, name: str, action: str, **values: Any) -> None:
    require(actor, "admin")
    with store.writing() as connection:
        row = _found(connection, name)
        after = {"role": row.role, "active": row.active, **values}
        was_admin = row.role == "admin" and row.active
        if was_admin and after != {"role": "admin", "active": 1} and _num_admins(connection) == 1:
            raise InputError(
                _("at least one admin"),
                _("a change of the last one, {name}", name=row.name),
                _("Add another first."),
            )
        _set(connection, row.name, **values)
        sessions.end_all(connection, row.key)
        audit.append(connection, actor.name, action, row.name, **values, before={"role": row.role})


def _num_admins(connection: Connection) -> int:
    chosen = accounts.select().where(accounts.c.role == "admin", accounts.c.active == 1)
    return len(connection.execute(chosen).all())


def _row(connection: Connection, name: str) -> "Row[Any] | None":
    return connection.execute(accounts.select().where(accounts.c.key == _key(name))).first()


def _found(connection: Connection, name: str) -> "Row[Any]":
    row = _row(connection, name)
    if row is None:
        todo = _("Choose one from the list.")
        raise InputError(_("the name of an account"), _("another name"), todo)
    return row


def _set(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(accounts.update().where(accounts.c.key == _key(name)).values(**values))


def _set_password(connection: Connection, actor: Actor, name: str, hashed: str) -> None:
    _set(connection, name, password_hash=hashed)
    sessions.end_all(connection, _key(name))
    connection.execute(sign_ins.delete().where(sign_ins.c.key == _hidden(name)))
    audit.append(connection, actor.name, "password changed", name)


def _key(name: str) -> str:
    """Names that look alike are one: without differences of case, width and composition."""
    return unicodedata.normalize("NFKC", store.text(name).strip()).casefold()


def _hidden(name: str) -> str:
    return hashlib.sha256(_key(name).encode()).hexdigest()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        wanted = _("a name of 1 to {n} printable characters", n=MAX_NAME)
        raise InputError(wanted, _("another name"), _("Correct the name."))
    if _key(name) in {VISITOR.name, COMMAND_LINE.name}:  # the trail could not tell them apart
        raise InputError(_("a name of a person"), name, _("Choose another name."))
    return name


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InputError(
            _("one of the roles {roles}", roles=", ".join(ROLES)), repr(role), _("Choose one.")
        )


def _checked_hash(name: str, password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        received = _("{n} characters", n=len(password))
        wanted = _("a password of at least {n} characters", n=MIN_PASSWORD)
        raise InputError(wanted, received, _("Choose another."))
    if _key(password) == _key(name):
        raise InputError(_("a password that is not the name"), _("the name"), _("Choose another."))
    return _hasher().hash(_bytes(password))


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher().verify(hashed, _bytes(password[: MAX_PASSWORD + 1]))
    except (Argon2Error, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # Argon2id with the parameters of RFC 9106 for little memory


@cache
def _nobody() -> str:
    """A hash that no password has, for names that no account has: they take as long."""
    return _hasher().hash(b"\0nobody")


def _in_words(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
