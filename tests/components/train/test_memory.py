"""Memory: nets that can't be trained are refused, one net of an ensemble at a time; data may be larger than memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from films import task
from ramps import TINY

from components.lib.errors import ModelError
from components.train.memory import require_memory
from components.train.samples import Fitted

pytestmark = pytest.mark.xdist_group("tensorflow")
TESTS = Path(__file__).parents[2]
FITTED = Fitted({"image": {}}, {"finding": {}})
# First a training on few pictures, so that everything is imported, compiled and as large as the net makes it. What may
# be taken beyond that is a quarter of the pictures of the second training. Mapped files don't count in RLIMIT_DATA.
SMALL_MEMORY = """
import re, resource, sys
from pathlib import Path
from films import task
from ramps import STILL, TINY, ramps
from components.train.step import train
folder, side, budget = Path(sys.argv[1]), 256, 160_000_000
settings = task(inputs={"image": {"kind": "image", "size": [side, side]}}, augment={"online": {"image": STILL}},
                train={**TINY, "model": "cnn", "batch_size": 16, "epochs": 1})
ramps(folder / "none", {})
ramps(folder / "small", {"train": 40, "validation": 40}, side, rows=64)
large = ramps(folder / "large", {"train": 4 * budget // side**2, "validation": 40}, side, rows=64)
train(folder / "small", folder / "none", folder / "first", settings)
used = int(re.search(r"VmData:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + budget,) * 2)
train(folder / "large", folder / "none", folder / "model", settings)
size = sum(file.stat().st_size for file in (folder / "large").rglob("*.npy"))
print("data, times what may be allocated:", round(size / budget, 2))
try:
    large.select("train", ["image"])
except MemoryError:
    print("they don't fit into memory")
"""


@pytest.mark.parametrize("seeds", [1, 5])
def test_one_net_at_a_time_must_fit(seeds: int) -> None:
    spec = task(train={**TINY, "seeds": seeds})
    require_memory(spec, FITTED, free=100_000_000)
    with pytest.raises(ModelError) as caught:
        require_memory(spec, FITTED, free=1000)
    assert "reduce" in caught.value.todo


def test_a_batch_that_is_left_open_asks_for_the_least() -> None:
    spec = task(train={**TINY, "batch_size": "auto", "width": 64})
    require_memory(spec, FITTED, free=200_000_000)


@pytest.mark.accept
def test_data_four_times_larger_than_memory(tmp_path: Path) -> None:
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path,
                   "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}  # fmt: skip
    command = [sys.executable, "-c", SMALL_MEMORY, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "model" / "model.onnx").exists()
    times = float(done.stdout.split("data, times what may be allocated: ")[1].split()[0])
    assert times >= 4
    assert "they don't fit into memory" in done.stdout
