"""The cases at the top: which one is open, why it is there, the next and the one before."""

from collections import Counter

import streamlit as st

from model.language import N_, _
from model.prediction import probability_text
from pages.shared import review_services
from pages.shared.review import keys
from pages.shared.review_services import REVIEWED, Case
from pages.shared.services import Reading

CASE = N_("Case {n} of {total}")
NEXT, PREVIOUS = N_("Next `J`"), N_("Previous `K`")
BLINDED = N_("Blinded: my label before the model's")
BLINDED_HELP = N_(
    "The film comes first. The model's verdict and heatmap come after your own label is stored; "
    "both are recorded. Why a case is in the queue is hidden too."
)
EMPTY = N_(
    "There is nothing to review. Read a film on the page Read an X-ray or a worklist: what is "
    "refused, near the threshold or disputed comes here, and some others as a control."
)


def draw(cases: list[Case], films: dict[str, Reading]) -> Case | None:
    """The choice of a case, and the one that is chosen."""
    if not cases:
        st.info(_(EMPTY), icon=":material/inbox:")
        return None
    images = [case.image for case in cases]
    state = st.session_state
    if state.get("review.shown") not in images:
        state["review.shown"] = images[0]
    choice, others = st.columns([6, 3.6], vertical_alignment="bottom")
    state["review.chosen"] = state["review.shown"]
    titles = {case.image: title(case, films) for case in cases}
    with choice:
        st.selectbox(
            _(CASE, n=images.index(state["review.shown"]) + 1, total=len(images)),
            images,
            format_func=lambda image: titles[image],
            key="review.chosen",
            on_change=_show_chosen,
        )
    at = images.index(state["review.shown"])
    with others.container(horizontal=True, gap="small"):
        for name, words, to in (("previous", PREVIOUS, at - 1), ("next", NEXT, at + 1)):
            exists = 0 <= to < len(images)
            st.button(
                _(words),
                key=f"review-{name}",
                disabled=not exists,
                on_click=show,
                args=(images[to] if exists else "",),
            )
        keys.help_list()
    _reasons(cases)
    return cases[at]


def _reasons(cases: list[Case]) -> None:
    """How many cases there are for each reason, and the switch that hides them."""
    words, switch = st.columns([6, 3.6], vertical_alignment="center")
    switch.toggle(
        _(BLINDED),
        value=is_blinded(),
        key="review.blinded.switch",
        help=_(BLINDED_HELP),
        on_change=lambda: st.session_state.update(
            {"review.blinded": st.session_state["review.blinded.switch"]}
        ),
    )
    if not is_blinded():
        counts = Counter(case.reasons[0] for case in cases)
        words.caption(" · ".join(f"{num} {_(reason)}" for reason, num in counts.items()))


def is_blinded() -> bool:
    """Whether the reader has chosen the blinded mode."""
    return st.session_state.get("review.blinded", False)


def show(image: str) -> None:
    """Opens this case in the next run."""
    st.session_state["review.shown"] = image


def _show_chosen() -> None:
    show(st.session_state["review.chosen"])


def title(case: Case, films: dict[str, Reading]) -> str:
    """A case in one line. In blinded mode it says nothing that comes from the model."""
    name = films[case.image].name if case.image in films else review_services.name_of(case.image)
    if case.mine:
        reasons = ", ".join(map(_, case.reasons))
        label = f": {_(case.mine.label)}" if case.reasons == (REVIEWED,) else ""
        return f"{name} · {reasons}{label}"
    if is_blinded():
        return name
    words = [name, ", ".join(map(_, case.reasons))]
    if case.probability is not None:
        words.append(_("probability {p}", p=probability_text(case.probability)))
    return " · ".join(words)
