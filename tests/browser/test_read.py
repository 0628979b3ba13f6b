"""The app in a real browser: from a file on disk to the downloaded overlay."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageOps

from model import language
from tests.browser.conftest import PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
DARK, LIGHT = "rgb(13, 19, 23)", "rgb(247, 249, 250)"  # backgrounds, from .streamlit/config.toml
LIKELY, UNLIKELY = "Pneumonia likely", "Pneumonia unlikely"

# Share of the pixels of the canvas that have a colour: the film is grey, the heat is not.
COLOURED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let coloured = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = data.slice(i, i + 3);
    coloured += Math.max(r, g, b) - Math.min(r, g, b) > 40;
  }
  return coloured / (data.length / 4);
}"""


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class App:
    """The app in one browser window, as a reader sees and handles it."""

    def __init__(self, page: Page, url: str, address: str = "") -> None:
        self.page = page
        page.goto(f"{url}/{address}")
        page.get_by_text("Drop an X-ray above").wait_for()

    @property
    def viewer(self) -> Locator:
        return self.page.locator(".viewer")

    @property
    def words(self) -> Locator:
        return self.page.locator(".decision .words")

    @property
    def typed(self) -> Locator:
        return self.page.get_by_label("Threshold, typed")

    def upload(self, *files: Path) -> None:
        self.page.locator("input[type=file]").set_input_files(files)

    def sample(self, name: str) -> None:
        # Streamlit keeps a second, hidden button for touch screens.
        key = re.sub(r"\W", "-", name)
        self.page.locator(f".st-key-read-sample-{key} button:visible").click()
        self.shows(SAMPLES / name)

    def shows(self, file: Path) -> None:
        """Until this film and its verdict are there, and for pneumonia the heatmap."""
        film_id = sha256(file)
        normal = film_id in {sha256(sample) for sample in SAMPLES.glob("normal-*")}
        heat = "" if normal else ':not([data-overlay="none"])'
        self.page.wait_for_selector(f'.viewer[data-film-id="{film_id}"][data-ready="true"]{heat}')
        self.words.wait_for()

    def press(self, key: str, threshold: str) -> None:
        """A key on the slider, and until what it did is in the typed field."""
        self.page.get_by_role("slider", name="Threshold: pneumonia from here on").focus()
        self.page.keyboard.press(key)
        self.expect_threshold(threshold)

    def expect_threshold(self, threshold: str) -> None:
        self.page.wait_for_function(
            "([input, value]) => input.value === value",
            arg=[self.typed.element_handle(), threshold],
        )

    def expect_background(self, colour: str) -> None:
        self.page.wait_for_function(
            """colour => {
              const app = document.querySelector(".stApp");
              return app && getComputedStyle(app).backgroundColor === colour;
            }""",
            arg=colour,
        )


@pytest.fixture(scope="module")
def url(serve: Callable[..., str]) -> str:
    return serve(ROOT / "app.py")


