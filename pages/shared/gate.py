"""What the input gate has said, and how a reader overrules it for one X-ray."""

import streamlit as st

from model.language import N_, _
from model.phrases import translated
from model.prediction import OVERRULED, Prediction
from pages.shared import services
from pages.shared.services import Reading

MEANS_NOTHING = N_(
    "The figures below were measured on other films; this probability may mean nothing."
)
REFUSED = N_("Refused: no probability is given.")
ELSEWHERE = N_("The figures below were measured on other films.")
ANSWERS_ON_ANYTHING = N_(
    "The classifier knows only frontal chest X-rays of children, yet it answers on "
    "anything. No figure of the page Performance holds for an image that the gate refuses. "
    "Overruling counts for this image alone and is recorded."
)
SURE = N_("I have looked at this image and know that the answer may mean nothing.")


def warning(prediction: Prediction) -> None:
    """Above the probability of an X-ray that the gate has not accepted."""
    reason = translated(prediction.gate.reason)
    if prediction.overruled:
        st.warning(
            f"**{_(OVERRULED)}.** {reason} {_(MEANS_NOTHING)}",
            icon=":material/gavel:",
        )
    elif prediction.gate.status == "unusual":
        st.warning(f"**{_('Unusual.')}** {reason} {_(ELSEWHERE)}", icon=":material/warning:")


def refusal(reading: Reading) -> None:
    """Why there is no probability, and the way to one: two deliberate steps, for this X-ray."""
    assert reading.prediction
    st.warning(
        f"**{_(REFUSED)}** {translated(reading.prediction.gate.reason)}",
        icon=":material/block:",
    )
    with st.popover(_("Read it all the same"), icon=":material/gavel:", width="stretch"):
        st.markdown(_(ANSWERS_ON_ANYTHING))
        # Keys hold the image: what was ticked for one is never ticked for another.
        sure = st.checkbox(_(SURE), key=f"read.sure.{reading.id}")
        if st.button(
            _("Read against the refusal"), key=f"read.overrule.{reading.id}", disabled=not sure
        ):
            problem = services.overrule(reading)
            if problem:
                st.error(problem, icon=":material/error:")
            else:
                st.rerun()
