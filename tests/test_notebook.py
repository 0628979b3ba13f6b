"""assets/analysis.ipynb runs from top to bottom on small data, and is kept without outputs."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient

from model import performance
from tests.conftest import ROOT
from tests.model import version_cases as versions

NOTEBOOK = ROOT / "assets" / "analysis.ipynb"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return versions.write_all(tmp_path_factory.mktemp("notebook_bundle"))


def execute(monkeypatch, bundle, data=None):
    """The notebook after a run in a kernel of its own; an exception in a cell is raised here."""
    monkeypatch.setenv("XRAY_BUNDLE", str(bundle.folder))
    if data:
        monkeypatch.setenv("XRAY_DATA", str(data))
    else:
        monkeypatch.delenv("XRAY_DATA", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    return NotebookClient(notebook, timeout=240, resources=resources).execute()


def said(notebook):
    """All text that the cells put out."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kept = output.get("data", {})
            texts += [output.get("text", ""), kept.get("text/markdown", "")]
    return "\n".join(texts)


def pictures(notebook):
    """How many cells put out an image."""
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    return sum(any("image/png" in output.get("data", {}) for output in each) for each in outputs)


def test_it_walks_from_the_data_set_to_the_results(monkeypatch, bundle, tiny_data):
    notebook = execute(monkeypatch, bundle, tiny_data)
    text = said(notebook)
    for line in (
        "train: 24 X-rays of 12 children, 50% with pneumonia (6 bacterial, 6 viral)",
        "test: 8 X-rays of 4 children, 50% with pneumonia",
        "0 files are identical to another one",
        f"Model version {bundle.model_version}",
        "VGG16, frozen ImageNet features (official): The ImageNet weights could not be fetched.",
    ):
        assert line in text
    for row in performance.rows(bundle):
        if not row.missing:
            assert re.search(rf"\| {re.escape(row.title)} \| {row.protocol} \|", text)
            assert f"{100 * row.accuracy.value:.1f} %" in text
    champion = performance.champion(bundle)
    assert f"| {champion.auroc.value:.3f} ({champion.auroc.low:.3f} to " in text
    for change in performance.robustness(bundle):
        assert f"| {change.title} |" in text
    assert pictures(notebook) == 6
    ran = [c for c in notebook.cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))


def test_without_the_data_set_it_says_how_to_get_it_and_still_shows_the_results(
    monkeypatch, bundle
):
    notebook = execute(monkeypatch, bundle)
    text = said(notebook)
    assert "Download the data set" in text
    assert f"{performance.champion(bundle).auroc.value:.3f}" in text
    assert pictures(notebook) == 4


def test_it_is_short_and_kept_without_outputs():
    kept = json.loads(NOTEBOOK.read_text("utf-8"))
    assert len(kept["cells"]) < 25
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert "image/png" not in NOTEBOOK.read_text("utf-8")


def test_a_first_code_cell_takes_the_data_folder_from_the_environment():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in kept.cells if cell.cell_type == "code")
    assert 'os.environ["XRAY_DATA"]' in first.source
