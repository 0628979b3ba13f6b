"""Which list, and how a new one is made of files, ZIP archives or a folder of the server."""

import datetime
from typing import TYPE_CHECKING

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import worklist_services
from pages.shared.drawing import plain

if TYPE_CHECKING:
    from model.clinic.worklists import Worklist

MAX_UPLOAD_MB = 2000
DROP = N_("Drop X-rays here, or a ZIP of them: at most 2,000 files and 2 GB unpacked")
KEPT = N_(
    "The films stay in the server's memory while there is room (2 GB over all lists, the oldest "
    "are let go first) and are never stored. What was read of them is kept until you delete the "
    "list, and only you see it."
)
EMPTY = N_("Make your first worklist: the films are read in the background, suspicious ones first.")
NEW, LIST, DELETE = N_("New worklist"), N_("Worklist"), N_("Delete this worklist")
SURE = N_("The list, its file names and what it says of them are gone. Reviews stay.")
AGAIN_ONE = N_(
    "**1 film was not read and cannot be now.** Films are never stored: after a restart of the "
    "server, or when memory was needed, they have to be given again."
)
AGAIN = N_(
    "**{n} films were not read and cannot be now.** Films are never stored: after a restart of the "
    "server, or when memory was needed, they have to be given again."
)


def choose(actor: Actor) -> int | None:
    """The list that is shown, None if there is none yet."""
    state = st.session_state
    lists = {one.id: one for one in worklist_services.lists(actor)}
    if state.get("worklist.shown") not in lists:
        state["worklist.shown"] = next(iter(lists), None)
    if not lists:
        st.info(_(EMPTY), icon=":material/checklist:")
        _new(actor)
        return None
    choice, new, delete = st.columns([5, 1.6, 1.6], vertical_alignment="bottom")
    state["worklist.chosen"] = state["worklist.shown"]
    titles = {number: f"{one.name} ({_far(one)})" for number, one in lists.items()}
    choice.selectbox(
        _(LIST),
        list(lists),
        format_func=lambda number: titles.get(number, ""),
        key="worklist.chosen",
        on_change=lambda: show(state["worklist.chosen"]),
    )
    with new.popover(_(NEW), icon=":material/add:", width="stretch"):
        _new(actor)
    number = int(state["worklist.shown"])
    with delete.popover(_("Delete"), icon=":material/delete:", width="stretch"):
        st.write(_(SURE))
        if st.button(_(DELETE), key=f"worklist.delete.{number}"):
            worklist_services.delete(actor, number)
            st.rerun()
    return number


def _far(one: "Worklist") -> str:
    parts = [_("{n} read", n=one.num_read)]
    parts += [_("{n} not readable", n=one.num_errors)] if one.num_errors else []
    parts += [_("{n} to read", n=one.num_pending)] if one.num_pending else []
    return ", ".join(parts)


def show(number: int) -> None:
    """Shows this list in the next run, with no case open."""
    st.session_state["worklist.shown"] = number
    st.session_state.pop("worklist.open", None)


def _new(actor: Actor) -> None:
    state = st.session_state
    round_ = state.setdefault("worklist.round", 0)  # a new key empties the uploader: memory
    uploads = st.file_uploader(
        _(DROP),
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"worklist.upload.{round_}",
    )
    folder = folder_choice(f"worklist.folder.{round_}")
    now = _("{now:%d %B %Y, %H:%M}", now=datetime.datetime.now())
    name = st.text_input(_("Name of the list"), now, 200, key="worklist.name")
    st.caption(_(KEPT))
    ready = bool(uploads or folder)
    if st.button(_("Read these films"), type="primary", key="worklist.read", disabled=not ready):
        try:
            given = worklist_services.films(
                actor, [(file.name, file.getvalue()) for file in uploads], folder
            )
            show(worklist_services.create(actor, name, given))
        except PneumoscopeError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        state["worklist.round"] = round_ + 1
        st.rerun()


def folder_choice(key: str) -> str | None:
    """A folder of the server, where the configuration allows some."""
    folders = list(worklist_services.folders())
    if not folders:
        return None
    return st.selectbox(_("Or a folder of the server"), folders, index=None, key=key)


def again(actor: Actor, number: int, num_missing: int) -> None:
    """Asks for the films of a list that are no longer at hand."""
    words = _(AGAIN_ONE) if num_missing == 1 else _(AGAIN, n=num_missing)
    st.warning(words, icon=":material/restart_alt:")
    with st.expander(_("Give the films again"), expanded=num_missing > 0):
        give(actor, number, "pending")


def give(actor: Actor, number: int, key: str) -> None:
    """Takes films of this list in, told by their names."""
    state = st.session_state
    round_ = state.setdefault("worklist.round", 0)
    uploads = st.file_uploader(
        _("The same files or the same ZIP as before"),
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"worklist.again.{key}.{round_}",
    )
    folder = folder_choice(f"worklist.again.{key}.folder.{round_}")
    if not (uploads or folder):
        return
    try:
        files = [(file.name, file.getvalue()) for file in uploads]
        given = worklist_services.films(actor, files, folder)
        num_found = worklist_services.give_again(actor, number, given)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if not num_found:
        words = _("None of these files has the name of one of this list.")
        st.error(words, icon=":material/error:")
        return
    state["worklist.round"] = round_ + 1
    st.rerun()
