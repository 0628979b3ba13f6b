"""The page on how good the served version is: with nothing to show, or nothing sound."""

import subprocess
import sys

import pytest

from model.bundle import Bundle
from tests.model import version_cases as versions
from tests.pages.performance_cases import ROOT, TABS, Page, Serve
from tests.pages.performance_cases import bare as bare
from tests.pages.performance_cases import full as full
from tests.pages.performance_cases import serve as serve


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
