"""Can a heatmap be believed? Deletion and insertion, random layers, and samples of known answer."""

import streamlit as st

from model import looks_said
from model.language import N_, _
from model.looks import Heatmaps, MapFigures, Randomisation, Sample
from model.performance import HEATMAPS, heatmaps, why_missing
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables

WAYS = {
    "deletion": (N_("Deletion"), N_("Blurred, hottest places first"), N_("lower is better")),
    "insertion": (N_("Insertion"), N_("Sharp, hottest places first"), N_("higher is better")),
}
RANDOM_LAYERS = N_(
    "Layer by layer, from the answer backwards, what was learned is replaced by random numbers "
    "(Adebayo 2018). A map that stays the same shows the film, not the network: in the end its "
    "similarity to the true map has to be below that of the maps of different X-rays."
)
SAMPLES = N_(
    "Drawn X-rays with one shadow; the centre of the heat has to lie in the half of the image with "
    "the shadow. They were drawn until this version read them so: that shows that film and map lie "
    "on each other, not how good the map is."
)


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = heatmaps(bundle)
    if found is None:
        st.info(why_missing(bundle, HEATMAPS), icon=":material/info:")
        return
    source = _("Measured on the {xrays}.", xrays=translated(found.description))
    answer.show(looks_said.heatmaps(found), f"{source} {looks_said.wanted('heatmaps')}")
    for column, way in zip(st.columns(2, gap="large"), WAYS, strict=True):
        with column:
            _fading(found, way)
    tables.show(
        "heatmaps",
        _(
            "Area under the curves, mean over {n:,} X-rays, and the p of a paired test against "
            "each control; for deletion lower is better, for insertion higher",
            n=found.num_xrays,
        ),
        [_record(found, each, way) for each in found.maps for way in WAYS],
    )
    if found.randomisation is not None:
        _randomisation(found.randomisation)
    if found.samples:
        _samples(found.samples)


def _fading(found: Heatmaps, way: str) -> None:
    title, x, hint = (translated(words) for words in WAYS[way])
    st.markdown(f"**{title}**: {hint}")
    st.altair_chart(
        look_charts.fading(found.maps, way, found.fractions, (x, _("Probability of pneumonia"))),
        key=f"performance.chart.{way}",
        alt=_("{way} curves of the maps: {hint}", way=title, hint=hint),
    )


def _record(found: Heatmaps, each: MapFigures, way: str) -> tables.Record:
    """One map, one way; a control has no p."""
    p = {test.name: getattr(test, f"{way}_p") for test in each.against}
    controls = [other for other in found.maps if not other.against]
    return {
        N_("Map"): f"{each.title} (offered)" if each.is_offered else each.title,
        N_("Curve"): way,
        N_("Area"): getattr(each, way).auc,
    } | {
        f"p against {rival.title}": _p(p[rival.name]) if rival.name in p else "–"
        for rival in controls
    }


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _randomisation(found: Randomisation) -> None:
    st.subheader(_("Does the map show what was learned?"))
    verdict = _("It is: passed.") if found.passes else _("It is not: failed.")
    st.markdown(f"{_(RANDOM_LAYERS)} **{verdict}**")
    st.altair_chart(
        look_charts.randomisation(found),
        key="performance.chart.randomisation",
        alt=_("Similarity to the true map as layer after layer becomes random"),
    )


def _samples(samples: tuple[Sample, ...]) -> None:
    st.subheader(_("Drawn X-rays with a known answer"))
    tables.show(
        "heatmap_samples",
        _(SAMPLES),
        [
            {
                N_("Sample"): sample.name,
                N_("Shadow"): sample.expected,
                N_("Heat from left, top"): _centre(sample),
                N_("Right"): N_("yes") if sample.is_right else N_("no"),
            }
            for sample in samples
        ],
    )


def _centre(sample: Sample) -> str:
    if sample.centre is None:
        return N_("no heat")
    x, y = sample.centre
    return f"{100 * x:.0f} %, {100 * y:.0f} %"
