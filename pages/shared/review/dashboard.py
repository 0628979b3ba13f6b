"""How far readers agree with one another and with the model, and whether the films have changed."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from model.access import Actor, may
from model.agreement import Pair, Summary
from pages.shared import review_services
from pages.shared.trust import tables

NOTHING = "Nobody has reviewed a film yet."
KAPPA = (
    "Agreement counts pneumonia of any kind as one label. Cohen's kappa is agreement beyond "
    "chance: 1 is perfect, 0 no better than chance. It needs each of the two to have told "
    "films apart. Under each figure stands its 95 % interval, wide with few films. A label given "
    "before the model was seen counts before one given after."
)
BINS = 20
DRIFT = (
    "The two distributions are compared by the two-sample Kolmogorov-Smirnov test: their largest "
    "distance is {:.2f}. It warns at p < .001 and a distance of more than .1."
)
TOO_FEW = (
    "{} films were read by this model version here; 50 are needed before their probabilities are "
    "compared with those of the validation."
)
NO_DRIFT = "The probabilities look like those of the validation. {}"
OWN = "Clinicians get their own reviews, administrators all. Each export is recorded."


def draw(actor: Actor) -> None:
    """The tab."""
    found = review_services.summary(actor)
    if found.num_reviews:
        st.markdown(f"**{found.num_reviews} reviews of {found.num_images} films.**")
        st.subheader("Agreement")
        st.caption(KAPPA)
        _pairs("agreement-readers", "Between readers", found.readers)
        _pairs("agreement-model", "Readers with the model", found.with_model)
        st.subheader("How often readers disagree with the verdict")
        _overrides(found)
        st.subheader("What was chosen")
        _counts("labels", "Label", found.labels)
        _counts("heatmaps", "Heatmap", found.heatmaps)
    else:
        st.info(NOTHING, icon=":material/rate_review:")
    _probabilities(actor)
    _exports(actor)


def _pairs(name: str, caption: str, pairs: tuple[Pair, ...]) -> None:
    records: list[tables.Record] = [
        {
            "Who": f"{pair.first} and {pair.second}",
            "Films": pair.num_images,
            "Agreement": pair.agreement,
            "Cohen's kappa": pair.no_kappa or pair.kappa,
        }
        for pair in pairs
    ]
    tables.show(name, caption, records)
    if not pairs:
        st.caption(f"{caption}: unknown, no film was judged by two.")


def _overrides(found: Summary) -> None:
    rates = {"all": found.overrides, **found.overrides_by_month, **found.overrides_by_version}
    records: list[tables.Record] = [
        {"Reviews": name, "Disagree with the verdict": rate} for name, rate in rates.items()
    ]
    tables.show("overrides", "In all, by month (UTC) and by model version", records)


def _counts(name: str, title: str, counts: Mapping[str, int]) -> None:
    records: list[tables.Record] = [{title: key, "Reviews": n} for key, n in counts.items()]
    tables.show(name, title, records)


def _probabilities(actor: Actor) -> None:
    st.subheader("Probabilities now and at the validation")
    found = review_services.probabilities(actor)
    drift = found.drift
    if drift.warning:
        st.warning(drift.warning, icon=":material/warning:")
        st.caption(DRIFT.format(drift.distance))
    elif review_services.is_known(drift.distance):
        st.caption(NO_DRIFT.format(DRIFT.format(drift.distance)))
    else:
        st.caption(TOO_FEW.format(drift.num_now))
    if len(found.now):
        edges = np.linspace(0, 1, BINS + 1)
        lines: dict[str, Any] = {
            f"now, {len(found.now)} films": np.histogram(found.now, edges)[0],
            found.description: np.histogram(found.validation, edges)[0],
        }
        charts = importlib.import_module("pages.shared.trust.charts")  # Altair takes .4 s
        st.altair_chart(
            charts.steps(edges, lines, "Probability of pneumonia", "set"),
            key="review.chart.probabilities",
            alt="Distribution of the probabilities now and at the validation",
        )


def _exports(actor: Actor) -> None:
    st.subheader("Export")
    with st.container(horizontal=True):
        for kind, title, mime in (
            ("csv", "CSV", "text/csv"),
            ("jsonl", "JSON lines", "application/x-ndjson"),
        ):
            st.download_button(
                f"Reviews as {title}",
                data=lambda kind=kind: review_services.export(actor, kind),  # type: ignore[misc]
                file_name=f"reviews.{kind}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"review.export.{kind}",
            )
    st.caption(OWN if not may(actor, "admin") else "All reviews. Each export is recorded.")
