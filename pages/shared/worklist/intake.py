"""Which list, and how a new one is made of files, ZIP archives or a folder of the server."""

import datetime
from typing import TYPE_CHECKING

import streamlit as st

from model.access import Actor
from model.errors import PneumoscopeError
from pages.shared import worklist_services
from pages.shared.drawing import plain

if TYPE_CHECKING:
    from model.worklists import Worklist

MAX_UPLOAD_MB = 2000
DROP = "Drop X-rays here, or a ZIP of them: at most 2,000 files and 2 GB unpacked"
KEPT = (
    "The films stay in the server's memory while there is room (2 GB over all lists, the oldest "
    "are let go first) and are never stored. What was read of them is kept until you delete the "
    "list, and only you see it."
)
EMPTY = "Make your first worklist: the films are read in the background, suspicious ones first."
NEW, LIST, DELETE = "New worklist", "Worklist", "Delete this worklist"
SURE = "The list, its file names and what it says of them are gone. Reviews stay."


def choose(actor: Actor) -> int | None:
    """The list that is shown, None if there is none yet."""
    state = st.session_state
    lists = {one.id: one for one in worklist_services.lists(actor)}
    if state.get("worklist.shown") not in lists:
        state["worklist.shown"] = next(iter(lists), None)
    if not lists:
        st.info(EMPTY, icon=":material/checklist:")
        _new(actor)
        return None
    choice, new, delete = st.columns([5, 1.6, 1.6], vertical_alignment="bottom")
    state["worklist.chosen"] = state["worklist.shown"]
    titles = {number: f"{one.name} ({_far(one)})" for number, one in lists.items()}
    choice.selectbox(
        LIST,
        list(lists),
        format_func=lambda number: titles.get(number, ""),
        key="worklist.chosen",
        on_change=lambda: show(state["worklist.chosen"]),
    )
    with new.popover(NEW, icon=":material/add:", width="stretch"):
        _new(actor)
    number = int(state["worklist.shown"])
    with delete.popover("Delete", icon=":material/delete:", width="stretch"):
        st.write(SURE)
        if st.button(DELETE, key=f"worklist.delete.{number}"):
            worklist_services.delete(actor, number)
            st.rerun()
    return number


def _far(one: "Worklist") -> str:
    parts = [f"{one.num_read} read"]
    parts += [f"{one.num_errors} not readable"] if one.num_errors else []
    parts += [f"{one.num_pending} to read"] if one.num_pending else []
    return ", ".join(parts)


def show(number: int) -> None:
    """Shows this list in the next run, with no case open."""
    st.session_state["worklist.shown"] = number
    st.session_state.pop("worklist.open", None)


def _new(actor: Actor) -> None:
    state = st.session_state
    round_ = state.setdefault("worklist.round", 0)  # a new key empties the uploader: memory
    uploads = st.file_uploader(
        DROP,
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=f"worklist.upload.{round_}",
    )
    folder = folder_choice(f"worklist.folder.{round_}")
    name = st.text_input(
        "Name of the list", f"{datetime.datetime.now():%d %B %Y, %H:%M}", 200, key="worklist.name"
    )
    st.caption(KEPT)
    ready = bool(uploads or folder)
    if st.button("Read these films", type="primary", key="worklist.read", disabled=not ready):
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
    return st.selectbox("Or a folder of the server", folders, index=None, key=key)


def again(actor: Actor, number: int, num_missing: int) -> None:
    """Asks for the films of a list that are no longer at hand."""
    what = "1 film was" if num_missing == 1 else f"{num_missing} films were"
    st.warning(
        f"**{what} not read and cannot be now.** Films are never stored: after a restart of the "
        "server, or when memory was needed, they have to be given again.",
        icon=":material/restart_alt:",
    )
    with st.expander("Give the films again", expanded=num_missing > 0):
        give(actor, number, "pending")


def give(actor: Actor, number: int, key: str) -> None:
    """Takes films of this list in, told by their names."""
    state = st.session_state
    round_ = state.setdefault("worklist.round", 0)
    uploads = st.file_uploader(
        "The same files or the same ZIP as before",
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
        st.error("None of these files has the name of one of this list.", icon=":material/error:")
        return
    state["worklist.round"] = round_ + 1
    st.rerun()
