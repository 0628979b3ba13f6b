"""How far readers agree with one another and with the model, and whether the films have changed."""

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from model.clinic.agreement import MODEL, Pair, Summary
from model.language import N_, _
from model.people.access import Actor, may
from model.phrases import translated
from pages.shared import auth, downloads, review_services
from pages.shared.trust import tables

NOTHING = N_("Nobody has reviewed a film yet.")
KAPPA = N_(
    "Agreement counts pneumonia of any kind as one label. Cohen's kappa is agreement beyond "
    "chance: 1 is perfect, 0 no better than chance. It needs each of the two to have told "
    "films apart. Under each figure stands its 95 % interval, wide with few films. A label given "
    "before the model was seen counts before one given after."
)
BINS = 20
DRIFT = N_(
    "The two distributions are compared by the two-sample Kolmogorov-Smirnov test: their largest "
    "distance is {distance:.2f}. It warns at p < .001 and a distance of more than .1."
)
REVIEWED = {  # by whether there are several reviews, and several films
    (False, False): N_("**{reviews} review of {films} film.**"),
    (True, False): N_("**{reviews} reviews of {films} film.**"),
    (True, True): N_("**{reviews} reviews of {films} films.**"),
}
TOO_FEW_ONE = N_(
    "{n} film was read by this model version here; 50 are needed before their probabilities are "
    "compared with those of the validation."
)
TOO_FEW = N_(
    "{n} films were read by this model version here; 50 are needed before their probabilities are "
    "compared with those of the validation."
)
NO_DRIFT = N_("The probabilities look like those of the validation. {how}")
OWN = N_("Clinicians get their own reviews, administrators all. Each export is recorded.")
ALL = N_("All reviews. Each export is recorded.")
PAIR = N_("{reader} and {other}")


def draw(actor: Actor) -> None:
    """The tab."""
    found = review_services.summary(actor)
    if found.num_reviews:
        counts = {"reviews": found.num_reviews, "films": found.num_images}
        several = found.num_reviews > 1, found.num_images > 1
        st.markdown(_(REVIEWED[several], **counts))
        st.subheader(_("Agreement"))
        st.caption(_(KAPPA))
        _pairs("agreement-readers", _("Between readers"), found.readers)
        _pairs("agreement-model", _("Readers with the model"), found.with_model)
        st.subheader(_("How often readers disagree with the verdict"))
        _overrides(found)
        st.subheader(_("What was chosen"))
        _counts("labels", N_("Label"), found.labels)
        _counts("heatmaps", N_("Heatmap"), found.heatmaps)
    else:
        st.info(_(NOTHING), icon=":material/rate_review:")
    _probabilities(actor)
    _exports()


def _pairs(name: str, caption: str, pairs: tuple[Pair, ...]) -> None:
    records: list[tables.Record] = [
        {
            N_("Who"): _who(pair),
            N_("Films"): pair.num_images,
            N_("Agreement"): pair.agreement,
            N_("Cohen's kappa"): pair.no_kappa or pair.kappa,
        }
        for pair in pairs
    ]
    tables.show(name, caption, records)
    if not pairs:
        st.caption(_("{pairs}: unknown, no film was judged by two.", pairs=caption))


def _who(pair: Pair) -> tables.Own:
    other = _(MODEL) if pair.second == MODEL else pair.second
    return tables.Own(
        PAIR.format(reader=pair.first, other=pair.second), _(PAIR, reader=pair.first, other=other)
    )


def _overrides(found: Summary) -> None:
    rates = {N_("all"): found.overrides, **found.overrides_by_month, **found.overrides_by_version}
    records: list[tables.Record] = [
        {N_("Reviews"): name, N_("Disagree with the verdict"): rate} for name, rate in rates.items()
    ]
    tables.show("overrides", _("In all, by month (UTC) and by model version"), records)


def _counts(name: str, title: str, counts: Mapping[str, int]) -> None:
    records: list[tables.Record] = [
        {title: tables.Own(key, review_services.words(key)), N_("Reviews"): n}
        for key, n in counts.items()
    ]
    tables.show(name, _(title), records)


def _probabilities(actor: Actor) -> None:
    st.subheader(_("Probabilities now and at the validation"))
    found = review_services.probabilities(actor)
    drift = found.drift
    if drift.warning:
        st.warning(drift.warning, icon=":material/warning:")
        st.caption(_(DRIFT, distance=drift.distance))
    elif review_services.is_known(drift.distance):
        st.caption(_(NO_DRIFT, how=_(DRIFT, distance=drift.distance)))
    else:
        st.caption(_(TOO_FEW_ONE if drift.num_now == 1 else TOO_FEW, n=drift.num_now))
    if len(found.now):
        edges = np.linspace(0, 1, BINS + 1)
        now = N_("now, {n} film") if len(found.now) == 1 else N_("now, {n} films")
        lines: dict[str, Any] = {
            _(now, n=len(found.now)): np.histogram(found.now, edges)[0],
            translated(found.description): np.histogram(found.validation, edges)[0],
        }
        charts = importlib.import_module("pages.shared.trust.charts")  # Altair takes .4 s
        st.altair_chart(
            charts.steps(edges, lines, _("Probability of pneumonia"), "set"),
            key="review.chart.probabilities",
            alt=_("Distribution of the probabilities now and at the validation"),
        )


@st.fragment
def _exports() -> None:
    actor = auth.require("clinician")
    st.subheader(_("Export"))
    with st.container(horizontal=True):
        for kind, title, mime in (
            ("csv", "CSV", "text/csv"),
            ("jsonl", _("JSON lines"), "application/x-ndjson"),
        ):
            downloads.button(
                _("Reviews as {format}", format=title),
                partial(review_services.export, actor, kind),
                f"reviews.{kind}",
                mime,
                key=f"review.export.{kind}",
            )
    st.caption(_(ALL) if may(actor, "admin") else _(OWN))
