"""One case: the film at the left, the form, or what was said, at the right."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any, NoReturn

import streamlit as st

from model.clinic.reviews import Review
from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from model.prediction import WORDS, Prediction, decide
from pages.shared import (
    drawing,
    film,
    gate,
    operating_points,
    reports,
    review_services,
    services,
)
from pages.shared.drawing import plain
from pages.shared.review import films, form
from pages.shared.review_services import Case
from pages.shared.services import Reading
from pages.shared.trust import tables

HIDDEN = N_("The model's verdict and heatmap come after your label.")
SEEN = N_("Not blinded: you have seen the model's verdict on this film.")
REFUSED = N_("The gate has refused this image, so there is no verdict to judge: {why}")
CORRECT = N_("Correct this review")
SAID = N_("What readers said of this film")
STORED = N_("Stored: {label}.")
STORED_BLINDED = N_("Your label is stored: {label}. Now the model.")
BLINDED, AS_GIVEN = N_("blinded, label then: {label}"), N_("as given")


def draw(actor: Actor, case: Case, then: Callable[[], None]) -> None:
    """The case. then: called when its review is complete, to go on to the next."""
    reading = films.find(actor, case.image)
    if reading is None:
        return
    known = films.read(reading)
    opened = _opened(actor, case, reading)
    mine = opened["mine"]
    wants_blind = st.session_state.get("review.blinded", False) and mine is None
    blinded = wants_blind and case.image not in film.seen()
    left, right = st.columns([5, 3], gap="medium")
    with left:
        drawn = film.show(
            reading,
            key="review.viewer",
            height_px=640,
            hidden=blinded,
            drawing=opened["key"] if opened["asks"] else "",
            regions=opened["first"],
        )
        if drawn is not None:
            opened["regions"] = drawn
    with right:
        if reading.error:
            st.error(plain(translated(reading.error)), icon=":material/error:")
        elif not known or reading.prediction is None:
            films.wait()
        else:
            # Of the version that has read it, which may have been served earlier.
            threshold = operating_points.threshold(services.bundle_of(reading))
            if blinded:
                st.info(_(HIDDEN), icon=":material/visibility_off:")
            else:
                if wants_blind:
                    st.caption(f":material/visibility: {_(SEEN)}")
                _verdict(reading.prediction, threshold)
            _answer(actor, case, reading, opened, blinded, threshold, then)
            if not blinded:
                reports.offer(reading, "review", threshold, 0.0)


def _opened(actor: Actor, case: Case, reading: Reading) -> dict[str, Any]:
    """What is kept of the case while it is open. `key` names its form and its drawing."""
    # Another version, another review; this film may have been read by one that was served earlier.
    by = reading.prediction or services.bundle()
    mine = review_services.mine(actor, case, by.model_version)
    opened = st.session_state.get("review.open", {})
    if opened.get("image") != case.image or opened["mine"] != mine:
        regions = review_services.as_drawn(mine.regions) if mine else []
        unfinished = review_services.is_unfinished(case)
        opened = {"image": case.image, "mine": mine, "regions": regions, "first": regions}
        opened |= {"key": uuid.uuid4().hex, "asks": mine is None or unfinished}
        st.session_state["review.open"] = opened
    return opened


def _verdict(prediction: Prediction, threshold: float) -> None:
    """What the model says, in two lines: the form needs the room."""
    decided = decide(prediction, threshold)
    if decided is None:
        why = translated(prediction.gate.reason)
        st.warning(_(REFUSED, why=why), icon=":material/block:")
        return
    gate.warning(prediction)
    words = _("probability, threshold {threshold:g}", threshold=threshold)
    drawing.show(
        f'<div class="decision {decided.label}"><p class="words">{drawing.sign(decided.label)}'
        f'{escape(_(WORDS[decided.label]))}</p><p class="figure"><span>{escape(words)}</span>'
        f"<b>{drawing.probability(decided.probability)}</b></p></div>"
        f"{drawing.heat_in_lungs(prediction)}"
    )


def _answer(
    actor: Actor,
    case: Case,
    reading: Reading,
    opened: dict[str, Any],
    blinded: bool,
    threshold: float,
    then: Callable[[], None],
) -> None:
    if not opened["asks"]:
        _show_readers(actor, case.image)
        if st.button(_(CORRECT), icon=":material/edit:", key="review.correct"):
            opened["asks"] = True
            _run_again()
        return
    assert reading.prediction
    mine: Review | None = opened["mine"]
    said = form.draw(form.Asked(opened["key"], reading.prediction, blinded, mine))
    if said is None:
        return
    said = replace(said, regions=review_services.regions(opened["regions"]))
    corrects = mine.id if mine else None
    try:
        stored = review_services.store(
            actor, reading, said, threshold, opened["key"], corrects, blinded
        )
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    goes_on = blinded and stored.probability is not None
    words = STORED_BLINDED if goes_on else STORED
    if not goes_on:
        then()
    shown = st.session_state["review.shown"]
    st.session_state["review.stored"] = (_(words, label=_(stored.label)), shown)
    _run_again()


def _run_again() -> NoReturn:
    """At once; keys.js waits for it, as until then the form that goes away is still there."""
    drawing.show('<i class="review-again"></i>')
    st.rerun()


def _show_readers(actor: Actor, image: str) -> None:
    """Only for who has reviewed the film: a second reader judges without the first."""
    said = review_services.readers(actor, image)
    corrected = {review.corrects for review in said}
    tables.draw(
        _(SAID),
        [
            {
                N_("Reader"): tables.Own(review.reader),
                N_("Time, UTC"): review.time[:16].replace("T", " "),
                N_("Label"): review.label,
                N_("Sure?"): review.confidence,
                N_("Verdict"): review.verdict or N_("none"),
                N_("Heatmap"): tables.Own(review.heatmap, review_services.words(review.heatmap)),
                N_("Marks"): len(review.regions),
                N_("State"): _state(review, review.id in corrected),
                N_("Comment"): tables.Own(review.comment),
            }
            for review in reversed(said)
        ],
    )


def _state(review: Review, is_corrected: bool) -> tables.Own:
    states = [N_("corrected since")] if is_corrected else []
    if review.corrects:
        states.append(N_("correction"))
    shown = [_(state) for state in states]
    if review.blinded:
        states.append(BLINDED.format(label=review.blind_label))
        shown.append(_(BLINDED, label=_(review.blind_label)))
    return tables.Own(", ".join(states) or AS_GIVEN, ", ".join(shown) or _(AS_GIVEN))
