"""The job server of a Ray cluster, asked with patience that ends.

Ray takes more than a second to import: it is imported inside.
"""

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from model.errors import ConfigError, PneumoscopeError, StoreError
from model.files import is_full
from model.language import _

CONNECT_SECONDS, LOOK_SECONDS = 3, 3  # a page waits so long
SECONDS = {"POST": 10, "PUT": 300}  # the job, and its films before it
# A page looks several times while it is drawn: once is enough to wait for a host that is silent.
SILENT_SECONDS = 5
_silent: dict[str, float] = {}  # address and when it was found so, `time.monotonic()`


@contextlib.contextmanager
def asked() -> Iterator[Any]:
    """A client of the job server; whatever it raises leaves here as a PneumoscopeError."""
    address = _address()
    problem: PneumoscopeError
    try:
        if time.monotonic() < _silent.get(address, -SILENT_SECONDS) + SILENT_SECONDS:
            raise TimeoutError
        yield _client(address)
        return
    except PneumoscopeError:
        raise
    except OSError as error:  # also what `requests` raises
        problem = _no_room() if is_full(error) else _unreadable(error) or _away()
    except (RuntimeError, ValueError, KeyError) as error:  # also what Ray raises
        problem = _refusal(str(error))
    raise problem from None


def _address() -> str:
    address = os.environ.get("XRAY_RAY_ADDRESS", "").rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            _("the address of a Ray job server in XRAY_RAY_ADDRESS, such as http://127.0.0.1:8265"),
            _("an address that begins with {what}", what=parts.scheme or address)
            if address
            else _("nothing"),
            _("Correct XRAY_RAY_ADDRESS; it takes neither ray:// nor the port 6379."),
        )
    return address


def _away() -> StoreError:
    return StoreError(
        _("an answer of the Ray cluster"),
        _("none"),
        _(
            "Check that its computer is on, that Ray and the tunnel run and that "
            "XRAY_RAY_ADDRESS is right. A training that runs there goes on."
        ),
    )


def _no_room() -> StoreError:
    """Ray and we pack on this side what travels."""
    return StoreError(
        _("room here to pack what travels to the GPU host"),
        _("a full disk"),
        _("Free some space for temporary files, or set TMPDIR to a folder that has it."),
    )


def _unreadable(error: OSError) -> StoreError | None:
    """Of what was to travel; None for a fault of the network, which names no file."""
    if not error.filename:
        return None
    return StoreError(
        _("files of the training that can be read"),
        error.strerror or type(error).__name__,
        _("Correct the rights of the folder of runtime data, or start a new training instead."),
    )


def _refusal(said: str) -> PneumoscopeError:
    expected = _("a Ray job server at XRAY_RAY_ADDRESS")
    if "oken" in said:
        todo = _("Set RAY_AUTH_MODE=token and copy the cluster's token, as the README says.")
        return ConfigError(expected, _("one that asks for a token"), todo)
    status = re.search(r"status code (\d+)", said)
    if status and int(status[1]) >= 500:
        return StoreError(
            _("an answer of the Ray cluster"), _("fault {n}", n=status[1]), _("Try again later.")
        )
    todo = _("Give the port of Ray's dashboard, 8265 unless chosen otherwise.")
    return ConfigError(expected, _("another program, or a Ray that is too old"), todo)


@lru_cache(maxsize=4)
def _client(address: str) -> Any:
    """Asks the server for its version, so that a wrong address is known at once."""
    # Ray would prefer RAY_ADDRESS to the address that it is given.
    os.environ["RAY_API_SERVER_ADDRESS"] = address
    try:
        from ray.exceptions import RayError
        from ray.job_submission import JobSubmissionClient
        from requests import Timeout
    except ImportError:
        raise StoreError(
            _("the package ray"), _("none"), _('Run `pip install "ray[default]~=2.60.0"`.')
        ) from None

    for name in ("dashboard.modules.dashboard_sdk", "_private.runtime_env.packaging"):
        logging.getLogger(f"ray.{name}").setLevel(logging.ERROR)  # not each upload

    class Client(JobSubmissionClient):
        """Ray's own waits for ever on a host that does not answer."""

        def _do_request(self, method: str, endpoint: str, **arguments: Any) -> Any:
            waits = (CONNECT_SECONDS, SECONDS.get(method, LOOK_SECONDS))
            try:
                return super()._do_request(method, endpoint, timeout=waits, **arguments)
            except RayError as error:  # no token, or a wrong one
                raise RuntimeError(str(error)) from None
            except Timeout:
                _silent[address] = time.monotonic()
                raise

    return Client(address)


def details(client: Any, handle: str) -> Any:
    """What the cluster knows of the job; None if it knows none of that name."""
    try:
        return client.get_job_info(handle)
    except RuntimeError as error:
        if "status code 404" in str(error):
            return None
        raise
