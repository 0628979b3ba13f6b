"""Does it read the lungs, or what is beside them? AUROC with and without, and where the heat is."""

import streamlit as st

from model import looks_said
from model.language import N_, _
from model.looks import HeatInLungs, Shortcuts
from model.performance import SHORTCUTS, shortcuts, why_missing
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = shortcuts(bundle)
    if found is None:
        st.info(why_missing(bundle, SHORTCUTS), icon=":material/info:")
        return
    source = _("Measured on the {xrays}.", xrays=translated(found.description))
    answer.show(looks_said.lungs(found), f"{source} {looks_said.wanted('lungs')}")
    left, right = st.columns(2, gap="large")
    with left:
        _variants(found)
    with right:
        st.altair_chart(
            look_charts.variants(found.variants),
            key="performance.chart.variants",
            alt=_("AUROC of the X-rays as they are, with the lungs only and without the lungs"),
        )
    if found.heat is not None:
        _heat(found.heat)


def _variants(found: Shortcuts) -> None:
    tables.show(
        "lungs",
        _(
            "The same {n:,} X-rays with parts taken away; loss is against “{whole}”",
            n=found.num_xrays,
            whole=translated(found.whole.title),
        ),
        [
            {
                N_("X-rays"): variant.title,
                N_("Seen"): look_charts.KINDS[variant.kind],
                N_("AUROC"): variant.auroc,
                N_("AUROC loss"): tables.loss(variant.auroc, found.whole.auroc),
            }
            for variant in found.variants
        ],
    )


def _heat(heat: HeatInLungs) -> None:
    st.subheader(_("Where the heat is"))
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "heat_in_lungs",
            _(
                "Mean over the {n:,} X-rays that it calls pneumonia, at the default threshold",
                n=len(heat.shares),
            ),
            [
                {N_("Figure"): figure, N_("Value"): value, N_("What it says"): says}
                for figure, value, says in (
                    (N_("Heat in the lungs"), heat.share, _SHARE),
                    (N_("Film that is lung"), heat.area, _AREA),
                    (N_("Ratio"), heat.ratio, _RATIO),
                )
            ],
        )
    with right:
        st.altair_chart(
            look_charts.shares(heat.shares, heat.areas),
            key="performance.chart.heat",
            alt=_("Share of the heat in the lungs, and share of the film that is lung"),
        )


_SHARE = N_("share of the heat of a heatmap, 0 to 1")
_AREA = N_("share that heat spread at random would have")
_RATIO = N_("the first over the second; 1 is chance")
