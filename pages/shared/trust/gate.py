"""What the input gate lets through, and what it refuses."""

import streamlit as st

from model import looks_said
from model.language import N_, _
from model.performance import GATE, gate, why_missing
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables

CAPTION = N_("Accepted: read. Unusual: read, with a warning. Refused: no probability")
SCORE = N_(
    "The score of the gate: from the network's own features and the lungs that were found, larger "
    "is stranger. The last step holds what lies beyond."
)


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = gate(bundle)
    if found is None:
        st.info(why_missing(bundle, GATE), icon=":material/info:")
        return
    source = _("Measured on the {xrays}.", xrays=translated(found.description))
    answer.show(
        looks_said.gate(found), f"{source} {looks_said.wanted('gate')} {_(looks_said.WIDENED)}"
    )
    tables.show(
        "gate",
        _(CAPTION),
        [
            {
                N_("Images"): group.title,
                N_("Should be"): N_("read") if group.is_chest else N_("refused"),
                N_("Number"): group.num_images,
                N_("Accepted"): group.accepted,
                N_("Unusual"): group.unusual,
                N_("Refused"): group.refused,
            }
            for group in found.groups
        ],
    )
    st.subheader(_("How strange to the gate"))
    st.caption(_(SCORE))
    st.altair_chart(
        look_charts.distances(found),
        key="performance.chart.distances",
        alt=_("Scores of the X-rays of the split and of other images, with both limits"),
    )
