"""Browsers that stay signed in with a local account: what their cookie stands for.

    token = sessions.begin(connection, key)  # in the transaction of the sign-in
    actor = sessions.actor(token)  # at each look; None when it is over

A token is 256 random bits, new at each sign-in. The store holds its SHA-256: who gets to see the
database, or a copy of it, has no token. A session is over SESSION_HOURS after its sign-in; signing
out, another password, another role and deactivation end all sessions of the account at once.
"""

import datetime
import hashlib
import secrets

from sqlalchemy.engine import Connection

from model import store
from model.people.access import SESSION_HOURS, Actor
from model.tables import accounts, sessions

TOKEN_BYTES = 32


def begin(connection: Connection, account_key: str) -> str:
    """The token of a new session, in the transaction of what gives the right to it."""
    connection.execute(sessions.delete().where(sessions.c.created <= _oldest()))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"key": _key(token), "account": account_key, "created": store.now()}
    connection.execute(sessions.insert().values(**values))
    return token


def actor(token: str) -> Actor | None:
    """Whose session this is, with the role of now; None if it is over or never was."""
    mine = (sessions.c.key == _key(token)) & (sessions.c.created > _oldest())
    chosen = accounts.select().join(sessions, sessions.c.account == accounts.c.key)
    with store.reading() as connection:
        row = connection.execute(chosen.where(mine, accounts.c.active == 1)).first()
    return Actor(row.name, row.role) if row else None


def end(token: str) -> None:
    """Signing out: ends all sessions of the account whose session this is."""
    with store.writing() as connection:
        row = connection.execute(sessions.select().where(sessions.c.key == _key(token))).first()
        if row:
            end_all(connection, row.account)


def end_all(connection: Connection, account_key: str) -> None:
    """Ends all sessions of the account, in the transaction of what makes that necessary."""
    connection.execute(sessions.delete().where(sessions.c.account == account_key))


def _oldest() -> str:
    hours = datetime.timedelta(hours=SESSION_HOURS)
    return store.time_text(datetime.datetime.now(datetime.UTC) - hours)


def _key(token: str) -> str:
    """A cookie may hold any text. The bits are random already: no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
