"""The named operating points as a row of buttons: one press sets the threshold."""

import math
from collections.abc import Callable

import streamlit as st

from pages.shared import services

_TITLES = {
    "screening": "Screening",
    "default": "Default",
    "balanced": "Balanced",
    "rule-in": "Rule-in",
}


def title(name: str) -> str:
    """The name of an operating point as the pages write it."""
    return _TITLES.get(name, name)


def buttons(page: str, threshold: float, choose: Callable[[float], None]) -> None:
    """A button for each operating point of the served version; the one at `threshold` stands out.

    page: prefix of the session's keys, such as "read". choose: called with the point's threshold.
    """
    with st.container(horizontal=True, gap="small", key=f"{page}-points"):
        for point in services.bundle().operating_points:
            chosen = math.isclose(threshold, point.threshold, abs_tol=1e-9)
            st.button(
                title(point.name),
                key=f"{page}.point.{point.name}",
                type="primary" if chosen else "secondary",
                help=f"{point.threshold:g}: {point.rule}, chosen on the {point.chosen_on}",
                on_click=choose,
                args=(point.threshold,),
            )
