"""The networks compared, how much a leak flatters, and the training of each."""

import streamlit as st

from model import curves
from model.language import N_, _
from model.performance import Row
from model.phrases import translated
from pages.shared.trust import charts, evidence, tables

LEAK = N_(
    """
Protocol 2 takes all X-rays together and holds a tenth back for the test. **Grouped** keeps the
X-rays of a child on one side. **Ungrouped** does not, as most published figures do: the network is
then tested on children whom it has seen. The difference holds that leak, and chance as well: the
X-rays held back are not the same, and each network was trained once. Where the intervals overlap no
leak is shown, nor excluded.
"""
)


PROTOCOLS = {"grouped": N_("grouped"), "ungrouped": N_("ungrouped")}
NOT_WRITTEN = {
    "loss": N_("This training did not write down its loss."),
    "accuracy": N_("This training did not write down its accuracy."),
}


def draw() -> None:
    """The tab."""
    rows = evidence.compared()
    official = [row for row in rows if row.protocol == "official"]
    tables.show(
        "networks",
        _(
            "Protocol 1, the official split: every network by the same code, at its own default "
            "threshold, chosen on its validation fold"
        ),
        [_record(row) for row in official if not row.missing],
    )
    _missing(official)
    _roc([row for row in official if not row.missing])
    _leak([row for row in rows if row.protocol != "official"])
    _one([row for row in rows if not row.missing])


def _record(row: Row) -> tables.Record:
    size = tables.UNKNOWN if row.num_parameters is None else f"{row.num_parameters / 1e6:.1f}"
    return {
        N_("Network"): row.title,
        N_("Parameters, millions"): size,
        N_("Size, px"): str(row.size_px),
        N_("X-rays"): row.n,
        N_("AUROC"): row.auroc,
        N_("Accuracy"): row.accuracy,
        N_("Precision"): row.precision,
        N_("Recall"): row.recall,
        N_("Specificity"): row.specificity,
        N_("F1"): row.f1,
        N_("ECE"): row.ece,
    }


def _missing(rows: list[Row]) -> None:
    """The networks without figures, together with those that lack them for the same reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.missing:
            reasons.setdefault(row.missing, []).append(label(row))
    for reason, titles in reasons.items():
        networks = _("No figures for {networks}.", networks="; ".join(titles))
        st.caption(f":material/info: {networks} {translated(reason)}")


def label(row: Row) -> str:
    """The title, with its protocol where that is not the official one."""
    title = translated(row.title)
    if row.protocol == "official":
        return title
    return _("{network}, {protocol}", network=title, protocol=_(PROTOCOLS[row.protocol]))


def _roc(rows: list[Row]) -> None:
    # A network can be tested on X-rays of one class only by a made-up data set.
    # The champion comes first, so that it gets the accent.
    found = {translated(row.title): row for row in reversed(rows) if 0 < row.n_positive < row.n}
    if not found:
        return
    corner = st.toggle(_("Enlarge the corner"), key="performance.networks.corner")
    st.markdown(_("**ROC on the official test split**"))
    st.altair_chart(
        charts.roc_curves(
            {title: curves.roc(row.labels, row.probabilities) for title, row in found.items()},
            corner,
        ),
        key="performance.chart.networks",
        alt=_("ROC curves of the networks of protocol 1"),
    )


def _leak(rows: list[Row]) -> None:
    st.subheader(_("How much a leak flatters"))
    st.markdown(_(LEAK))
    of = {(row.title, row.protocol): row for row in rows if not row.missing}
    records: list[tables.Record] = []
    for title in dict.fromkeys(row.title for row in rows):
        grouped, ungrouped = of.get((title, "grouped")), of.get((title, "ungrouped"))
        if grouped and ungrouped:
            records.append(_pair(title, grouped, ungrouped))
    caption = _("Protocol 2: the same network, with and without the leak")
    tables.show("leak", caption, records)
    _missing(rows)


def _pair(title: str, grouped: Row, ungrouped: Row) -> tables.Record:
    points = 100 * (ungrouped.accuracy.value - grouped.accuracy.value)
    return {
        N_("Network"): title,
        N_("X-rays, grouped"): grouped.n,
        N_("AUROC, grouped"): grouped.auroc,
        N_("AUROC, ungrouped"): ungrouped.auroc,
        N_("AUROC, difference"): f"{ungrouped.auroc.value - grouped.auroc.value:+.3f}",
        N_("Accuracy, grouped"): grouped.accuracy,
        N_("Accuracy, ungrouped"): ungrouped.accuracy,
        N_("Accuracy, difference"): f"{points:+.1f} points",
    }


@st.fragment
def _one(rows: list[Row]) -> None:
    """One network by choice: how it learned, and its confusion matrix."""
    st.subheader(_("One network"))
    names = {row.name if not row.is_champion else "": row for row in rows}
    chosen = st.selectbox(
        _("Network"),
        list(names),
        index=list(names).index(""),
        format_func=lambda name: label(names[name]),
        key="performance.network",
    )
    row = names[chosen]
    left, right = st.columns(2, gap="large")
    for column, figure in ((left, "loss"), (right, "accuracy")):
        chart, title = charts.training(row, figure), _(charts.FIGURES[figure])
        with column:
            st.markdown(f"**{title}**")
            if chart is None:
                st.caption(_(NOT_WRITTEN[figure]))
            else:
                st.altair_chart(
                    chart,
                    key=f"performance.chart.{figure}",
                    alt=_(
                        "{figure} of {network} over the epochs", figure=title, network=label(row)
                    ),
                )
    caption = _(
        "{network}: test X-rays at its default threshold of {threshold:g}",
        network=label(row),
        threshold=row.threshold,
    )
    tables.show("network_confusion", caption, tables.confusion(row.confusion))
