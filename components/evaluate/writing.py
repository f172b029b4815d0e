"""The files of an evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from components.evaluate.card import card
from components.evaluate.figures import draw
from components.evaluate.findings import Findings
from components.evaluate.report import report
from components.evaluate.results import predictions
from components.lib.csv_file import write_csv
from components.lib.kinds import Chart
from components.lib.statistics import Estimate


def write(findings: Findings, out: Path) -> None:
    """report.html, model_card.md, metrics.json, predictions.parquet, <chart>.csv and figures/<chart>.png."""
    evaluated = findings.evaluated
    (out / "figures").mkdir(exist_ok=True)
    for name, chart in charts(findings).items():
        write_csv(chart.table, out / f"{name}.csv")
        (out / "figures" / f"{name}.png").write_bytes(draw(chart))
    for name, png in ((name, png) for each in findings.cases or () for name, png in each.files.items()):
        (out / "figures" / name).write_bytes(png)
    predictions(evaluated.samples, evaluated.results).to_parquet(out / "predictions.parquet", index=False)
    (out / "report.html").write_text(report(findings), encoding="utf-8")
    (out / "model_card.md").write_text(card(evaluated, findings.facts), encoding="utf-8")
    write_json(out / "metrics.json", _metrics(findings))


def charts(findings: Findings) -> dict[str, Chart]:
    """Every chart by the name of its file."""
    own = {f"{each.target}_{chart.name}": chart for each in findings.evaluated.results for chart in each.charts}
    return own | {name: chart for part in findings.parts for name, chart in part.charts.items()}


def verdict(findings: Findings) -> dict[str, Any]:
    """The gates, and of which model and data: what register reads."""
    return {
        "passed": all(gate.passed for gate in findings.gates),
        "gates": [{"gate": gate.gate, "least": gate.least, "found": gate.found, "passed": gate.passed,
                   "text": gate.text} for gate in findings.gates],
        "model_digest": findings.evaluated.network.digest,
        "dataset_digest": findings.evaluated.data.info.digest,
    }  # fmt: skip


def write_json(path: Path, content: dict[str, Any]) -> None:
    """JSON for people and programs."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _metrics(findings: Findings) -> dict[str, Any]:
    """What `dvc metrics show` prints: {target: {metric: {value, low, high}}}, and the sizes."""
    samples, gates = findings.evaluated.samples, findings.gates
    figures: dict[str, Any] = {
        "test": {"samples": len(samples), "patients": int(samples["patient"].nunique())},
        "gates": {"passed": sum(gate.passed for gate in gates), "of": len(gates)},
    }
    found = findings.metrics
    for result in findings.evaluated.results:
        each = {name: _interval(estimate) for name, estimate in found[result.target].items()}
        figures[result.target] = {"n": int(result.known.sum())} | each
    return figures


def _interval(estimate: Estimate) -> dict[str, float | None]:
    """JSON knows neither NaN nor infinity: what is missing, and an end that there isn't, is null."""
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in ends.items()}
