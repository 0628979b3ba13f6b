"""The film of one row: viewer, verdict, the way to the next one and to its review."""

import html

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from model.prediction import WORDS, decide
from pages.shared import drawing, film, reports, services, worklist_services
from pages.shared.drawing import plain
from pages.shared.operating_points import Thresholds
from pages.shared.services import Reading
from pages.shared.worklist import intake
from pages.shared.worklist_services import Row

CHOOSE, PRESS = N_("Choose a film in the table."), N_("Or press J.")
KEYS = N_("Keys: J next, K previous, V review this film. In the viewer: ? shows its keys.")
LOADING = N_("The classifier is loading. This happens once, after the server's start.")
GONE = N_("**The film is not at hand any more.** Films are never stored: give it again to see it.")
ANEW = N_(
    "The table says what {earlier} said. That is not at hand any more, so the film was read anew, "
    "by {version}."
)


def draw(actor: Actor, number: int, rows: list[Row], thresholds: Thresholds) -> None:
    """The case that is open in this session, None at first."""
    positions = [row.position for row in rows]
    opened = st.session_state.get("worklist.open")
    at = positions.index(opened) if opened in positions else None
    _steps(positions, at)
    if at is None:
        hint = f'<span class="key-hint">{html.escape(_(PRESS))}</span>'
        st.html(f'<div class="empty-film"><p>{html.escape(_(CHOOSE))} {hint}</p></div>')
        return
    row = rows[at]
    st.markdown(f"**{plain(row.file)}**")
    try:
        reading = _reading(actor, number, row)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        if row.image:  # it was readable once
            intake.give(actor, number, "case")
        return
    if reading is None:
        st.info(_(GONE), icon=":material/image_not_supported:")
        intake.give(actor, number, "case")
    else:
        _show(row, reading, thresholds)
        _facts(row, reading)
        threshold = thresholds.of(reading.prediction.model_version) if reading.prediction else None
        if threshold is not None:
            reports.offer(reading, "worklist", threshold, thresholds.band)


def _steps(positions: list[int], at: int | None) -> None:
    """Previous and next in the order of the table."""
    before, after, place = st.columns([1, 1, 2], vertical_alignment="center")
    last = len(positions) - 1
    before.button(
        _("Previous"),
        key="worklist.previous",
        shortcut="K",
        width="stretch",
        disabled=at is None or at == 0,
        on_click=lambda: _open(positions[(at or 0) - 1]),
    )
    after.button(
        _("Next"),
        key="worklist.next",
        shortcut="J",
        width="stretch",
        disabled=last < 0 or at == last,
        on_click=lambda: _open(positions[0 if at is None else at + 1]),
    )
    if at is None:
        words = N_("{n} film") if len(positions) == 1 else N_("{n} films")
        place.caption(_(words, n=len(positions)))
    else:
        place.caption(_("{n} of {total}", n=at + 1, total=len(positions)))


def _open(position: int) -> None:
    st.session_state["worklist.open"] = position


def _reading(actor: Actor, number: int, row: Row) -> Reading | None:
    """Decoded once, then kept as long as it is open."""
    state, key = st.session_state, (number, row.position, row.image, row.model_version)
    if state.get("worklist.case", (None, None))[0] != key:
        reading = worklist_services.open_case(actor, number, row)
        if reading is None:
            return None
        state["worklist.case"] = (key, reading)
    return state["worklist.case"][1]


def _show(row: Row, reading: Reading, thresholds: Thresholds) -> None:
    services.take_up(reading)
    if services.classifier_ready():
        services.predict(reading)
    prediction = reading.prediction
    if reading.error:
        st.error(translated(reading.error), icon=":material/error:")
    elif prediction is None:
        st.info(_(LOADING), icon=":material/hourglass:")
    else:
        if row.model_version not in ("", prediction.model_version):
            told = {"earlier": row.model_version, "version": prediction.model_version}
            st.info(plain(_(ANEW, **told)), icon=":material/history:")
        threshold = thresholds.of(prediction.model_version)
        if prediction.gate.status != "accepted":
            status, why = _(prediction.gate.status), translated(prediction.gate.reason)
            st.warning(f"**{status.capitalize()}.** {why}", icon=":material/block:")
        decided = None if threshold is None else decide(prediction, threshold, thresholds.band)
        if decided:
            drawing.show(_verdict(decided.label, decided.probability))
        elif threshold is None and prediction.probability is not None:
            drawing.show(_verdict("", prediction.probability))
        if prediction.probability is not None:
            drawing.show(drawing.heat_in_lungs(prediction))
    film.show(reading, key="worklist.viewer", height_px=460)


def _verdict(label: str, probability: float) -> str:
    """label: "" where there is no decision, because that version's thresholds are not here."""
    words = _(WORDS[label] if label else worklist_services.DECISIONS["refused"])
    sign = drawing.sign(label) if label else ""
    return (
        f'<div class="decision {label or "refer"}" role="status">'
        f'<p class="words">{sign}{html.escape(words)}</p>'
        f'<p class="figure"><span>{html.escape(_("probability of pneumonia"))}</span>'
        f"<b>{drawing.probability(probability)}</b></p></div>"
    )


def _facts(row: Row, reading: Reading) -> None:
    if row.remark:
        st.caption(plain(row.remark))
    if row.review:
        st.caption(_("Review: {review}", review=plain(row.review)))
    if st.button(_("Review this film"), key="worklist.review", shortcut="V"):
        st.session_state.setdefault("review.films", {})[reading.id] = reading
        st.session_state["review.shown"] = reading.id
        st.switch_page("pages/review.py")
    with st.container(key="worklist-keys"):
        st.caption(_(KEYS))
