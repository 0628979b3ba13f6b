"""The answer in two sentences, the champion's figures, on whom they hold, and its errors."""

from html import escape

import streamlit as st

from model import metrics
from model.config import settings
from model.metrics import Rate
from model.performance import Row, split_of
from pages.shared import drawing, services
from pages.shared.trust import evidence, tables
from pages.shared.trust.evidence import LabelledFilm

SHOWN = 12  # errors of a kind before one asks for all


def draw() -> None:
    """The tab."""
    bundle, row = services.bundle(), evidence.champion()
    description = bundle.evaluations[split_of(bundle)].description
    _answer(row, description)
    left, right = st.columns(2, gap="large")
    with left:
        tables.show(
            "figures",
            f"{row.title}, at the default threshold of {row.threshold:g}, on the {description}",
            [
                {"Figure": "AUROC", "Value": row.auroc, "What it says": _AUROC},
                {"Figure": "Accuracy", "Value": row.accuracy, "What it says": "of all, right"},
                {"Figure": "Sensitivity", "Value": row.recall, "What it says": _SENSITIVITY},
                {"Figure": "Specificity", "Value": row.specificity, "What it says": _SPECIFICITY},
                {"Figure": "PPV", "Value": row.precision, "What it says": _PPV},
                {"Figure": "NPV", "Value": row.npv, "What it says": _NPV},
                {"Figure": "F1", "Value": row.f1, "What it says": "of sensitivity and PPV"},
                {"Figure": "ECE, 15 bins", "Value": row.ece, "What it says": _ECE},
            ],
        )
    with right:
        _subgroups()
        _choices()
    _errors(row)


_AUROC = "how often a pneumonia ranks above a normal X-ray"
_SENSITIVITY = "of those with pneumonia, found"
_SPECIFICITY = "of those without, cleared"
_PPV = "of those called pneumonia, ill (in this set)"
_NPV = "of those called normal, well (in this set)"
_ECE = "mean gap between probability and truth"


def _answer(row: Row, description: str) -> None:
    bundle = services.bundle()
    untouched = ", on which nothing was chosen" if split_of(bundle) == "test" else ""
    st.html(
        '<div class="answer"><p>It <b>finds '
        f"{_said(row.recall)} of the X-rays with pneumonia</b>{_interval(row.recall)} and "
        f"<b>clears {_said(row.specificity)} of those without</b>{_interval(row.specificity)}, at "
        f"its default threshold of {row.threshold:g}.</p>"
        f"<p>{' '.join(_when())}</p>"
        f'<p class="source">Measured on the {escape(description)}, {row.n_positive:,} of '
        f"them with pneumonia{untouched}. Version {escape(bundle.model_version)}. In "
        "parentheses: 95 % interval, count.</p></div>"
    )


def _when() -> list[str]:
    """On whom it does best and worst, and which change of the film costs most."""
    said = []
    kinds = [group for group in evidence.subgroups() if "against" in group.name]
    if kinds:
        parts = [
            f"{escape(group.name.split(' against')[0].lower())} in {_said(group.sensitivity)}"
            f"{_interval(group.sensitivity)}"
            for group in kinds
        ]
        said.append(f"It finds {' and '.join(parts)}.")
    threshold = services.bundle().operating_point().threshold
    changed = [
        (change.title, metrics.confusion(change.labels, change.probabilities, threshold))
        for change in evidence.changes()
        if change.name != "none" and change.labels.size
    ]
    if changed:
        title, worst = min(
            changed, key=lambda pair: pair[1].sensitivity.value + pair[1].specificity.value
        )
        said.append(
            f"Of {len(changed)} changes that hospitals make to a film "
            f"<b>“{escape(title)}” costs most</b>: it then finds {_said(worst.sensitivity)}"
            f"{_interval(worst.sensitivity)} and clears {_said(worst.specificity)}"
            f"{_interval(worst.specificity)}."
        )
    else:
        said.append("How it fares on films that a hospital has changed has not been measured.")
    return said


def _said(rate: Rate) -> str:
    return tables.value(rate)


def _interval(rate: Rate) -> str:
    return f" ({tables.interval(rate)}; {rate.numerator:,} of {rate.denominator:,})"


def _subgroups() -> None:
    tables.show(
        "subgroups",
        "On whom: parts of the same X-rays, at the same threshold",
        [
            {
                "Part": group.name,
                "X-rays": group.n,
                "Sensitivity": group.sensitivity,
                "Specificity": group.specificity,
                "AUROC": group.auroc,
            }
            for group in evidence.subgroups()
        ],
    )
    known = evidence.dataset()
    if known and len(known.image_sizes) == 1 and not known.other_sizes:
        size = known.image_sizes[0]
        st.caption(
            "No parts by image size: every X-ray of this copy of the data has "
            f"{size.width} x {size.height} px."
        )


def _choices() -> None:
    """What was chosen where: nothing on the X-rays that the figures are from."""
    bundle = services.bundle()
    training = bundle.training
    records = []
    if "num_training" in training:
        where = f"{training['num_training']:,} X-rays of the training split"
        records.append({"What": "Weights", "Value": bundle.network.upper(), "Chosen on": where})
    chosen_on = bundle.operating_point().chosen_on
    records.append(
        {"What": "Temperature", "Value": f"{bundle.temperature:.2f}", "Chosen on": chosen_on}
    )
    records += [
        {
            "What": f"{point.name.capitalize()}: {point.rule}",
            "Value": f"{point.threshold:g}",
            "Chosen on": point.chosen_on,
        }
        for point in bundle.operating_points
    ]
    tables.show("choices", "What was chosen where", records)


def _errors(row: Row) -> None:
    st.subheader("Its errors")
    if settings().data is None:
        st.caption(
            "To see the X-rays that it gets wrong, start the app with `XRAY_DATA` set to the "
            "folder of the data set, which holds `test/NORMAL` and `test/PNEUMONIA`."
        )
        return
    missed, alarms = evidence.errors(row.threshold)
    counts = row.confusion
    _gallery("Missed pneumonia", "missed", missed, counts.false_negatives)
    _gallery("False alarms", "alarms", alarms, counts.false_positives)


def _gallery(title: str, key: str, films: list[LabelledFilm], expected: int) -> None:
    st.markdown(f"**{title}: {expected:,}**, most confidently wrong first")
    if len(films) < expected:
        st.caption(f"{expected - len(films):,} of them are not in the folder of `XRAY_DATA`.")
    shown = films
    if len(films) > SHOWN and not st.toggle(f"Show all {len(films)}", key=f"performance.{key}"):
        shown = films[:SHOWN]
    gallery([(film, f"probability {film.probability:.3f}") for film in shown], f"trust-{key}")


def gallery(films: list[tuple[LabelledFilm, str]], key: str) -> None:
    """Thumbnails in rows, each with its file name and some words."""
    with st.container(horizontal=True, gap="small", key=key):
        for film, words in films:
            picture = evidence.film_thumbnail(film.path)
            if picture:
                st.image(picture, caption=f"{drawing.plain(film.path.name)}  \n{words}", width=168)
