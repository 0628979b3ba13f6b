"""Which GPUs Keras sees on this computer, and with which back end."""

from importlib import import_module

import keras


def backend() -> str:
    """Name of the Keras back end: tensorflow, jax or torch."""
    return keras.backend.backend()


def gpus() -> list[str]:
    """Names of the GPUs, [] without one."""
    if backend() == "torch":
        cuda = import_module("torch").cuda  # Keras lists no devices for it
        return [f"gpu:{number}" for number in range(cuda.device_count())]
    # Asked for GPUs by name JAX raises an error where there is none.
    found = keras.distribution.list_devices()
    return [name for name in found if not name.startswith(("cpu", "tpu"))]
