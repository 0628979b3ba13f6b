"""Can a heatmap be believed? Deletion and insertion, random layers, and samples of known answer."""

import streamlit as st

from model import looks_said
from model.looks import Heatmaps, MapFigures, Randomisation, Sample
from model.performance import HEATMAPS, heatmaps, why_missing
from pages.shared import services
from pages.shared.trust import answer, look_charts, tables

WAYS = {
    "deletion": ("Deletion", "Blurred, hottest places first", "lower is better"),
    "insertion": ("Insertion", "Sharp, hottest places first", "higher is better"),
}


def draw() -> None:
    """The tab."""
    bundle = services.bundle()
    found = heatmaps(bundle)
    if found is None:
        st.info(why_missing(bundle, HEATMAPS), icon=":material/info:")
        return
    source = f"Measured on the {found.description}. {looks_said.WANTED['heatmaps']}"
    answer.show(looks_said.heatmaps(found), source)
    for column, way in zip(st.columns(2, gap="large"), WAYS, strict=True):
        with column:
            _fading(found, way)
    tables.show(
        "heatmaps",
        f"Area under the curves, mean over {found.num_xrays:,} X-rays, and the p of a paired test "
        "against each control; for deletion lower is better, for insertion higher",
        [_record(found, each, way) for each in found.maps for way in WAYS],
    )
    if found.randomisation is not None:
        _randomisation(found.randomisation)
    if found.samples:
        _samples(found.samples)


def _fading(found: Heatmaps, way: str) -> None:
    title, x, hint = WAYS[way]
    st.markdown(f"**{title}**: {hint}")
    st.altair_chart(
        look_charts.fading(found.maps, way, found.fractions, (x, "Probability of pneumonia")),
        key=f"performance.chart.{way}",
        alt=f"{title} curves of the maps: {hint}",
    )


def _record(found: Heatmaps, each: MapFigures, way: str) -> tables.Record:
    """One map, one way; a control has no p."""
    p = {test.name: getattr(test, f"{way}_p") for test in each.against}
    controls = [other for other in found.maps if not other.against]
    return {
        "Map": f"{each.title} (offered)" if each.is_offered else each.title,
        "Curve": way,
        "Area": getattr(each, way).auc,
    } | {
        f"p against {rival.title}": _p(p[rival.name]) if rival.name in p else "–"
        for rival in controls
    }


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _randomisation(found: Randomisation) -> None:
    st.subheader("Does the map show what was learned?")
    st.markdown(
        "Layer by layer, from the answer backwards, what was learned is replaced by random numbers "
        "(Adebayo 2018). A map that stays the same shows the film, not the network: in the end its "
        "similarity to the true map has to be below that of the maps of different X-rays. "
        f"**{'It is: passed.' if found.passes else 'It is not: failed.'}**"
    )
    st.altair_chart(
        look_charts.randomisation(found),
        key="performance.chart.randomisation",
        alt="Similarity to the true map as layer after layer becomes random",
    )


def _samples(samples: tuple[Sample, ...]) -> None:
    st.subheader("Drawn X-rays with a known answer")
    tables.show(
        "heatmap_samples",
        "Drawn X-rays with one shadow; the centre of the heat has to lie in the half of the image "
        "with the shadow. They were drawn until this version read them so: that shows that film "
        "and map lie on each other, not how good the map is.",
        [
            {
                "Sample": sample.name,
                "Shadow": sample.expected,
                "Heat from left, top": _centre(sample),
                "Right": "yes" if sample.is_right else "no",
            }
            for sample in samples
        ],
    )


def _centre(sample: Sample) -> str:
    if sample.centre is None:
        return "no heat"
    x, y = sample.centre
    return f"{100 * x:.0f} %, {100 * y:.0f} %"
