"""The report for those who read rather than click: its files agree with `model.performance`."""

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from model import looks_said, performance, performance_report
from model.metrics import confusion
from model.prevalence import natural_numbers
from tests.model.performance_report_cases import (
    ALWAYS,
    PICTURES,
    SOURCE,
    WITH_FILES,
    percent,
    read_csv,
    read_pdf,
)


def test_a_report_is_a_pdf_and_its_figures_and_tables(report):
    names = {path.name for path in report.iterdir()}
    tables = {f"{name}.csv" for name in ALWAYS | WITH_FILES}
    pictures = {f"{name}.png" for name in PICTURES | {"robustness", "networks"}}
    assert names == tables | pictures | {"report.pdf"}
    for name in pictures:
        with Image.open(report / name) as picture:
            assert picture.info["dpi"] == pytest.approx((200, 200), abs=1)
            assert picture.width > 1200
            assert np.ptp(np.asarray(picture.convert("L"))) > 100  # something is drawn


def test_the_pdf_has_five_to_eight_pages_and_says_what_it_is(report, bundle):
    reader = PdfReader(report / "report.pdf")
    assert 5 <= len(reader.pages) <= 8
    assert reader.pages[0].mediabox[2:] == pytest.approx((595, 842), abs=1)  # A4
    assert reader.metadata.author == "Pneumoscope"
    assert bundle.model_version in reader.metadata.title
    headings = ["What it is for", "The answer", "How good", "How often", "The price of",
                "probability be taken", "hospitals do", "Where it looks", "another network",
                "Recommendations", "Limits", "Method"]  # fmt: skip
    said = read_pdf(report)
    places = [said.index(heading) for heading in headings]
    assert places == sorted(places)
    assert "not a medical device" in said


def test_every_font_of_the_pdf_is_embedded(report):
    pages = PdfReader(report / "report.pdf").pages
    fonts = {str(f): f.get_object() for p in pages for f in p["/Resources"]["/Font"].values()}
    named = {font["/BaseFont"]: font.get("/FontDescriptor", {}) for font in fonts.values()}
    assert [name for name, descriptor in named.items() if "/FontFile2" not in descriptor] == []
    assert any("DejaVuSans-Bold" in name for name in named)


def test_figures_csv_is_the_row_of_the_champion(report, bundle):
    row = performance.champion(bundle)
    found = {each["figure"]: each for each in read_csv(report, "figures")}
    for name, estimate in {
        "sensitivity": row.recall, "specificity": row.specificity, "PPV": row.precision,
        "NPV": row.npv, "accuracy": row.accuracy, "F1": row.f1, "AUROC": row.auroc,
    }.items():  # fmt: skip
        got = found[name]
        assert [float(got[key]) for key in ("value", "value_low", "value_high")] == [
            estimate.value, estimate.low, estimate.high
        ]  # fmt: skip
    assert float(found["ECE"]["value"]) == row.ece
    assert found["ECE"]["value_low"] == ""
    assert int(found["sensitivity"]["value_numerator"]) == row.confusion.true_positives
    assert [int(found[n]["n"]) for n in ("sensitivity", "accuracy")] == [row.n_positive, row.n]


def test_the_pdf_says_the_figures_of_the_csv(report, text):
    found = {each["figure"]: each for each in read_csv(report, "figures")}
    for name in ("sensitivity", "specificity", "PPV", "NPV", "accuracy"):
        row = found[name]
        value, low, high = (percent(row, key) for key in ("value", "value_low", "value_high"))
        assert f"{value} % ({low} to {high})" in text
    for name in ("AUROC", "F1"):
        value, low, high = (float(found[name][f"value{part}"]) for part in ("", "_low", "_high"))
        assert f"{value:.3f} ({low:.3f} to {high:.3f})" in text
    for name in ("robustness", "threshold_choice", "operating_points", "subgroups"):
        for row in read_csv(report, name):
            assert f"{percent(row, 'specificity')} % (" in text, (name, row)


