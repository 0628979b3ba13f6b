"""Two model versions on the same films: figures, curves, and the films on which they differ."""

from typing import TYPE_CHECKING

import streamlit as st

from model import curves
from model.bundle import Bundle
from model.language import N_, _
from model.metrics import Estimate, Rate
from model.phrases import translated
from pages.shared import version_services
from pages.shared.drawing import plain
from pages.shared.manage import listing
from pages.shared.trust import tables

if TYPE_CHECKING:
    from model.versions.version_comparison import Change, Comparison, Differing

FILMS_AT_A_TIME = 4
NO_HEAT = N_("no evidence for pneumonia to show")
POINTS = N_("{value} points ({low} to {high})")
SAME = N_("They decide every film of the test set alike.")
LABELS = (N_("normal"), N_("pneumonia"))
NO_FILMS = N_(
    "To see these films with both heatmaps, start the app with XRAY_DATA set to the folder of the "
    "data set, which holds test/NORMAL and test/PNEUMONIA."
)
CAPTION = N_(
    "{n} films of the locked test set, each version at its own default threshold; small: 95 % "
    "interval, count"
)


def figures(found: "Comparison", other: str) -> None:
    """Sensitivity, specificity and AUROC of both, and the differences with their intervals.

    other: what the one beside the champion is called, in English, marked with `N_`.
    """
    if found.sensitivity is None or found.specificity is None or found.auroc is None:
        return
    tables.show(
        "versions",
        _(CAPTION, n=f"{found.n:,}"),
        [
            {
                N_("Figure"): N_("Sensitivity"),
                **_sides(found.sensitivity, other),
                N_("McNemar"): _p(found.sensitivity.p),
                N_("Films"): _moved(found.sensitivity.gained, found.sensitivity.lost),
            },
            {
                N_("Figure"): N_("Specificity"),
                **_sides(found.specificity, other),
                N_("McNemar"): _p(found.specificity.p),
                N_("Films"): _moved(found.specificity.gained, found.specificity.lost),
            },
            {
                N_("Figure"): N_("AUROC"),
                **_sides(found.auroc, other),
                N_("McNemar"): "–",
                N_("Films"): "–",
            },
            {
                N_("Figure"): N_("Default threshold"),
                N_("Champion"): f"{found.points[0].threshold:g}",
                other: f"{found.points[1].threshold:g}",
                N_("Difference"): "–",
                N_("McNemar"): "–",
                N_("Films"): "–",
            },
        ],
    )


def short(found: "Comparison") -> None:
    """The differences alone, a line each, and what was not checked."""
    for name, change in (
        (_("Sensitivity"), found.sensitivity),
        (_("Specificity"), found.specificity),
        (_("AUROC"), found.auroc),
    ):
        if change is not None:
            old, new = tables.value(change.champion), tables.value(change.challenger)
            st.markdown(f"{name}: {old} → **{new}**, {difference(change).shown}")
    if found.note:
        st.caption(plain(translated(found.note)))


def _sides(change: "Change", other: str) -> dict[str, tables.Cell]:
    return {
        N_("Champion"): change.champion,
        other: change.challenger,
        N_("Difference"): difference(change),
    }


def difference(change: "Change") -> tables.Own:
    """The other one less the champion with its 95 % interval; a rate in points of a hundred."""
    if isinstance(change.champion, Rate):
        value, low, high = _signed(change.difference, 100, 1)
        return _both(POINTS, value=value, low=low, high=high)
    value, low, high = _signed(change.difference, 1, 3)
    return _both(N_("{value} ({low} to {high})"), value=value, low=low, high=high)


def _both(sentence: str, **values: object) -> tables.Own:
    """English in the CSV, the reader's language on the page."""
    return tables.Own(sentence.format(**values), _(sentence, **values))


def _signed(told: Estimate, times: int, decimals: int) -> list[str]:
    values = (told.value, told.low, told.high)
    return [f"{times * value:+.{decimals}f}".replace("-", "−") for value in values]


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _moved(gained: int, lost: int) -> tables.Own:
    return _both(N_("{gained} better, {lost} worse"), gained=gained, lost=lost)


def charts(champion: Bundle, challenger: Bundle, split: str, other: str) -> None:
    """ROC of both in one chart, the calibration of each in its own. other: as in `figures`."""
    from pages.shared.trust import charts as drawn

    said = {
        name: (bundle.evaluations[split].labels, bundle.probabilities(split))
        for name, bundle in ((_("Champion"), champion), (_(other), challenger))
    }
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{_('ROC')}**")
        corner = st.toggle(_("Enlarge the corner"), key="admin.versions.corner")
        rocs = {name: curves.roc(*of) for name, of in said.items() if 0 < of[0].mean() < 1}
        if rocs:
            chart = drawn.roc_curves(rocs, corner)
            st.altair_chart(chart, key="admin.chart.roc", alt=_("ROC of both versions"))
    with right:
        for number, (name, of) in enumerate(said.items()):
            title = f"{_('Calibration')}: {name}"
            st.markdown(f"**{title}**")
            st.altair_chart(
                drawn.reliability(curves.reliability(*of)),
                key=f"admin.chart.calibration.{number}",
                alt=title,
            )


def films(found: "Comparison", other: str) -> None:
    """Those on whose decision they differ, losses first, with both heatmaps on request.

    other: as in `figures`.
    """
    st.subheader(_("Films on which they differ: {n}", n=len(found.differing)))
    if not found.differing:
        st.caption(_(SAME))
        return
    _pictures(found, other)
    with st.expander(_("All of them as a list")):
        records = [_record(film, other) for film in found.differing]
        listing(_("What got worse before what got better"), records, "")


def _pictures(found: "Comparison", other: str) -> None:
    there = [
        (film, path)
        for film in found.differing
        if (path := version_services.film_path(film.label, film.file))
    ]
    if not there:
        st.caption(_(NO_FILMS))
        return
    if not st.toggle(_("Show the films with both heatmaps"), key="admin.versions.films"):
        return
    pages = -(-len(there) // FILMS_AT_A_TIME)
    page = 1
    if pages > 1:
        page = st.number_input(
            _("Page of {n}", n=pages), 1, pages, key="admin.versions.page", width=160
        )
    for film, path in there[FILMS_AT_A_TIME * (page - 1) : FILMS_AT_A_TIME * page]:
        st.markdown(f"**{plain(film.file)}**, {_(LABELS[film.label])}: {_verdict(film)}")
        for column, name, version, probability in zip(
            st.columns(2),
            (_("Champion"), _(other)),
            (found.champion_version, found.challenger_version),
            (film.champion, film.challenger),
            strict=True,
        ):
            with column:
                _film(version_services.heated(version, path), name, probability)


def _film(found: tuple[bytes, bool] | None, name: str, probability: float | None) -> None:
    words = f"{name}: {_probability(probability)}"
    if found is None:
        st.caption(words)
        return
    picture, has_heat = found
    words += "" if has_heat else f", {_(NO_HEAT)}"
    st.image(picture, caption=words, width=320, alt=words)


def _record(film: "Differing", other: str) -> dict[str, object]:
    return {
        _("Film"): film.file,
        _("Reference label"): _(LABELS[film.label]),
        _("Champion"): _probability(film.champion),
        _(other): _probability(film.challenger),
        _("Verdict"): _verdict(film),
    }


def _verdict(film: "Differing") -> str:
    return _("right now, wrong before") if film.is_gained else _("wrong now, right before")


def _probability(value: float | None) -> str:
    return _("refused") if value is None else f"{value:.3f}"
