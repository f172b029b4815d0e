"""Devices: one, two logical ones under TensorFlow, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ramps import train_still

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train import processes
from components.train.devices import prepare

pytestmark = pytest.mark.xdist_group("tensorflow")
TESTS = Path(__file__).parents[2]
TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from ramps import train_still
train_still(Path(sys.argv[1]))
"""


@pytest.mark.accept
def test_two_devices_learn_what_one_learns(tmp_path: Path) -> None:
    # A residual net: its batch normalisation would take other means over each device's half of a batch.
    one = train_still(tmp_path / "one")
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    command = [sys.executable, "-c", TWO_DEVICES, str(tmp_path / "two")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "training on 2 logical processors in float32" in done.stdout
    two = json.loads((tmp_path / "two" / "result.json").read_text(encoding="utf-8"))
    assert two["order"] == one["order"]
    for ours, theirs in zip(two["curves"], one["curves"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2)
    with np.load(tmp_path / "two" / "weights.npz") as ours, np.load(tmp_path / "one" / "weights.npz") as theirs:
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], atol=5e-3)


def test_several_processes_are_refused_under_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(processes.OURS, ("2", "0", "localhost:4000"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelError) as caught:
        prepare(Train(device="cpu"))
    assert "KERAS_BACKEND=jax" in caught.value.expected
