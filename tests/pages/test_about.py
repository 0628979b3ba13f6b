"""The page on intended use, limits, data and licences."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from model import config
from pages.shared import services

ROOT = Path(__file__).resolve().parents[2]


def about() -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    page.switch_page("pages/about.py").run()
    assert not page.exception
    return page


def text(page: AppTest) -> str:
    return " ".join(" ".join(element.value for element in page.markdown).split())


@pytest.fixture
def no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XRAY_BUNDLE", str(tmp_path))
    # Must not start, or the tests after this one would be served its failure.
    monkeypatch.setattr(services, "_loading", Future)
    config.settings.cache_clear()
    yield
    monkeypatch.undo()
    config.settings.cache_clear()


def test_it_says_what_it_is_not_for() -> None:
    page = about()
    assert not page.error
    for words in ("not a medical device", "Research and teaching", "where* evidence", "CC BY 4.0"):
        assert words in text(page)


def test_it_names_the_model_version_and_its_operating_points() -> None:
    page, bundle = about(), services.bundle()
    assert f"`{bundle.model_version}`" in text(page)
    assert f"{bundle.training['num_training']:,} X-rays" in text(page)
    [table] = page.table
    assert list(table.value["Operating point"]) == [p.name for p in bundle.operating_points]
    assert list(table.value["Threshold"]) == [f"{p.threshold:g}" for p in bundle.operating_points]
    assert list(table.value["Rule"]) == [p.rule for p in bundle.operating_points]


def test_without_a_bundle_it_says_so_and_the_rest_stands(no_bundle: None) -> None:
    page = about()
    [sentence] = [error.value for error in page.error]
    assert "bundle.json" in sentence
    assert "no verdict" in sentence
    assert not page.table
    assert "not a medical device" in text(page)
    assert "CC BY 4.0" in text(page)
