"""python -m model retraining-set freeze."""

from pathlib import Path

import pytest

from model.__main__ import main
from model.people import audit
from model.retraining import retraining_set as sets
from tests.model.retraining_cases import first
from tests.model.review_cases import ADMIN


def test_freezing_from_the_command_line(home: Path, base: Path, capsys: pytest.CaptureFixture[str]):
    first(base).with_name("notes.pdf").write_bytes(b"%PDF-1.7 ...")
    assert main(["retraining-set", "freeze", "--data", str(base), "--name", "autumn"]) == 0
    said = capsys.readouterr()
    (one,) = sets.sets(ADMIN)
    lines = said.out.splitlines()
    assert lines[-1] == one.sha256
    assert lines[-2].split(maxsplit=1) == ["test", "4 NORMAL, 4 PNEUMONIA"]
    assert "train/NORMAL/notes.pdf: Expected" in said.err
    assert (one.name, one.by) == ("autumn", "command line")
    assert audit.entries(ADMIN)[0].actor == "command line"


def test_what_cannot_be_frozen_is_said(home: Path, base: Path, capsys: pytest.CaptureFixture[str]):
    data = str(base / "test" / "NORMAL")
    assert main(["retraining-set", "freeze", "--data", data, "--name", "autumn"]) == 2
    assert "NORMAL/ and PNEUMONIA/" in capsys.readouterr().err
