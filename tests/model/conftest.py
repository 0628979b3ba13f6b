"""The two databases: SQLite always, PostgreSQL where Debian's package is installed.

A PostgreSQL of the tests' own, on a socket in a temporary folder, as an unprivileged user.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import store
from model.config import settings


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The folder of the socket of a running PostgreSQL; skips where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL not found: apt-get install postgresql")
    folder = tempfile.mkdtemp(prefix="pg-")  # not in tmp_path, which is for this user alone
    as_user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [found[-1].parent / program, "-D", f"{folder}/data", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run("initdb", "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-l", f"{folder}/log", "-o", options)
        yield folder
        store.close()
        run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(folder: str) -> str:
    """The URL of an empty schema of that PostgreSQL: made sooner than a database."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    url = f"postgresql://tests@/postgres?host={folder}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}&options=-csearch_path%3D{name}"


@contextlib.contextmanager
def settings_of(home: Path, url: str | None) -> Iterator[None]:
    """Has model.config, here and in subprocesses, serve this home and database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAY_HOME", str(home))
        patch.setenv("XRAY_DATABASE_URL", url or "")
        settings.cache_clear()
        try:
            yield
        finally:
            store.close()
    settings.cache_clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty home and an empty database; its kind."""
    url = None
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgresql"))
    with settings_of(tmp_path / "home", url):
        yield request.param


@pytest.fixture
def postgresql_database(postgresql: str, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of PostgreSQL."""
    url = new_database(postgresql)
    with settings_of(tmp_path / "home", url):
        yield url


@pytest.fixture
def sqlite_home(tmp_path: Path) -> Iterator[Path]:
    """An empty home with SQLite."""
    with settings_of(tmp_path / "home", None):
        yield tmp_path / "home"


@pytest.fixture
def home(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; no XRAY_DATA, and a served bundle that knows no test set and no fold."""
    monkeypatch.delenv("XRAY_DATA", raising=False)
    monkeypatch.setenv("XRAY_BUNDLE", str(tmp_path / "bundle"))
    monkeypatch.setattr("model.retraining.locked_test.SHIPPED", tmp_path / "bundle")
    settings.cache_clear()
    yield sqlite_home
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def base(tiny_data: Path, tmp_path: Path) -> Path:
    """Base data of a retraining set: 24 films of 12 children to train on, 8 to test on."""
    return Path(shutil.copytree(tiny_data, tmp_path / "base"))
