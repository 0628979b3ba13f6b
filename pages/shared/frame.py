"""What surrounds every page: title, style, theme, language, the sentence on intended use."""

import threading
from html import escape

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from model import language
from model.config import ROOT
from model.language import N_, _
from pages.shared import session_cookie, shortcuts

INTENDED_USE = N_(
    "Decision support for research and teaching on chest X-rays of children. Not a medical device."
)
LANGUAGE_COOKIE = "pneumoscope_language"

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

# Says to the browser and its screen reader which language the page is in, and keeps a choice for
# the next visit: in a cookie, which the server knows before it draws the first page.
_LANGUAGE = """
export default function ({ data: { language, cookie, path } }) {
  document.documentElement.lang = language;
  const scope = `path=${path}; max-age=31536000; samesite=strict`;
  if (cookie) document.cookie = `${cookie}=${language}; ${scope}`;
}
"""
_say_language = st.components.v2.component("pneumoscope_language", js=_LANGUAGE)
_known = threading.local()  # session: of this thread; code: its language


def spoken() -> str:
    """The language of the session that this thread runs for; English outside of any.

    What the visitor has chosen, else what the browser asks for. Looked up once for each thread of a
    session: it is asked for with every sentence, and Streamlit may end a run whenever a value of
    the session is read, as in the middle of storing something.
    """
    run = get_script_run_ctx(suppress_warning=True)
    if run is None:
        return language.ENGLISH
    if getattr(_known, "session", None) != run.session_id:
        _look_up(run.session_id)
    return _known.code


def _look_up(session: str) -> None:
    _known.session, _known.code = session, language.ENGLISH  # if this should need a sentence
    asked = st.session_state.get("language") or st.context.cookies.get(LANGUAGE_COOKIE)
    # AppTest, which has no browser, gives a mock.
    _known.code = language.best(asked if isinstance(asked, str) else st.context.locale)


language.use(spoken)


def begin() -> None:
    """Page settings and style; the first call of every script run."""
    st.session_state["frame.first"] = "frame.begun" not in st.session_state
    st.session_state["frame.begun"] = True
    run = get_script_run_ctx()
    if run:  # another thread may have chosen since
        _look_up(run.session_id)
    assets = ROOT / "assets"
    st.set_page_config(page_icon=assets / "icon.png", layout="wide")
    st.logo(assets / "logo.svg", size="large")
    st.html(assets / "style.css")
    shortcuts.listen()
    chosen = "language" in st.session_state
    if chosen or spoken() != language.ENGLISH:
        _say_language(
            key="frame.language",
            data={
                "language": spoken(),
                "cookie": LANGUAGE_COOKIE if chosen else "",
                "path": session_cookie.path(),
            },
        )


def name(title: str) -> None:
    """What the browser's tab and a screen reader call the page."""
    st.set_page_config(f"{title} - Pneumoscope")


def heading(title: str) -> None:
    """The first heading of a page that shows none, for who goes by headings."""
    st.html(f'<h1 class="unseen">{escape(title)}</h1>')


def end() -> None:
    """The foot of the page."""
    others = {code: name for code, name in language.languages().items() if code != spoken()}
    with st.container(horizontal=True, vertical_alignment="center", key="frame.foot"):
        st.caption(_(INTENDED_USE))
        for code, name in others.items():
            st.button(name, type="tertiary", key=f"frame.in.{code}", on_click=choose, args=(code,))
    session_cookie.send(st.session_state.get("auth.ticket", ""))
    if st.session_state.get("frame.first"):
        _dark_at_first(key="frame.dark_at_first")


def choose(code: str) -> None:
    """From the next run on the pages speak this language, and in this browser's next sessions."""
    st.session_state["language"] = code
