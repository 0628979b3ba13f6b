"""Does 80 % mean 80 of 100? Reliability before and after temperature scaling."""

import streamlit as st

from model import curves
from model.language import N_, _
from model.performance import split_of
from model.phrases import translated
from pages.shared import services
from pages.shared.trust import charts, evidence, tables

HOW_TO_READ = N_(
    "Of the X-rays that get a probability of 80 %, 80 of 100 should have pneumonia. Each dot is "
    "the X-rays of one tenth of the scale, larger for more of them, with its 95 % interval; on the "
    "dashed line words and truth agree."
)


def draw() -> None:
    """The tab."""
    bundle, found = services.bundle(), evidence.calibration()
    st.markdown(_(HOW_TO_READ))
    sides = [
        ("before", _("As the network gives them"), found.before, found.ece_before),
        (
            "after",
            _("As shown, temperature {temperature:.2f}", temperature=found.temperature),
            found.after,
            found.ece_after,
        ),
    ]
    description = translated(bundle.evaluations[split_of(bundle)].description)
    columns = st.columns(2, gap="large")
    for column, (name, title, probabilities, ece) in zip(columns, sides, strict=True):
        bins = curves.reliability(found.labels, probabilities)
        with column:
            st.markdown(f"**{title}**")
            st.metric(_("Expected calibration error, 15 bins"), f"{ece:.3f}")
            st.altair_chart(
                charts.reliability(bins),
                key=f"performance.reliability.{name}",
                alt=_("Reliability of the probabilities. {which}", which=title),
            )
            tables.show(
                f"reliability_{name}",
                _("{which}, on the {xrays}", which=title, xrays=description),
                [
                    {
                        N_("Probability"): f"{b.low:.1f} to {b.high:.1f}",
                        N_("X-rays"): b.share.denominator,
                        N_("Mean probability"): f"{100 * b.mean_probability:.1f} %",
                        N_("With pneumonia"): b.share,
                    }
                    for b in bins
                ],
            )
