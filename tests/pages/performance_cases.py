"""What the tests of the page Performance share: the page at a tab, and versions to be served."""

import html
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.ipc
import pytest
from streamlit.testing.v1 import AppTest

from model import config, metrics, performance
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
        said = re.sub(r"<style>.*?</style>", " ", " ".join(parts), flags=re.DOTALL)
        told = html.unescape(re.sub(r"<[^>]+>", " ", said))
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


def films(folder: Path, bundle: Bundle, split: str = "test") -> None:
    """A drawn film for each X-ray of a split, and of train/."""
    found = bundle.evaluations[split]
    film = np.add.outer(np.arange(80), np.arange(80)).astype(np.uint8)
    for name, label in zip(found.files, found.labels, strict=True):
        for part in (split, "train"):
            path = folder / part / ("PNEUMONIA" if label else "NORMAL") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), film)
