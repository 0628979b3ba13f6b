"""python -m model evaluate: the contract with other programs."""

import json
import math
import shutil

import numpy as np
import pytest

from model.bundle import CARD, open_bundle
from model.config import settings
from tests.command_cases import load_once as load_once
from tests.command_cases import predict as predict
from tests.command_cases import run as run
from tests.model.performance_report_cases import read_csv, read_pdf

RATES = ["auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"]
LOOKS = [
    "lungs_only_auroc", "lungs_removed_auroc", "heat_in_lungs_ratio",
    "deletion_auc", "insertion_auc", "gate_false_refusals",
]  # fmt: skip
FIGURES = {"n", "n_positive", "n_refused", "ece", "threshold", "model_version", *RATES, *LOOKS} | {
    f"{name}_ci" for name in RATES
}


def test_evaluate_has_exactly_the_promised_keys(run, labelled_samples):
    status, lines, _ = run("evaluate", "--data", labelled_samples, "--json")
    assert status == 0
    assert len(lines) == 1
    value = json.loads(lines[0])
    assert set(value) == FIGURES
    assert (value["n"], value["n_positive"], value["n_refused"]) == (6, 3, 0)
    for name in RATES:
        low, high = value[f"{name}_ci"]
        assert 0 <= low <= value[name] <= high <= 1
        assert math.isfinite(value[name])
    assert all(0 <= value[name] < 5 for name in LOOKS)
    bundle = open_bundle(settings().bundle)
    assert value["threshold"] == bundle.operating_point().threshold
    assert value["model_version"] == bundle.model_version


def test_evaluate_agrees_with_predict(run, predict, labelled_samples):
    files = sorted(labelled_samples.rglob("*.jpg"))
    _, objects = predict(*files)
    right = [
        value["decision"].upper() == file.parent.name
        for value, file in zip(objects, files, strict=True)
    ]
    _, [line], _ = run("evaluate", "--data", labelled_samples, "--json")
    assert json.loads(line)["accuracy"] == sum(right) / len(right)


def test_evaluate_a_split(run, tiny_data, tiny_bundle):
    options = ["--bundle", tiny_bundle, "--json"]
    _, [line], _ = run("evaluate", "--data", tiny_data, "--split", "test", *options)
    assert json.loads(line)["n"] == 8
    _, [again], _ = run("evaluate", "--data", tiny_data / "test", *options)
    assert json.loads(again) == json.loads(line)


@pytest.mark.parametrize("split", [None, "holdout"])
def test_a_folder_without_both_labels_is_refused(run, tiny_data, split):
    options = ["--split", split] if split else []
    status, lines, err = run("evaluate", "--data", tiny_data, "--json", *options)
    assert (status, lines) == (2, [])
    assert err.startswith("Expected images in ")


def test_evaluate_for_people_names_every_figure_with_its_interval(run, labelled_samples):
    status, lines, _ = run("evaluate", "--data", labelled_samples)
    assert status == 0
    assert {line.split()[0] for line in lines} == {k for k in FIGURES if not k.endswith("_ci")}
    assert sum("95 % interval" in line for line in lines) == len(RATES)


def test_keep_adds_the_split_to_the_card_and_without_it_nothing_is_written(
    run, tiny_data, tiny_bundle, tmp_path
):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_bundle, folder, ignore=shutil.ignore_patterns("run"))
    for name in ("robustness.json", "dataset.json"):
        (folder / name).unlink(missing_ok=True)
    files, card = sorted(folder.iterdir()), (folder / "bundle.json").read_bytes()
    arguments = ["evaluate", "--data", tiny_data, "--split", "test", "--bundle", folder, "--json"]
    run(*arguments)
    assert sorted(folder.iterdir()) == files
    assert (folder / "bundle.json").read_bytes() == card
    before = json.loads(card)
    status, [line], _ = run(*arguments, "--keep")
    assert status == 0
    after = json.loads((folder / "bundle.json").read_text())
    kept = after["evaluations"].pop("test")
    before["evaluations"].pop("test", None)
    assert after == before
    assert len(kept["files"]) == json.loads(line)["n"] == 8
    assert kept["labels"] == [0] * 4 + [1] * 4
    bundle = open_bundle(folder)  # it still checks
    called = bundle.probabilities("test") >= bundle.operating_point().threshold
    accuracy = float((called == (np.array(kept["labels"]) == 1)).mean())
    assert accuracy == json.loads(line)["accuracy"]

    robustness = json.loads((folder / "robustness.json").read_text())
    assert (robustness["model_version"], robustness["split"]) == (bundle.model_version, "test")
    assert robustness["files"] == kept["files"]
    assert robustness["changes"][0]["logits"] == pytest.approx(kept["logits"], abs=1e-3)
    facts = json.loads((folder / "dataset.json").read_text())
    counts = [(split["split"], split["normal"], split["pneumonia"]) for split in facts["splits"]]
    assert counts == [("train", 12, 12), ("test", 4, 4)]


def test_keep_has_a_name_for_the_split_of_the_folder_one_is_in(
    run, tiny_data, tiny_bundle, tmp_path, monkeypatch
):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_bundle, folder, ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(tiny_data / "test")
    assert run("evaluate", "--data", ".", "--bundle", folder, "--keep")[0] == 0
    assert "test" in open_bundle(folder).evaluations


def test_evaluate_writes_the_report_of_what_it_reads_and_leaves_the_bundle(
    run, tiny_bundle, tiny_data, tmp_path
):
    card = (tiny_bundle / CARD).read_bytes()
    assert "test" not in open_bundle(tiny_bundle).evaluations
    arguments = ["--data", tiny_data, "--split", "test", "--bundle", tiny_bundle, "--json"]
    status, [line], _ = run("evaluate", *arguments, "--report", tmp_path / "report")
    assert status == 0
    printed = json.loads(line)
    assert (tiny_bundle / CARD).read_bytes() == card
    found = {each["figure"]: each for each in read_csv(tmp_path / "report", "figures")}
    for name in ("sensitivity", "specificity", "AUROC", "accuracy"):
        assert float(found[name]["value"]) == pytest.approx(printed[name.lower()])
    assert printed["model_version"] in read_pdf(tmp_path / "report")


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_read(
    run, tiny_bundle, tiny_data, tmp_path
):
    file = tmp_path / "file"
    file.write_text("no folder")
    arguments = ["--data", tiny_data, "--split", "test", "--bundle", tiny_bundle, "--report", file]
    status, lines, err = run("evaluate", *arguments)
    assert (status, lines) == (2, [])
    assert err.startswith("Expected a folder for the report")
    assert "Reading X-rays" not in err
