"""The report for those who read rather than click: its files agree with `model.performance`."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from model import looks_said, performance, performance_report
from model.__main__ import main
from model.bundle import CARD, PARTS, open_bundle
from model.errors import ConfigError, DataError
from model.metrics import confusion, natural_numbers, wilson
from model.performance_report import advice, content, figures, table
from tests.model import version_cases as versions

SOURCE = performance_report.Source("test", date(2020, 2, 3), "5ba" * 16, num_refused=3)
ALWAYS = {"figures", "confusion", "subgroups", "operating_points", "calibration"}
LOOKS = {"shortcuts", "heatmaps", "gate"}
WITH_FILES = {"threshold_choice", "robustness", "networks"} | LOOKS
PICTURES = {"children", "roc", "confusion", "subgroups", "threshold", "calibration"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return versions.write_all(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def report(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "report"
    performance_report.write(folder, bundle, SOURCE)
    return folder


@pytest.fixture(scope="module")
def text(report):
    return read_pdf(report)


def read_pdf(folder):
    """The text of the PDF on one line; line breaks are where the page is narrow."""
    pages = [page.extract_text() for page in PdfReader(folder / "report.pdf").pages]
    return re.sub(r"\s+", " ", " ".join(pages))


def read_csv(folder, name):
    return list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text("utf-8"))))


def bare(bundle, folder):
    """A copy of the bundle without the files that other commands write."""
    folder.mkdir()
    for name in (CARD, "model.keras", *PARTS):
        shutil.copy(bundle.folder / name, folder / name)
    return open_bundle(folder)


def percent(row, name):
    return f"{100 * float(row[name]):.1f}"


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
    for said in (looks_said.lungs(lungs), looks_said.heatmaps(maps), looks_said.gate(gate)):
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


# --- recommendations follow from the figures ------------------------------------------------------


@pytest.fixture(scope="module")
def gathered(bundle):
    return content.gather(bundle, SOURCE)


def with_recall(gathered, found, of):
    return replace(gathered, row=replace(gathered.row, recall=wilson(found, of)))


@pytest.mark.parametrize(
    ("found", "of", "said"),
    [
        (990, 1000, "keeps its promise"),
        (96, 100, "Do not promise a sensitivity of 95 % yet"),
        (90, 100, "Do not rely on the default threshold"),
    ],
)
def test_sensitivity_is_judged_by_value_and_lower_end(gathered, found, of, said):
    assert said in advice.recommendations(with_recall(gathered, found, of))[0]


@pytest.mark.parametrize(
    ("ece", "said"), [(0.03, "may be read as a probability"), (0.0301, "not as a percentage")]
)
def test_calibration_is_judged_at_03(gathered, ece, said):
    calibrated = replace(gathered, calibration=replace(gathered.calibration, ece_after=ece))
    assert sum(said in each for each in advice.recommendations(calibrated)) == 1


def test_the_change_of_lowest_specificity_is_named(gathered):
    title = min(gathered.changes[1:], key=lambda pair: pair[1].specificity.value)[0].title
    [said] = [a for a in advice.recommendations(gathered) if "Specificity is lowest" in a]
    assert f"under “{title}”" in said
    kept = [(change, replace(f, specificity=wilson(85, 100))) for change, f in gathered.changes]
    unhurt = advice.recommendations(replace(gathered, changes=kept))
    assert any("Accept the usual changes" in each for each in unhurt)


def test_a_difference_between_kinds_is_claimed_only_without_overlap(gathered):
    groups = gathered.subgroups
    assert len(groups) == 3
    assert any("No difference between" in a for a in advice.recommendations(gathered))
    apart = [groups[0], replace(groups[1], sensitivity=wilson(50, 100)),
             replace(groups[2], sensitivity=wilson(95, 100))]  # fmt: skip
    said = advice.headlines(replace(gathered, subgroups=apart))
    assert "Expect bacterial pneumonia to be missed more often." in said


def test_without_files_nothing_is_recommended_about_them(gathered):
    alone = replace(gathered, changes=[], networks=[], choices=[])
    said = " ".join(advice.recommendations(alone))
    for word in ("under “", "network", "Either way", "children were kept apart"):
        assert word not in said


# --- parts ----------------------------------------------------------------------------------------


def test_a_table_has_raw_numbers_in_the_csv_and_words_on_the_page():
    made = table.Table(
        "made", (table.text("name", "Name", 1), table.rate("found", "Found")),
        [("ä, b", wilson(1, 3)), ("", wilson(0, 0))],
    )  # fmt: skip
    assert made.csv().splitlines()[0] == (
        "name,found,found_low,found_high,found_numerator,found_denominator"
    )
    assert made.csv().splitlines()[1].startswith('"ä, b",0.3333333333333333,')
    assert made.csv().splitlines()[2] == ",,0.0,1.0,0,0"
    assert made.cells() == [["ä, b", "33.3 % (6.1 to 79.2)"], ["not known", "not known"]]


def test_figures_do_not_change_the_style_of_others(gathered):
    import matplotlib

    before = dict(matplotlib.rcParams)
    assert figures.roc(gathered.row).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before


# --- the command ----------------------------------------------------------------------------------


def test_evaluate_writes_the_report_of_what_it_reads_and_leaves_the_bundle(
    tiny_bundle, tiny_data, tmp_path, capsys
):
    card = (tiny_bundle / CARD).read_bytes()
    assert "test" not in open_bundle(tiny_bundle).evaluations
    arguments = ["--data", tiny_data, "--split", "test", "--bundle", tiny_bundle, "--json"]
    status = main(["evaluate", *map(str, arguments), "--report", str(tmp_path / "report")])
    assert status == 0
    printed = json.loads(capsys.readouterr().out)
    assert (tiny_bundle / CARD).read_bytes() == card
    found = {each["figure"]: each for each in read_csv(tmp_path / "report", "figures")}
    for name in ("sensitivity", "specificity", "AUROC", "accuracy"):
        assert float(found[name]["value"]) == pytest.approx(printed[name.lower()])
    assert printed["model_version"] in read_pdf(tmp_path / "report")


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_read(
    tiny_bundle, tiny_data, tmp_path, capsys
):
    file = tmp_path / "file"
    file.write_text("no folder")
    arguments = ["--data", tiny_data, "--split", "test", "--bundle", tiny_bundle, "--report", file]
    assert main(["evaluate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Expected a folder for the report")
    assert "Reading X-rays" not in err
