"""The calibration that training fits: it undoes the weights of what was learnt from, and stands in the graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folded import datasets, spec
from pydantic import ValidationError
from scipy.special import logit

from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.model_dir import Model, read_model_json
from components.lib.train_settings import Train
from components.train.devices import prepare
from components.train.members import members, train_member
from components.train.samples import Development, weight_offsets
from components.train.step import assemble

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
STAGES = Multiclass(kind="multiclass", classes=("healthy", "Süd;$(x)", "rare one"))


def test_offsets_follow_from_what_was_learnt_from_with_its_copies(tmp_path: Path) -> None:
    plain, copied = (datasets(tmp_path / name, folds=0) for name in ("plain", "copied"))
    for (cleaned, copies), settings, expected in (
        (plain, {}, 0.0),  # half of the films have the finding, and weights make it half
        (copied, {"class_weights": "none"}, -np.log(16 / 16)),  # 12 of each class, and 4 copies of each
    ):
        development = Development(cleaned, copies, spec(folds=0, **settings))
        assert weight_offsets(development.all)["finding"]["offset"] == pytest.approx(expected, abs=1e-6)
    rare = np.repeat([0.0, 1.0, 1.0], [98, 2, 4])[:, None]  # two of a hundred, and two copies of each
    kind, known, own = Binary(kind="binary", classes=("no", "yes")), np.full(104, True), np.arange(104) < 100
    for weights in (kind.sample_weights(rare, known), np.where(known, 1, 0).astype(np.float32)):
        found = kind.weight_offsets(rare, weights, own)["offset"]
        learnt = weights[98:].sum() / weights.sum()
        assert found == pytest.approx(logit(0.02) - logit(learnt), abs=1e-5)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_the_graph_holds_what_was_fitted(tmp_path: Path, method: str) -> None:
    task = spec(folds=0, epochs=1)
    (kind,) = task.targets.values()
    changed = {"finding": kind.model_copy(update={"calibration": method})}
    task = task.model_copy(update={"targets": changed})
    development = Development(*datasets(tmp_path / "data", folds=0), task)
    prepare(task.train)
    (member,) = members(task)
    learnt, judged = development.learnt(None), development.judged(None)
    trained = [train_member(member, learnt, judged, task, tmp_path / "work", lambda figures: None)]
    (tmp_path / "model").mkdir()
    assemble(trained, None, development, {}, tmp_path / "model")  # it compares the graph with Keras
    model = Model(tmp_path / "model")
    scaling = model.info.fitted["finding"].scaling
    assert ("slope" if method == "platt" else "knot_0") in scaling
    assert model.info.targets["finding"].calibration == method
    output = model.predict(development.cleaned.select("validation", ["image"])[1])
    said, places = output["finding"], output["finding_map"]
    assert said.dtype == np.float32
    assert ((said > 0) & (said < 1)).all()
    if method == "platt":  # what places add, and what belongs to none
        rest = scaling["slope"] * scaling["offset"] + scaling["intercept"]
        np.testing.assert_allclose(places.mean(axis=(1, 2)) + rest, logit(said.astype(float)), atol=1e-4)


def test_an_older_model_had_a_temperature_and_says_so(tmp_path: Path) -> None:
    from evaluations import evaluated

    evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 40), truth=["normal", "pneumonia"] * 20, temperature=1.5)
    file = tmp_path / "model/model.json"
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert values["targets"][0].pop("calibration") == "platt"
    file.write_text(json.dumps(values), encoding="utf-8")
    info = read_model_json(file)
    assert info.targets["finding"].calibration == "temperature"
    assert info.targets["finding"].scaling_text(info.fitted["finding"].scaling) == "temperature 1.50"


def test_methods_of_two_classes_are_refused_for_several() -> None:
    with pytest.raises(ValidationError) as caught:
        Multiclass(kind="multiclass", classes=("a", "b", "c"), calibration="platt")
    assert "vector, temperature or none: platt and isotonic are for two classes" in str(caught.value)
    with pytest.raises(ValidationError, match="'platt', 'isotonic', 'temperature' or 'none'"):
        Binary(kind="binary", classes=("a", "b"), calibration="vector")


def test_a_rare_class_is_called_where_it_is_probable_for_its_share() -> None:
    label = np.repeat([0, 1, 2], [900, 80, 20])
    one_hot = np.eye(3, dtype=np.float32)[label]
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1, (1000, 3)) + 1.5 * one_hot + np.log([0.9, 0.08, 0.02])
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    decision = STAGES.fit_decision(said, one_hot, Train())
    found = STAGES.called(said, decision)
    recall = [(found[label == k] == k).mean() for k in range(3)]
    assert min(recall) > 0.5
    assert (said.argmax(axis=1)[label == 2] == 2).mean() < 0.3, (
        "the most probable class would hardly ever be the rare one"
    )
    answer = STAGES.answer(said, decision)
    assert (answer["label"] == np.array(STAGES.classes)[found]).all()
    np.testing.assert_allclose(answer["probability"], said[np.arange(1000), found])
    plain = STAGES.fit_decision(said, one_hot, Train(class_weights="none"))
    assert (STAGES.called(said, plain) == said.argmax(axis=1)).all()
    assert STAGES.decision_problem({**decision, "share_1": 0.0}) == "shares of other classes, or of 0"
