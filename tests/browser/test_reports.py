"""Reports as a reader takes them from the page: real downloads, opened by those who will read them.

The film is a DICOM file of a made-up patient; a quick classifier reads it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from highdicom.sr import srread
from PIL import Image
from pypdf import PdfReader

from tests.browser.conftest import PHONE
from tests.model import images

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
APP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from pages.shared import frame
from tests.browser.quick_classifier import read_with_it

read_with_it()
frame.begin()
st.navigation([st.Page({str(ROOT / "pages" / "read.py")!r}, title="Read")]).run()
frame.end()
"""


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    (home / "app.py").write_text(APP)
    return serve(home / "app.py", {"XRAY_HOME": str(home), "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A radiograph of 16 bits a pixel, as an archive exports it."""
    elements = {
        "StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.5",
        "SOPInstanceUID": "1.2.3.4.5.6", "PatientName": "Ortega^Lucia", "PatientID": "MRN-7",
        "PatientBirthDate": "20210405", "PatientSex": "F", "StudyDate": "20260304",
        "StudyTime": "101112", "StudyID": "S9", "AccessionNumber": "A-5512",
        "ReferringPhysicianName": "Who^Doctor", "PatientOrientation": ["L", "F"],
        "Modality": "CR", "ViewPosition": "AP", "BodyPartExamined": "CHEST",
        "BurnedInAnnotation": "NO",
    }  # fmt: skip
    path = tmp_path_factory.mktemp("films") / "IM0001.dcm"
    path.write_bytes(images.dicom(images.film(900, 800, 4000, np.uint16), **elements))
    return path


@pytest.fixture
def reader(page: Page, url: str, film: Path) -> Page:
    """The page Read with the film open."""
    return opened(page, url, film)


def opened(page: Page, url: str, film: Path) -> Page:
    page.goto(url)
    page.get_by_text("Drop an X-ray above").wait_for()
    page.locator("input[type=file]").set_input_files(film)
    page.wait_for_selector('.viewer[data-ready="true"][data-overlay="on"]')
    page.get_by_role("button", name="Report").wait_for()
    return page


def take(page: Page, folder: Path, item: str) -> Path:
    """Asks for one of the menu; gives the file as the browser has saved it."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Report").click()
        page.get_by_role("menuitem", name=item, exact=True).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_each_kind_is_downloaded_and_read_by_others(reader: Page, tmp_path: Path) -> None:
    pdf = take(reader, tmp_path, "PDF")
    assert pdf.name == "IM0001.report.pdf"
    [page] = PdfReader(pdf).pages
    assert "Pneumonia likely" in page.extract_text()
    assert "Ortega" not in page.extract_text()
    png = take(reader, tmp_path, "PNG")
    with Image.open(png) as picture:
        assert (png.name, picture.width) == ("IM0001.report.png", 800)
        shown = np.asarray(picture)
    capture = take(reader, tmp_path, "DICOM image (Secondary Capture)")
    made = pydicom.dcmread(capture)
    assert (made.StudyInstanceUID, made.PatientID) == ("1.2.3.4", "MRN-7")
    assert (made.pixel_array == shown).all()
    report = take(reader, tmp_path, "DICOM report (Structured Report)")
    content: Any = srread(report).content
    [group] = content.get_image_measurement_groups()
    assert 0.9 in [measurement.value for measurement in group.get_measurements()]
    if shutil.which("dciodvfy"):
        for path in (capture, report):
            done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
            assert "Error" not in done.stdout + done.stderr
    with reader.expect_download() as download:
        reader.get_by_role("button", name="Overlay as PNG").click()
    assert download.value.suggested_filename == "IM0001.overlay.png"


def test_a_file_is_given_once_whatever_is_done_next(reader: Page, tmp_path: Path) -> None:
    given: list[object] = []
    reader.on("download", lambda download: given.append(download))
    take(reader, tmp_path, "PDF")
    reader.get_by_text("Given to your browser: IM0001.report.pdf").wait_for()
    reader.get_by_role("slider", name="Threshold: pneumonia from here on").focus()
    reader.keyboard.press("Home")
    reader.get_by_text("Given to your browser").wait_for(state="detached")
    take(reader, tmp_path, "PDF")
    assert len(given) == 2


def test_the_menu_by_keyboard_and_on_a_phone(
    new_page: Callable[..., Page], url: str, film: Path
) -> None:
    page = opened(new_page(**PHONE), url, film)
    page.get_by_role("button", name="Report").focus()
    page.keyboard.press("Enter")
    item = page.get_by_role("menuitem", name="DICOM report (Structured Report)")
    item.wait_for()
    box = item.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.locator("[role=menu]:focus-within").wait_for()
    page.keyboard.press("ArrowDown")  # from the first to the second
    page.locator("[role=menuitem]:focus").filter(has_text="PNG").wait_for()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "IM0001.report.png"
    page.get_by_role("button", name="Report").and_(page.locator(":focus")).wait_for()  # to go on
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
