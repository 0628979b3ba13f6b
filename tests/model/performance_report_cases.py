"""What the tests of the performance report share: where it comes from, what it is made of."""

import csv
import io
import re
import shutil
from datetime import date

from pypdf import PdfReader

from model import performance_report
from model.bundle import CARD, PARTS, open_bundle

SOURCE = performance_report.Source("test", date(2020, 2, 3), "5ba" * 16, num_refused=3)
ALWAYS = {"figures", "confusion", "subgroups", "operating_points", "calibration"}
LOOKS = {"shortcuts", "heatmaps", "gate"}
WITH_FILES = {"threshold_choice", "robustness", "networks"} | LOOKS
PICTURES = {"children", "roc", "confusion", "subgroups", "threshold", "calibration"}


def read_pdf(folder):
    """The text of the PDF on one line; line breaks are where the page is narrow."""
    pages = [page.extract_text() for page in PdfReader(folder / "report.pdf").pages]
    return re.sub(r"\s+", " ", " ".join(pages))


def read_csv(folder, name):
    return list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text("utf-8"))))


def bare(bundle, folder):
    """A copy of the bundle without the files that other commands write."""
    folder.mkdir()
    for name in (CARD, "model.keras", *PARTS):
        shutil.copy(bundle.folder / name, folder / name)
    return open_bundle(folder)


def percent(row, name):
    return f"{100 * float(row[name]):.1f}"
