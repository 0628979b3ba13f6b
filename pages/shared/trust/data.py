"""The X-rays behind the figures: how many of whom, how they look, what is in there twice."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import streamlit as st

from model.config import settings
from model.evaluated import Histogram
from model.language import N_, _
from model.performance import DATASET, DataSet, why_missing
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import charts, evidence, tables
from pages.shared.trust.figures import gallery

EACH = 5  # random films of each class
TWICE = N_(
    "**{groups:,}** groups of identical files under different names, **{images:,}** files in all; "
    "**{across_splits:,}** of these groups lie in more than one split, **{across_labels:,}** carry "
    "different labels. **{patients:,}** patient numbers occur in more than one split; each split "
    "may number its children anew, so these need not be the same children."
)
NO_FOLDER = N_(
    "To see some, start the app with `XRAY_DATA` set to the folder of the data set, which holds "
    "`train/NORMAL` and `train/PNEUMONIA`."
)


def draw() -> None:
    """The tab."""
    known = evidence.dataset()
    if known is None:
        st.info(why_missing(services.bundle(), DATASET), icon=":material/info:")
    else:
        st.caption(translated(known.description))
        _splits(known)
        _looks(known)
        _twice(known)
    _random()


def _splits(known: DataSet) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "splits",
            _("Class balance: X-rays and children of each split"),
            [
                {
                    N_("Split"): split.split,
                    N_("Normal"): split.normal,
                    N_("Pneumonia"): split.pneumonia,
                    N_("of them bacterial"): split.bacterial,
                    N_("of them viral"): split.viral,
                    N_("Children"): split.patients,
                }
                for split in known.splits
            ],
        )
        sizes: list[tables.Record] = [
            {N_("Size"): f"{size.width} x {size.height} px", N_("X-rays"): size.count}
            for size in known.image_sizes
        ]
        if known.other_sizes:
            sizes.append({N_("Size"): N_("other sizes"), N_("X-rays"): known.other_sizes})
        tables.show("sizes", _("Image sizes, most frequent first"), sizes)
    with right:
        records = [
            {"split": translated(split.split), "class": name, "count": count, "order": i}
            for split in known.splits
            for i, (name, count) in enumerate(
                [(_("Normal"), split.normal), (_("Pneumonia"), split.pneumonia)]
            )
        ]
        st.altair_chart(
            _bars(records),
            key="performance.chart.splits",
            alt=_("X-rays of each class in each split"),
        )


def _looks(known: DataSet) -> None:
    st.subheader(_("How the classes look"))
    with st.container(horizontal=True, gap="medium", key="trust-means"):
        for name, title in (("normal", _("Normal")), ("pneumonia", _("Pneumonia"))):
            caption = _("Mean image: {of}", of=title)
            st.image(known.mean_image[name], caption=caption, width=168, alt=caption)
    left, right = st.columns(2, gap="large")
    with left:
        st.altair_chart(
            _histogram(known.brightness, _("Brightness: mean grey of a film, 0 to 255")),
            key="performance.chart.brightness",
            alt=_("Brightness of the films of each class"),
        )
    with right:
        st.altair_chart(
            _histogram(known.contrast, _("Contrast: standard deviation of its greys")),
            key="performance.chart.contrast",
            alt=_("Contrast of the films of each class"),
        )


def _bars(records: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A horizontal bar for each split, stacked by class: {"split", "class", "count", "order"}."""
    return (
        alt.Chart(charts.inline(records))
        .mark_bar(stroke=charts.GREY, strokeWidth=0.5)
        .encode(
            alt.X("count:Q", title=_("X-rays")),
            alt.Y("split:N", title=None, sort=None),
            color=alt.Color("class:N", sort=None, legend=charts.bottom(columns=2)),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("split:N", title=_("Split")),
                alt.Tooltip("class:N", title=_("Class")),
                alt.Tooltip("count:Q", title=_("X-rays")),
            ],
        )
        .properties(height=60 * len({record["split"] for record in records}) + 70)
    )


def _histogram(counts: Histogram, title: str) -> alt.Chart:
    """Share of each class between the edges."""
    classes = {_("Normal"): counts.normal, _("Pneumonia"): counts.pneumonia}
    return charts.steps(counts.edges, classes, title, "class")


def _twice(known: DataSet) -> None:
    st.subheader(_("What is in there twice"))
    st.markdown(_(TWICE, **known.duplicates, patients=known.patients_across_splits))


@st.fragment
def _random() -> None:
    st.subheader(_("X-rays of the training split, at random"))
    if settings().data is None:
        st.caption(_(NO_FOLDER))
        return
    if "performance.seed" not in st.session_state:
        _draw()
    st.button(_("Draw others"), icon=":material/casino:", key="performance.draw", on_click=_draw)
    films = evidence.random_films(EACH, st.session_state["performance.seed"])
    if not films:
        st.caption(_("The folder of `XRAY_DATA` holds no `train/NORMAL` and `train/PNEUMONIA`."))
    labels = _("normal"), _("pneumonia")
    gallery([(film, labels[film.label]) for film in films], "trust-random")


def _draw() -> None:
    st.session_state["performance.seed"] = random.randrange(2**32)
