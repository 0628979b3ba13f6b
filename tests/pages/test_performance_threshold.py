"""Performance: the threshold, its point on the curves and its figures."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from model import metrics, performance
from model.bundle import Bundle
from tests.model import version_cases as versions
from tests.pages.performance_cases import ROOT, Page, Serve, rate
from tests.pages.performance_cases import full as full
from tests.pages.performance_cases import serve as serve


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
