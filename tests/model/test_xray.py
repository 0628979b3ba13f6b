"""Reading an X-ray of any kind: what comes out, and the words where nothing does."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model import xray
from tests.model.images import dicom, encode, film
from tests.model.xray_cases import FILM, TWELVE, refusal, whole_files


def test_the_type_is_in_the_bytes_not_in_the_name():
    assert xray.read(encode(FILM, "PNG"), "film.dcm").kind == "PNG"
    assert xray.read(dicom(TWELVE), "film.jpg").kind == "DICOM"


def test_display_goes_through_the_window():
    sample = xray.XRay(
        np.array([[0, 100, 150, 200, 999]], np.uint16), (100, 200), "PNG", "", "", 0, 0
    )
    assert sample.display().tolist() == [[0, 0, 128, 255, 255]]
    eight = xray.XRay(np.array([[0, 100, 200]], np.uint8), (100, 200), "PNG", "", "", 0, 0)
    assert eight.display().tolist() == [[0, 0, 255]]


def test_colourfulness_tells_film_tint_and_photograph_apart():
    grey = np.dstack([film(300, 300)] * 3)
    saved = xray.read(encode(grey, "JPEG", quality=75)).colourfulness
    warm = (grey * [1.0, 0.9, 0.75]).astype(np.uint8)
    tinted = xray.read(encode(warm, "JPEG")).colourfulness
    photo = np.dstack([film(300, 300), film(300, 300)[::-1], film(300, 300)[:, ::-1]])
    coloured = xray.read(encode(photo, "PNG")).colourfulness
    assert max(saved, tinted) < 0.03 < 0.1 < coloured <= 1


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"", "an empty file (film.jpg, 0 bytes)"),
        (b"%PDF-1.7\n%\xe2\xe3" + b"x" * 1_200_000, "a PDF document (film.jpg, 1.2 MB)"),
        (b"PK\x03\x04" + b"\0" * 50, "a ZIP or other archive"),
        (b"\x1f\x8b\x08" + b"\0" * 50, "a ZIP or other archive"),
        (b"  <!DOCTYPE html><html>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b"<?xml version='1.0'?>", "an XML or SVG document"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC or AVIF photo"),
        (b"patient,finding\n1,normal\n", "a text document"),
        (b"BMI of the child: 17", "a text document"),
        ("Röntgenbild".encode(), "a text document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a text document"),
        (bytes(range(256)), "a file of unknown type"),
        (encode(FILM, "GIF"), "a GIF"),
        (encode(FILM, "JPEG2000"), "a JPEG 2000 file"),
    ],
)
def test_other_files_are_named(data, received):
    assert refusal(data, "film.jpg").received.startswith(received)


def test_a_message_holds_the_name_but_no_path():
    assert "(scan.pdf, 8 bytes)" in str(refusal(b"%PDF-1.7", "/srv/up\\load/sc\nan.pdf"))
    assert "(8 bytes)" in str(refusal(b"%PDF-1.7", ""))
    assert len(str(refusal(b"%PDF-1.7", "x" * 5000))) < 300


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", whole_files())
def test_a_cut_file_is_refused(kind):
    data = whole_files()[kind]
    assert xray.read(data)
    # Pillow puts the directory of a TIFF in front; files that end in padding may lose that.
    for share in (0.02, 0.2, 0.5, 0.9, 0.97):
        refusal(data[: int(len(data) * share)])


def test_a_panic_of_a_decoder_is_a_refusal_and_an_interrupt_is_not(monkeypatch):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    for raised in (panic, MemoryError, RecursionError):
        monkeypatch.setattr(xray, "_read", lambda *_, error=raised: (_ for _ in ()).throw(error()))
        refusal(encode(FILM, "PNG"))
    monkeypatch.setattr(xray, "_read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        xray.read(encode(FILM, "PNG"))


def test_threads_do_not_disturb_each_other():
    files = list(whole_files().values()) * 4
    alone = [xray.read(file).pixels for file in files]
    with ThreadPoolExecutor(8) as pool:
        together = [read.pixels for read in pool.map(xray.read, files)]
    assert all(map(np.array_equal, alone, together))


def test_the_import_is_light():
    code = "import sys, model.xray; print({'pydicom', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
