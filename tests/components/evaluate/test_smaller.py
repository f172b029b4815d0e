"""A smaller model beside the full one on test: what it loses, and what is told of one that was refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from evaluations import FINDING, SUGAR, evaluated
from onnx import helper, numpy_helper

from components.evaluate import smaller
from components.evaluate.findings import find
from components.evaluate.part import Evaluated, Part
from components.evaluate.report import report
from components.evaluate.results import measure
from components.lib.digests import file_digest
from components.lib.errors import ModelError
from components.lib.gate_names import gate_names
from components.lib.kinds import TargetKind
from components.lib.model_dir import Attempt, FullModel, Model, Smaller, model_digest, write_model_json

COUNT = 120


def text(part: Part) -> str:
    return " ".join(str(block) for section in part.sections for block in section.blocks)


def made(folder: Path, kind: TargetKind = FINDING) -> Evaluated:
    """A model that is mostly right."""
    truth = np.arange(COUNT) % 2
    said = np.clip(0.3 + 0.4 * truth + 0.2 * np.random.default_rng(0).normal(size=COUNT), 0.01, 0.99)
    if kind.class_names:
        return evaluated(folder, outputs=said, truth=[kind.class_names[k] for k in truth], kind=kind)
    return evaluated(folder, outputs=100 * said, truth=list(100.0 * truth), kind=kind)


def coarse(file: Path, step: float) -> str:
    """Round what goes into the activation, as numbers of few bits would; returns the new graph's SHA-256."""
    model = onnx.load(file)
    last = model.graph.node[-1]
    (given,) = last.input
    last.input[0] = "coarse"
    nodes = [helper.make_node("Div", [given, "step"], ["steps"]), helper.make_node("Round", ["steps"], ["whole"]),
             helper.make_node("Mul", ["whole", "step"], ["coarse"])]  # fmt: skip
    for node in nodes:
        model.graph.node.insert(len(model.graph.node) - 1, node)
    model.graph.initializer.append(numpy_helper.from_array(np.array([step], np.float32), "step"))
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
    return file_digest(file)


def both(folder: Path, kind: TargetKind = FINDING, *, refused: str = "") -> Evaluated:
    """A coarser model with the full one beside it; or a full one whose smaller one was refused."""
    full = made(folder, kind)
    place, info = full.network.path, full.network.info
    facts = FullModel(bytes=400_000, parameters=90_000, nets=3, digest=info.digest, fitted=info.fitted)
    tried = Attempt(how="int8", bytes=110_000, parameters=90_000, scores={"finding": 0.98},
                    full_scores={"finding": 0.985}, refused=refused)  # fmt: skip
    if not refused:
        shutil.copy(place / "model.onnx", place / "full.onnx")
        digest = coarse(place / "model.onnx", 1.5 if kind.class_names else 60.0)
        info = info.model_copy(update={"digest": digest})
    write_model_json(place, info.model_copy(update={"smaller": Smaller(full=facts, attempts=(tried,))}))
    network = Model(place)
    return replace(full, network=network, results=measure(network, full.samples, full.arrays))


@pytest.mark.parametrize(("kind", "metric"), [(FINDING, "auc"), (SUGAR, "mae")], ids=["classes", "a number"])
def test_what_is_lost_is_measured_on_the_same_samples(tmp_path: Path, kind: TargetKind, metric: str) -> None:
    looked = both(tmp_path, kind)
    found = smaller.part(looked)
    ((name, lost),) = found.metrics["finding"].items()
    assert name == f"smaller_{metric}_lost"
    assert name in gate_names(kind)
    full = looked.network.full()
    assert full is not None
    result = looked.results[0]
    one, other = (
        kind.metrics(output, result.encoded, result.fitted.decision)[metric].value
        for output in (full.predict(looked.arrays)["finding"], result.output)
    )
    assert lost.value == pytest.approx(one - other if metric == "auc" else other - one, abs=1e-6)
    assert lost.value > 0
    assert lost.low <= lost.value <= lost.high
    assert lost.better == "lower"
    said = text(found)
    assert "110.0" in said
    assert "0.9850" in said
    assert ("of 100 alike" in said) == bool(kind.class_names)
    assert found.warnings == ()


def test_a_refused_one_is_told_at_the_top(tmp_path: Path) -> None:
    looked = both(
        tmp_path, refused="it loses 0.0300 of the score of finding, 0.9850 to 0.9550; at most 0.005 is allowed"
    )
    found = smaller.part(looked)
    assert "refused: it loses 0.0300 of the score" in found.warnings[0]
    assert "Served is the full model" in found.warnings[0]
    assert found.metrics == {}
    page = report(find(looked, None))
    assert page.index(str(found.warnings[0])) < page.index("In plain words</h2>")


def test_time_is_told_where_it_was_measured(tmp_path: Path) -> None:
    looked = both(tmp_path)
    assert "Time: unknown here." in text(smaller.part(looked))
    content = {
        "run_id": "1",
        "model_digest": model_digest(looked.network.path),
        "latency_ms": {"full": 1.5, "int8": 0.5},
    }
    file = looked.network.path.parent / "run.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert "1.500" in text(smaller.part(looked))
    file.write_text(json.dumps({**content, "model_digest": "another"}), encoding="utf-8")
    assert "Time: unknown here." in text(smaller.part(looked))


def test_a_registered_one_stands_alone_and_another_full_one_is_refused(tmp_path: Path) -> None:
    looked = both(tmp_path)
    file = looked.network.path / "full.onnx"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelError) as caught:
        smaller.part(looked)
    assert caught.value.where.endswith("full.onnx")
    file.unlink()
    found = smaller.part(looked)
    assert "The full model stays where it was trained" in text(found)
    assert found.metrics == {}


def test_where_none_was_asked_for_nothing_is_said(tmp_path: Path) -> None:
    assert smaller.part(made(tmp_path)) == Part()
