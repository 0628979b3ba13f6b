"""A set on disk: whole or not at all, checked when it is opened."""

import io
import os
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from model.config import ROOT
from model.errors import DataError, StoreError
from model.retraining import retraining_set as sets
from model.retraining.retraining_set import RetrainingSet
from tests.model.retraining_cases import (
    entries,
    first,
    frozen,
    new_film,
    propose,
)
from tests.model.review_cases import ADMIN, HOSTILE


def test_names_of_files_and_sets_do_no_harm(home: Path, base: Path):
    folder = base / "train" / "NORMAL"
    for i, name in enumerate((f"{HOSTILE[:40].replace('/', '')}.png", "A.PNG", "a.png", "x" * 200)):
        (folder / name).write_bytes(new_film(i + 10))
    one = frozen(base, HOSTILE)
    assert one.name == HOSTILE
    paths = [entry.path for entry in entries(one)]
    assert len({path.lower() for path in paths}) == len(paths) == 36
    assert all(len(path) < 130 and path.count("/") == 2 for path in paths)
    assert "train/NORMAL/a-2.png" in paths
    assert not any(set("<>';") & set(path) for path in paths)


def leftovers(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "retraining").iterdir())


def test_base_data_that_change_before_they_are_frozen(home: Path, base: Path):
    found = propose(base)
    first(base).write_bytes(new_film(1))
    with pytest.raises(DataError, match="base data as they were looked at"):
        sets.freeze(ADMIN, found, "a")
    first(base).unlink()
    with pytest.raises(DataError, match="Look again"):
        sets.freeze(ADMIN, found, "a")
    assert leftovers(home) == []


def test_a_full_disk_leaves_nothing(home: Path, base: Path):
    found = propose(base)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # bytes of one file; films take more
    try:
        with pytest.raises(
            StoreError, match=r"retraining sets that can be written.*Free some disk"
        ):
            sets.freeze(ADMIN, found, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert leftovers(home) == []
    assert sets.sets(ADMIN) == []
    assert sets.freeze(ADMIN, found, "a") == sets.sets(ADMIN)[0]


def test_a_folder_that_cannot_be_written(home: Path, base: Path):
    found = propose(base)
    (home / "retraining").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="Nothing was frozen"):
        sets.freeze(ADMIN, found, "a")


KILLED = """
import os, signal, sys
from pathlib import Path
from model.retraining import retraining_set as sets
from model.people.access import COMMAND_LINE
found = sets.propose(COMMAND_LINE, Path(sys.argv[1]))
sets.freeze(COMMAND_LINE, found, "a", lambda share: share > .5 and os.kill(os.getpid(), 9))
"""


def test_a_killed_freeze_leaves_no_set_and_what_it_left_is_removed(home: Path, base: Path):
    done = subprocess.run([sys.executable, "-c", KILLED, base], cwd=ROOT, capture_output=True)
    assert done.returncode == -9, done.stderr
    (half,) = leftovers(home)
    assert sets.sets(ADMIN) == []
    one = frozen(base)
    assert leftovers(home) == [half, one.sha256]  # somebody may be at work there
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(home / "retraining" / half, (long_ago, long_ago))
    assert frozen(base) == one
    assert leftovers(home) == [one.sha256]


def change_label(one: RetrainingSet) -> None:
    path = one.folder / "manifest.json"
    path.write_text(path.read_text().replace('"NORMAL", "base"', '"PNEUMONIA", "base"', 1))


def change_film(one: RetrainingSet) -> None:
    data = bytearray(one.films.read_bytes())
    data[len(data) // 2] ^= 1
    one.films.write_bytes(data)


def exchange_films(one: RetrainingSet) -> None:
    """A whole archive, but of other films."""
    made = io.BytesIO()
    with zipfile.ZipFile(one.films) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"x" if name.endswith("jpeg") else old.read(name))
    one.films.write_bytes(made.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        change_label,
        change_film,
        exchange_films,
        lambda one: one.films.unlink(),
        lambda one: (one.folder / "manifest.json").write_text("{}"),
    ],
)
def test_a_set_that_was_changed_is_not_opened_and_can_be_frozen_again(
    home: Path, base: Path, change
):
    one = frozen(base)
    change(one)
    with pytest.raises(DataError, match="freeze the set again"):
        sets.open_set(one.sha256)
    assert frozen(base).sha256 == one.sha256
    sets.open_set(one.sha256)


def test_another_set_in_its_place_is_not_opened(home: Path, base: Path):
    one = frozen(base)
    first(base).unlink()
    other = frozen(base)
    shutil.rmtree(one.folder)
    shutil.copytree(other.folder, one.folder)
    with pytest.raises(DataError, match="a retraining set as it was frozen"):
        sets.open_set(one.sha256)


@pytest.mark.parametrize("name", ["../../secret", "", "A" * 64, "0" * 64])
def test_only_a_set_is_opened(home: Path, name: str):
    with pytest.raises(DataError, match="retraining set"):
        sets.open_set(name)
