"""A set whose version could never be promoted says so before anybody trains on it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from model.__main__ import main
from model.bundle import Bundle, open_bundle, write_card
from model.config import settings
from model.retraining import locked_test, promotable, retraining_set
from tests.model.retraining_cases import frozen, new_film, propose
from tests.model.review_cases import ADMIN
from tests.model.version_cases import evaluation, write_robustness, write_version


@pytest.fixture
def served(home: Path, base: Path) -> Bundle:
    """A version that was judged on the test part of the base data, one film of which it refused."""
    films = sorted((base / "test").rglob("*.jpeg"))
    labels = [int(path.parent.name == "PNEUMONIA") for path in films]
    told = evaluation("test split", 3, len(films))
    told = replace(told, files=tuple(path.name for path in films), labels=told.labels * 0 + labels)
    bundle = write_version(settings().bundle, evaluations={"test": told})
    write_robustness(bundle)
    rest = {name: getattr(told, name)[1:] for name in ("files", "labels", "logits", "patients")}
    write_card(replace(bundle, evaluations={"test": replace(told, **rest)}))
    path = bundle.folder / "robustness.json"
    path.write_text(path.read_text().replace(f"{told.logits[0]},", "null,"))
    locked_test.write(bundle.folder, films)
    return open_bundle(bundle.folder)


def test_a_set_with_the_test_part_of_the_served_version_gets_no_warning(served: Bundle, base: Path):
    assert len(served.evaluations["test"].files) == 7
    assert propose(base).warning == ""
    assert promotable.warning_of(frozen(base).sha256) == ""


def test_a_set_without_test_part_says_where_to_find_one(served: Bundle, base: Path, capsys):
    shutil.rmtree(base / "test")
    assert main(["retraining-set", "freeze", "--data", str(base), "--name", "autumn"]) == 0
    said = capsys.readouterr().err
    assert "cannot be promoted" in said
    assert "Set XRAY_DATA to the folder whose test/" in said
    [one] = retraining_set.sets(ADMIN)
    assert promotable.warning_of(one.sha256) in said


def test_a_set_with_another_test_part_says_in_how_far(served: Bundle, base: Path):
    first, other = sorted((base / "test" / "NORMAL").iterdir())[:2]
    first.rename(first.with_name("renamed.jpeg"))
    other.unlink()
    warning = propose(base).warning
    assert "2 of its 8 X-rays are missing in the test part, 1 are others" in warning
    assert promotable.warning_of(frozen(base).sha256) == warning


def test_other_films_under_the_same_names_are_another_test_part(served: Bundle, base: Path):
    for path in sorted((base / "test").rglob("*.jpeg"))[:3]:
        path.write_bytes(new_film(5))
    assert "0 of its 8 X-rays are missing in the test part, 3 are others" in propose(base).warning
    (served.folder / locked_test.FILE).unlink()  # then only names tell
    assert propose(base).warning == ""


def test_a_served_version_that_was_not_judged_says_so(served: Bundle, base: Path):
    write_card(replace(served, evaluations={"validation": evaluation("fold", 1)}))
    assert "The served version was not judged on a test set" in propose(base).warning


def test_what_is_not_there_gives_no_warning(home: Path, base: Path):
    """Whoever opens it is told: the served version, the set."""
    assert propose(base).warning == ""
    assert promotable.warning_of("0" * 64) == ""
