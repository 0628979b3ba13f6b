"""The report of one reading: what was found on one X-ray, by which model version, how sure it is.

    content = ReadingContent(xray, prediction, bundle, threshold=0.42, read_at=now)
    pdf(content), png(content)
    source = source_of(data, xray)  # for a DICOM file; small, where the file may be large
    secondary_capture(source, content), structured_report(source, content)

PDF and PNG name no patient: they hold nothing of the file but its picture, its size and its hash,
and its name only when the caller passes one. The two DICOM objects go back into the study that
the X-ray came from, so they carry its patient as DICOM demands (see `source`).

PDF and PNG are in the language of who asks for them; the DICOM objects, which archives and other
programs read, are in English.

ReportLab and highdicom take half a second to import, so they are imported by what needs them.
"""

import logging
from typing import TYPE_CHECKING

from model.language import in_english
from model.prediction import Prediction
from model.reading_report.content import ReadingContent
from model.xray import XRay

if TYPE_CHECKING:
    from model.reading_report.source import Source

__all__ = [
    "ReadingContent", "overlay_png", "pdf", "png", "secondary_capture", "source_of",
    "structured_report",
]  # fmt: skip
_log = logging.getLogger(__name__)


def pdf(content: ReadingContent) -> bytes:
    """One A4 page, fonts embedded; the same content gives the same bytes."""
    from model.reading_report import page

    return page.render(content)


def png(content: ReadingContent) -> bytes:
    """The overlay with a strip below it that says what was decided, and that it is no diagnosis."""
    from model import overlay
    from model.reading_report import picture

    return overlay.png(picture.captioned(content))


def overlay_png(film: XRay, prediction: Prediction) -> bytes:
    """The X-ray with its heat at full size; below it, where it is so, that the gate was overruled.

    prediction: one with a heatmap.
    """
    from model import overlay
    from model.reading_report import picture

    return overlay.png(picture.full_size(film, prediction))


def source_of(data: bytes, film: XRay) -> "Source | None":
    """What the DICOM objects take over from the file of `film`; None where there is nothing to.

    That is a file that is no DICOM, or damaged where its pixels do not need it.

    data: the bytes that `film` was read from; they are not needed after that. The result names the
    patient: it is for the session of the reader alone.
    """
    if film.kind != "DICOM":
        return None
    from model.reading_report import source

    try:
        return source.of(data, film)
    except Exception as error:  # its words and its traceback may quote the patient
        _log.warning("patient and study of a DICOM file were not read: %s", type(error).__name__)
        return None


def secondary_capture(source: "Source | None", content: ReadingContent) -> bytes:
    """The picture of `png` as a DICOM Secondary Capture in the study of `source`.

    The same reading gives the same bytes and the same UIDs, so that an archive that gets it twice
    keeps it once.

    Raises XRayError when `source` is None, is not of the X-ray that was read, or does not say to
    which study it belongs.
    """
    from model.reading_report import objects
    from model.reading_report.source import checked

    known = checked(source, content)
    with in_english():
        return objects.secondary_capture(known, content)


def structured_report(source: "Source | None", content: ReadingContent) -> bytes:
    """A DICOM Comprehensive SR (TID 1500) in the study of `source`: preliminary, unverified.

    It names the algorithm with its version and parameters, and holds the probability, the
    threshold, whether pneumonia is present and what the gate said; label and comment of the reader
    stay out, as they are no result of the algorithm. Raises as `secondary_capture`.
    """
    from model.reading_report import objects
    from model.reading_report.source import checked

    known = checked(source, content)
    with in_english():
        return objects.structured_report(known, content)
