"""A file is made when its button is pressed, handed over once, and a fault is said in words."""

import json

from streamlit.testing.v1 import AppTest

APP = """
import streamlit as st
from model.errors import StoreError
from pages.shared import downloads

def fails():
    raise StoreError("a database that works", "none", "Start it <b>first</b>.")

def made():
    st.session_state["made"] = st.session_state.get("made", 0) + 1
    return "probability\\n0.5\\n".encode()

downloads.button("Fails", fails, "fails.csv", "text/csv", key="fails")
downloads.button("CSV", made, "list.csv", "text/csv", key="list", help="Recorded.")
"""


def saved(page: AppTest) -> list[tuple[str, bytes]]:
    """Name and content of what the browser is given."""
    files = []
    for block in page.get("bidi_component"):
        data = block.proto.bytes
        start = 4 + int.from_bytes(data[:4], "little")
        files.append((json.loads(data[4:start])["name"], data[start:]))
    return files


def test_a_file_is_made_when_it_is_asked_for() -> None:
    page = AppTest.from_string(APP).run()
    assert saved(page) == []
    assert "made" not in page.session_state
    page.button(key="list").click().run()
    assert saved(page) == [("list.csv", b"probability\n0.5\n")]
    page.run()
    assert saved(page) == []
    assert page.session_state["made"] == 1


def test_why_there_is_none_is_said() -> None:
    page = AppTest.from_string(APP).run()
    page.button(key="fails").click().run()
    [error] = page.error
    assert "Expected a database that works" in error.value
    assert "<b>" not in error.value
    assert saved(page) == []
