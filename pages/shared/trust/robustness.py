"""The same X-rays as a hospital may change them, at the locked threshold."""

import streamlit as st

from model.language import N_, _
from model.performance import ROBUSTNESS, Change, ChangeFigures, why_missing
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import charts, evidence, tables


def draw() -> None:
    """The tab."""
    bundle, figures = services.bundle(), evidence.robustness()
    if not figures:
        st.info(why_missing(bundle, ROBUSTNESS), icon=":material/info:")
        return
    threshold = bundle.operating_point().threshold
    st.markdown(
        _(
            "Each row is the test split once more, under one change; weights, temperature and the "
            "threshold of {threshold:g} stay. Loss is against “{whole}”; a gain has a minus.",
            threshold=threshold,
            whole=translated(figures[0][0].title),
        )
    )
    tables.show(
        "robustness",
        _(
            "Test split under changes, at the default threshold of {threshold:g}",
            threshold=threshold,
        ),
        [_record(change, found, figures[0][1]) for change, found in figures],
    )
    st.altair_chart(
        charts.changes(figures),
        key="performance.chart.changes",
        alt=_("Sensitivity and specificity under each change"),
    )


def _record(change: Change, found: ChangeFigures, plain: ChangeFigures) -> tables.Record:
    return {
        N_("Change"): change.title,
        N_("AUROC"): found.auroc,
        N_("AUROC loss"): tables.loss(found.auroc, plain.auroc),
        N_("Sensitivity"): found.sensitivity,
        N_("Sensitivity loss, points"): tables.loss(found.sensitivity, plain.sensitivity, 100, 1),
        N_("Specificity"): found.specificity,
        N_("Specificity loss, points"): tables.loss(found.specificity, plain.specificity, 100, 1),
        N_("Refused"): change.num_refused,
    }
