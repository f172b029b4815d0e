"""A registered version by itself: in an environment made from its own requirements, without checkout and network."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest
from dicoms import real
from workspaces import WATCH, Workspace

from components.lib.registry import fetch
from components.lib.server import ask, command, direct_command, direct_environment, free_port, started

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1800)]
COMPRESSED = ("MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm")
"""What GDCM alone decodes."""
PROBE = """
import importlib.util, json, sys
import mlflow
mlflow.pyfunc.load_model(sys.argv[1])
ours = [module for name, module in sys.modules.items() if name.split(".")[0] == "components"]
print(json.dumps({
    "files": sorted({getattr(module, "__file__", None) or "" for module in ours}),
    "installed": [name for name in ("tensorflow", "keras", "tf2onnx", "jax") if importlib.util.find_spec(name)],
}))
"""


@dataclass(frozen=True)
class Alone:
    """A downloaded version, and a Python that knows nothing of the checkout."""

    folder: Path
    python: Path

    @property
    def version(self) -> Path:
        return self.folder / "version"

    @property
    def empty(self) -> Path:
        return self.folder / "empty"

    @property
    def egress(self) -> Path:
        """Where the watch in every process of this Python writes down who wanted to leave the machine."""
        return self.folder / "egress.log"

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.python.parent), "/usr/bin", "/bin"])
        return {"PATH": path, "HOME": str(self.empty), "MEDPIPE_EGRESS_LOG": str(self.egress)}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [self.python, *words], env=self.environment, cwd=self.empty, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def alone(tiny: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("alone")
    made = Alone(folder, folder / "environment/bin/python")
    for place in (made.version, made.empty):
        place.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tiny.store)
        fetch("models:/tiny_synthetic@champion", made.version)
    subprocess.run([sys.executable, "-m", "venv", made.python.parents[1]], check=True)
    pip = [made.python, "-m", "pip", "--disable-pip-version-check", "-q"]
    wanted, wheels = ["-r", made.version / "requirements.txt"], folder / "wheels"
    subprocess.run([*pip, "download", "-d", wheels, *wanted], check=True, cwd=made.version)
    subprocess.run([*pip, "install", "--no-index", "--find-links", wheels, *wanted], check=True, cwd=made.version)
    purelib = subprocess.run(
        [made.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # From here on what leaves the machine is refused, and written down.
    shutil.copy(WATCH / "sitecustomize.py", purelib.stdout.strip())
    yield made
    assert not made.egress.exists(), made.egress.read_text()


@pytest.fixture(scope="module")
def cases(tiny: Workspace) -> pd.DataFrame:
    """Three test films: their file, and what evaluate predicted."""
    predicted = pd.read_parquet(tiny.path / "data/evaluation/predictions.parquet").head(3)
    return predicted.merge(pd.read_parquet(tiny.path / "data/private/sources.parquet"), on="sample_id")


def test_the_watch_in_this_environment_blocks(alone: Alone) -> None:
    words = "import urllib.request as u; u.urlopen('http://192.0.2.1/')"
    done = subprocess.run([alone.python, "-c", words], env=alone.environment, capture_output=True, check=False)
    assert done.returncode != 0
    assert "192.0.2.1" in alone.egress.read_text(encoding="utf-8")
    alone.egress.unlink()


def test_its_code_is_its_own_and_nothing_of_training_is_there(alone: Alone) -> None:
    told = json.loads(alone.run("-c", PROBE, str(alone.version)).splitlines()[-1])
    assert told["installed"] == []
    assert told["files"]
    assert all(Path(file).is_relative_to(alone.version / "code") for file in told["files"])


@pytest.mark.parametrize("way", ["by MLflow", "directly"])
def test_it_answers_as_evaluate_measured(alone: Alone, cases: pd.DataFrame, tiny: Workspace, way: str) -> None:
    port, environment = free_port(), alone.environment
    if way == "directly":
        words, environment = direct_command(port), environment | direct_environment(alone.version)
    else:
        words = command(str(alone.version), port)
    begun = time.monotonic()
    with started([str(alone.python), *words[1:]], port, environment, alone.empty) as url:
        ready = time.monotonic() - begun
        films = [base64.b64encode((tiny.path / "data/raw" / file).read_bytes()).decode() for file in cases["file"]]
        answers = ask(url, {"image": films})
        compressed = [base64.b64encode(real(name)).decode() for name in COMPRESSED]
        assert all(0 <= answer["probability"] <= 1 for answer in ask(url, {"image": compressed}))
        server = max(psutil.Process().children(recursive=True), key=lambda each: each.memory_info().rss)
        print(f"\n{way}: ready after {ready:.1f} s, {server.memory_info().rss / 1e6:.0f} MB a worker")
    expected = [output[0] for output in cases["output"]]
    assert [answer["probability"] for answer in answers] == pytest.approx(expected, abs=1e-6)
    assert {answer["model_version"] for answer in answers} == {"1"}
    # No store, and no diary of ONNX Runtime's for its maker. MLflow numbers the installation when it is imported; what
    # it would send leaves a trace in the watch's log.
    left = {str(path.relative_to(alone.empty)) for path in alone.empty.rglob("*") if path.is_file()}
    assert left <= {".config/mlflow/telemetry.json"}
