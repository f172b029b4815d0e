"""How well each architecture reads the synthetic ECGs, and whether its map lies on the beat that it speaks of.

    python -m benchmarks.ecg [ARCHITECTURE ...]      default resnet; also lstm, gru. Two minutes each on 2 cores.

It trains ecg_rhythm as committed, in a workspace of its own, and measures on test. Of ectopic beats that were called
rightly, it takes the positive part of the called class's map, and the share of it that lies in the beat's own interval,
divided by that interval's share of the window: 1 is chance. The goals are resnet's; exit status 1 when one is missed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.lib.dataset import Dataset
from components.lib.model_dir import Model
from components.lib.statistics import Estimate
from pipelines.workspace import TASKS, make_workspace

TASK = TASKS / "ecg_rhythm.yaml"
JUDGED, F1_GOAL, SALIENCY_GOAL = "resnet", 0.9, 2.0
# Seconds around the R peak, the window's middle: QRS and T wave; before an early beat of the atria its P wave, too.
INTERVALS = {"ventricular": (-0.25, 0.45), "supraventricular": (-0.6, 0.45)}


@dataclass(frozen=True)
class Found:
    """What one architecture reached."""

    architecture: str
    seconds: float
    """Of the train step."""
    metrics: dict[str, Estimate]
    saliency: dict[str, float]
    """Class to share of the map on the beat, by chance; NaN without a map or a beat."""


def main(*architectures: str) -> int:
    """Train and measure each, print the tables and the figures against their goals."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "ecg_rhythm"
        for name in architectures or (JUDGED,):
            found.append(measure(home, name, trained(home, name)))
            print(f"{name}: macro F1 {_told(found[-1].metrics['f1'])}", flush=True)
    print("\n".join(_tables(found)))
    judged = next((each for each in found if each.architecture == JUDGED), None)
    if judged is None:
        print(f"no goal: that is {JUDGED}'s")
        return 0
    f1, saliency = judged.metrics["f1"].value, judged.saliency["ventricular"]
    reached = f1 >= F1_GOAL and saliency >= SALIENCY_GOAL
    print(
        f"{JUDGED}: macro F1 {f1:.3f}, goal at least {F1_GOAL}; map on ventricular beats {saliency:.2f} times chance, "
        f"goal at least {SALIENCY_GOAL:g}: {'reached' if reached else 'not reached'}"
    )
    return int(not reached)


def trained(home: Path, architecture: str, text: str | None = None) -> float:
    """Train in the workspace, which is made where it isn't there; returns the seconds of the train step.

    Args:
        home: the workspace. What an earlier call cleaned is kept.
        architecture: a file of components/train/models/signal.
        text: of the task file; None: as committed.
    """
    text = re.sub(r"(?m)^( +model:) \w+", rf"\1 {architecture}", text or TASK.read_text(encoding="utf-8"))
    home.mkdir(parents=True, exist_ok=True)
    (home / "task.yaml").write_text(text, encoding="utf-8")
    make_workspace(home)
    _dvc(home, "augment")
    start = time.monotonic()
    _dvc(home, "train")
    return time.monotonic() - start


def measure(home: Path, architecture: str, seconds: float, split: str = "test") -> Found:
    """Figures of the workspace's model on a split."""
    model = Model(home / "data/model")
    if model.info.architecture != architecture:
        raise SystemExit(f"the task file's model is not {architecture} but {model.info.architecture}")
    ((name, kind),), ((target, classes),) = model.info.inputs.items(), model.info.targets.items()
    samples, arrays = Dataset(home / "data/cleaned").select(split, [name])
    outputs = model.predict(arrays)
    encoded, _ = classes.encode(samples[target])
    metrics = classes.metrics(outputs[target], encoded, model.info.fitted[target].decision)
    called = np.array(classes.class_names)[outputs[target].argmax(axis=1)]
    right = called == samples[target].to_numpy(str)
    length = kind.shape[0] / kind.rate  # type: ignore[union-attr]
    saliency = {}
    for unit, each in enumerate(classes.class_names):
        if each in INTERVALS and f"{target}_map" in outputs:
            maps = outputs[f"{target}_map"][right & (called == each), :, unit]
            saliency[each] = on_the_beat(maps, INTERVALS[each], length)
    return Found(architecture, seconds, dict(metrics), {each: saliency.get(each, float("nan")) for each in INTERVALS})


def on_the_beat(maps: NDArray[np.floating], interval: tuple[float, float], seconds: float) -> float:
    """Mean share of the positive part of maps (N, t) inside an interval, divided by the interval's share of the window.

    A map without a positive place counts as 0: it shows nothing.

    Args:
        maps: over a window of `seconds`, its places side by side.
        interval: from, to; seconds from the middle.
        seconds: length of the window.
    """
    if not len(maps):
        return float("nan")
    edges = np.linspace(-seconds / 2, seconds / 2, maps.shape[1] + 1)
    low, high = interval
    inside = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) / np.diff(edges)
    positive = np.clip(maps, 0, None)
    mass = positive.sum(axis=1)
    shares = np.divide(positive @ inside, mass, out=np.zeros(len(maps)), where=mass > 0)
    return float(shares.mean() / ((high - low) / seconds))


def _dvc(home: Path, step: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", step]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _tables(found: list[Found]) -> list[str]:
    lines = ["", "| architecture | train step, s | macro F1 | accuracy | map on ventricular beats, by chance | "
             "on supraventricular |", "|---|---|---|---|---|---|"]  # fmt: skip
    for each in found:
        on_beats = " | ".join(f"{each.saliency[name]:.2f}" for name in INTERVALS)
        f1, accuracy = _told(each.metrics["f1"]), _told(each.metrics["accuracy"])
        lines.append(f"| {each.architecture} | {each.seconds:.0f} | {f1} | {accuracy} | {on_beats} |")
    lines += ["", "| architecture | class | F1 | sensitivity |", "|---|---|---|---|"]
    for each in found:
        names = [name.removeprefix("f1_") for name in each.metrics if name.startswith("f1_")]
        for name in names:
            figures = " | ".join(_told(each.metrics[f"{metric}_{name}"]) for metric in ("f1", "recall"))
            lines.append(f"| {each.architecture} | {name} | {figures} |")
    return [*lines, ""]


def _told(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
