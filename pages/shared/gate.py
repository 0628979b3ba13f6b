"""What the input gate has said, and how a reader overrules it for one X-ray."""

import streamlit as st

from model.prediction import OVERRULED, Prediction
from pages.shared import services
from pages.shared.services import Reading

_ELSEWHERE = "The figures below were measured on other films"


def warning(prediction: Prediction) -> None:
    """Above the probability of an X-ray that the gate has not accepted."""
    reason = prediction.gate.reason
    if prediction.overruled:
        st.warning(
            f"**{OVERRULED}.** {reason} {_ELSEWHERE}; this probability may mean nothing.",
            icon=":material/gavel:",
        )
    elif prediction.gate.status == "unusual":
        st.warning(f"**Unusual.** {reason} {_ELSEWHERE}.", icon=":material/warning:")


def refusal(reading: Reading) -> None:
    """Why there is no probability, and the way to one: two deliberate steps, for this X-ray."""
    assert reading.prediction
    st.warning(
        f"**Refused: no probability is given.** {reading.prediction.gate.reason}",
        icon=":material/block:",
    )
    with st.popover("Read it all the same", icon=":material/gavel:", width="stretch"):
        st.markdown(
            "The classifier knows only frontal chest X-rays of children, yet it answers on "
            "anything. No figure of the page Performance holds for an image that the gate refuses. "
            "Overruling counts for this image alone and is recorded."
        )
        # Keys hold the image: what was ticked for one is never ticked for another.
        sure = st.checkbox(
            "I have looked at this image and know that the answer may mean nothing.",
            key=f"read.sure.{reading.id}",
        )
        if st.button(
            "Read against the refusal", key=f"read.overrule.{reading.id}", disabled=not sure
        ):
            problem = services.overrule(reading)
            if problem:
                st.error(problem, icon=":material/error:")
            else:
                st.rerun()
