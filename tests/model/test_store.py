"""The database: up to date from every revision, whole after faults, and faults said plainly."""

import os
import re
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from model import store, tables
from model.config import settings
from model.errors import ConfigError, StoreError
from model.people import audit
from model.people.access import COMMAND_LINE

REVISIONS = ["0001", "0002", "0003", "0004", "0005"]


def made_by(revision: str) -> sa.Engine:
    """The database of the settings as a program of that revision left it, with a row in it."""
    url = sa.make_url(settings().database_url or f"sqlite:///{settings().home}/pneumoscope.sqlite")
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    settings().home.mkdir()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        store.upgrade(connection, None, revision)
        connection.exec_driver_sql(
            "INSERT INTO accounts VALUES ('ann', 'Ann', 'clinician', 'x', 1, '2026')"
        )
    return engine


def locked(path: Path) -> sqlite3.Connection:
    """Somebody else in the middle of a write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_revisions_are_one_chain_that_ends_at_the_newest():
    script = ScriptDirectory(str(store.MIGRATIONS))
    assert [step.revision for step in script.walk_revisions()] == REVISIONS[::-1]
    assert script.get_current_head() == store.REVISION


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_an_earlier_revision_is_brought_up_to_date(database: str, revision: str):
    made_by(revision).dispose()
    with store.reading() as connection:
        assert connection.execute(tables.accounts.select()).one().name == "Ann"
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert differences == []
    assert store.description() == f"{database}, revision {store.REVISION}"


def test_an_empty_database_gets_the_tables(database: str):
    with store.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert differences == []


def test_a_step_that_fails_leaves_the_earlier_revision_whole(
    database: str, monkeypatch: pytest.MonkeyPatch
):
    engine = made_by("0001")
    with engine.begin() as connection:  # what the last step of 0002 wants to make is there
        connection.exec_driver_sql("CREATE TABLE kept_images (id INTEGER)")
    with pytest.raises(StoreError, match="Nothing was stored"):
        audit.record("ann", "signed in")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [
            ("0001",)
        ]
        assert not sa.inspect(connection).has_table("reviews")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE kept_images")
    engine.dispose()
    audit.record("ann", "signed in")


def test_a_database_of_a_newer_program_is_left_alone(database: str):
    engine = made_by("0002")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"revision 9999.*newer version"):
        audit.record("ann", "signed in")


def test_what_was_written_before_an_exception_is_not_stored(database: str):
    def fails() -> None:
        with store.writing() as connection:
            connection.execute(tables.worklists.insert().values(owner="a", name="b", created="c"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with store.reading() as connection:
        assert connection.execute(tables.worklists.select()).all() == []


def test_sqlite_is_durable_and_keeps_references(sqlite_home: Path):
    with store.reading() as connection:
        for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 2)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    assert (sqlite_home / "pneumoscope.sqlite").exists()


def test_a_reader_sees_the_last_commit_while_another_writes(sqlite_home: Path):
    audit.record("ann", "signed in")
    with store.writing() as connection:
        audit.append(connection, "bob", "signed in")
        assert len(audit.entries(COMMAND_LINE)) == 1
    assert len(audit.entries(COMMAND_LINE)) == 2


def test_a_locked_sqlite_says_so(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    audit.record("ann", "signed in")
    other = locked(sqlite_home / "pneumoscope.sqlite")
    with pytest.raises(StoreError, match=r"busy with another writer.*Try again"):
        audit.record("bob", "signed in")
    other.close()
    audit.record("bob", "signed in")
    assert audit.check() == []


def test_a_locked_postgresql_says_so(postgresql_database: str, monkeypatch):
    monkeypatch.setattr(store, "BUSY_SECONDS", 1)
    with store.writing(), pytest.raises(StoreError, match="busy with another writer"):
        audit.record("bob", "signed in")
    audit.record("bob", "signed in")


def test_a_postgresql_that_breaks_off_is_found_again(postgresql_database: str):
    import psycopg

    def is_cut_off() -> None:
        with store.writing() as connection:
            audit.append(connection, "bob", "signed in")
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with psycopg.connect(postgresql_database, autocommit=True) as other:
                other.execute(f"SELECT pg_terminate_backend({pid})")
            audit.append(connection, "bob", "signed out")

    audit.record("ann", "signed in")
    with pytest.raises(StoreError, match=r"does not answer.*Nothing was stored"):
        is_cut_off()
    audit.record("cat", "signed in")
    assert [entry.actor for entry in audit.entries(COMMAND_LINE)] == ["cat", "ann"]
    assert audit.check() == []


def test_a_full_disk_says_so_and_stores_nothing(sqlite_home: Path):
    audit.record("ann", "signed in")
    with store.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StoreError, match=r"its disk is full.*Free some space"):
        audit.record("ann", "counted", text="x" * 100_000)
    audit.record("ann", "counted")
    assert [entry.id for entry in audit.entries(COMMAND_LINE)] == [2, 1]
    assert audit.check() == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", r"its disk is full.*Free some space"),
        ("53200", r"no memory left.*Free some memory"),
        ("57P03", r"just starting or stopping.*Try again"),
        ("25006", r"it cannot be written.*Give the server the right"),
        ("58030", r"its disk has a fault.*checked"),
    ],
)
def test_a_postgresql_that_cannot_write_says_so_and_stores_nothing(
    postgresql_database: str, state: str, words: str
):
    # The server says it in its own language, at the second of two rows.
    audit.record("ann", "signed in")
    with store.writing() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
            f"RAISE 'no queda espacio: is locked' USING ERRCODE = '{state}'; "
            "END $$ LANGUAGE plpgsql"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON audit FOR EACH ROW "
            "WHEN (NEW.actor = 'bob') EXECUTE FUNCTION refuse()"
        )

    def writes_two() -> None:
        with store.writing() as connection:
            connection.execute(tables.worklists.insert().values(owner="a", name="b", created="c"))
            audit.append(connection, "bob", "signed in")

    with pytest.raises(StoreError, match=words) as caught:
        writes_two()
    assert "Nothing was stored" in str(caught.value)
    assert "queda" not in str(caught.value)
    with store.reading() as connection:
        assert connection.execute(tables.worklists.select()).all() == []
    audit.record("ann", "signed out")
    assert [entry.action for entry in audit.entries(COMMAND_LINE)] == ["signed out", "signed in"]
    assert audit.check() == []


def test_a_vanished_sqlite_file_is_not_replaced_by_an_empty_one(sqlite_home: Path):
    audit.record("ann", "signed in")
    for file in sqlite_home.glob("pneumoscope.sqlite*"):
        file.unlink()
    with pytest.raises(StoreError, match="Put it back from a backup"):
        audit.record("bob", "signed in")
    with pytest.raises(StoreError, match="Put it back from a backup"):
        audit.entries(COMMAND_LINE)


def test_a_damaged_sqlite_file_says_so(sqlite_home: Path):
    sqlite_home.mkdir()
    (sqlite_home / "pneumoscope.sqlite").write_bytes(b"no database at all " * 100)
    with pytest.raises(StoreError, match=r"it is damaged.*backup"):
        audit.record("ann", "signed in")


@pytest.mark.skipif(os.name == "nt", reason="/dev/null is no folder of Windows")
def test_a_home_that_cannot_be_made_says_so(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XRAY_HOME", "/dev/null/home")
    settings.cache_clear()
    with pytest.raises(StoreError, match="Set XRAY_HOME"):
        audit.record("ann", "signed in")


def test_a_postgresql_that_is_not_there_says_so(sqlite_home: Path, monkeypatch):
    url = f"postgresql://ann:secret@/records?host={sqlite_home}"
    monkeypatch.setenv("XRAY_DATABASE_URL", url)
    settings.cache_clear()
    with pytest.raises(StoreError, match=r"does not answer.*XRAY_DATABASE_URL") as caught:
        audit.record("ann", "signed in")
    assert "secret" not in str(caught.value)
    assert str(sqlite_home) not in str(caught.value)
    assert caught.value.__suppress_context__  # nothing of the driver's in a page's traceback


@pytest.mark.parametrize("url", ["mysql://ann:secret@host/records", "secret", "postgres:secret"])
def test_another_kind_of_database_is_refused(sqlite_home: Path, monkeypatch, url: str):
    monkeypatch.setenv("XRAY_DATABASE_URL", url)
    settings.cache_clear()
    with pytest.raises(ConfigError, match="Correct XRAY_DATABASE_URL") as caught:
        audit.record("ann", "signed in")
    assert "secret" not in str(caught.value)


def test_what_no_database_holds_is_replaced():
    assert store.text("a\0b\ud800c<é'>") == "a\ufffdb?c<é'>"


def test_times_are_utc_and_sort_as_text():
    first, second = store.now(), store.now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first)
    assert first <= second
