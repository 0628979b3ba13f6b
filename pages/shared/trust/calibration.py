"""Does 80 % mean 80 of 100? Reliability before and after temperature scaling."""

import streamlit as st

from model import curves
from model.performance import split_of
from pages.shared import services
from pages.shared.trust import charts, evidence, tables


def draw() -> None:
    """The tab."""
    bundle, found = services.bundle(), evidence.calibration()
    st.markdown(
        "Of the X-rays that get a probability of 80 %, 80 of 100 should have pneumonia. Each dot "
        "is the X-rays of one tenth of the scale, larger for more of them, with its 95 % interval; "
        "on the dashed line words and truth agree."
    )
    sides = [
        ("before", "As the network gives them", found.before, found.ece_before),
        ("after", f"As shown, temperature {found.temperature:.2f}", found.after, found.ece_after),
    ]
    description = bundle.evaluations[split_of(bundle)].description
    columns = st.columns(2, gap="large")
    for column, (name, title, probabilities, ece) in zip(columns, sides, strict=True):
        bins = curves.reliability(found.labels, probabilities)
        with column:
            st.markdown(f"**{title}**")
            st.metric("Expected calibration error, 15 bins", f"{ece:.3f}")
            st.altair_chart(
                charts.reliability(bins),
                key=f"performance.reliability.{name}",
                alt=f"Reliability of the probabilities. {title}",
            )
            tables.show(
                f"reliability_{name}",
                f"{title}, on the {description}",
                [
                    {
                        "Probability": f"{b.low:.1f} to {b.high:.1f}",
                        "X-rays": b.share.denominator,
                        "Mean probability": f"{100 * b.mean_probability:.1f} %",
                        "With pneumonia": b.share,
                    }
                    for b in bins
                ],
            )
