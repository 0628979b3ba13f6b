"""Training on several devices of one machine, and with too little memory, under JAX."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def seen(tiny_data, tmp_path_factory):
    """What shared_batches.py saw, with JAX and two devices made of one processor."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    script = [sys.executable, "-m", "tests.nn.shared_batches"]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    ended = subprocess.run(
        [*script, tiny_data, tmp_path_factory.mktemp("shared")],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    *said, last = ended.stdout.splitlines()
    return json.loads(last) | {"said": said}


def test_two_devices_share_each_batch(seen):
    assert seen["two"]["devices"] == [2, 2]
    assert "Each batch is shared by 2 devices: cpu:0, cpu:1" in seen["said"]
    assert seen["one"]["devices"] == [1, 1]


def test_they_learn_what_one_device_learns(seen):
    for two, one in zip(seen["two"]["lines"], seen["one"]["lines"], strict=True):
        for name in ("loss", "validation_loss", "changed_loss"):
            assert two[name] == pytest.approx(one[name], rel=1e-2), name
    assert seen["two"]["logits"] == pytest.approx(seen["one"]["logits"], abs=0.02)
    assert len(seen["two"]["logits"]) == 7  # also of the film without a partner


def test_when_the_memory_is_full_it_goes_on_with_smaller_batches(seen):
    """JAX has given the weights away to the step that fails: they come from the checkpoint."""
    assert seen["halved"] == [{"stage": 0, "epoch": 1, "batch_size": 2}]
    assert [line["epoch"] for line in seen["full"]["lines"]] == [0, 1]
    first, undisturbed = seen["full"]["lines"][0], seen["one"]["lines"][0]
    assert first["validation_loss"] == pytest.approx(undisturbed["validation_loss"], rel=1e-4)
