"""Does it read the lungs, or what is beside them? AUROC with and without, and where the heat is."""

import streamlit as st

from model import looks_said
from model.looks import HeatInLungs, Shortcuts
from model.performance import SHORTCUTS, shortcuts, why_missing
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = shortcuts(bundle)
    if found is None:
        st.info(why_missing(bundle, SHORTCUTS), icon=":material/info:")
        return
    source = f"Measured on the {found.description}. {looks_said.WANTED['lungs']}"
    answer.show(looks_said.lungs(found), source)
    left, right = st.columns(2, gap="large")
    with left:
        _variants(found)
    with right:
        st.altair_chart(
            look_charts.variants(found.variants),
            key="performance.chart.variants",
            alt="AUROC of the X-rays as they are, with the lungs only and without the lungs",
        )
    if found.heat is not None:
        _heat(found.heat)


def _variants(found: Shortcuts) -> None:
    tables.show(
        "lungs",
        f"The same {found.num_xrays:,} X-rays with parts taken away; loss is against "
        f"“{found.whole.title}”",
        [
            {
                "X-rays": variant.title,
                "Seen": look_charts.KINDS[variant.kind],
                "AUROC": variant.auroc,
                "AUROC loss": tables.loss(variant.auroc, found.whole.auroc),
            }
            for variant in found.variants
        ],
    )


def _heat(heat: HeatInLungs) -> None:
    st.subheader("Where the heat is")
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "heat_in_lungs",
            f"Mean over the {len(heat.shares):,} X-rays that it calls pneumonia, at the default "
            "threshold",
            [
                {"Figure": "Heat in the lungs", "Value": heat.share, "What it says": _SHARE},
                {"Figure": "Film that is lung", "Value": heat.area, "What it says": _AREA},
                {"Figure": "Ratio", "Value": heat.ratio, "What it says": _RATIO},
            ],
        )
    with right:
        st.altair_chart(
            look_charts.shares(heat.shares, heat.areas),
            key="performance.chart.heat",
            alt="Share of the heat in the lungs, and share of the film that is lung",
        )


_SHARE = "share of the heat of a heatmap, 0 to 1"
_AREA = "share that heat spread at random would have"
_RATIO = "the first over the second; 1 is chance"
