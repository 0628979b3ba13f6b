"""Tabs that are named in the reader's language, and in the address always alike."""

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from model.phrases import translated


def opened(names: Sequence[str]) -> tuple[str, DeltaGenerator]:
    """Shows a tab for each name; the open one, which alone need be drawn.

    names: in English, marked with `N_`. The address keeps the open one: `?tab=Threshold`.
    """
    titles = {translated(name): name for name in names}
    wanted = st.query_params.get("tab", "")
    # Whatever the language was when the tab was opened.
    st.session_state["tab"] = translated(wanted if wanted in names else names[0])
    tabs = st.tabs(list(titles), key="tab", on_change=_remember, args=(titles,))
    return next((name, tab) for name, tab in zip(names, tabs, strict=True) if tab.open)


def _remember(titles: Mapping[str, str]) -> None:
    st.query_params["tab"] = titles[st.session_state["tab"]]
