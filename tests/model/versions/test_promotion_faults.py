"""A promotion that meets a fault: the old or the new version is served whole."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import store
from model.bundle import Bundle
from model.errors import StoreError
from model.versions import champion, registry
from tests.model.versions.registry_cases import (
    NEW,
    OLD,
    ZOE,
    aliases,
    hand_over,
    served_in_trail,
    serving,
)
from tests.model.versions.registry_cases import shipped as shipped
from tests.model.versions.registry_cases import trained as trained


def test_a_record_that_cannot_be_written_takes_the_switch_back(
    trained: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is full at the commit, after champion.json was switched."""
    hand_over(trained)
    plain = store.writing

    @contextlib.contextmanager
    def full() -> Iterator[object]:
        with plain() as connection:
            yield connection
            if champion.look().model_version == NEW:
                raise StoreError("a database that works", "its disk is full", "Nothing was stored.")

    monkeypatch.setattr(store, "writing", full)
    with pytest.raises(StoreError, match="disk is full"):
        registry.promote(ZOE, NEW, OLD)
    monkeypatch.undo()
    assert champion.look().model_version in ("", OLD)
    assert served_in_trail() == []


def test_a_disk_that_is_full_at_the_switch_changes_nothing(
    trained: Bundle, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(trained)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(champion, "write_json", full)
        with pytest.raises(StoreError, match="No space left"):
            registry.promote(ZOE, NEW, OLD)
    assert serving() == OLD
    assert served_in_trail() == []
    assert aliases() == {OLD: ("champion",), NEW: ("challenger",)}
    registry.promote(ZOE, NEW, OLD)
    assert serving() == NEW


def test_killed_at_any_step_the_old_or_the_new_version_is_served_whole(
    sqlite_home: Path, tmp_path: Path
) -> None:
    """Of a promotion and of a rollback; and a version is handed over once, or by a retry."""
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "tests.model.kill_promotion", str(tmp_path / "kill")]
    told = {**os.environ, "XRAY_HOME": str(sqlite_home)}
    done = subprocess.run(command, cwd=root, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [told["wrong"] for told in found.values()] == [[], [], []], done.stderr
    assert min(told["steps"] for told in found.values()) > 10
