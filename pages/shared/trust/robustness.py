"""The same X-rays as a hospital may change them, at the locked threshold."""

import streamlit as st

from model.performance import ROBUSTNESS, Change, ChangeFigures, why_missing
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
        "Each row is the test split once more, under one change; weights, temperature and the "
        f"threshold of {threshold:g} stay. Loss is against "
        f"“{figures[0][0].title}”; a gain has a minus."
    )
    tables.show(
        "robustness",
        f"Test split under changes, at the default threshold of {threshold:g}",
        [_record(change, found, figures[0][1]) for change, found in figures],
    )
    st.altair_chart(
        charts.changes(figures),
        key="performance.chart.changes",
        alt="Sensitivity and specificity under each change",
    )


def _record(change: Change, found: ChangeFigures, plain: ChangeFigures) -> tables.Record:
    return {
        "Change": change.title,
        "AUROC": found.auroc,
        "AUROC loss": tables.loss(found.auroc, plain.auroc),
        "Sensitivity": found.sensitivity,
        "Sensitivity loss, points": tables.loss(found.sensitivity, plain.sensitivity, 100, 1),
        "Specificity": found.specificity,
        "Specificity loss, points": tables.loss(found.specificity, plain.specificity, 100, 1),
        "Refused": change.num_refused,
    }
