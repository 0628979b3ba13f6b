"""The threshold of a session: a number, or a named operating point of whatever version reads.

A named point keeps its name when another model version is served, and takes that version's number.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from model.bundle import Bundle
from model.errors import PneumoscopeError
from model.language import N_, _
from model.phrases import translated
from pages.shared import services

_TITLES = {
    "screening": N_("Screening"),
    "default": N_("Default"),
    "balanced": N_("Balanced"),
    "rule-in": N_("Rule-in"),
}
HELP = N_("{threshold:g}: {rule}, chosen on the {films}")


def title(name: str) -> str:
    """The name of an operating point as the pages write it."""
    return _(_TITLES.get(name, name))


def threshold(version: Bundle, state: str = "read") -> float:
    """What the session has set, for this version: the number of the named point, or the number.

    The default point at first. state: prefix of the session's keys that hold it.
    """
    number = st.session_state.get(f"{state}.threshold")
    name = st.session_state.get(f"{state}.point")
    if number is None:
        return version.operating_point(name or "default").threshold
    numbers = {point.name: point.threshold for point in version.operating_points}
    return numbers.get(name or "", number)


def follow(version: Bundle, state: str = "read") -> float:
    """`threshold`, which the session has set from now on."""
    fresh = st.session_state.get(f"{state}.threshold") is None
    number = threshold(version, state)
    if fresh:
        st.session_state.setdefault(f"{state}.point", "default")
    st.session_state[f"{state}.threshold"] = number
    return number


def buttons(
    page: str,
    threshold: float,
    choose: Callable[[float], None],
    version: Bundle | None = None,
    state: str = "read",
) -> None:
    """A button for each operating point of a version; the one at `threshold` stands out.

    page: prefix of the session's keys, such as "read". choose: called with the point's threshold.
    version: the served one unless given. state: as in `threshold`.
    """

    def press(name: str, number: float) -> None:
        choose(number)
        st.session_state[f"{state}.point"] = name

    with st.container(horizontal=True, gap="small", key=f"{page}-points"):
        for point in (version or services.bundle()).operating_points:
            chosen = math.isclose(threshold, point.threshold, abs_tol=1e-9)
            st.button(
                title(point.name),
                key=f"{page}.point.{point.name}",
                type="primary" if chosen else "secondary",
                help=_(
                    HELP,
                    threshold=point.threshold,
                    rule=translated(point.rule),
                    films=translated(point.chosen_on),
                ),
                on_click=press,
                args=(point.name, point.threshold),
            )


@dataclass(frozen=True)
class Thresholds:
    """At which probability the films of a list are decided, by the version that has read them.

    served: the version that is served, decided at `threshold`. point: the operating point that was
    chosen, "" for a typed number. band: the uncertain band, for all.
    """

    served: str
    threshold: float
    point: str
    band: float

    def of(self, model_version: str) -> float | None:
        """An earlier version's own number for `point`, or for its default; None if it is not known.

        A number that was chosen on what one version says means nothing for another.
        """
        if model_version == self.served:
            return self.threshold
        with contextlib.suppress(PneumoscopeError):
            points = services.card(model_version).operating_points
            numbers = {point.name: point.threshold for point in points}
            return numbers.get(self.point, numbers.get("default"))
        return None

    @property
    def is_over(self) -> bool:
        """Whether another version is served by now."""
        with contextlib.suppress(PneumoscopeError):
            return services.bundle().model_version != self.served
        return False
