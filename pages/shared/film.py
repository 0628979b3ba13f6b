"""The film of a reading in the viewer, the same on every page."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from model.language import N_, _
from model.prediction import OVERRULED
from pages.shared.services import Reading
from pages.shared.viewer import NO_EVIDENCE, Drawn, viewer

PENDING = N_("Reading the X-ray ...")
NO_VERDICT = N_("No verdict, so no heatmap.")
REFUSED = N_("Refused, so no heatmap.")


def show(
    reading: Reading,
    *,
    key: str,
    height_px: int,
    hidden: bool = False,
    drawing: str = "",
    regions: Sequence[Drawn] = (),
) -> list[Any] | None:
    """The film with what was said of it; the rest as in `pages.shared.viewer`.

    hidden: without anything that the model says.
    """
    prediction = None if hidden else reading.prediction
    if prediction:
        seen().add(reading.id)
    heat = prediction.heatmap if prediction else None
    film = reading.xray
    return viewer(
        film.pixels,
        film.window,
        {} if heat is None else {"Grad-CAM": heat},
        key=key,
        height_px=height_px,
        film_id=film.sha256,
        lungs=prediction.lungs if prediction else None,
        note=_note(reading, hidden),
        empty="" if hidden else _why_no_heatmap(reading),
        drawing=drawing,
        regions=regions,
    )


def seen() -> set[str]:
    """Films of which this session has shown what the model says."""
    return st.session_state.setdefault("film.seen", set())


def _note(reading: Reading, hidden: bool) -> str:
    """What is said on the film itself, where it is seen wherever the page is scrolled to."""
    notes = [_("synthetic")] if reading.synthetic else []
    if reading.prediction and reading.prediction.overruled and not hidden:
        notes.append(_(OVERRULED).lower())
    return ", ".join(notes)


def _why_no_heatmap(reading: Reading) -> str:
    if reading.error:
        return NO_VERDICT
    if reading.prediction is None:
        return PENDING
    return REFUSED if reading.prediction.heatmap is None else NO_EVIDENCE
