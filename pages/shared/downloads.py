"""Files that are made when they are asked for and handed to the browser; none is kept.

Not `st.download_button`: it forgets how to make a file whenever the page runs again, so a click in
the meantime gives nothing, and when a file cannot be made it says so without saying why.
"""

import json
import struct
import uuid
from collections.abc import Callable

import streamlit as st

from model.errors import PneumoscopeError
from pages.shared.drawing import plain

# Bytes of one message: uint32 length of the header | header, JSON | the file.
_SAVE = """
const saved = new Set(); // Streamlit calls this again at reruns
export default function ({ data }) {
  const start = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  const { id, name, mime } = JSON.parse(new TextDecoder().decode(data.subarray(4, start)));
  if (saved.has(id)) return;
  saved.add(id);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data.subarray(start)], { type: mime }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
"""
_save = st.components.v2.component("pneumoscope_save", js=_SAVE)


def save(data: bytes, name: str, mime: str, key: str) -> None:
    """Has the browser save a file, once, whatever is done next."""
    packed = json.dumps({"id": uuid.uuid4().hex, "name": name, "mime": mime}).encode()
    _save(key=key, data=struct.pack("<I", len(packed)) + packed + data)


def button(
    label: str, make: Callable[[], bytes], name: str, mime: str, *, key: str, help: str = ""
) -> None:
    """A button that has a file made and saved under this name, or says why there is none.

    Best in a fragment, which leaves the rest of the page alone.
    """
    if not st.button(label, icon=":material/download:", key=key, help=help or None):
        return
    try:
        data = make()
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    save(data, name, mime, f"{key}.saved")
