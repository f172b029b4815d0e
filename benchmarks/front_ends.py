"""How much longer the local Kubeflow run takes than `dvc repro` of the same work, in one run, by turns.

    python -m benchmarks.front_ends [PAIRS]      default 3 pairs; exit status 1 when the median ratio is above the goal

The work is a small phantom task, new for every run, so that neither side finds anything done.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipelines.workspace import make_workspace

GOAL = 1.15
TASK = """
task: front_ends
phantom: {kind: chest, patients: 80, prevalence: 0.5, seed: 3}
source: {reader: folder, path: data/raw, index: index.csv, synthetic: true, public_key: true}
inputs: {image: {kind: image, size: [64, 64], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.25}
clean: null
augment: null
train: {epochs: 6, batch_size: 16}
evaluate: {gates: {finding.accuracy: 0.1}}
register: null
"""


def main(pairs: int = 3) -> int:
    """Time both by turns, print the table and the figure against its goal."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(pairs):
            home = Path(folder) / str(pair)
            rows.append((dvc(home / "dvc"), kubeflow(home / "kubeflow")))
            print(f"pair {pair + 1}: dvc repro {rows[-1][0]:.1f} s, kubeflow run-local {rows[-1][1]:.1f} s", flush=True)
    print("\n| pair | dvc repro, s | kubeflow run-local, s | ratio |\n|---|---|---|---|")
    for pair, (one, other) in enumerate(rows):
        print(f"| {pair + 1} | {one:.1f} | {other:.1f} | {other / one:.3f} |")
    ratio = statistics.median(other / one for one, other in rows)
    print(f"median ratio {ratio:.3f}, goal at most {GOAL}: {'reached' if ratio <= GOAL else 'not reached'}")
    return int(ratio > GOAL)


def workspace(path: Path) -> dict[str, str]:
    """A fresh workspace; the environment with a store of its own."""
    path.mkdir(parents=True)
    (path / "task.yaml").write_text(TASK, encoding="utf-8")
    make_workspace(path)
    return {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{path}/mlflow.db"}


def dvc(path: Path) -> float:
    """Seconds of `dvc repro`."""
    return timed([sys.executable, "-m", "dvc", "repro", "--quiet"], path, workspace(path))


def kubeflow(path: Path) -> float:
    """Seconds of the same work as a local Kubeflow run."""
    environment = workspace(path)
    command = ["pipelines.kubeflow", "run-local", "--task", "task.yaml", "--workspace", str(path)]
    return timed([sys.executable, "-m", *command], path, environment)


def timed(command: list[str], path: Path, environment: dict[str, str]) -> float:
    """Wall seconds of a command that succeeds."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
