"""The performance report where files, figures or room on the disk are missing."""

import json
import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from model import performance, performance_report
from model.bundle import open_bundle
from model.errors import ConfigError, DataError
from tests.model.performance_report_cases import (
    ALWAYS,
    LOOKS,
    PICTURES,
    SOURCE,
    bare,
    read_csv,
    read_pdf,
)


def test_missing_files_are_said_and_leave_no_stale_figures(bundle, report, tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "SHIPPED", tmp_path / "nothing")
    alone = bare(bundle, tmp_path / "bundle")
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / "mine.csv").write_text("notes")
    unchanged = replace(alone, evaluations={"test": alone.evaluations["test"]}, training={})
    performance_report.write(folder, unchanged, SOURCE)
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}.csv" for name in ALWAYS} | {f"{name}.png" for name in PICTURES} | {
        "report.pdf", "mine.csv"
    }  # fmt: skip
    said = read_pdf(folder)
    for name in ("robustness", *LOOKS):
        assert performance.why_missing(alone, f"{name}.json").replace("`", "") in said
    assert "No other network has been measured yet" in said
    assert "keeps no validation X-rays under changes" in said
    assert "trained on not known X-rays" in said
    assert "nan" not in said.lower().split()
    assert "None" not in said


def test_another_split_says_nothing_of_the_test_split(bundle, tmp_path):
    source = performance_report.Source("validation", date(2020, 2, 3))
    performance_report.write(tmp_path, bundle, source)
    row = performance.champion(
        replace(bundle, evaluations={"validation": bundle.evaluations["validation"]})
    )
    found = {each["figure"]: each for each in read_csv(tmp_path, "figures")}
    assert float(found["AUROC"]["value"]) == row.auroc.value
    for name in ("networks", *LOOKS):
        assert not (tmp_path / f"{name}.csv").exists()
    assert read_pdf(tmp_path).count("Not in this report") == 6


def test_long_and_odd_names_and_unknown_figures_survive(bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(bundle.folder, folder)
    told = json.loads((folder / "robustness.json").read_text())
    odd = "<b>&\u0141\u00f3d\u017a " + "very-long-name" * 12
    told["changes"][1]["title"] = odd
    told["changes"][2]["logits"] = [None] * len(told["labels"])
    told["model_version"] = "v" * 120
    (folder / "robustness.json").write_text(json.dumps(told))
    changed = replace(open_bundle(folder), model_version="v" * 120)
    performance_report.write(tmp_path / "report", changed, SOURCE)
    rows = read_csv(tmp_path / "report", "robustness")
    assert rows[1]["change"] == odd
    assert (rows[2]["n"], rows[2]["sensitivity"], rows[2]["auroc"]) == ("0", "", "")
    said = read_pdf(tmp_path / "report")
    assert "<b>&\u0141\u00f3d\u017a" in said
    assert "not known" in said


def test_nothing_is_written_where_nothing_can_be(bundle, tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    for call in (
        lambda: performance_report.check_folder(file),
        lambda: performance_report.write(file, bundle, SOURCE),
        lambda: performance_report.write(file / "below", bundle, SOURCE),
    ):
        with pytest.raises(ConfigError, match="a folder for the report"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "no folder"


def test_a_disk_that_is_full_half_way_leaves_the_report_that_was_there(
    bundle, report, tmp_path, monkeypatch
):
    shutil.copytree(report, tmp_path / "report")
    before = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    whole = type(tmp_path).write_bytes

    def full(path, data):
        if path.name == "roc.png":
            raise OSError(28, "No space left on device")
        return whole(path, data)

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left"):
        performance_report.write(tmp_path / "report", replace(bundle, temperature=2.0), SOURCE)
    after = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert after == before


def test_one_label_alone_gives_no_report(bundle, tmp_path):
    test = bundle.evaluations["test"]
    ill = replace(test, labels=np.ones_like(test.labels))
    with pytest.raises(DataError, match="with and without pneumonia"):
        performance_report.write(tmp_path, replace(bundle, evaluations={"test": ill}), SOURCE)
    assert list(tmp_path.iterdir()) == []
