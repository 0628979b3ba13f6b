"""What the reader is asked about one film. Nothing typed is lost when it could not be stored."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from model.clinic.reviews import Review
from model.language import N_, _
from model.prediction import Prediction
from pages.shared.review import keys
from pages.shared.review_services import MAX_COMMENT, Said

LABEL, CONFIDENCE = N_("Your own label"), N_("How sure are you?")
VERDICT = N_("Is the model's verdict right?")
HEATMAP = N_("Is the heatmap in the right place?")
COMMENT, COMMENT_HINT = N_("Comment"), N_("Without the name of a patient")
KEEP = N_("Keep this image for retraining")
KEPT = N_(
    "Kept is the picture alone, without file name or details of the file. What is written in the "
    "picture itself stays in it: look for a name first. An administrator can delete it."
)
STORE, STORE_BLINDED = N_("Store the review"), N_("Store my label, then show the model")
MISSING = N_("Not stored yet. Still to choose: {what}.")


@dataclass(frozen=True)
class Asked:
    """What the form is for. key: drawn once for each form. old: the review that is corrected."""

    key: str
    prediction: Prediction
    blinded: bool
    old: Review | None

    @property
    def has_verdict(self) -> bool:
        """Whether the reader is asked about a verdict of the model."""
        return not self.blinded and self.prediction.probability is not None

    @property
    def has_heat(self) -> bool:
        """Whether there is a heatmap to judge."""
        heat = self.prediction.heatmap
        return self.has_verdict and heat is not None and bool(heat.any())

    @property
    def may_be_kept(self) -> bool:
        """Whether the image may go to retraining; of what the gate says nothing is told before."""
        is_film = self.prediction.gate.status != "refused" or self.prediction.overruled
        return not self.blinded and is_film


def draw(asked: Asked) -> Said | None:
    """The form; what was entered once the reader stores it. Its regions come from the viewer."""
    old = asked.old
    given = _given(old)
    with st.form(f"review.form.{asked.key}", border=False):
        chosen = {
            "label": _choose(asked, LABEL, "label", keys.LABELS, given),
            "confidence": _choose(asked, CONFIDENCE, "confidence", keys.CONFIDENCES, given),
        }
        if asked.has_verdict:
            chosen["verdict"] = _choose(asked, VERDICT, "verdict", keys.VERDICTS, given)
        if asked.has_heat:
            chosen["heatmap"] = _choose(asked, HEATMAP, "heatmap", keys.HEATMAPS, given)
        with st.container(key="review-comment"):
            comment = st.text_area(
                f"{_(COMMENT)} `T`",
                old.comment if old else "",
                max_chars=MAX_COMMENT,
                height=80,
                placeholder=_(COMMENT_HINT),
                key=f"review.comment.{asked.key}",
            )
        keep = asked.may_be_kept and _ask_to_keep(asked)
        pressed = st.form_submit_button(
            _(STORE_BLINDED if asked.blinded else STORE),
            key=f"review.store.{asked.key}",
            type="primary",
            shortcut="Ctrl+Enter",
            width="stretch",
        )
    if not pressed:
        return None
    missing = [
        title for title, value in zip(_titles(asked), chosen.values(), strict=True) if not value
    ]
    if missing:
        st.error(_(MISSING, what=", ".join(missing)), icon=":material/error:")
        return None
    answers: dict[str, Any] = {"verdict": "", "heatmap": "no opinion", **chosen}
    return Said(**answers, regions=(), comment=comment, keep=keep)


def _ask_to_keep(asked: Asked) -> bool:
    with st.container(key="review-keep"):
        keep = st.checkbox(f"{_(KEEP)} `X`", key=f"review.keep.{asked.key}")
    st.caption(_(KEPT))
    return keep


def _titles(asked: Asked) -> list[str]:
    titles = [_("your label"), _("how sure you are")]
    return titles + [_("verdict")] * asked.has_verdict + [_("heatmap")] * asked.has_heat


def _given(old: Review | None) -> dict[str, str]:
    """What the reader has chosen before; of the model nothing, where it was hidden then."""
    if old is None:
        return {}
    said = {"label": old.label, "confidence": old.confidence}
    return said | {"verdict": old.verdict, "heatmap": old.heatmap} if old.verdict else said


def _choose(
    asked: Asked, title: str, name: str, options: dict[str, str], given: dict[str, str]
) -> str | None:
    """options: by their keys."""
    choices = list(options.values())
    with st.container(key=f"review-{name}"):
        return st.radio(
            _(title),
            choices,
            index=choices.index(given[name]) if name in given else None,
            format_func=lambda option: keys.of(options, option),
            horizontal=True,
            key=f"review.{name}.{asked.key}",
        )
