"""The answer in two sentences, the champion's figures, on whom they hold, and its errors."""

from html import escape

import streamlit as st

from model import metrics
from model.config import settings
from model.language import N_, _
from model.metrics import Rate
from model.performance import Row, split_of
from model.phrases import translated
from pages.shared import drawing, services
from pages.shared.trust import evidence, tables
from pages.shared.trust.evidence import LabelledFilm

SHOWN = 12  # errors of a kind before one asks for all


def draw() -> None:
    """The tab."""
    bundle, row = services.bundle(), evidence.champion()
    description = translated(bundle.evaluations[split_of(bundle)].description)
    _answer(row, description)
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "figures",
            _(
                "{network}, at the default threshold of {threshold:g}, on the {xrays}",
                network=translated(row.title),
                threshold=row.threshold,
                xrays=description,
            ),
            [
                {N_("Figure"): figure, N_("Value"): value, N_("What it says"): says}
                for figure, value, says in (
                    (N_("AUROC"), row.auroc, _AUROC),
                    (N_("Accuracy"), row.accuracy, _ACCURACY),
                    (N_("Sensitivity"), row.recall, _SENSITIVITY),
                    (N_("Specificity"), row.specificity, _SPECIFICITY),
                    (N_("PPV"), row.precision, _PPV),
                    (N_("NPV"), row.npv, _NPV),
                    (N_("F1"), row.f1, _F1),
                    (N_("ECE, 15 bins"), row.ece, _ECE),
                )
            ],
        )
    with right:
        _subgroups()
        _choices()
    _errors(row)


_AUROC = N_("how often a pneumonia ranks above a normal X-ray")
_ACCURACY = N_("of all, right")
_SENSITIVITY = N_("of those with pneumonia, found")
_SPECIFICITY = N_("of those without, cleared")
_PPV = N_("of those called pneumonia, ill (in this set)")
_NPV = N_("of those called normal, well (in this set)")
_F1 = N_("of sensitivity and PPV")
_ECE = N_("mean gap between probability and truth")
_FINDS = N_(
    "It <b>finds {found} of the X-rays with pneumonia</b> {found_interval} and <b>clears {cleared} "
    "of those without</b> {cleared_interval}, at its default threshold of {threshold:g}."
)
_WORST = N_(
    "Of {n} changes that hospitals make to a film <b>“{change}” costs most</b>: it then finds "
    "{found} {found_interval} and clears {cleared} {cleared_interval}."
)
_ON_TEST = N_(
    "Measured on the {xrays}, {n:,} of them with pneumonia, on which nothing was chosen that "
    "changes these figures. Version {version}. In parentheses: 95 % interval, count."
)
_ON_OTHERS = N_(
    "Measured on the {xrays}, {n:,} of them with pneumonia. Version {version}. In parentheses: "
    "95 % interval, count."
)
_KINDS = {
    "bacteria": N_("bacterial pneumonia in {share} {interval}"),
    "virus": N_("viral pneumonia in {share} {interval}"),
}


def _answer(row: Row, description: str) -> None:
    bundle = services.bundle()
    source = _(
        _ON_TEST if split_of(bundle) == "test" else _ON_OTHERS,
        xrays=escape(description),
        n=row.n_positive,
        version=escape(bundle.model_version),
    )
    finds = _(_FINDS, **_both(row.recall, row.specificity), threshold=row.threshold)
    st.html(
        f'<div class="answer"><p>{finds}</p><p>{" ".join(_when())}</p>'
        f'<p class="source">{source}</p></div>'
    )


def _when() -> list[str]:
    """On whom it does best and worst, and which change of the film costs most."""
    said = []
    kinds = [
        _(_KINDS[group.kind], share=_said(group.sensitivity), interval=_interval(group.sensitivity))
        for group in evidence.subgroups()
        if group.kind
    ]
    if len(kinds) == 1:
        said.append(_("It finds {kind}.", kind=kinds[0]))
    elif kinds:
        said.append(_("It finds {kind} and {other_kind}.", kind=kinds[0], other_kind=kinds[1]))
    threshold = services.bundle().operating_point().threshold
    changed = [
        (change.title, metrics.confusion(change.labels, change.probabilities, threshold))
        for change in evidence.changes()
        if change.name != "none" and change.labels.size
    ]
    if not changed:
        unknown = _("How it fares on films that a hospital has changed has not been measured.")
        return [*said, unknown]
    title, worst = min(
        changed, key=lambda pair: pair[1].sensitivity.value + pair[1].specificity.value
    )
    both = _both(worst.sensitivity, worst.specificity)
    return [*said, _(_WORST, n=len(changed), change=escape(translated(title)), **both)]


