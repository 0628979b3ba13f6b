"""Which GPUs Keras sees on this computer, for the checks of a host."""

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
    return keras.distribution.list_devices("gpu")
