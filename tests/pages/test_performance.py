"""The page on how good the served version is, used without a browser."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.ipc
import pytest
from streamlit.testing.v1 import AppTest

from model import config, looks_said, metrics, performance
from model.bundle import Bundle
from pages.shared import services
from pages.shared.trust import evidence
from tests.model import version_cases as versions

ROOT = Path(__file__).resolve().parents[2]
TABS = (
    "Figures", "Threshold", "Calibration", "Robustness", "Lungs", "Heatmaps", "Gate", "Networks",
    "Data",
)  # fmt: skip


class Page:
    """The page at one tab, and what is to be seen there."""

    def __init__(self, tab: str = "") -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
        if tab:
            self.at.query_params["tab"] = tab
        self.at.switch_page("pages/performance.py").run()
        assert not self.at.exception

    @property
    def text(self) -> str:
        """All words, tables and Markdown, without their markup."""
        parts = [element.value for kind in ("markdown", "caption") for element in self.at.get(kind)]
        parts += self._html()
        told = html.unescape(re.sub(r"<[^>]+>", " ", " ".join(parts)))
        return " ".join(told.split())

    def table(self, caption: str) -> list[list[str]]:
        """The rows, header first, of the table whose caption has these words."""
        [figure] = [
            text
            for text in self._html()
            if (found := re.search(r"<figcaption>(.*?)</figcaption>", text))
            and caption in html.unescape(found[1])
        ]
        return [
            [
                " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())
                for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
            ]
            for row in re.findall(r"<tr>(.*?)</tr>", figure)
        ]

    def charts(self) -> list[dict[str, Any]]:
        """The Vega-Lite specifications, `data` as a list of records."""
        return [_with_data(chart.proto) for chart in self.at.get("vega_lite_chart")]

    @property
    def captions(self) -> list[str]:
        """Those of the pictures."""
        return [img.caption for block in self.at.get("image") for img in block.proto.imgs]

    def _html(self) -> list[str]:
        return [element.proto.body for element in self.at.get("html")]


def _with_data(proto: Any) -> dict[str, Any]:
    spec = json.loads(proto.spec)
    tables = {told.name: told.data.data for told in proto.datasets}
    for part in [spec, *spec.get("layer", [])]:
        if "data" in part:
            with pyarrow.ipc.open_stream(tables[part["data"]["name"]]) as stream:
                part["data"] = stream.read_all().to_pylist()
    return spec


Serve = Callable[..., Bundle]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """serve(write, data=None) -> the bundle that `write(folder)` writes, which the pages serve."""

    def clear() -> None:
        for cached in (config.settings.cache_clear, evidence._kept.clear):
            cached()

    def start(write: Callable[[Path], Any], data: Path | None = None) -> Any:
        folder = tmp_path / "served"
        monkeypatch.setenv("XRAY_BUNDLE", str(folder))
        monkeypatch.setenv("XRAY_DATA", str(data or ""))
        # Must not start, or the tests after this one would be served its failure.
        monkeypatch.setattr(services, "_loading", Future)
        monkeypatch.setattr(performance, "SHIPPED", tmp_path / "nowhere")
        written = write(folder)
        clear()
        return written

    yield start
    monkeypatch.undo()
    clear()


@pytest.fixture
def full(serve: Serve) -> Bundle:
    return serve(versions.write_all)


@pytest.fixture
def bare(serve: Serve) -> Bundle:
    return serve(versions.write_version)


def rate(told: metrics.Rate) -> str:
    """A rate as the tables write it."""
    low, high = f"{100 * told.low:.1f}", f"{100 * told.high:.1f}"
    return f"{100 * told.value:.1f} % {low}–{high} · {told.numerator}/{told.denominator}"


def estimate(told: metrics.Estimate) -> str:
    return f"{told.value:.3f} {told.low:.3f}–{told.high:.3f}"


# Figures


def test_the_answer_stands_at_the_top(full: Bundle) -> None:
    row, text = performance.champion(full), Page().text
    said = text.index(f"finds {100 * row.recall.value:.1f} % of the X-rays with pneumonia")
    cleared = f"clears {100 * row.specificity.value:.1f} % of those without"
    assert said < text.index(cleared) < text.index("AUROC")
    assert f"{row.recall.numerator} of 40" in text
    assert f"{100 * row.recall.low:.1f}–{100 * row.recall.high:.1f}" in text
    assert f"Version {full.model_version}" in text
    assert "test split (60 X-rays), 40 of them with pneumonia" in text
    assert "“Brightness - 20 %” costs most" in text


def test_figures_are_those_of_the_metrics(full: Bundle) -> None:
    page, row = Page(), performance.champion(full)
    shown = {name: value for name, value, _ in page.table("as served")[1:]}
    assert shown == {
        "AUROC": estimate(row.auroc),
        "Accuracy": rate(row.accuracy),
        "Sensitivity": rate(row.recall),
        "Specificity": rate(row.specificity),
        "PPV": rate(row.precision),
        "NPV": rate(row.npv),
        "F1": estimate(row.f1),
        "ECE, 15 bins": f"{row.ece:.3f}",
    }
    groups = performance.subgroups(full, "test", 0.4)
    assert [cells[:3] for cells in page.table("On whom")[1:]] == [
        [group.name, str(group.n), rate(group.sensitivity)] for group in groups
    ]
    assert "every X-ray of this copy of the data has 224 x 224 px" in page.text
    choices = {row[0].split(":")[0]: row[1:] for row in page.table("chosen where")[1:]}
    assert choices["Rule-in"] == ["0.8", "a fold of 40 X-rays"]
    assert choices["Temperature"][0] == "0.50"


def test_tables_can_be_had_as_csv(full: Bundle) -> None:
    from pages.shared.trust import tables

    assert {"performance.csv.figures", "performance.csv.subgroups"} <= {
        button.proto.id.split("-")[-1] for button in Page().at.get("download_button")
    }
    row = performance.champion(full)
    [line] = [{"What": "a; b", "Recall": row.recall, "F1": row.f1, "n": 3}]
    header, body = tables.as_csv([line]).decode("utf-8-sig").splitlines()
    assert header == "What,Recall,Recall low,Recall high,Recall count,Recall of,F1,F1 low,F1 high,n"
    assert body.startswith(f"a; b,{row.recall.value},{row.recall.low}")


def test_a_split_of_one_class_has_unknown_figures_and_breaks_no_tab(serve: Serve) -> None:
    normal = versions.evaluation("test split", 3, num_images=1)
    serve(lambda folder: versions.write_version(folder, evaluations={"test": normal}))
    shown = {name: value for name, value, _ in Page().table("as served")[1:]}
    assert shown["AUROC"] == shown["Sensitivity"] == "unknown"
    for tab in TABS:
        Page(tab)


# The errors


def films(folder: Path, bundle: Bundle, split: str = "test") -> None:
    """A drawn film for each X-ray of a split, and of train/."""
    found = bundle.evaluations[split]
    film = np.add.outer(np.arange(80), np.arange(80)).astype(np.uint8)
    for name, label in zip(found.files, found.labels, strict=True):
        for part in (split, "train"):
            path = folder / part / ("PNEUMONIA" if label else "NORMAL") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), film)


def test_without_the_data_set_a_sentence_says_how_to_see_the_errors(full: Bundle) -> None:
    page = Page()
    assert "XRAY_DATA" in page.text
    assert not page.captions


def test_errors_are_shown_most_confidently_wrong_first(serve: Serve, tmp_path: Path) -> None:
    data = tmp_path / "data"
    bundle = serve(versions.write_version, data)
    films(data, bundle)
    counts = performance.champion(bundle).confusion
    missed, alarms = evidence.errors(0.4)
    assert (len(missed), len(alarms)) == (counts.false_negatives, counts.false_positives)
    assert [f.probability for f in missed] == sorted(f.probability or 0 for f in missed)
    assert all(film.label == 0 and (film.probability or 0) >= 0.4 for film in alarms)
    page = Page()
    captions = page.captions
    assert len(captions) == len(missed) + len(alarms)
    assert captions[0].replace("\\", "").startswith(missed[0].path.name)
    assert f"probability {missed[0].probability:.3f}" in captions[0]
    assert f"Missed pneumonia: {counts.false_negatives}" in page.text.replace("*", "")


def test_films_that_are_not_there_are_counted(serve: Serve, tmp_path: Path) -> None:
    data = tmp_path / "data"
    bundle = serve(versions.write_version, data)
    films(data, bundle)
    gone = evidence.errors(0.4)[0][0].path
    gone.unlink()
    assert "1 of them are not in the folder" in Page().text
    assert gone not in [film.path for film in evidence.errors(0.4)[0]]


def test_a_name_in_a_card_does_not_lead_out_of_the_data_folder(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    serve(versions.write_version, tmp_path / "data")
    assert evidence._film_path("test", 1, "../../../secret.png") is None
    assert evidence._film_path("test", 1, str(tmp_path / "secret.png")) is None


# Threshold


def test_the_threshold_moves_the_point_and_the_figures(full: Bundle) -> None:
    page = Page("Threshold")
    for threshold, move in [
        (0.4, lambda: None),
        (0.8, lambda: page.at.button(key="performance.point.rule-in").click().run()),
        (0.25, lambda: page.at.slider(key="performance.slider").set_value(0.25).run()),
    ]:
        move()
        row = performance.champion(full)
        counts = metrics.confusion(row.labels, row.probabilities, threshold)
        assert page.at.slider(key="performance.slider").value == threshold
        assert page.table(f"X-rays at threshold {threshold:g}")[1][1:] == [
            f"{counts.true_positives} found",
            f"{counts.false_negatives} missed",
        ]
        rates = page.text[page.text.index("At this threshold") :]
        assert f"{counts.sensitivity.numerator} of 40 with pneumonia" in rates
        assert f"{counts.specificity.numerator} of 20 without" in rates
        roc, precision_recall = (chart["layer"][-1]["data"] for chart in page.charts())
        assert roc[0]["x"] == pytest.approx(1 - counts.specificity.value)
        assert roc[0]["y"] == precision_recall[0]["x"] == pytest.approx(counts.sensitivity.value)
        assert precision_recall[0]["y"] == pytest.approx(counts.ppv.value)


def test_where_nobody_is_called_ill_there_is_no_precision(full: Bundle) -> None:
    page = Page("Threshold")
    page.at.slider(key="performance.slider").set_value(1.0).run()
    roc, precision_recall = (chart["layer"][-1]["data"] for chart in page.charts())
    assert (roc[0]["x"], roc[0]["y"]) == (0, 0)
    assert precision_recall == []


def test_the_curve_in_the_chart_is_the_roc_curve(full: Bundle) -> None:
    page, row = Page("Threshold"), performance.champion(full)
    line = page.charts()[0]["layer"][0]["data"]
    x, y = ([point[axis] for point in line] for axis in "xy")
    assert np.trapezoid(y, x) == pytest.approx(row.auroc.value)
    page.at.toggle(key="performance.corner").set_value(True).run()
    assert page.charts()[0]["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 0.3]


def test_the_threshold_of_the_reading_page_is_taken_over(full: Bundle) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.session_state["read.threshold"] = 0.61
    at.query_params["tab"] = "Threshold"
    at.run().switch_page("pages/performance.py").run()
    assert at.slider(key="performance.slider").value == 0.61


def test_both_choices_of_thresholds_are_shown(full: Bundle) -> None:
    shown = {row[0]: row[1:] for row in Page("Threshold").table("Plain: chosen")[1:]}
    choices = {choice.name: choice for choice in performance.threshold_choice(full)}
    default = choices["default"]
    assert shown["Default"][0] == f"{default.plain.threshold:g}"
    assert shown["Default"][1] == rate(default.on_plain.sensitivity)
    assert shown["Default"][3] == "0.4"
    assert shown["Default"][5] == rate(default.on_shipped.specificity)


def test_a_version_without_changed_films_says_so(serve: Serve) -> None:
    kept = {"test": versions.evaluation("test split", 3)}
    serve(lambda folder: versions.write_version(folder, evaluations=kept))
    assert "there is no second choice" in Page("Threshold").text


# The other tabs


def test_reliability_before_and_after(full: Bundle) -> None:
    page, found = Page("Calibration"), performance.calibration(full, "test")
    assert [metric.value for metric in page.at.metric] == [
        f"{found.ece_before:.3f}",
        f"{found.ece_after:.3f}",
    ]
    for caption in ("As the network gives them", "As shown, temperature 0.50"):
        assert sum(int(row[1]) for row in page.table(caption)[1:]) == 60


def test_each_change_has_a_row_with_its_loss(full: Bundle) -> None:
    page = Page("Robustness")
    rows = {row[0]: row[1:] for row in page.table("under changes")[1:]}
    figures = {c.title: c.figures(0.4) for c in performance.robustness(full)}
    plain, dark = figures["As it is"], figures["Brightness - 20 %"]
    assert rows["As it is"][1::2] == ["0.000", "0.0", "0.0"]
    assert rows["Brightness - 20 %"][0] == estimate(dark.auroc)
    assert rows["Brightness - 20 %"][1] == f"{plain.auroc.value - dark.auroc.value:.3f}"
    loss = 100 * (plain.sensitivity.value - dark.sensitivity.value)
    assert rows["Brightness - 20 %"][3] == f"{loss:.1f}"
    assert rows["JPEG quality 20"][-1] == "2"
    assert len(page.charts()) == 1


def test_the_lungs_taken_away_and_alone(full: Bundle) -> None:
    page, found = Page("Lungs"), performance.shortcuts(full)
    assert found is not None
    assert found.heat is not None
    assert looks_said.lungs(found)[0] in page.text
    rows = {row[0]: row[1:] for row in page.table("loss is against")[1:]}
    assert list(rows) == [variant.title for variant in found.variants]
    assert rows["As it is"] == ["Whole X-ray", estimate(found.whole.auroc), "0.000"]
    assert rows["Lungs blurred"] == ["Lungs taken away", estimate(found.removed.auroc), "0.275"]
    heat = {row[0]: row[1] for row in page.table("that it calls pneumonia")[1:]}
    assert heat["Ratio"] == estimate(found.heat.ratio)
    variants, histogram = page.charts()
    dots = variants["layer"][-1]["data"]
    assert {dot["variant"]: dot["value"] for dot in dots} == {
        variant.title: variant.auroc.value for variant in found.variants
    }
    of_heat = [point for point in histogram["data"] if point["class"] == "Heat in the lungs"]
    assert sum(point["count"] for point in of_heat[:-1]) == len(found.heat.shares)


def test_the_heatmaps_against_their_controls(full: Bundle) -> None:
    page, found = Page("Heatmaps"), performance.heatmaps(full)
    assert found is not None
    for sentence in looks_said.heatmaps(found):
        assert sentence in page.text
    rows = page.table("Area under the curves")
    assert rows[0] == ["Map", "Curve", "Area", "p against Random map", "p against Centred Gaussian"]
    [offered] = found.offered
    area = estimate(offered.deletion.auc)
    assert rows[1] == ["Grad-CAM (offered)", "deletion", area, "< 0.001", "< 0.001"]
    assert rows[-1][3:] == ["–", "–"]
    assert "It is: passed." in page.text.replace("*", "")
    samples = page.table("Drawn X-rays")
    assert samples[1] == ["left.png", "left", "31 %, 55 %", "yes"]
    assert samples[3][2:] == ["no heat", "no"]
    deletion, insertion, layers = page.charts()
    shown = [point["y"] for point in insertion["data"] if point["map"] == "Grad-CAM"]
    assert shown == offered.insertion.curve.tolist()
    assert len(deletion["data"]) == 3 * len(found.fractions)
    line = next(layer["data"] for layer in layers["layer"] if "similarity" in layer["data"][0])
    assert line[0] == {"layer": "logit", "similarity": 0.8}


def test_a_check_that_fails_is_said(full: Bundle) -> None:
    versions.write_heatmaps(full, passes=False)
    assert "It is not: failed." in Page("Heatmaps").text.replace("*", "")


def test_the_gate_on_each_kind_of_image(full: Bundle) -> None:
    versions.write_gate(full, lost=2)
    page, found = Page("Gate"), performance.gate(full)
    assert found is not None
    assert looks_said.gate(found)[0] in page.text
    rows = page.table("Refused: no probability")[1:]
    assert rows[0] == ["Test split", "read", "60", *map(rate, (
        found.groups[0].accepted, found.groups[0].unusual, found.groups[0].refused
    ))]  # fmt: skip
    assert rows[-1][:2] == ["Noise", "refused"]
    [chart] = page.charts()
    lines = [layer["data"][0] for layer in chart["layer"] if "at" in layer["data"][0]]
    assert {line["at"] for line in lines} == {found.unusual_from, found.refused_from}


def test_networks_leak_and_the_missing(full: Bundle) -> None:
    page = Page("Networks")
    rows = {row.name: row for row in performance.rows(full)}
    shown = {row[0]: row[1:] for row in page.table("Protocol 1")[1:]}
    assert list(shown) == ["Multilayer perceptron", "CNN with augmentation", "VGG16, as served"]
    assert shown["CNN with augmentation"][3] == estimate(rows["cnn"].auroc)
    assert shown["VGG16, as served"][:3] == ["14.7", "64", "60"]
    assert "VGG16, frozen ImageNet features. The ImageNet weights could not be fetched" in page.text
    [leak] = page.table("Protocol 2")[1:]
    grouped, ungrouped = rows["cnn_150_grouped"].auroc, rows["cnn_150_ungrouped"].auroc
    assert leak[2:5] == [
        estimate(grouped),
        estimate(ungrouped),
        f"{ungrouped.value - grouped.value:+.3f}",
    ]
    curves = {point["network"] for point in page.charts()[0]["data"]}
    assert curves == set(shown)


def test_one_network_has_its_curves_and_confusion_matrix(full: Bundle) -> None:
    page = Page("Networks")
    assert len(page.table("VGG16, as served: test X-rays")) == 3
    page.at.selectbox(key="performance.network").select("cnn").run()
    counts = {row.name: row for row in performance.rows(full)}["cnn"].confusion
    table = page.table("CNN with augmentation: test X-rays")
    assert table[2][1:] == [
        f"{counts.false_positives} false alarms",
        f"{counts.true_negatives} cleared",
    ]
    loss, accuracy = page.charts()[-2:]
    sets = {point["set"] for point in loss["data"]}
    assert sets == {"Training", "Validation"}
    assert [p["value"] for p in accuracy["data"] if p["set"] == "Training"] == [
        line["accuracy"] for line in versions.epochs(5)
    ]


def test_curves_that_were_not_written_are_said_to_be_missing(serve: Serve) -> None:
    old = [{"epoch": 0, "loss": 0.5, "validation_loss": 0.4}]
    serve(lambda folder: versions.write_version(folder, training={"curves": old}))
    assert "did not write down its accuracy" in Page("Networks").text


def test_the_data_set_in_numbers(full: Bundle) -> None:
    page = Page("Data")
    assert page.table("Class balance")[1] == ["train", "1,341", "3,875", "2,530", "1,345", "2,790"]
    assert page.table("Image sizes")[1] == ["224 x 224 px", "5,840"]
    assert page.captions == ["Mean image: Normal", "Mean image: Pneumonia"]
    assert "30 groups of identical files" in page.text.replace("*", "")
    assert "XRAY_DATA" in page.text
    assert len(page.charts()) == 3


def test_random_films_change_on_request(serve: Serve, tmp_path: Path) -> None:
    bundle = serve(versions.write_all, tmp_path / "data")
    films(tmp_path / "data", bundle)

    page = Page("Data")
    first = page.captions[2:]
    assert len(first) == len(set(first)) == 10
    assert [caption.split()[-1] for caption in first] == ["normal"] * 5 + ["pneumonia"] * 5
    page.at.button(key="performance.draw").click().run()
    assert page.captions[2:] != first
    assert evidence.random_films(5, seed=1) == evidence.random_films(5, seed=1)


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("Figures", "has not been measured"),
        ("Robustness", "without robustness.json"),
        ("Lungs", "without shortcuts.json"),
        ("Heatmaps", "without heatmaps.json"),
        ("Gate", "without gate.json"),
        ("Networks", "python -m model compare"),
        ("Data", "without dataset.json"),
    ],
)
def test_a_version_with_nothing_beside_its_card(bare: Bundle, tab: str, words: str) -> None:
    page = Page(tab)
    said = page.text + " ".join(info.value for info in page.at.info)
    assert words in said
    assert not page.at.error


def test_files_that_a_command_writes_meanwhile_are_found(bare: Bundle) -> None:
    assert not Page("Robustness").charts()
    versions.write_robustness(bare)
    assert Page("Robustness").charts()


def test_robustness_of_another_version_is_not_shown(full: Bundle) -> None:
    versions.write_robustness(full, model_version="vgg16-other")
    [info] = Page("Robustness").at.info
    assert "another version, vgg16-other" in info.value


def test_a_refused_bundle_gives_its_sentence_and_no_figure(serve: Serve) -> None:
    serve(lambda folder: versions.write_version(folder).weights.write_bytes(b"other"))
    page = Page()
    [error] = page.at.error
    assert "SHA-256" in error.value
    assert "AUROC" not in page.text


def test_a_version_that_has_read_nothing_says_so(serve: Serve) -> None:
    serve(lambda folder: versions.write_version(folder, evaluations={}))
    [info] = Page().at.info
    assert "has not been read on any X-rays" in info.value


def test_text_of_the_files_is_no_markup(full: Bundle) -> None:
    title = "<img src=x onerror=alert(1)>"
    logits = full.evaluations["test"].logits.tolist()
    changes = [{"name": name, "title": title, "logits": logits} for name in ("none", "b")]
    versions.write_robustness(full, changes=changes)
    variants = versions.read_json(full.folder / "shortcuts.json")["variants"]
    versions.write_shortcuts(full, variants=[v | {"title": title} for v in variants])
    versions.write_gate(full, description=title)
    for tab in ("Figures", "Robustness", "Lungs", "Gate"):
        assert "<img" not in " ".join(Page(tab)._html())


def test_no_tab_imports_keras(full: Bundle) -> None:
    program = f"""
import sys
from concurrent.futures import Future
from streamlit.testing.v1 import AppTest
from pages.shared import services
from pages.shared.trust import evidence

services._loading = Future  # the reading page, which comes first, would load the classifier
for tab in {TABS!r}:
    page = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=120).run()
    page.query_params["tab"] = tab
    page.switch_page("pages/performance.py").run()
    assert not page.exception, page.exception
    assert page.title[0].value == "Performance"
    assert page.tabs[{TABS!r}.index(tab)].children, tab
sys.exit(" ".join({{"keras", "tensorflow"}} & set(sys.modules)) or None)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
