"""AppTest runs whole scripts; a browser has the fragment of the widget that was used run alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from streamlit.runtime.scriptrunner import RerunData
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner


@contextmanager
def alone(at: AppTest, widget: str) -> Iterator[None]:
    """Inside, a run begins with the fragment of the widget of this id, not with app.py."""
    known = at._session_state._state._new_widget_state.widget_metadata
    fragment = known[widget].fragment_id
    assert fragment
    real = LocalScriptRunner.request_rerun

    def ask(runner: LocalScriptRunner, data: RerunData) -> bool:
        runner._requests = ScriptRequests()  # without the run of all that AppTest begins with
        return real(runner, replace(data, fragment_id_queue=[fragment]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalScriptRunner, "request_rerun", ask)
        yield