@pytest.fixture
def open_app(new_page: Callable[..., Page], url: str) -> Iterator[Callable[..., App]]:
    """open_app(address="", **options of the browser) -> App; no page may end with an error."""
    errors: list[str] = []

    def start(address: str = "", **options: Any) -> App:
        page = new_page(**options)
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        return App(page, url, address)

    yield start
    assert errors == []


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A synthetic film on disk, under a name as people give them."""
    return shutil.copy(SAMPLES / "pneumonia-1.jpg", tmp_path / "Thorax Müller #1 (a.p., *neu*).jpg")


def test_from_a_file_on_disk_to_the_downloaded_overlay(
    open_app: Callable[..., App], film: Path, tmp_path: Path
) -> None:
    app = open_app()
    app.upload(film)
    app.shows(film)
    assert app.viewer.locator("canvas").evaluate(COLOURED) > 0.01
    assert re.search(r"probability of pneumonia\s+[<>]? ?0\.\d\d", app.page.inner_text(".decision"))

    fit = app.viewer.get_attribute("data-zoom")
    app.viewer.get_by_role("button", name="Zoom in").click()
    app.page.wait_for_selector(f'.viewer:not([data-zoom="{fit}"])')
    zoom = app.viewer.get_attribute("data-zoom")
    app.press("Home", "0.000")
    app.page.get_by_text(LIKELY).wait_for()
    app.press("End", "1.000")
    app.page.get_by_text(UNLIKELY).wait_for()
    app.press("ArrowLeft", "0.990")
    assert app.page.url.endswith("?t=0.99")
    assert app.viewer.get_attribute("data-zoom") == zoom
    assert app.viewer.get_attribute("data-ready") == "true"

    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Overlay as PNG").click()
    assert download.value.suggested_filename.startswith("Thorax Müller ")
    assert download.value.suggested_filename.endswith(".overlay.png")
    download.value.save_as(tmp_path / "overlay.png")
    with Image.open(tmp_path / "overlay.png") as overlay, Image.open(film) as original:
        assert overlay.format == "PNG"
        assert overlay.size == original.size
        red, _, blue = overlay.convert("RGB").split()
        assert ImageChops.difference(red, blue).getextrema()[1] > 40  # the heat has colour


def test_the_lungs_are_outlined_when_asked_for(open_app: Callable[..., App]) -> None:
    app = open_app()
    app.sample("normal-1.jpg")
    canvas = app.viewer.locator("canvas")
    if app.viewer.get_attribute("data-overlay") == "on":
        app.viewer.get_by_role("button", name="Heatmap", exact=True).click()
        app.page.wait_for_selector('.viewer[data-overlay="off"]')
    assert canvas.evaluate(COLOURED) == 0
    app.viewer.get_by_role("button", name="Lungs", exact=True).click()
    app.page.wait_for_selector('.viewer[data-lungs="true"]')
    assert canvas.evaluate(COLOURED) > 0.002


def test_a_refused_image_is_read_against_the_refusal(
    open_app: Callable[..., App], film: Path, tmp_path: Path
) -> None:
    """The film is no longer one after a coloured wash, as far as the gate can see."""
    photograph = tmp_path / "tinted.png"
    with Image.open(film) as grey:
        ImageOps.colorize(grey.convert("L"), "navy", "orange").save(photograph)
    app = open_app()
    app.upload(photograph)
    app.page.get_by_text("Refused: no probability is given").wait_for()
    app.page.wait_for_selector('.viewer[data-overlay="none"]')
    app.page.get_by_role("button", name="Read it all the same").click()
    read = app.page.get_by_role("button", name="Read against the refusal")
    assert read.is_disabled()
    app.page.get_by_text("I have looked at this image").click()
    app.page.wait_for_function("button => !button.disabled", arg=read.element_handle())
    read.click()
    app.shows(photograph)
    warning = app.page.get_by_role("alert").filter(has_text="Read against the gate's refusal")
    assert warning.is_visible()
    assert app.viewer.get_by_text("read against the gate's refusal").is_visible()
    app.press("Home", "0.000")
    app.page.get_by_text(LIKELY).wait_for()
    assert warning.is_visible()
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="Overlay as PNG").click()
    assert download.value.suggested_filename == "tinted.read-against-the-gate.overlay.png"


def test_samples_follow_one_another_and_the_first_can_be_had_back(
    open_app: Callable[..., App],
) -> None:
    app = open_app()
    app.sample("normal-1.jpg")
    app.page.get_by_text(UNLIKELY).wait_for()
    app.sample("pneumonia-4.dcm")
    app.page.get_by_text(LIKELY).wait_for()
    assert app.page.get_by_text("DICOM · ").is_visible()
    assert "16 bit" in app.viewer.inner_text()
    assert app.viewer.get_by_text("synthetic").is_visible()
    app.page.get_by_role("radio", name="normal-1.jpg").click()
    app.shows(SAMPLES / "normal-1.jpg")
    app.page.get_by_text(UNLIKELY).wait_for()


def test_a_bad_file_gets_a_sentence_and_the_film_stays(
    open_app: Callable[..., App], film: Path, tmp_path: Path
) -> None:
    app = open_app()
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear colleague, thank you for sending me ...")
    app.upload(film, letter)
    app.shows(film)
    alert = app.page.get_by_role("alert")
    assert alert.count() == 1
    assert "letter.jpg" in alert.inner_text()
    assert "Received: a text document" in alert.inner_text()


def test_two_films_of_one_name_are_not_mixed_up(
    open_app: Callable[..., App], tmp_path: Path
) -> None:
    """Portable machines count from 1 in each folder, so the same name is the rule there."""
    films = []
    for name in ("pneumonia-1.jpg", "normal-1.jpg"):
        (tmp_path / name).mkdir()
        films.append(shutil.copy(SAMPLES / name, tmp_path / name / "IM0001.jpg"))
    app = open_app()
    for film in films:
        app.upload(film)
        app.shows(film)
    app.press("Home", "0.000")
    app.shows(films[1])
    for chosen, film in ((1, films[0]), (0, films[1])):
        app.page.get_by_role("radio", name="IM0001").nth(chosen).click()
        app.shows(film)


def test_a_phone_shows_all_of_it_without_scrolling_sideways(open_app: Callable[..., App]) -> None:
    app = open_app(**PHONE)
    app.sample("pneumonia-2.jpg")
    for part in ("html", "[data-testid=stMain]"):
        assert app.page.locator(part).evaluate("part => part.scrollWidth") <= 390
    for part in (app.viewer, app.words, app.typed, app.page.locator("table.rates")):
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_the_address_keeps_the_threshold(open_app: Callable[..., App]) -> None:
    app = open_app("?t=0.42")
    app.sample("normal-2.jpg")
    app.expect_threshold("0.420")
    app.typed.fill("0.137")
    app.typed.press("Enter")
    app.page.wait_for_url("**/?t=0.137")
    app.page.reload()
    app.page.get_by_text("Drop an X-ray above").wait_for()
    app.sample("normal-2.jpg")
    app.expect_threshold("0.137")


def test_the_first_visit_is_dark_and_light_is_kept_when_chosen(
    open_app: Callable[..., App],
) -> None:
    app = open_app(color_scheme="light")
    app.expect_background(DARK)
    app.page.get_by_text("Drop an X-ray above").wait_for()
    app.page.get_by_test_id("stMainMenu").click()
    app.page.get_by_test_id("stMainMenuItem-theme-Light").click()
    app.expect_background(LIGHT)
    app.page.reload()
    app.page.get_by_text("Drop an X-ray above").wait_for()
    app.sample("normal-3.jpg")
    app.expect_background(LIGHT)


@pytest.mark.parametrize("color_scheme", ["dark", "light"])
def test_a_look_at_the_about_page_loses_nothing(
    open_app: Callable[..., App], color_scheme: str
) -> None:
    app = open_app(color_scheme=color_scheme)
    app.expect_background(DARK)
    app.sample("normal-1.jpg")
    app.sample("pneumonia-3.jpg")
    app.press("Home", "0.000")
    app.page.get_by_role("link", name="About").click()
    app.page.get_by_role("heading", name="About Pneumoscope").wait_for()
    app.page.get_by_text("rule-in").wait_for()
    app.page.get_by_role("link", name="Read an X-ray").click()
    app.shows(SAMPLES / "pneumonia-3.jpg")
    app.expect_threshold("0.000")
    app.expect_background(DARK)


@pytest.mark.skipif("es" not in language.languages(), reason="no Spanish in model/languages")
def test_a_spanish_browser_reads_spanish_until_english_is_chosen(
    new_page: Callable[..., Page], url: str
) -> None:
    page, spanish = new_page(locale="es-ES"), language._sentences("es")

    def in_language(code: str, *sentences: str) -> None:
        page.wait_for_function("code => document.documentElement.lang === code", arg=code)
        for sentence in sentences:
            page.get_by_text(spanish[sentence] if code == "es" else sentence).first.wait_for()

    page.goto(url)
    in_language("es", "Drop an X-ray above or choose a sample.", "About")
    page.locator(".st-key-read-sample-normal-1-jpg button:visible").click()
    in_language("es", "Pneumonia unlikely", "Invert", "shows where, not why")
    page.get_by_role("button", name="English").click()
    in_language("en", "Pneumonia unlikely", "Invert", "shows where, not why")
    page.reload()  # a new session: the browser has kept the choice
    in_language("en", "Drop an X-ray above or choose a sample.")
    page.get_by_role("button", name="Español").click()
    in_language("es", "Drop an X-ray above or choose a sample.")
