"""The exceptions that Pneumoscope raises on purpose.

PneumoscopeError
 +-- XRayError         a file that is no readable X-ray
 |    +-- TooLarge     over the limits on bytes or pixels, refused before it is unpacked
 +-- BundleError       a model version that does not check: it gives no verdict
 +-- DataError         a data set folder that cannot be used as asked
 +-- TrainingError     a training that cannot go on; what it has finished is kept
 +-- ConfigError       a setting that is unknown or out of range
 +-- StoreError        the database or a folder of runtime data that cannot be used now
 +-- AccessError       a person who may not do this, or whose sign-in is refused
 +-- InputError        what a person entered and what cannot be kept as it is

Each message says what was expected, what was received and what to do. It is meant for the
person in front of the screen, so it holds no path of the server and nothing that names a patient,
and is in the language of who caused it.
"""

import contextlib
from collections.abc import Iterator

from model.language import _


class PneumoscopeError(Exception):
    """Base class. `str(error)` is one paragraph: expected, received, what to do."""

    def __init__(self, expected: str, received: str, todo: str) -> None:
        super().__init__(
            _(
                "Expected {expected}. Received: {received}. {todo}",
                expected=expected,
                received=received,
                todo=todo,
            )
        )
        self.expected = expected
        self.received = received
        self.todo = todo


class XRayError(PneumoscopeError):
    """The bytes cannot be read as an X-ray."""


class TooLarge(XRayError):
    """The file or the image in it is over the limits of `model.config`."""


class BundleError(PneumoscopeError):
    """The files of a model version are missing, damaged, or made for other code."""


class DataError(PneumoscopeError):
    """A data set folder has not the layout, the files or the labels that were asked for."""


class TrainingError(PneumoscopeError):
    """A training met a loss that is no number, a full memory or a full disk."""


class ConfigError(PneumoscopeError):
    """A setting has a name or a value that this program does not know."""


class StoreError(PneumoscopeError):
    """The database is locked, full, gone, damaged, or of a newer version; nothing was stored."""


class AccessError(PneumoscopeError):
    """The role of a person does not allow what was asked for, or the sign-in is refused."""


class InputError(PneumoscopeError):
    """A name, a password, a review or a reason that cannot be kept as it was entered."""


@contextlib.contextmanager
def plain_faults(expected: str, todo: str) -> Iterator[None]:
    """Faults of the disk inside leave it as StoreError, with what was expected and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(expected, error.strerror or type(error).__name__, todo) from None
