"""The figures of the page, the report and the notebook, on made-up versions."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from model import metrics, performance
from model.bundle import Bundle, Evaluation
from model.operating_points import operating_points
from model.performance import DATASET, ROBUSTNESS
from tests.model import version_cases as versions


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A version with nothing beside it, and no shipped comparison to fall back on."""
    monkeypatch.setattr(performance, "SHIPPED", tmp_path / "nowhere")
    return versions.write_version(tmp_path / "bundle")


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A version with every file."""
    monkeypatch.setattr(performance, "SHIPPED", tmp_path / "nowhere")
    return versions.write_all(tmp_path / "bundle")


# The champion and the others


def test_the_champion_has_the_figures_of_its_test_split(bundle):
    row = performance.champion(bundle)
    test = bundle.evaluations["test"]
    called = bundle.probabilities("test") >= 0.4
    assert (row.is_champion, row.missing, row.threshold, row.size_px) == (True, "", 0.4, 64)
    assert (row.n, row.n_positive, row.num_parameters) == (60, 40, 14_715_201)
    assert row.accuracy.value == accuracy_score(test.labels, called)
    assert row.recall.value == recall_score(test.labels, called)
    assert row.f1.value == pytest.approx(f1_score(test.labels, called))
    assert row.auroc.value == pytest.approx(roc_auc_score(test.labels, test.logits))
    assert row.auroc == metrics.auroc(test.labels, bundle.probabilities("test"), test.patients)
    assert row.ece == metrics.ece(test.labels, bundle.probabilities("test"))
    assert row.precision == row.confusion.ppv
    assert row.npv == row.confusion.npv
    assert [line["epoch"] for line in row.curves] == [0, 1, 2]


def test_figures_are_those_of_evaluate_json(bundle):
    row, test = performance.champion(bundle), bundle.evaluations["test"]
    told = metrics.figures(test.labels, bundle.probabilities("test"), 0.4, test.patients)
    names = {"ppv": "precision", "sensitivity": "recall"}
    for name in ("auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"):
        figure = getattr(row, names.get(name, name))
        assert (figure.value, [figure.low, figure.high]) == (told[name], told[f"{name}_ci"])


def test_a_version_that_has_read_no_test_split_shows_its_validation_fold(bundle):
    fold = {"validation": bundle.evaluations["validation"]}
    untested = replace(bundle, evaluations=fold, training={})
    row = performance.champion(untested)
    assert performance.split_of(untested) == "validation"
    assert row.n == 60
    assert row.labels is fold["validation"].labels
    assert (row.num_parameters, row.curves) == (None, [])


def test_rows_are_in_order_and_the_missing_say_why(full):
    rows = performance.rows(full)
    official = [row for row in rows if row.protocol == "official"]
    assert [row.name for row in official if not row.missing] == ["mlp", "cnn", "vgg16"]
    assert official[-1].is_champion
    assert [row.is_champion for row in rows].count(True) == 1
    others = rows[len(official) :]
    assert [(row.name, row.protocol) for row in others if not row.missing] == [
        ("cnn_150_grouped", "grouped"),
        ("cnn_150_ungrouped", "ungrouped"),
    ]
    missing = {row.name: row.missing for row in rows if row.missing}
    assert missing["vgg16_frozen"] == "The ImageNet weights could not be fetched."
    assert "python -m model compare" in missing["dense"]
    assert set(missing) == {
        "dense", "dense_128", "cnn_150", "vgg16_frozen", "default", "grouped", "ungrouped"
    }  # fmt: skip
    assert {row.title for row in others if row.name.startswith("cnn")} == {"Four-block CNN, 150 px"}


def test_a_row_has_its_own_logits_and_curves(full):
    rows = {row.name: row for row in performance.rows(full)}
    assert rows["cnn"].num_parameters == 1_200_000
    assert len(rows["cnn"].curves) == 5
    assert rows["cnn"].auroc.value > rows["mlp"].auroc.value
    assert rows["cnn_150_ungrouped"].auroc.value > rows["cnn_150_grouped"].auroc.value


def test_a_missing_row_has_unknown_figures(bundle):
    row = performance.rows(bundle)[0]
    assert row.missing
    assert row.n == len(row.labels) == 0
    assert math.isnan(row.accuracy.value)
    assert math.isnan(row.auroc.value)
    assert row.curves == []


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": 1, "network": "mlp"}'])
def test_a_damaged_card_is_a_missing_row(full, text):
    (full.folder / "comparison" / "mlp.json").write_text(text)
    rows = {row.name: row for row in performance.rows(full)}
    assert "mlp.json" in rows["mlp"].missing
    assert not rows["cnn"].missing


def test_a_card_without_a_test_part_is_a_missing_row(full):
    card = full.folder / "comparison" / "mlp.json"
    versions.change_json(card, evaluations={})
    [row] = [row for row in performance.rows(full) if row.name == "mlp"]
    assert "test" in row.missing


def test_the_shipped_comparison_stands_in(full, tmp_path, monkeypatch):
    monkeypatch.setattr(performance, "SHIPPED", full.folder / "comparison")
    rows = performance.rows(versions.write_version(tmp_path / "mine"))
    assert "cnn" in [row.name for row in rows if not row.missing]


# On whom


def test_each_kind_of_pneumonia_is_set_against_all_normal(bundle):
    everyone, bacterial, viral = performance.subgroups(bundle, "test", 0.4)
    test, row = bundle.evaluations["test"], performance.champion(bundle)
    assert (everyone.name, everyone.n, everyone.n_positive) == ("All", 60, 40)
    assert everyone.sensitivity == row.recall
    assert everyone.auroc == row.auroc
    of_kind = np.array(["bacteria" in name for name in test.files])
    found = int((bundle.probabilities("test")[of_kind] >= 0.4).sum())
    assert "Bacterial" in bacterial.name
    assert bacterial.sensitivity == metrics.wilson(found, int(of_kind.sum()))
    assert bacterial.n == of_kind.sum() + 20
    assert bacterial.n_positive + viral.n_positive == 40
    assert bacterial.specificity == viral.specificity == row.specificity


def test_names_without_a_kind_make_no_groups(bundle):
    test = replace(bundle.evaluations["test"], files=tuple(f"{i}.png" for i in range(60)))
    other = replace(bundle, evaluations={"test": test})
    assert [group.name for group in performance.subgroups(other, "test", 0.4)] == ["All"]


def test_sizes_make_groups_where_they_are_known_and_differ(bundle):
    files = bundle.evaluations["test"].files
    sizes = {name: [1000 + 20 * i, 1000] for i, name in enumerate(files)}
    versions.write_dataset(bundle, file_sizes=sizes)
    groups = performance.subgroups(bundle, "test", 0.4)
    assert [group.n for group in groups[-2:]] == [30, 30]
    assert "below 1.6 megapixels" in groups[-2].name
    versions.write_dataset(bundle, file_sizes={name: [224, 224] for name in files})
    assert len(performance.subgroups(bundle, "test", 0.4)) == 3


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("person12_virus_34.jpeg", "virus"),
        ("person1_bacteria_2.jpeg", "bacteria"),
        ("BACTERIA-198200-0002.jpeg", "bacteria"),
        ("virus-5051946-0002.JPEG", "virus"),
        ("IM-0001-0001.jpeg", ""),
        ("NORMAL-7103127-0001.jpeg", ""),
        ("virus.png", ""),
    ],
)
def test_kind_of_a_file(file, kind):
    assert performance.kind_of(file) == kind


# Calibration, thresholds


def test_calibration_is_before_and_after_the_temperature(bundle):
    found = performance.calibration(bundle, "test")
    logits = bundle.evaluations["test"].logits
    assert found.before == pytest.approx(1 / (1 + np.exp(-logits)))
    assert found.after == pytest.approx(1 / (1 + np.exp(-2 * logits)))
    assert found.ece_before == metrics.ece(found.labels, found.before)
    assert found.ece_after == performance.champion(bundle).ece


def test_thresholds_of_the_plain_fold_stand_beside_those_used(bundle):
    choices = {choice.name: choice for choice in performance.threshold_choice(bundle)}
    default = choices["default"]
    fold = bundle.evaluations["validation"]
    plain = operating_points(fold.labels, bundle.probabilities("validation"), "")
    assert [choice.plain.threshold for choice in choices.values()] == [p.threshold for p in plain]
    assert default.shipped.threshold == 0.4
    assert default.on_shipped == performance.champion(bundle).confusion
    test = bundle.evaluations["test"].labels, bundle.probabilities("test")
    assert default.on_plain == metrics.confusion(*test, default.plain.threshold)
    assert default.plain.chosen_on == fold.description


@pytest.mark.parametrize("split", ["validation", "changed", "test"])
def test_no_choice_without_the_three_sets(bundle, split):
    kept = {name: value for name, value in bundle.evaluations.items() if name != split}
    assert performance.threshold_choice(replace(bundle, evaluations=kept)) == []


# What evaluate leaves


def test_each_change_has_its_figures_without_the_refused(full):
    none, darker, jpeg = performance.robustness(full)
    test = full.evaluations["test"]
    assert [change.title for change in (none, darker, jpeg)] == list(versions.CHANGES.values())
    figures, row = none.figures(0.4), performance.champion(full)
    assert (figures.n, figures.sensitivity, figures.specificity) == (
        60,
        row.recall,
        row.specificity,
    )
    assert figures.auroc.value == pytest.approx(row.auroc.value)
    dark = darker.figures(0.4)
    assert dark.auroc.value == pytest.approx(
        roc_auc_score(test.labels, test.logits - 2 * test.labels)
    )
    assert dark.sensitivity.value < figures.sensitivity.value
    assert dark.specificity == figures.specificity
    assert (jpeg.num_refused, jpeg.figures(0.4).n) == (2, 58)
    assert jpeg.labels.tolist() == test.labels[2:].tolist()
    assert jpeg.patients.tolist() == list(test.patients[2:])
    assert performance.why_missing(full, ROBUSTNESS) == ""


def test_a_change_that_is_wholly_refused_has_unknown_figures(full):
    changes = [{"name": "none", "title": "As it is", "logits": [None] * 60}]
    versions.write_robustness(full, changes=changes)
    [change] = performance.robustness(full)
    figures = change.figures(0.4)
    assert (change.num_refused, figures.n) == (60, 0)
    assert math.isnan(figures.sensitivity.value)
    assert math.isnan(figures.auroc.value)


def test_the_data_set_is_read(full):
    known = performance.dataset(full)
    assert known is not None
    assert [(s.split, s.normal, s.viral) for s in known.splits] == [
        ("train", 1341, 1345),
        ("test", 234, 148),
    ]
    assert [(s.width, s.height, s.count) for s in known.image_sizes] == [(224, 224, 5840)]
    assert known.mean_image["normal"].shape == (64, 64)
    assert known.mean_image["normal"].dtype == np.uint8
    assert known.brightness.edges.tolist() == [0, 100, 200, 255]
    assert known.contrast.pneumonia.tolist() == [2, 5, 3]
    assert known.duplicates["across_labels"] == 1
    assert known.patients_across_splits == 7
    assert performance.why_missing(full, DATASET) == ""


def test_rare_sizes_are_counted_together(full):
    sizes = [{"width": 9, "height": 8, "count": 7}, {"other": 5}]
    versions.write_dataset(full, image_sizes=sizes)
    known = performance.dataset(full)
    assert known is not None
    assert (len(known.image_sizes), known.other_sizes) == (1, 5)


def test_nothing_beside_the_card_gives_nothing_and_says_why(bundle):
    assert performance.robustness(bundle) == []
    assert performance.dataset(bundle) is None
    for name in (ROBUSTNESS, DATASET):
        assert "python -m model evaluate --keep" in performance.why_missing(bundle, name)
        assert name in performance.why_missing(bundle, name)


def test_robustness_of_another_version_is_not_shown(full):
    versions.write_robustness(full, model_version="vgg16-other")
    assert performance.robustness(full) == []
    assert "another version, vgg16-other" in performance.why_missing(full, ROBUSTNESS)


def test_robustness_of_another_split_is_not_shown(full):
    versions.write_robustness(full, split="val")
    assert performance.robustness(full) == []
    assert "another split, val" in performance.why_missing(full, ROBUSTNESS)


@pytest.mark.parametrize("name", [ROBUSTNESS, DATASET])
@pytest.mark.parametrize("text", ["", "[1]", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_file_gives_nothing_and_says_so(full, name, text):
    (full.folder / name).write_text(text)
    assert performance.robustness(full) == [] or name != ROBUSTNESS
    assert performance.dataset(full) is None or name != DATASET
    assert "damaged" in performance.why_missing(full, name)


@pytest.mark.parametrize(
    "damage",
    [
        {"brightness": {"edges": [0, 1], "normal": [1, 2], "pneumonia": [1]}},
        {"mean_image": {"normal": [[0]]}},
        {"image_sizes": 3},
        {"splits": [{"split": "train"}]},
    ],
)
def test_a_garbled_data_set_gives_nothing(full, damage):
    versions.write_dataset(full, **damage)
    assert performance.dataset(full) is None
    assert "damaged" in performance.why_missing(full, DATASET)


def test_logits_that_do_not_match_the_labels_give_nothing(full):
    changes = [{"name": "none", "title": "As it is", "logits": [0.1, 0.2]}]
    versions.write_robustness(full, changes=changes)
    assert performance.robustness(full) == []
    assert "damaged" in performance.why_missing(full, ROBUSTNESS)


def test_a_card_of_one_class_still_has_a_row(bundle):
    test = bundle.evaluations["test"]
    ill = Evaluation(
        test.description, test.files[1:3], test.labels[1:3], test.logits[1:3], ("a", "b")
    )
    row = performance.champion(replace(bundle, evaluations={"test": ill}))
    assert math.isnan(row.auroc.value)
    assert math.isnan(row.specificity.value)
    assert row.n_positive == 2
