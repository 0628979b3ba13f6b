"""The cookie by which a browser stays signed in with a local account, through reload and restart.

A page of Streamlit talks through a WebSocket, which cannot set a cookie. So whoever signs in gets
a ticket, good for one use within a minute; a script of the page sends it to `/session`, and the
answer of the server sets the cookie. `app.py` gives this route to the server.

    ticket = session_cookie.hand_over(token)  # "" takes the cookie away
    session_cookie.send(ticket)  # in each run, until it has arrived
    token = session_cookie.token()  # in the sessions that follow

The token (model/people/sessions.py) is drawn anew at each sign-in, so nothing that was in the
browser before counts afterwards: no session fixation. The cookie is HttpOnly: a script that
somebody should get into a page (XSS) may do there what the person may, while the page is open, but
cannot take the sign-in along; it sees the ticket only, which is spent by then. SameSite=Strict,
with the check of the origin that Streamlit makes for its WebSocket, keeps other sites out; the
header of the ticket keeps them from signing a browser in as somebody else, since they may not send
it. Secure on https.
"""

import secrets
import time

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.people.access import SESSION_HOURS

NAME = "pneumoscope_session"
TICKET_SECONDS = 60  # a busy browser; a quiet one takes a blink

# Once for each ticket, however often Streamlit draws this.
_SEND = """
export default function ({ data }) {
  if (window.pneumoscopeTicket === data.ticket) return;
  window.pneumoscopeTicket = data.ticket;
  fetch(data.url, { method: "POST", headers: { "X-Ticket": data.ticket }, keepalive: true })
    .catch((error) => console.warn("The sign-in is not kept:", error));
}
"""
_send = st.components.v2.component("pneumoscope_session_cookie", js=_SEND)

_handed_over: dict[str, tuple[str, float]] = {}  # ticket -> token, good until


def token() -> str:
    """The token in the cookie that this browser came with, or ""."""
    found = st.context.cookies.get(NAME)
    return found if isinstance(found, str) else ""  # AppTest, which has no browser, gives a mock


def hand_over(token: str) -> str:
    """The ticket for which the browser gets the cookie with this token; "" takes it away."""
    for ticket in list(_handed_over):
        if not waits(ticket):
            _handed_over.pop(ticket, None)
    ticket = secrets.token_urlsafe(32)
    _handed_over[ticket] = token, time.monotonic() + TICKET_SECONDS
    return ticket


def waits(ticket: str) -> bool:
    """Whether the browser may still come with this ticket."""
    return time.monotonic() < _handed_over.get(ticket, ("", 0.0))[1]


def send(ticket: str) -> None:
    """Has the browser fetch its cookie, unless it has it."""
    if waits(ticket):
        _send(key="session_cookie.send", data={"ticket": ticket, "url": path("session")})


async def _answer(request: Request) -> Response:
    """Sets the cookie that the ticket stands for, or takes it away."""
    ticket = request.headers.get("x-ticket", "")
    good = waits(ticket)
    token, _ = _handed_over.pop(ticket, ("", 0.0))
    if not good:
        return Response("This ticket was used or is too old.", status_code=403)
    # Behind a proxy only the browser knows whether it speaks https.
    origin = request.headers.get("origin") or str(request.url)
    response = Response(status_code=204)
    response.set_cookie(
        NAME, token, max_age=SESSION_HOURS * 3600 if token else 0, path=path(),
        secure=origin.startswith("https:"), httponly=True, samesite="strict",
    )  # fmt: skip
    return response


def path(name: str = "") -> str:
    """Below the address of the app, with a slash at the front."""
    parts = (str(st.get_option("server.baseUrlPath") or "").strip("/"), name)
    return "/" + "/".join(filter(None, parts))


def routes() -> list[Route]:
    """What the server answers beside Streamlit's own addresses."""
    return [Route(path("session"), _answer, methods=["POST"])]
