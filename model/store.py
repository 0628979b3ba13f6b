"""The database: SQLite in the home folder, or PostgreSQL by `XRAY_DATABASE_URL`.

    with store.writing() as connection:  # one transaction; writers wait for one another
        connection.execute(...)
    with store.reading() as connection:  # waits for nobody
        connection.execute(...)

Tables are made and brought up to date on first use, by one process while the others wait. Every
fault of the database leaves these two as a StoreError; what was not committed is not stored.
"""

import contextlib
import datetime
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from model.config import settings
from model.errors import ConfigError, StoreError
from model.language import N_, _

REVISION = "0005"  # the newest of model/migrations/versions
BUSY_SECONDS = 15  # how long a writer waits for another
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_LOCK = 0x70_6E_65_75  # the advisory lock that makes PostgreSQL's writers wait

_NOTHING_STORED = N_("Nothing was stored.")
_BUSY = N_("it is busy with another writer"), N_("Try again in a minute.")
_FULL = N_("its disk is full"), N_("Free some space on the server's disk, then try again.")
_READ_ONLY = N_("it cannot be written"), N_("Give the server the right to write to it.")
_DAMAGED = N_("it is damaged"), N_("Restore it from a backup.")
_NO_MEMORY = N_("it has no memory left"), N_("Free some memory on the server, then try again.")
_CROWDED = N_("it has too many connections"), N_("Try again in a minute.")
_STARTING = N_("it is just starting or stopping"), N_("Try again in a minute.")
_BROKEN = N_("its disk has a fault"), N_("Have the server's disk checked.")
# What PostgreSQL means, in whatever language it says it, and what to do. By SQLSTATE:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "40P01": _BUSY,
    "53100": _FULL,
    "53200": _NO_MEMORY,
    "53300": _CROWDED,
    "55P03": _BUSY,
    "57P03": _STARTING,
    "58030": _BROKEN,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
# Part of what SQLite says, or PostgreSQL where nobody is connected yet, what it means, what to do.
_FAULTS = (
    ("is locked", *_BUSY),
    ("is full", *_FULL),
    ("readonly", *_READ_ONLY),
    (
        "unable to open",
        N_("it cannot be opened"),
        N_("Check XRAY_HOME and its rights on the server."),
    ),
    ("the database system is", *_STARTING),
    ("too many clients", *_CROWDED),
    ("malformed", *_DAMAGED),
    ("not a database", *_DAMAGED),
    ("append-only", N_("a change of what was recorded"), N_("Add a new record instead.")),
)
_GONE = N_("Check on the server that the database runs and that XRAY_DATABASE_URL is right.")


@dataclass(frozen=True)
class _Database:
    engine: Engine
    file: Path | None  # of SQLite
    identity: tuple[int, int] | None  # of that file when it was opened


_databases: dict[URL, _Database] = {}
_opening = threading.Lock()


@contextlib.contextmanager
def writing() -> Iterator[Connection]:
    """One transaction, begun when no other writer is in one; rolled back on any exception."""
    with _said_plainly(), _database().engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            _wait_for_writers(connection)
            yield connection


@contextlib.contextmanager
def reading() -> Iterator[Connection]:
    """A transaction for looking only."""
    with _said_plainly(), _database().engine.connect() as connection, connection.begin():
        yield connection


def now() -> str:
    """The time in UTC as the tables hold it: `2026-11-21T07:48:18.123456Z`."""
    return time_text(datetime.datetime.now(datetime.UTC))


def time_text(time: datetime.datetime) -> str:
    """A time with a zone as the tables hold it."""
    return time.astimezone(datetime.UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def text(value: str) -> str:
    """As it is, but for NUL and halves of surrogate pairs, which PostgreSQL and UTF-8 refuse."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def description() -> str:
    """In words for `doctor`: which database, which revision; no password, no path."""
    with reading() as connection:
        return f"{connection.dialect.name}, revision {_revision(connection)}"


def name() -> str:
    """Which database this is, without its password: for telling two of them apart."""
    return _url().render_as_string(hide_password=True)


def close() -> None:
    """Closes all connections; the next use opens them again."""
    with _opening:
        while _databases:
            _databases.popitem()[1].engine.dispose()


def _url() -> URL:
    wanted = _("a database URL such as postgresql://user:password@host/name")
    given = settings().database_url
    if not given:
        return URL.create("sqlite", database=str(settings().home / "pneumoscope.sqlite"))
    try:
        url = make_url(given)
    except sa.exc.ArgumentError:
        raise ConfigError(wanted, _("something else"), _("Correct XRAY_DATABASE_URL.")) from None
    backend = url.drivername.split("+")[0]
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return url.set(drivername="sqlite")
    raise ConfigError(
        wanted, _("one of {backend}", backend=backend), _("Correct XRAY_DATABASE_URL.")
    )


def _database() -> _Database:
    """The open database of the settings; raises StoreError if its file was taken away since."""
    url = _url()
    with _opening:
        database = _databases.get(url)
        if database is None:
            database = _databases[url] = _open(url)
    if database.file and _identity(database.file) != database.identity:
        raise StoreError(
            _("the database that this program had opened"),
            _("another one in its place, or none"),
            _("Nothing was stored. Put it back from a backup, then start the program again."),
        )
    return database


def _open(url: URL) -> _Database:
    if url.get_backend_name() == "postgresql":
        arguments = {"connect_timeout": 5}
        engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=True)
        _migrate(engine)
        return _Database(engine, None, None)
    file = Path(str(url.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            _("a folder for runtime data"), reason, _("Set XRAY_HOME to one.")
        ) from None
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    _migrate(engine)
    return _Database(engine, file, _identity(file))


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins, not the driver
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE must not delete unseen
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:  # SQLite does not wait by itself for another process that does the same
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    # Not later, at the first write: then two that have both read could not both go on.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _wait_for_writers(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _migrate(engine: Engine) -> None:
    """Brings the tables to REVISION, all steps in one transaction."""
    with engine.connect() as connection:
        if _revision(connection) == REVISION:
            return
    with engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            _wait_for_writers(connection)
            found = _revision(connection)  # another process may have been first
            if found != REVISION:
                upgrade(connection, found)


def upgrade(connection: Connection, found: str | None, wanted: str = REVISION) -> None:
    """The steps of model/migrations from revision `found`, None for an empty database."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    if found not in (None, *(step.revision for step in script.walk_revisions())):
        raise StoreError(
            _("a database of revision {n} or earlier", n=REVISION),
            _("revision {found}", found=found),
            _("A newer version of this program has made it: use that one."),
        )
    steps = EnvironmentContext(
        Config(), script, fn=lambda revision, _: script._upgrade_revs(wanted, revision)
    )
    with steps:
        steps.configure(connection=connection)
        steps.run_migrations()


@contextlib.contextmanager
def _said_plainly() -> Iterator[None]:
    """Turns what SQLAlchemy raises into StoreError. The driver's words may hold data: not shown."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        said, state = str(cause), getattr(cause, "sqlstate", None)
        lost = isinstance(error, (sa.exc.OperationalError, sa.exc.TimeoutError))
        other = (N_("it does not answer"), _GONE)
        if not lost:
            other = (_("a fault ({kind})", kind=type(error).__name__), N_("Report this as a bug."))
        known = (fault[1:] for fault in _FAULTS if fault[0] in said)
        received, todo = _STATES.get(state or "") or next(known, other)
        problem = StoreError(
            _("a database that works"), _(received), f"{_(_NOTHING_STORED)} {_(todo)}"
        )
    else:
        return
    raise problem from None
