"""The user's ~/.keras/keras.json and Keras' variables are another project's: whatever they say changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
import components.train, json
from components.train.keras_settings import settle
settle()
import keras
c = keras.config
print(json.dumps([c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), c.max_epochs(), c.max_steps_per_epoch(),
                  keras.layers.Dense(1).dtype_policy.name]))
"""
USUAL = ["tensorflow", "float32", 1e-7, "channels_last", None, None, "float32"]
FILES = {
    "another back end": '{"backend": "torch", "floatx": "float16", "image_data_format": "channels_first"}',
    "another back end that is there": '{"backend": "jax", "floatx": "float64", "epsilon": 0.1}',
    "values that Keras refuses": '{"floatx": "bfloat16", "epsilon": 1, "image_data_format": "th"}',
    "no object": "[1, 2]",
    "broken": '{"floatx": ',
    "none": None,
}


@pytest.mark.accept
@pytest.mark.parametrize("case", FILES)
def test_the_users_keras_json_changes_nothing(tmp_path: Path, case: str) -> None:
    content = FILES[case]
    (tmp_path / ".keras").mkdir()
    if content is not None:
        (tmp_path / ".keras/keras.json").write_text(content)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KERAS_")}
    environment = {**kept, "HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SAY], env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == USUAL
    if content is not None:
        assert (tmp_path / ".keras/keras.json").read_text() == content


def test_our_own_home_in_keras_home_is_settled_once(tmp_path: Path) -> None:
    say = "import components.train, os; print(os.environ['KERAS_HOME'])"
    environment = {**os.environ, "KERAS_HOME": str(tmp_path / "k")}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", say], env=environment, cwd=Path(__file__).parents[2],
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert done.stdout.strip() == str(tmp_path / "k/medpipe")
        environment["KERAS_HOME"] = done.stdout.strip()