def test_of_a_hundred_children(text, bundle):
    row = performance.champion(bundle)
    for prevalence in (0.12, row.n_positive / row.n):
        n = natural_numbers(row.recall.value, row.specificity.value, prevalence)
        well = n.called_back + n.cleared
        said = (
            f"{n.found} found, {n.missed} missed; of the other {well}, {n.called_back} called back"
        )
        assert said in text


def test_the_price_of_each_operating_point(report, text, bundle):
    row = performance.champion(bundle)
    rows = {each["operating_point"]: each for each in read_csv(report, "operating_points")}
    assert list(rows) == [point.name for point in bundle.operating_points]
    for point in bundle.operating_points:
        counts = confusion(row.labels, row.probabilities, point.threshold)
        n = natural_numbers(counts.sensitivity.value, counts.specificity.value, 0.12, 1000)
        got = rows[point.name]
        assert float(got["sensitivity"]) == counts.sensitivity.value
        assert float(got["specificity_high"]) == counts.specificity.high
        assert [int(got[f"of_1000_{name}"]) for name in ("found", "missed", "called_back")] == [
            n.found, n.missed, n.called_back
        ]  # fmt: skip
        assert f"{n.found} {n.missed} {n.called_back} {n.cleared}" in text


def test_subgroups_robustness_and_networks_are_those_of_the_page(report, bundle):
    threshold = bundle.operating_point().threshold
    groups = performance.subgroups(bundle, "test", threshold)
    got = read_csv(report, "subgroups")
    assert [row["group"] for row in got] == [group.name for group in groups]
    assert [float(row["sensitivity"]) for row in got] == [g.sensitivity.value for g in groups]
    changes = performance.robustness(bundle)
    got = read_csv(report, "robustness")
    assert [row["change"] for row in got] == [change.title for change in changes]
    assert [int(row["n_refused"]) for row in got] == [change.num_refused for change in changes]
    expected = [change.figures(threshold).auroc.value for change in changes]
    assert [float(row["auroc"]) for row in got] == expected
    rows = performance.rows(bundle)
    got = read_csv(report, "networks")
    assert [row["network"] for row in got] == [row.title for row in rows]
    assert [row["missing"] for row in got] == [row.missing for row in rows]
    assert [row["accuracy"] for row in got] == [
        "" if row.missing else str(row.accuracy.value) for row in rows
    ]


def test_where_it_looks_is_that_of_the_page(report, text, bundle):
    lungs = performance.shortcuts(bundle)
    got = read_csv(report, "shortcuts")
    assert [float(row["value"]) for row in got] == [
        *(variant.auroc.value for variant in lungs.variants),
        lungs.heat.share.value, lungs.heat.area, lungs.heat.ratio.value,
    ]  # fmt: skip
    maps = performance.heatmaps(bundle)
    got = read_csv(report, "heatmaps")
    areas = [(each.deletion.auc.value, each.insertion.auc.value) for each in maps.maps]
    assert [float(row["area"]) for row in got] == [area for pair in areas for area in pair]
    assert float(got[0]["p_random"]) == maps.offered[0].against[0].deletion_p
    assert got[-1]["p_gaussian"] == ""
    gate = performance.gate(bundle)
    got = read_csv(report, "gate")
    assert [int(row["refused_numerator"]) for row in got] == [
        group.refused.numerator for group in gate.groups
    ]
    of_gate = [*looks_said.gate(gate), looks_said.WIDENED]
    for said in (looks_said.lungs(lungs), looks_said.heatmaps(maps), of_gate):
        assert " ".join(said) in text


def test_networks_without_figures_are_said_with_the_reason(text):
    assert "Without figures: " in text
    assert "VGG16, frozen ImageNet features. The ImageNet weights could not be fetched." in text


def test_how_to_repeat_it(text, bundle):
    assert "python -m model evaluate --data DATA --split test --report REPORT" in text
    for said in (bundle.model_version, SOURCE.data_sha256, "2020-02-03", "3 more were refused"):
        assert said in text
    assert bundle.training["data_sha256"] in text


def test_the_same_input_gives_the_same_bytes(report, bundle, tmp_path):
    performance_report.write(tmp_path, bundle, SOURCE)
    for path in report.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
