"""What retraining keeps on the disk, and what may be deleted of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model import store
from model.config import settings
from model.errors import AccessError, InputError
from model.people.access import COMMAND_LINE
from model.retraining.retraining_storage import UPLOAD, VERSION, delete, items
from model.versions import champion
from tests.model import version_cases as versions
from tests.model.review_cases import ANN


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    settings.cache_clear()
    versions.write_version(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / "shipped")
    yield tmp_path / "home"
    store.close()
    monkeypatch.undo()
    settings.cache_clear()


def serve(name: str, tmp_path: Path, previous: str = "") -> Path:
    """The copy of a version that is promoted; its folder."""
    bundle = versions.write_version(tmp_path / name, model_version=name)
    copy = champion.materialise(bundle.folder)
    champion.switch(replace(bundle, folder=copy), "zoe", store.now(), previous)
    return copy


def test_nothing_is_kept_in_an_empty_home() -> None:
    assert items(COMMAND_LINE) == []


def test_the_served_version_and_the_one_before_stay(tmp_path: Path) -> None:
    folders = [serve("first", tmp_path)]
    folders.append(serve("second", tmp_path, "first"))
    folders.append(serve("third", tmp_path, "second"))
    found = {one.name: one for one in items(COMMAND_LINE)}
    assert {name: bool(one.needed) for name, one in found.items()} == {
        "first": False, "second": True, "third": True,
    }  # fmt: skip
    files = [path for path in folders[0].rglob("*") if path.is_file()]
    assert found["first"].num_bytes == sum(path.stat().st_size for path in files)
    for name in ("second", "third"):
        with pytest.raises(InputError, match="Nothing was deleted"):
            delete(COMMAND_LINE, VERSION, name, "tidying up")
    delete(COMMAND_LINE, VERSION, "first", "tidying up")
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_an_upload_is_deleted_and_nothing_beside_it(home: Path) -> None:
    (home / "uploads").mkdir(parents=True)
    for name in ("a.zip", "b.zip"):
        (home / "uploads" / name).write_bytes(b"12345")
    assert [(one.kind, one.name, one.num_bytes) for one in items(COMMAND_LINE)] == [
        (UPLOAD, "a.zip", 5), (UPLOAD, "b.zip", 5),
    ]  # fmt: skip
    delete(COMMAND_LINE, UPLOAD, "a.zip", "used")
    assert [path.name for path in (home / "uploads").iterdir()] == ["b.zip"]


@pytest.mark.parametrize("name", ["..", "../pneumoscope.sqlite", "b.zip/../a.zip", ""])
def test_only_what_is_listed_is_deleted(home: Path, name: str) -> None:
    (home / "uploads").mkdir(parents=True)
    (home / "uploads" / "a.zip").write_bytes(b"12345")
    with pytest.raises(InputError, match="something that is kept"):
        delete(COMMAND_LINE, UPLOAD, name, "used")
    assert (home / "uploads" / "a.zip").exists()


def test_only_an_admin_deletes() -> None:
    with pytest.raises(AccessError):
        items(ANN)
    with pytest.raises(AccessError):
        delete(ANN, UPLOAD, "a.zip", "used")
