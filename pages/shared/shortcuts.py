"""Keys that are a single character, on all pages, and the one switch for them.

Who speaks to the computer, or whose hand is unsteady, presses them unawares: WCAG 2.1.4. The
switch is kept in the browser, which alone knows it.
"""

from pathlib import Path

import streamlit as st

from model.language import N_, _

TITLE = N_("Keyboard shortcuts")
NOTE = N_("Keys that are a single letter, digit or sign, on all pages; kept in this browser.")
_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
_STYLE = """
label { display: flex; align-items: center; gap: .5rem; cursor: pointer; }
input { width: 1.1rem; height: 1.1rem; margin: 0; accent-color: var(--st-primary-color); }
small { display: block; margin-top: .25rem; font-size: .875rem; }
"""
_listen = st.components.v2.component("pneumoscope_shortcuts", js=_SCRIPT)
_switch = st.components.v2.component(
    "pneumoscope_shortcuts_switch",
    html='<label><input type="checkbox" role="switch"><span></span></label><small></small>',
    css=_STYLE,
    js=_SCRIPT,
)


def listen() -> None:
    """Has the browser hold these keys back where they are switched off."""
    _listen(key="frame.shortcuts")


def switch() -> None:
    """The switch, for a list of keys."""
    _switch(key="shortcuts.switch", data={"title": _(TITLE), "note": _(NOTE)})
