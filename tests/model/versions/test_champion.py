"""Which version is served: always one, whole, or none and a clear sentence."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from model.bundle import Bundle, open_bundle
from model.errors import BundleError, StoreError
from model.files import write_json
from model.versions import champion
from tests.model.version_cases import change_json, write_all, write_robustness, write_version

SINCE = "2026-11-21T10:00:00.000000Z"


@pytest.fixture
def shipped(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The version that came with the program, in an empty home."""
    bundle = write_all(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", bundle.folder)
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    return bundle


@pytest.fixture
def trained(shipped: Bundle, tmp_path: Path) -> Bundle:
    return write_version(tmp_path / "job" / "bundle", model_version="vgg16-new")


def serve(bundle: Bundle, previous: str = "") -> Bundle:
    copy = replace(bundle, folder=champion.materialise(bundle.folder))
    champion.switch(copy, "zoe", SINCE, previous)
    return copy


def leftovers(home: Path) -> list[str]:
    return [path.name for path in (home / "versions").glob(".*")]


def test_before_any_promotion_the_shipped_version_is_served(shipped: Bundle) -> None:
    assert champion.served() == shipped.folder
    assert champion.look().open().model_version == shipped.model_version
    assert champion.look().since == ""


def test_the_real_shipped_version_checks() -> None:
    assert open_bundle(champion.SHIPPED).folder == champion.SHIPPED


def test_a_version_that_was_switched_to_is_served_from_a_copy_of_its_own(
    trained: Bundle, sqlite_home: Path
) -> None:
    serve(trained, "vgg16-old")
    shutil.rmtree(trained.folder)
    now = champion.look()
    assert champion.served() == now.folder == sqlite_home / "versions" / "vgg16-new"
    assert now.open().model_version == now.model_version == "vgg16-new"
    assert (now.since, now.by, now.previous) == (SINCE, "zoe", "vgg16-old")
    assert leftovers(sqlite_home) == []


def test_the_home_may_be_moved(
    trained: Bundle, sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(trained)
    moved = sqlite_home.with_name("moved")
    sqlite_home.rename(moved)
    monkeypatch.setenv("XRAY_HOME", str(moved))
    champion.settings.cache_clear()
    assert champion.look().open().folder == moved / "versions" / "vgg16-new"


def test_what_lies_beside_the_card_is_copied_and_a_run_is_not(shipped: Bundle) -> None:
    (shipped.folder / "run").mkdir()
    (shipped.folder / "run" / "checkpoint").write_text("large")
    copy = champion.materialise(shipped.folder)
    names = {path.name for path in shipped.folder.iterdir() if path.is_file()}
    assert {path.name for path in copy.iterdir()} == names | {"comparison"}
    assert (copy / "comparison" / "cnn.json").is_file()


def test_a_folder_that_the_server_is_told_to_serve_comes_first(
    trained: Bundle, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(trained)
    assert not champion.is_fixed()
    monkeypatch.setenv("XRAY_BUNDLE", str(shipped.folder))
    champion.settings.cache_clear()
    assert champion.is_fixed()
    assert champion.look().open().model_version == shipped.model_version


def test_taking_a_switch_back_leaves_what_was_before(shipped: Bundle, trained: Bundle) -> None:
    copy = replace(trained, folder=champion.materialise(trained.folder))
    champion.switch(copy, "zoe", SINCE, "")()
    assert champion.served() == shipped.folder
    serve(trained)
    other = replace(shipped, folder=champion.materialise(shipped.folder))
    undo = champion.switch(other, "zoe", SINCE, "vgg16-new")
    assert champion.look().model_version == shipped.model_version
    undo()
    assert champion.look().model_version == "vgg16-new"


# Nothing that does not check is served


def test_a_damaged_bundle_is_not_copied(trained: Bundle, sqlite_home: Path) -> None:
    trained.weights.write_bytes(b"another")
    with pytest.raises(BundleError, match="SHA-256"):
        champion.materialise(trained.folder)
    assert not (sqlite_home / "versions").exists()


@pytest.mark.parametrize("name", ["bundle.json", "model.keras", "lungs.keras", "gate.npz"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_champion_that_was_changed_on_disk_gives_no_verdict(
    trained: Bundle, name: str, how: str
) -> None:
    serve(trained)
    before = champion.look()
    key = before.key
    file = before.folder / name
    if how == "gone":
        file.unlink()
    elif name == "bundle.json":
        change_json(file, temperature=0.9)  # a card that is sound in itself
    else:
        file.write_bytes(b"another" * 3)
    assert champion.look().key != key  # whoever holds the old one sees it
    with pytest.raises(BundleError) as refused:
        champion.look().open()
    assert "registry rollback" in str(refused.value) or "no verdict" in str(refused.value)


def test_files_that_no_reading_needs_may_come_and_go(trained: Bundle) -> None:
    copy = serve(trained)
    key = champion.look().key
    write_robustness(copy)
    assert champion.look().key == key


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 1}', '{"format": 2, "folder": "a", "card_sha256": "b"}'],
)
def test_a_champion_json_that_is_damaged_means_no_verdict(
    shipped: Bundle, sqlite_home: Path, text: str
) -> None:
    sqlite_home.mkdir(exist_ok=True)
    (sqlite_home / "champion.json").write_text(text)
    with pytest.raises(BundleError, match="which version is served") as refused:
        champion.served()
    assert "takes back an earlier version" in str(refused.value)
    assert str(sqlite_home) not in str(refused.value)


@pytest.mark.parametrize("folder", ["../shipped", "/tmp", "..", ".copy-1-x", ""])
def test_no_folder_outside_the_home_can_be_named(trained: Bundle, folder: str) -> None:
    copy = serve(trained)
    change_json(copy.folder.parents[1] / "champion.json", folder=folder)
    with pytest.raises(BundleError, match="which version is served"):
        champion.look()


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "two words"])
def test_a_version_with_an_odd_name_is_not_copied(
    shipped: Bundle, tmp_path: Path, name: str
) -> None:
    odd = write_version(tmp_path / "odd", model_version=name)
    with pytest.raises(BundleError, match="plain name"):
        champion.materialise(odd.folder)


# Copies


def test_copying_again_keeps_a_sound_copy_and_replaces_a_damaged_one(
    trained: Bundle, sqlite_home: Path
) -> None:
    copy = serve(trained).folder
    inode = copy.stat().st_ino
    assert champion.materialise(trained.folder) == copy
    assert copy.stat().st_ino == inode
    (copy / "gate.npz").write_bytes(b"another")
    champion.materialise(trained.folder)
    assert champion.look().open().model_version == "vgg16-new"
    assert leftovers(sqlite_home) == []


def test_a_full_disk_leaves_no_half_copy(
    trained: Bundle, sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shutil.copyfile

    def full(source: Path, target: Path) -> None:
        if Path(source).name == "model.keras":
            Path(target).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StoreError, match="No space left") as refused:
        champion.materialise(trained.folder)
    assert "Nothing was changed" in str(refused.value)
    assert list((sqlite_home / "versions").iterdir()) == []


def test_copies_of_processes_that_died_are_removed_and_others_are_not(
    trained: Bundle, sqlite_home: Path
) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    serve(trained)
    for process in (child, os.getpid()):
        (sqlite_home / "versions" / f".copy-{process}-abc").mkdir()
    champion.tidy()
    assert leftovers(sqlite_home) == [f".copy-{os.getpid()}-abc"]
    assert champion.look().open().model_version == "vgg16-new"


def test_champion_json_is_plain(trained: Bundle, sqlite_home: Path) -> None:
    serve(trained)
    told = json.loads((sqlite_home / "champion.json").read_text())
    assert told.pop("card_sha256")
    assert told == {
        "format": 1,
        "folder": "vgg16-new",
        "model_version": "vgg16-new",
        "since": SINCE,
        "by": "zoe",
        "previous": "",
    }
    write_json(sqlite_home / "champion.json", {**told, "card_sha256": "0" * 64})
    with pytest.raises(BundleError, match="another one"):
        champion.look().open()
