"""What a retraining set would hold, and everything that is left out of it, each with its reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from model.retraining.manifest import UNKNOWN_CHILD
from pages.shared import auth, retraining_services
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing

if TYPE_CHECKING:
    from model.retraining.base_data import Left
    from model.retraining.retraining_set import Proposal

SHOWN = 100  # lines of a list
APPROVED_AT_A_TIME = 10  # films with a form
TO_APPROVE = ("conflicts", "waiting")
LABELS = ("normal", "pneumonia")
SPLITS = {
    "training": N_("Training"), "validation": N_("Validation"), "test": N_("Locked test set"),
}  # fmt: skip
WHY = N_("such as: seen on the follow-up film")
APPROVED = N_("The label is approved. Look again at what the set would hold.")
KINDS = {
    "conflicts": (
        N_("Readers disagree"),
        N_("Left out until the readers agree, or you approve the label of one of them."),
    ),
    "waiting": (
        N_("Waiting for a second reader"),
        N_("Left out until a second reader says the same, or you approve the label."),
    ),
    "refused": (N_("Films of the locked test set"), N_("Refused: they measure every version.")),
    "duplicates": (N_("The same film twice"), N_("Taken once.")),
    "near_duplicates": (N_("Nearly the same film"), N_("Both are in: look whether that is right.")),
    "bad": (N_("Files that cannot be read"), N_("Left out.")),
}


def show(actor: Actor, found: "Proposal") -> None:
    """Counts first, and why it cannot be frozen, if so; each list is folded, its number on it."""
    listing(_("What the set would hold"), _table(found), _("No film fits."))
    if found.problem:
        st.error(plain(str(found.problem)), icon=":material/block:")
    elif found.warning:
        st.warning(plain(found.warning), icon=":material/warning:")
    for kind, (title, says) in KINDS.items():
        left_out = getattr(found, kind)
        if not left_out:
            continue
        with st.expander(f"{_(title)}: {len(left_out):,}"):
            st.caption(_(says))
            doubtful = _to_approve(actor, left_out) if kind in TO_APPROVE else {}
            for sha256, one in doubtful.items():
                _doubtful(actor, sha256, one)
            records = [
                {_("File"): one.file, _("Why"): translated(one.reason)}
                for one in left_out
                if doubtful.get(one.image_sha256) is not one
            ]
            listing(_("Files: {n}", n=f"{len(records):,}"), records[:SHOWN], "")
            if len(records) > SHOWN:
                st.caption(_("These are the first {n}.", n=SHOWN))


def _to_approve(actor: Actor, left_out: "Sequence[Left]") -> "dict[str, Left]":
    """By its hash each film that readers have labelled and whose image was kept, some at a time."""
    kept = retraining_services.kept_hashes(actor)
    found = {one.image_sha256: one for one in reversed(left_out) if one.image_sha256 in kept}
    return dict(list(found.items())[::-1][:APPROVED_AT_A_TIME])


def _table(found: "Proposal") -> list[dict[str, object]]:
    """A row for each split, a column for each label; known children; how many from reviews."""
    rows: list[dict[str, object]] = []
    for split, title in SPLITS.items():
        here = [entry for entry in found.entries if entry.split == split]
        if here:
            rows.append(
                {
                    _("Part"): _(title),
                    _("Normal"): f"{sum(e.label == 'NORMAL' for e in here):,}",
                    _("Pneumonia"): f"{sum(e.label == 'PNEUMONIA' for e in here):,}",
                    _("Children"): f"{len({e.patient for e in here} - {UNKNOWN_CHILD}):,}",
                    _("From reviews"): f"{sum(e.source == 'review' for e in here):,}",
                }
            )
    return rows


def _doubtful(actor: Actor, sha256: str, one: "Left") -> None:
    """A reviewed film, and an admin who may stand for a label of it; keys hold the image."""
    film, form = st.columns([1, 4], vertical_alignment="center")
    with film:
        picture = retraining_services.kept_thumbnail(actor, sha256)
        if picture:
            st.image(picture, alt=_("Kept film {number}", number=sha256[:12]))
    with form, st.form(f"admin.approve.{sha256}", border=False):
        st.markdown(plain(translated(one.reason)))
        labels = [one.label] if one.label else list(LABELS)
        label = st.radio(
            _("Label"), labels, horizontal=True, key=f"admin.label.{sha256}",
            index=0 if one.label else None, format_func=_,
        )  # fmt: skip
        reason = st.text_input(_("Reason"), key=f"admin.why.{sha256}", placeholder=_(WHY))
        pressed = st.form_submit_button(_("Approve this label"), icon=":material/done_all:")
    if pressed:
        with Saying(_(APPROVED)):
            retraining_services.approve(auth.require("admin"), sha256, label or "", reason)
            st.session_state.pop("admin.proposal", None)
        st.rerun()
