"""How long steps take to compare what they read with its SHA256SUMS, next to the step itself.

    python -m benchmarks.digests [PATIENTS]      default 420, of the default task; exit status 1 above 2% of a step

Every step runs once in a fresh workspace, with --no-verify. Then the files of its inputs are compared, all of them and
warm, as they are for a step that another one has just written for: a step reads fewer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from components.lib.cli import FIRST
from components.lib.digests import SUMS, Sums
from components.lib.errors import DataError
from components.lib.spec import load_spec
from pipelines.steps import RAW, Step, steps_of
from pipelines.workspace import CHECKOUT, create_from_task

MOST = 0.02


def main(words: list[str]) -> int:
    """Run the steps and print a table."""
    patients = int(words[0]) if words else 420
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "ws"
        text = (CHECKOUT / "pipelines/tasks/chest_xray_pneumonia.yaml").read_text(encoding="utf-8")
        named = Path(folder) / "task.yaml"
        named.write_text(re.sub(r"patients: \d+", f"patients: {patients}", text), encoding="utf-8")
        create_from_task(named, home)
        print(f"{patients} patients\n\n| step | step, s | compared, MB | compared in, ms | share |")
        print("|---|---|---|---|---|")
        shares = [measured(home, step) for step in steps_of(load_spec(named))]
    print(f"the largest share is {max(shares):.2%}, goal {MOST:.0%}")
    return int(max(shares) > MOST)


def measured(home: Path, step: Step) -> float:
    """Run a step of a workspace and print its row; returns the share of comparing."""
    spec = load_spec(home / "task.yaml")
    command = [sys.executable, *step.command("task.yaml", str(spec.source.path))[1:]]
    command += [] if step.name in FIRST else ["--no-verify"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}
    start = time.perf_counter()
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    inputs = {home / path for path in step.inputs.values() if path != RAW and (home / path / SUMS).is_file()}
    size, spent = 0, 0.0
    for folder in inputs:
        files = [each for each in folder.rglob("*") if each.is_file() and each.name != SUMS]
        size += sum(each.stat().st_size for each in files)
        start = time.perf_counter()
        Sums(folder, DataError, "").require(*files)
        spent += time.perf_counter() - start
    print(f"| {step.name} | {seconds:.1f} | {size / 1e6:.1f} | {spent * 1e3:.1f} | {spent / seconds:.2%} |", flush=True)
    return spent / seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
