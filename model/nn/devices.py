"""What a training finds on its machine: several GPUs, and too little memory on them.

Keras 3.15 spreads a batch over the devices of one host (`keras.distribution.DataParallel`) under
JAX. Under TensorFlow that is a sketch marked "do not use" and under PyTorch there is nothing:
both train on the first GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

_OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}


@contextmanager
def all_devices() -> Iterator[None]:
    """Networks that are built and trained inside use every GPU of this machine, where they can."""
    found = _found()
    if len(found) < 2:
        yield
    elif keras.backend.backend() == "jax":
        print(f"Each batch is shared by {len(found)} devices: {', '.join(found)}", flush=True)
        with keras.distribution.DataParallel(devices=found).scope():
            yield
    else:
        print(
            f"One of {len(found)} devices is used. Set KERAS_BACKEND=jax to use them all.",
            flush=True,
        )
        yield


def _found() -> list[str]:
    """GPUs or TPUs, or without them the CPU; under PyTorch Keras does not know."""
    known = keras.backend.backend() in ("jax", "tensorflow")
    return keras.distribution.list_devices() if known else []


def num_devices() -> int:
    """How many devices share a batch here: it has to be a multiple of them."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory was full. Every back end has an error of its own; JAX tells it in words.

    A ResourceExhaustedError is TensorFlow's, an OutOfMemoryError PyTorch's.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & _OUT_OF_MEMORY) or "RESOURCE_EXHAUSTED" in str(error)
