"""Pneumoscope: page frame and navigation. `streamlit run app.py`."""

import streamlit as st

from pages.shared import frame

frame.begin()
page = st.navigation(
    [
        st.Page("pages/read.py", title="Read an X-ray", icon=":material/radiology:", default=True),
        st.Page("pages/performance.py", title="Performance", icon=":material/monitoring:"),
        st.Page("pages/about.py", title="About", icon=":material/info:"),
    ],
    position="top",
)
page.run()
frame.end()
