"""A table with 2% positives and nothing edited, from ingest to a really started server: what is stated comes true.

A temperature alone stated 33% on average, and a Brier score of 0.160 where "always 2%" gives 0.019.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from asking import served
from reached import reach
from scipy.special import expit

from components.lib.model_dir import Model
from components.lib.server import ask

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]
ROWS, PREVALENCE = 12_000, 0.02
NUMBERS = ("CRP (mg/l)", "Größe;$(cm)", "x{3}", "Puls")


def admissions(settings: dict[str, Any], **target: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """Rows of odd column names, two a patient, and a finding of 2% that three of the four columns tell of."""
    generator = np.random.default_rng(11)
    values = generator.normal(size=(ROWS, 4))
    evidence = -5.0 + 1.1 * values[:, 0] - 0.9 * values[:, 1] + 0.6 * values[:, 2] * values[:, 3]
    table = pd.DataFrame(values, columns=list(NUMBERS)).round(4)
    table.insert(0, "patient", [f"P{row // 2:05d}" for row in range(ROWS)])
    table["sepsis"] = np.where(generator.random(ROWS) < expit(evidence), "yes", "no")
    task = {
        "task": "rare",
        "source": {
            "reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
            "columns": {"site": None, "sex": None, "age": None},
        },
        "inputs": {"record": {"kind": "table", "numbers": list(NUMBERS)}},
        "targets": {"sepsis": {"kind": "binary", "classes": ["no", "yes"], **target}},
        "split": {"validation": 0.3, "test": 0.3}, "clean": None, "augment": None, "evaluate": None,
        "train": {"model": "mlp", "width": 16, "epochs": 8, **settings}, "register": {"golden_cases": 50},
    }  # fmt: skip
    return task, table


@pytest.mark.parametrize(
    ("settings", "target", "named"),
    [
        ({}, {}, "Platt: slope"),
        ({"quantise": "int8", "seeds": 2, "width": 32}, {"calibration": "isotonic"}, "isotonic: "),
    ],
)
def test_a_rare_finding_is_stated_as_rare(
    tmp_path: Path, settings: dict[str, Any], target: dict[str, str], named: str
) -> None:
    done = reach(tmp_path / "here", *admissions(settings, **target))
    network = Model(done.data / "model")
    (figures,) = network.info.fitted.values()
    assert figures.scaling["offset"] == pytest.approx(np.log(PREVALENCE / (1 - PREVALENCE)), abs=0.3)
    predicted = done.predicted.sort_values("row")
    rows = done.table.loc[predicted["row"]]
    truth, said = (rows["sepsis"] == "yes").to_numpy(), predicted["probability"].to_numpy(float)
    assert 0.01 < truth.mean() < 0.03
    # Some 70 events in validation and as many on test: chance alone moves their ratio by a third.
    assert truth.mean() / said.mean() == pytest.approx(1, abs=0.5)
    always = ((truth - truth.mean()) ** 2).mean()
    assert ((said - truth) ** 2).mean() <= always
    report = (done.data / "evaluation/report.html").read_text(encoding="utf-8")
    assert named in report
    assert "class weights undone: offset" in report
    asked = {name: rows[name].tolist()[:200] for name in NUMBERS}
    with served(done.workspace, "rare") as address:
        answers = pd.DataFrame(ask(address, asked))
    np.testing.assert_allclose(answers["probability"], said[:200], atol=1e-6)
    json.dumps(figures.scaling, allow_nan=False)
