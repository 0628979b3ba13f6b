"""Retrain: what has come in, a frozen set of base data and reviews, and a training from it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import auth, retraining_services
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, proposal, said, training, when

if TYPE_CHECKING:
    from model.retraining.retraining_set import Proposal, RetrainingSet

MAX_UPLOAD_MB = 2000
SINCE = N_("Since the last training's set was frozen, {time} UTC")
NEVER = N_(
    "Nothing was trained here yet, trial runs aside: this is all that clinicians have said so far."
)
FOLDER, UPLOAD = N_("Folder “{name}” of this server"), N_("A ZIP of my own")
NO_FOLDER = N_(
    "This server has no base data: start it with XRAY_DATA set to a folder that holds train/ and "
    "test/, each with NORMAL/ and PNEUMONIA/, or upload a ZIP of such a folder."
)
LAYOUT = N_(
    "A ZIP with NORMAL/ and PNEUMONIA/, or with train/ and test/ that each have both; at most 2 GB"
)
RULE = N_(
    "A reviewed film is added when its image was kept and two readers agree on its label, or one "
    "reader and an admin. Films of one child stay together as far as file names of the base data "
    "tell it. Of which child a reviewed film is nobody knows here, so it is trained on and not "
    "validated on, unless the base data have it. Films of the locked test set are refused, "
    "whatever they are called."
)
LOOK = N_("See what it would hold")
LOOKING = N_("Reading the films ...")
NO_SETS = N_("No set is frozen yet.")
FROZEN = N_("The set {name} is frozen: its films and labels never change again.")
WRITING = N_("Writing the set ...")


def draw(actor: Actor) -> None:
    """Three steps, from the top to the bottom."""
    said()
    sets = retraining_services.sets(actor)
    _came_in(actor, sets)
    st.subheader(_("1. The data"))
    _data(actor)
    st.subheader(_("2. Frozen sets"))
    listing(
        _("Frozen sets, newest first: {n}", n=len(sets)), [_record(s) for s in sets], _(NO_SETS)
    )
    st.subheader(_("3. New training"))
    training.draw(actor, sets)


def _record(one: "RetrainingSet") -> dict[str, object]:
    return {
        _("Name"): one.name,
        _("Films"): _counts(one),
        _("Frozen (UTC)"): when(one.created),
        _("By"): one.by,
        _("Number"): one.sha256[:12],
    }


def _counts(one: "RetrainingSet") -> str:
    return ", ".join(f"{n:,} {_(what)}" for what, n in one.counts.items())


def _came_in(actor: Actor, sets: list["RetrainingSet"]) -> None:
    time, counts = retraining_services.came_in(actor)
    st.subheader(_(SINCE, time=when(time)) if time else _(NEVER))
    with st.container(horizontal=True):
        for what, number in counts.items():
            st.metric(_sentence(_(what)), f"{number:,}", width=165)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _data(actor: Actor) -> None:
    st.caption(_(RULE))
    base = _base()
    if base is None:
        return
    state = st.session_state
    if st.button(_(LOOK), icon=":material/dataset:", key="admin.retrain.look"):
        state.pop("admin.proposal", None)
        with Saying(""):
            found = retraining_services.propose(actor, base, _progress(_(LOOKING)))
            state["admin.proposal"] = base, found
        st.rerun()
    of, found = state.get("admin.proposal", (None, None))
    if found is not None and of == base:
        proposal.show(actor, found)
        if not found.problem:
            _freeze(found)


def _progress(words: str) -> Callable[[float], object]:
    bar = st.progress(0.0, words)
    return lambda share: bar.progress(min(share, 1.0), words)


def _freeze(found: "Proposal") -> None:
    with st.form("admin.freeze", border=False):
        name = st.text_input(
            _("Name of the set"), key="admin.freeze.name", autocomplete="off", max_chars=80
        )
        pressed = st.form_submit_button(
            _("Freeze this set"), type="primary", icon=":material/ac_unit:"
        )
    if pressed:
        with Saying(_(FROZEN, name=name)):
            retraining_services.freeze(auth.require("admin"), found, name, _progress(_(WRITING)))
            st.session_state.pop("admin.proposal")
        st.rerun()


def _base() -> Path | None:
    """The data folder or the ZIP that was chosen; None while there is none."""
    folder = retraining_services.base_folder()
    if folder is None:
        st.info(_(NO_FOLDER), icon=":material/folder_off:")
    else:
        names = {"folder": _(FOLDER, name=folder.name), "zip": _(UPLOAD)}
        chosen = st.radio(
            _("Base data"), list(names), format_func=names.__getitem__, horizontal=True,
            key="admin.retrain.base",
        )  # fmt: skip
        if chosen == "folder":
            return folder
    upload = st.file_uploader(
        _(LAYOUT), type="zip", max_upload_size=MAX_UPLOAD_MB, key="admin.retrain.zip"
    )
    if upload is None:
        return None
    try:
        return retraining_services.take_in(auth.require("admin"), upload)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/folder_zip:")
        return None