def _both(sensitivity: Rate, specificity: Rate) -> dict[str, str]:
    return {
        "found": _said(sensitivity),
        "found_interval": _interval(sensitivity),
        "cleared": _said(specificity),
        "cleared_interval": _interval(specificity),
    }


def _said(rate: Rate) -> str:
    return tables.value(rate)


def _interval(rate: Rate) -> str:
    return _(
        "({interval}; {count:,} of {all:,})",
        interval=tables.interval(rate),
        count=rate.numerator,
        all=rate.denominator,
    )


def _subgroups() -> None:
    tables.show(
        "subgroups",
        _("On whom: parts of the same X-rays, at the same threshold"),
        [
            {
                N_("Part"): group.name,
                N_("X-rays"): group.n,
                N_("Sensitivity"): group.sensitivity,
                N_("Specificity"): group.specificity,
                N_("AUROC"): group.auroc,
            }
            for group in evidence.subgroups()
        ],
    )
    known = evidence.dataset()
    if known and len(known.image_sizes) == 1 and not known.other_sizes:
        size = known.image_sizes[0]
        st.caption(
            _(
                "No parts by image size: every X-ray of this copy of the data has {width} x "
                "{height} px.",
                width=size.width,
                height=size.height,
            )
        )


def _choices() -> None:
    """What was chosen where: nothing on the X-rays that the figures are from."""
    bundle = services.bundle()
    training = bundle.training
    records = []
    if "num_training" in training:
        where = f"{training['num_training']:,} X-rays of the training split"
        records.append((N_("Weights"), bundle.network.upper(), where))
    chosen_on = bundle.operating_point().chosen_on
    records.append((N_("Temperature"), f"{bundle.temperature:.2f}", chosen_on))
    records += [
        (f"{point.name.capitalize()}: {point.rule}", f"{point.threshold:g}", point.chosen_on)
        for point in bundle.operating_points
    ]
    tables.show(
        "choices",
        _("What was chosen where"),
        [
            {N_("What"): what, N_("Value"): value, N_("Chosen on"): chosen_on}
            for what, value, chosen_on in records
        ],
    )


def _errors(row: Row) -> None:
    st.subheader(_("Its errors"))
    if settings().data is None:
        st.caption(
            _(
                "To see the X-rays that it gets wrong, start the app with `XRAY_DATA` set to the "
                "folder of the data set, which holds `test/NORMAL` and `test/PNEUMONIA`."
            )
        )
        return
    missed, alarms = evidence.errors(row.threshold)
    counts = row.confusion
    _gallery(_("Missed pneumonia"), "missed", missed, counts.false_negatives)
    _gallery(_("False alarms"), "alarms", alarms, counts.false_positives)


def _gallery(title: str, key: str, films: list[LabelledFilm], expected: int) -> None:
    st.markdown(_("**{errors}: {n:,}**, most confidently wrong first", errors=title, n=expected))
    if len(films) < expected:
        gone = expected - len(films)
        st.caption(_("{n:,} of them are not in the folder of `XRAY_DATA`.", n=gone))
    shown = films
    if len(films) > SHOWN and not st.toggle(
        _("Show all {n}", n=len(films)), key=f"performance.{key}"
    ):
        shown = films[:SHOWN]
    gallery(
        [
            (film, _("probability {probability:.3f}", probability=film.probability))
            for film in shown
        ],
        f"trust-{key}",
    )


def gallery(films: list[tuple[LabelledFilm, str]], key: str) -> None:
    """Thumbnails in rows, each with its file name and some words."""
    with st.container(horizontal=True, gap="small", key=key):
        for film, words in films:
            picture = evidence.film_thumbnail(film.path)
            if picture:
                st.image(
                    picture,
                    caption=f"{drawing.plain(film.path.name)}  \n{words}",
                    width=168,
                    alt=_("Film {name}", name=film.path.name),
                )
