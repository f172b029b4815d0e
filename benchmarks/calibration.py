"""Whether served probabilities come true at any prevalence: tables through train and export, judged on large test sets.

    python -m benchmarks.calibration [DRAWS]      at least, default 5; exit status 1 when a goal is missed

Each draw is another sample of one population: 10,000 rows to learn from, 10,000 of validation, 30,000 of test; eight
measurements tell, not in a straight line, of a finding of the stated prevalence, or of three classes. A small network
is trained with balanced weights, calibrated and exported as any model is; ONNX Runtime answers. `before` is what a
temperature alone makes of the same network. Goals: over the draws, mean observed / expected .9 to 1.1, mean slope .8 to
1.2 (of three classes, of the one furthest off), no AUC lost. In brackets: least and largest draw. 100 events in
validation leave the slope of one draw uncertain by ±0.25; there are so many draws that they hold 1,500 events together,
so that their mean is certain to about ±0.07. The last table is arithmetic on logits alone: how far one validation set
can be trusted.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from sklearn.metrics import roc_auc_score

from components.lib.calibration import binary_logits, fit_binary, fit_temperature
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds.table import Row, Table
from components.lib.model_dir import Model
from components.lib.spec import TaskSpec
from components.train.devices import prepare
from components.train.ensemble import plain_cores
from components.train.fit import logits
from components.train.members import members, train_member
from components.train.samples import Choice, Development, Samples
from components.train.step import assemble

ROWS = {"train": 10_000, "validation": 10_000, "test": 30_000}
PREVALENCES = (0.01, 0.02, 0.1, 0.5)
SHARES = (0.9, 0.08, 0.02)
COLUMNS = tuple(f"x{k}" for k in range(8))
EVENTS_TOGETHER = 1_500
"""Of the rarest class in validation, over all draws of a population."""
EVENTS, REPEATS = (5, 10, 20, 50, 100, 200), 100
OBSERVED, SLOPE, AUC_LOST = (0.9, 1.1), (0.8, 1.2), 0.0005
Floats = NDArray[np.float64]
TRAIN = {
    "model": "mlp", "width": 16, "epochs": 6, "batch_size": 128, "learning_rate": 3e-3, "precision": "float32",
    "device": "cpu",
}  # fmt: skip


def task(shares: tuple[float, ...]) -> TaskSpec:
    """A table of eight numbers, and a finding or one of several classes."""
    classes = [f"c{k}" for k in range(len(shares))]
    kind = {"kind": "binary" if len(shares) == 2 else "multiclass", "classes": classes}
    return TaskSpec.model_validate_json(json.dumps({
        "task": "calibration", "source": {"reader": "table", "path": "raw", "file": "rows.csv"},
        "inputs": {"rows": {"kind": "table", "numbers": list(COLUMNS)}}, "targets": {"finding": kind}, "train": TRAIN,
    }))  # fmt: skip


def population(shares: tuple[float, ...], n: int, generator: np.random.Generator) -> tuple[Floats, NDArray[np.intp]]:
    """Measurements (n, 8) and the class (n,), drawn with a probability that follows from them."""
    rows = generator.normal(size=(n, len(COLUMNS)))
    way = np.random.default_rng(0).normal(size=(len(COLUMNS), len(shares)))
    evidence = 0.6 * rows @ way + 0.5 * np.abs(rows[:, :1]) * way[:1] + 0.4 * rows[:, 1:2] * rows[:, 2:3]
    evidence[:, 0] = 0
    for _ in range(30):  # intercepts that give the shares
        evidence += np.log(shares) - np.log(softmax(evidence, axis=1).mean(axis=0))
    return rows, (evidence + generator.gumbel(size=evidence.shape)).argmax(axis=1)


def datasets(path: Path, spec: TaskSpec, shares: tuple[float, ...], seed: int) -> tuple[Dataset, Dataset]:
    """The cleaned rows of all splits, and no copies."""
    rows, label = population(shares, sum(ROWS.values()), np.random.default_rng(seed))
    (kind,), (target,) = spec.inputs.values(), spec.targets.values()
    assert isinstance(kind, Table)
    array = np.stack([kind.clean(Row(dict(zip(COLUMNS, each, strict=True)))).array for each in rows.tolist()])
    names = [f"s{row:06d}" for row in range(len(rows))]
    split = np.repeat(list(ROWS), list(ROWS.values()))
    table = pd.DataFrame({"sample_id": names, "patient": names, "split": split, "sha256": names, "synthetic": True})
    table = table.assign(**{f"rows_{figure}": 0.0 for figure in kind.quality_ranges})
    table["finding"] = pd.Series(np.array(target.class_names, object)[label], dtype="str")
    made = []
    for name, chosen in (("cleaned", np.full(len(table), True)), ("augmented", np.full(len(table), False))):
        (path / name).mkdir(parents=True)
        writer = DatasetWriter(path / name)
        writer.write_part(0, table[chosen].reset_index(drop=True), {"rows": array[chosen]})
        writer.finish(task="calibration", step="clean", parts=1, synthetic=True, targets={}, key_fingerprint=None,
                      lineage={}, arrays={"rows": ArrayInfo.of(kind)})  # fmt: skip
        made.append(Dataset(path / name))
    return made[0], made[1]


def draw(shares: tuple[float, ...], seed: int) -> dict[str, float]:
    """One training: observed over expected, slope and AUC on test, as served and with a temperature alone."""
    keras.backend.clear_session()
    spec = task(shares)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder)
        development = Development(*datasets(path, spec, shares, seed), spec)
        prepare(spec.train)
        (member,) = members(spec)
        learnt, judged = development.learnt(None), development.judged(None)
        trained = [train_member(member, learnt, judged, spec, path / "work", lambda figures: None)]
        (path / "model").mkdir()
        assemble(trained, None, development, {}, path / "model")
        samples, arrays = development.cleaned.select("test", ["rows"])
        served = np.asarray(Model(path / "model").predict(arrays)["finding"], np.float64)
        (core,), (kind,) = plain_cores(trained, spec, development.all.fitted), spec.targets.values()
        raw = logits(core, Samples([development.cleaned], Choice(("test",)), spec, development.all.fitted))["finding"]
        temperature = fit_temperature(logits(core, judged)["finding"], judged.targets["finding"])
        before = np.asarray(kind.activation(raw, {"temperature": temperature}), np.float64)
        encoded, _ = kind.encode(samples["finding"])
    return {**measured(served, encoded), **{f"before_{k}": v for k, v in measured(before, encoded).items()}}


def measured(said: Floats, encoded: NDArray[np.floating]) -> dict[str, float]:
    """Observed over expected and slope of each class (of two, the finding); AUC; Brier score over that of always
    stating the share."""
    truth, units = np.asarray(encoded, np.float64), range(said.shape[1])
    ratios = {f"ratio{k}": float(truth[:, k].mean() / said[:, k].mean()) for k in units}
    slopes = {f"slope{k}": slope(said[:, k], truth[:, k] > 0) for k in units}
    area = float(np.mean([roc_auc_score(truth[:, k], said[:, k]) for k in units]))
    always = ((truth - truth.mean(axis=0)) ** 2).mean()
    return {**ratios, **slopes, "auc": area, "brier": float(((said - truth) ** 2).mean() / always)}


def furthest(found: pd.DataFrame, name: str) -> pd.Series:
    """Of the columns of a figure, one a class, the one whose mean is furthest from 1."""
    columns = found.filter(regex=f"^{name}[0-9]+$")
    return columns[columns.mean().sub(1).abs().idxmax()]


def slope(said: Floats, positive: NDArray[np.bool_]) -> float:
    """Calibration slope (Cox 1958, doi:10.1093/biomet/45.3-4.562), by statsmodels."""
    evidence = logit(np.clip(said, 1e-7, 1 - 1e-7))
    return float(sm.Logit(positive.astype(float), sm.add_constant(evidence)).fit(disp=0).params[1])


def few_events() -> None:
    """Spread of observed over expected and slope by the events of validation, at a prevalence of 2%."""
    generator = np.random.default_rng(1)

    def sample(n: int) -> tuple[Floats, NDArray[np.bool_]]:
        positive = generator.random(n) < 0.02
        return 2.4 * generator.normal(np.where(positive, 0.75, -0.75), 1) + 0.3, positive

    later, truth = sample(100_000)
    print("\nOne validation set, 2% prevalence: middle 95% of what it leads to")
    print(f"{'events':>7}  {'observed / expected':>22}  {'slope':>16}")
    for events in EVENTS:
        ratios, slopes = [], []
        for _ in range(REPEATS):
            seen, positive = sample(events * 50)
            fitted = {"offset": float(logit(0.02))}
            fitted |= fit_binary("platt", seen[:, None], positive[:, None].astype(float), fitted["offset"])
            said = binary_logits(later[:, None], fitted)[:, 0]
            ratios.append(truth.mean() / expit(said).mean())
            # The right slope of the raw logit is 1.5 / 2.4.
            slopes.append(1.5 / 2.4 / fitted["slope"])
        low, high = np.percentile(ratios, (2.5, 97.5)), np.percentile(slopes, (2.5, 97.5))
        print(f"{events:>7}  {np.median(ratios):8.2f} ({low[0]:.2f} to {low[1]:.2f})  "
              f"{np.median(slopes):6.2f} ({high[0]:.2f} to {high[1]:.2f})")  # fmt: skip


def main() -> None:
    """Print the tables and end with a status."""
    least = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    head = (
        "population",
        "draws",
        "observed / expected",
        "slope",
        "AUC",
        "Brier / constant",
        "before: o/e",
        "slope",
        "AUC",
    )
    print("  ".join(f"{each:>20}" for each in head))
    missed = []
    for shares in (*((1 - each, each) for each in PREVALENCES), SHARES):
        draws = max(least, math.ceil(EVENTS_TOGETHER / ROWS["validation"] / min(shares)))
        found = pd.DataFrame([draw(shares, seed) for seed in range(draws)])
        name = f"{shares[1]:.0%}" if len(shares) == 2 else " / ".join(f"{each:.0%}" for each in shares)
        ratio, steep = furthest(found, "ratio"), furthest(found, "slope")
        cells = [f"{each.mean():.3f} ({each.min():.2f}-{each.max():.2f})" for each in (ratio, steep)]
        cells += [f"{found['auc'].mean():.4f}", f"{found['brier'].mean():.3f}"]
        cells += [f"{furthest(found, f'before_{key}').mean():.3f}" for key in ("ratio", "slope")]
        cells += [f"{found['before_auc'].mean():.4f}"]
        print("  ".join(f"{each:>20}" for each in (name, str(draws), *cells)), flush=True)
        good = OBSERVED[0] <= ratio.mean() <= OBSERVED[1] and SLOPE[0] <= steep.mean() <= SLOPE[1]
        if not (good and found["auc"].mean() >= found["before_auc"].mean() - AUC_LOST):
            missed.append(name)
    few_events()
    verdict = f"missed at {', '.join(missed)}" if missed else "reached everywhere"
    print(f"observed / expected .9 to 1.1, slope .8 to 1.2, AUC no lower than a temperature's: {verdict}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
