"""What the tests of the page that reads one X-ray share: the page, its classifier, films."""

import html
import io
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.shared import services

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {sample.path.name: sample.label for sample in services.samples()}
KEPT = 8  # films, as in pages/read.py
LIKELY, UNLIKELY, REFER = "Pneumonia likely", "Pneumonia unlikely", "Uncertain: refer for reading"


def unescaped(markdown: str) -> str:
    return re.sub(r"\\(\W)", r"\1", markdown)


class Read:
    """The page in one visitor's session: what is done to it, and what is then to be seen."""

    def __init__(self, **address: str) -> None:
        # Long enough for the classifier to load on a busy machine; each run takes 0.1 s after that.
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
        self.at.query_params.update(address)
        self.at.run()

    def sample(self, name: str) -> "Read":
        self.at.button(key=f"read.sample.{name}").click().run()
        return self

    def upload(self, **files: bytes) -> "Read":
        """Names with a double underscore for the dot: `film__jpg=...`."""
        return self.upload_all([(name.replace("__", "."), data) for name, data in files.items()])

    def upload_all(self, files: list[tuple[str, bytes]]) -> "Read":
        chosen = [(name, data, "application/octet-stream") for name, data in files]
        self.at.file_uploader(key="read.upload").set_value(chosen).run()
        return self

    def choose(self, title: str) -> "Read":
        ids = dict(zip(self.titles, reversed(self.readings), strict=True))
        self.at.pills[0].select(ids[title]).run()
        return self

    def slide(self, threshold: float) -> "Read":
        self.at.slider(key="read.slider").set_value(threshold).run()
        return self

    def type(self, **numbers: float) -> "Read":
        for name, number in numbers.items():
            self.at.number_input(key=f"read.{name}").set_value(number).run()
        return self

    def go(self, page: str) -> "Read":
        self.at.switch_page(f"pages/{page}.py").run()
        return self

    @property
    def readings(self) -> dict[str, services.Reading]:
        return self.at.session_state["read.readings"]

    @property
    def titles(self) -> list[str]:
        """What the visitor may choose from."""
        return [unescaped(option) for pills in self.at.pills for option in pills.options]

    @property
    def thresholds(self) -> tuple[float, float, str]:
        """On the slider, in the typed field and in the address."""
        slider, typed = self.at.slider(key="read.slider"), self.at.number_input(key="read.typed")
        return slider.value, typed.value, self.at.query_params.get("t", "")

    @property
    def film(self) -> dict[str, Any]:
        """The header of what the viewer was sent, see pages/shared/viewer."""
        [block] = [c for c in self.at.get("bidi_component") if c.key == "read.viewer"]
        length = int.from_bytes(block.proto.bytes[:4], "little")
        return json.loads(block.proto.bytes[4 : 4 + length])

    @property
    def text(self) -> str:
        """All words of the drawings, without their markup."""
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(self._markdown())))
        return html.unescape(text)

    @property
    def verdict(self) -> str:
        """The words of the decision; empty where there is none."""
        return next((words for words in (LIKELY, UNLIKELY, REFER) if words in self.text), "")

    @property
    def probability(self) -> str:
        found = re.search(r"probability of pneumonia ([<>]? ?[\d.]+)", self.text)
        return found.group(1) if found else ""

    @property
    def errors(self) -> list[str]:
        assert not self.at.exception
        return [unescaped(error.value) for error in self.at.error]

    @property
    def warnings(self) -> list[str]:
        return [warning.value for warning in self.at.warning]

    @property
    def facts(self) -> str:
        [facts] = [caption.value for caption in self.at.caption if " px · " in caption.value]
        return facts

    def overrule(self) -> "Read":
        """Both steps, for the film that is shown."""
        self.at.checkbox[0].check().run()
        [button] = [b for b in self.at.button if b.label == "Read against the refusal"]
        button.click().run()
        return self

    def _markdown(self) -> list[str]:
        return [element.value for element in self.at.markdown]


@pytest.fixture(scope="module")
def classifier() -> Any:
    """The one of the pages. It takes seconds to load; then every session shares it."""
    return services._loading().result()


@pytest.fixture
def page(classifier: Any) -> Read:
    return Read()


def sample_bytes(name: str = "normal-1.jpg") -> bytes:
    return (services.SAMPLES / name).read_bytes()


def small_film(width: int) -> bytes:
    """A film of its own for each width."""
    film = cv2.imdecode(np.frombuffer(sample_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.imencode(".png", cv2.resize(film, (width, 100)))[1].tobytes()


def colour_photograph(seed: int = 3) -> bytes:
    y, x = np.mgrid[:240, :320] / 240
    noise = np.random.default_rng(seed).normal(0, 0.05, (240, 320, 3))
    rgb = np.stack([x / 1.4, y, 1 - x / 1.4], axis=-1) + noise  # (H, W, 3)
    file = io.BytesIO()
    Image.fromarray((255 * np.clip(rgb, 0, 1)).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def blank() -> bytes:
    return cv2.imencode(".png", np.full((300, 260), 90, np.uint8))[1].tobytes()


def default_threshold() -> float:
    return services.bundle().operating_point().threshold
