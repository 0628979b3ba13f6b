"""What surrounds every page: title, style, theme, the sentence on intended use."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from model.config import ROOT
from pages.shared import session_cookie

INTENDED_USE = (
    "Decision support for research and teaching on chest X-rays of children. Not a medical device."
)

# Streamlit starts in the theme that the browser prefers, and no setting changes that. A reading
# room is dark, so the first visit to a page says so once (or says what was chosen on the first
# page: Streamlit keeps the theme for the address that was loaded, whatever page it goes on to);
# what the visitor chooses later stays. It takes another load, which forgets the session: so only
# in the first run of a session, and not when somebody has gone on to another page meanwhile.
_DARK_AT_FIRST = """
export default function () {
  const [load] = performance.getEntriesByType("navigation");
  if (new URL(load.name).pathname !== location.pathname) return;
  const visited = "pneumoscope-theme-" + location.pathname;
  if (localStorage.getItem(visited)) return;
  localStorage.setItem(visited, "1");
  const chosen = localStorage.getItem("stActiveTheme-/-v2") ?? "";
  const theme = chosen.includes("Light") ? "Light" : "Dark";
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "Dark" : "Light";
  if (theme === preferred) return;
  localStorage.setItem("stActiveTheme-" + location.pathname + "-v2", JSON.stringify(theme));
  location.reload();
}
"""
_dark_at_first = st.components.v2.component("pneumoscope_dark_at_first", js=_DARK_AT_FIRST)


def inside() -> None:
    """The first call of a page: starts again through app.py when the page was run without it.

    Streamlit takes a folder called pages/ for the older kind of app until `st.navigation` has run
    once in the server. If the first visitor opens the address of a page, it runs that page alone.
    """
    if PagesManager.uses_pages_directory and not st.session_state.get("frame.begun"):
        PagesManager.uses_pages_directory = False
        st.rerun()


def begin() -> None:
    """Page settings and style; the first call of every script run."""
    st.session_state["frame.first"] = "frame.begun" not in st.session_state
    st.session_state["frame.begun"] = True
    assets = ROOT / "assets"
    st.set_page_config("Pneumoscope", page_icon=assets / "icon.png", layout="wide")
    st.logo(assets / "logo.svg", size="large")
    st.html(assets / "style.css")


def end() -> None:
    """The foot of the page."""
    st.caption(INTENDED_USE)
    session_cookie.send(st.session_state.get("auth.ticket", ""))
    if st.session_state.get("frame.first"):
        _dark_at_first(key="frame.dark_at_first")
