"""The X-rays behind the figures: how many of whom, how they look, what is in there twice."""

import random

import streamlit as st

from model.config import settings
from model.performance import DATASET, DataSet, why_missing
from pages.shared import services
from pages.shared.trust import charts, evidence, tables
from pages.shared.trust.figures import gallery

EACH = 5  # random films of each class


def draw() -> None:
    """The tab."""
    known = evidence.dataset()
    if known is None:
        st.info(why_missing(services.bundle(), DATASET), icon=":material/info:")
    else:
        st.caption(known.description)
        _splits(known)
        _looks(known)
        _twice(known)
    _random()


def _splits(known: DataSet) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "splits",
            "Class balance: X-rays and children of each split",
            [
                {
                    "Split": split.split,
                    "Normal": split.normal,
                    "Pneumonia": split.pneumonia,
                    "of them bacterial": split.bacterial,
                    "of them viral": split.viral,
                    "Children": split.patients,
                }
                for split in known.splits
            ],
        )
        sizes: list[tables.Record] = [
            {"Size": f"{size.width} x {size.height} px", "X-rays": size.count}
            for size in known.image_sizes
        ]
        if known.other_sizes:
            sizes.append({"Size": "other sizes", "X-rays": known.other_sizes})
        tables.show("sizes", "Image sizes, most frequent first", sizes)
    with right:
        records = [
            {"Split": split.split, "Class": name, "X-rays": count, "order": i}
            for split in known.splits
            for i, (name, count) in enumerate(
                [("Normal", split.normal), ("Pneumonia", split.pneumonia)]
            )
        ]
        st.altair_chart(
            charts.bars(records, "X-rays", "Split", "Class"),
            key="performance.chart.splits",
            alt="X-rays of each class in each split",
        )


def _looks(known: DataSet) -> None:
    st.subheader("How the classes look")
    with st.container(horizontal=True, gap="medium", key="trust-means"):
        for name, title in (("normal", "Normal"), ("pneumonia", "Pneumonia")):
            st.image(known.mean_image[name], caption=f"Mean image: {title}", width=168)
    left, right = st.columns(2, gap="large")
    with left:
        st.altair_chart(
            charts.histogram(known.brightness, "Brightness: mean grey of a film, 0 to 255"),
            key="performance.chart.brightness",
            alt="Brightness of the films of each class",
        )
    with right:
        st.altair_chart(
            charts.histogram(known.contrast, "Contrast: standard deviation of its greys"),
            key="performance.chart.contrast",
            alt="Contrast of the films of each class",
        )


def _twice(known: DataSet) -> None:
    st.subheader("What is in there twice")
    twice = known.duplicates
    st.markdown(
        f"**{twice['groups']:,}** groups of identical files under different names, "
        f"**{twice['images']:,}** files in all; **{twice['across_splits']:,}** of these groups lie "
        f"in more than one split, **{twice['across_labels']:,}** carry different labels. "
        f"**{known.patients_across_splits:,}** patient numbers occur in more than one split; each "
        "split may number its children anew, so these need not be the same children."
    )


@st.fragment
def _random() -> None:
    st.subheader("X-rays of the training split, at random")
    if settings().data is None:
        st.caption(
            "To see some, start the app with `XRAY_DATA` set to the folder of the data set, which "
            "holds `train/NORMAL` and `train/PNEUMONIA`."
        )
        return
    if "performance.seed" not in st.session_state:
        _draw()
    st.button("Draw others", icon=":material/casino:", key="performance.draw", on_click=_draw)
    films = evidence.random_films(EACH, st.session_state["performance.seed"])
    if not films:
        st.caption("The folder of `XRAY_DATA` holds no `train/NORMAL` and `train/PNEUMONIA`.")
    gallery([(film, "pneumonia" if film.label else "normal") for film in films], "trust-random")


def _draw() -> None:
    st.session_state["performance.seed"] = random.randrange(2**32)
