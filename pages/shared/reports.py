"""Reports of a reading, made when they are asked for and handed to the browser; none is kept."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from model import reading_report
from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import VISITOR, Actor, may
from model.reading_report import ReadingContent
from pages.shared import auth, downloads, services
from pages.shared.drawing import plain
from pages.shared.services import Reading

TITLE, OVERLAY = N_("Report"), N_("Overlay as PNG")
FAILED = N_("The report could not be made. Ask the administrator to look into the server's log.")
MAKING = N_("Making the report ...")
GIVEN = N_("Given to your browser: {file}")
SYNTHETIC = N_("Synthetic: made by a program.")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kind:
    """title: in the menu; ending: of the file's name."""

    title: str
    ending: str
    mime: str


KINDS: Mapping[str, _Kind] = {
    "pdf": _Kind(N_("PDF"), "report.pdf", "application/pdf"),
    "png": _Kind(N_("PNG"), "report.png", "image/png"),
    "capture": _Kind(N_("DICOM image (Secondary Capture)"), "overlay.dcm", "application/dicom"),
    "structured": _Kind(N_("DICOM report (Structured Report)"), "report.dcm", "application/dicom"),
    "overlay": _Kind(OVERLAY, "overlay.png", "image/png"),
}
_NOT_DICOM = ("pdf", "png")
_DICOM = (*_NOT_DICOM, "capture", "structured")

# Streamlit's menu closes with what was chosen, and the focus is nowhere: back to its button.
_BACK = """
export default function ({ data }) {
  if (document.activeElement !== document.body) return;
  document.querySelector(`.st-key-${data}-report button`)?.focus({ preventScroll: true });
}
"""
_back = st.components.v2.component("pneumoscope_back_to_menu", js=_BACK)


def offer(reading: Reading, page: str, threshold: float, band: float) -> None:
    """A menu of the reports of a reading, and its overlay; what was asked for is made and given.

    page: prefix of the session's keys, such as "read". threshold, band: of the decision.
    """
    _menu(auth.actor(), reading, page, threshold, band)


@st.fragment
def _menu(actor: Actor, reading: Reading, page: str, threshold: float, band: float) -> None:
    prediction = reading.prediction
    if prediction is None:
        return
    with st.container(horizontal=True, gap="small"):
        chosen = st.menu_button(
            _(TITLE),
            _DICOM if reading.source else _NOT_DICOM,
            format_func=lambda kind: _(KINDS[kind].title),
            icon=":material/description:",
            key=f"{page}.report",
        )
        if prediction.heatmap is not None and st.button(
            _(OVERLAY), icon=":material/download:", key=f"{page}.overlay"
        ):
            chosen = "overlay"
    if chosen:
        if auth.actor() != actor:
            st.rerun()
        _give(actor, reading, page, chosen, threshold, band)
        _back(key=f"{page}.back", data=page)


def _give(
    actor: Actor, reading: Reading, page: str, kind: str, threshold: float, band: float
) -> None:
    """Makes the file, records that, and only then hands it over; or says what is wrong."""
    try:
        with st.spinner(_(MAKING)):
            data = _made(actor, reading, kind, threshold, band)
            _record(actor, reading, kind, threshold)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    except Exception:
        _log.exception("a report was not made")
        st.error(_(FAILED), icon=":material/error:")
        return
    name = file_name(reading, kind)
    st.caption(_(GIVEN, file=plain(name)))
    downloads.save(data, name, KINDS[kind].mime, f"{page}.saved")


def _made(actor: Actor, reading: Reading, kind: str, threshold: float, band: float) -> bytes:
    assert reading.prediction
    if kind == "overlay":
        return reading_report.overlay_png(reading.xray, reading.prediction)
    content = _content(actor, reading, threshold, band)
    if kind == "capture":
        return reading_report.secondary_capture(reading.source, content)
    if kind == "structured":
        return reading_report.structured_report(reading.source, content)
    return reading_report.pdf(content) if kind == "pdf" else reading_report.png(content)


def _content(actor: Actor, reading: Reading, threshold: float, band: float) -> ReadingContent:
    """The name of the file, which may name the patient, is left out."""
    assert reading.prediction
    assert reading.read_at
    film = reading.xray
    if reading.synthetic:
        film = replace(film, notes=(*film.notes, _(SYNTHETIC)))
    label, comment = _review(actor, reading)
    return ReadingContent(
        film,
        reading.prediction,
        services.bundle_of(reading),
        threshold,
        reading.read_at,
        band,
        reader_label=label,
        comment=comment,
    )


def _review(actor: Actor, reading: Reading) -> tuple[str, str]:
    """Label and comment of the reader's last review of this film and model version."""
    if not may(actor, "clinician"):
        return "", ""
    from model.clinic import reviews

    assert reading.prediction
    for review in reviews.latest(actor, reading.id):
        same = review.model_version == reading.prediction.model_version
        if review.reader == actor.name and same:
            return review.label, review.comment
    return "", ""


def _record(actor: Actor, reading: Reading, kind: str, threshold: float) -> None:
    """For who is signed in; of a visitor nothing is kept."""
    if actor == VISITOR:
        return
    from model.people import audit

    assert reading.prediction
    audit.record(
        actor.name,
        "report exported",
        subject=reading.id,
        kind=KINDS[kind].title,
        threshold=threshold,
        model_version=reading.prediction.model_version,
    )


def file_name(reading: Reading, kind: str) -> str:
    """Of the film's own name, without its folders, as the reader knows it."""
    stem = re.sub(r"(?i)\.(jpe?g|png|dcm|dicom|tiff?|bmp|webp)$", "", reading.name.split("/")[-1])
    if reading.prediction and reading.prediction.overruled:
        stem += ".read-against-the-gate"
    return f"{stem}.{KINDS[kind].ending}"
