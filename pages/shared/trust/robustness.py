"""The same X-rays as a hospital may change them, at the locked threshold."""

import streamlit as st

from model.metrics import Estimate
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
        "AUROC loss": _loss(found.auroc, plain.auroc, 1, 3),
        "Sensitivity": found.sensitivity,
        "Sensitivity loss, points": _loss(found.sensitivity, plain.sensitivity, 100, 1),
        "Specificity": found.specificity,
        "Specificity loss, points": _loss(found.specificity, plain.specificity, 100, 1),
        "Refused": change.num_refused,
    }


def _loss(now: Estimate, before: Estimate, times: int, decimals: int) -> str:
    """How much less than before; a gain has a minus."""
    loss = round(times * (before.value - now.value), decimals) + 0.0  # no "-0.0"
    return f"{loss:.{decimals}f}" if loss == loss else "unknown"
