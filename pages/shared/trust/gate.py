"""What the input gate lets through, and what it refuses."""

import streamlit as st

from model import looks_said
from model.performance import GATE, gate, why_missing
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables

LINES = {"split": "X-rays of the split", "others": "Other images"}


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = gate(bundle)
    if found is None:
        st.info(why_missing(bundle, GATE), icon=":material/info:")
        return
    source = f"Measured on the {found.description}. {looks_said.WANTED['gate']}"
    answer.show(looks_said.gate(found), source)
    tables.show(
        "gate",
        "Accepted: read. Unusual: read, with a warning. Refused: no probability",
        [
            {
                "Images": group.title,
                "Should be": "read" if group.is_chest else "refused",
                "Number": group.num_images,
                "Accepted": group.accepted,
                "Unusual": group.unusual,
                "Refused": group.refused,
            }
            for group in found.groups
        ],
    )
    st.subheader("How strange to the gate")
    st.caption(
        "The score of the gate: from the network's own features and the lungs that were found, "
        "larger is stranger. The last step holds what lies beyond."
    )
    st.altair_chart(
        look_charts.distances(found, LINES),
        key="performance.chart.distances",
        alt="Scores of the X-rays of the split and of other images, with both limits",
    )
