"""The report of one reading: what was found on one X-ray, by which model version, how sure it is.

    content = ReadingContent(xray, prediction, bundle, weights_sha256, threshold=0.42, read_at=now)
    pdf(content), png(content), secondary_capture(data, content), structured_report(data, content)

PDF and PNG name no patient: they hold nothing of the file but its picture, its size and its hash,
and its name only when the caller passes one. The two DICOM objects go back into the study that
the X-ray came from, so they carry its patient as DICOM demands (see `source`).

ReportLab and highdicom take half a second to import, so they are imported by what needs them.
"""

from model.reading_report.content import ReadingContent

__all__ = ["ReadingContent", "pdf", "png", "secondary_capture", "structured_report"]


def pdf(content: ReadingContent) -> bytes:
    """One A4 page, fonts embedded; the same content gives the same bytes."""
    from model.reading_report import page

    return page.render(content)


def png(content: ReadingContent) -> bytes:
    """The overlay with a strip below it that says what was decided, and that it is no diagnosis."""
    from model import overlay
    from model.reading_report import picture

    return overlay.png(picture.captioned(content))


def secondary_capture(source: bytes, content: ReadingContent) -> bytes:
    """The picture of `png` as a DICOM Secondary Capture in the study of `source`.

    source: the DICOM file that was read, as it was uploaded. The same reading gives the same bytes
    and the same UIDs, so that an archive that gets it twice keeps it once.

    Raises XRayError when `source` is no DICOM file, is not the one that was read, or does not say
    to which study it belongs.
    """
    from model.reading_report import objects

    return objects.secondary_capture(source, content)


def structured_report(source: bytes, content: ReadingContent) -> bytes:
    """A DICOM Comprehensive SR (TID 1500) in the study of `source`: preliminary, unverified.

    It names the algorithm with its version and parameters, and holds the probability, the
    threshold, whether pneumonia is present and what the gate said; label and comment of the reader
    stay out, as they are no result of the algorithm. Raises as `secondary_capture`.
    """
    from model.reading_report import objects

    return objects.structured_report(source, content)
