"""One net taught by several: what it learns from, that it goes on where it was killed, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from folded import COUNTS, datasets, spec
from scipy.special import expit, softmax

from components.lib.errors import DataError, SpecError
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.regression import Regression
from components.lib.model_dir import Model, model_digest
from components.lib.spec import load_spec
from components.lib.tracking import client
from components.lib.train_settings import Train
from components.train.devices import prepare
from components.train.distil import Distillation, frozen
from components.train.members import Trained, finished, members, student, train_member
from components.train.network import build_core, build_training
from components.train.samples import Development
from components.train.step import train

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
SOFT = Train(seeds=2, distil=True, distil_hard_weight=0.0, distil_temperature=3.0)


def divergence(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one * (np.log(one) - np.log(other))).sum(axis=1))


def test_the_loss_is_the_divergence_of_the_two_answers() -> None:
    random = np.random.default_rng(0)
    three = Multiclass(kind="multiclass", classes=("a", "b", "c"))
    own, taught = random.normal(size=(2, 5, 3)).astype(np.float32)
    told = Distillation(three, SOFT).call(np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]], np.hstack([own, taught]))
    np.testing.assert_allclose(told, 9 * divergence(softmax(taught / 3, axis=1), softmax(own / 3, axis=1)), rtol=1e-4)
    two = Binary(kind="binary", classes=("normal", "ill"))
    told = Distillation(two, SOFT).call(np.ones((5, 1), np.float32), np.hstack([own[:, :1], taught[:, :1]]))
    both = [np.hstack([1 - expit(each[:, :1] / 3), expit(each[:, :1] / 3)]) for each in (taught, own)]
    np.testing.assert_allclose(told, 9 * divergence(*both), rtol=1e-3, atol=1e-6)
    number = Regression(kind="regression")
    told = Distillation(number, SOFT).call(np.ones((5, 1), np.float32), np.hstack([own[:, :1], taught[:, :1]]))
    np.testing.assert_allclose(told, (own[:, 0] - taught[:, 0]) ** 2, rtol=1e-5)


def test_labels_count_by_their_weight() -> None:
    kind = Binary(kind="binary", classes=("normal", "ill"))
    said, truth = np.float32([[1.5, 1.5], [-2, -2]]), np.float32([[1], [1]])
    half = Distillation(kind, Train(seeds=2, distil=True, distil_hard_weight=0.25))
    np.testing.assert_allclose(half.call(truth, said), 0.25 * kind.loss(Train()).call(truth, said[:, :1]), rtol=1e-5)


def test_teachers_and_student_see_the_same_altered_samples(tmp_path: Path) -> None:
    settings = spec(folds=0, seeds=2, distil=True, dropout_rate=0.0)
    development = Development(*datasets(tmp_path, folds=0), settings)
    core = build_core(settings, development.all.fitted)
    teachers = frozen([core.get_weights()] * 2, settings, development.all.fitted)
    training = build_training(core, settings, development.all.fitted, teachers)
    films = development.all.inputs(slice(0, 8))
    first, second = (np.asarray(training(films, training=True)["finding"]) for _ in range(2))
    assert not np.allclose(first, second), "they are altered"
    for said in (first, second):
        np.testing.assert_allclose(said[:, 0], said[:, 1], rtol=1e-5)
    assert len(training.trainable_variables) == len(core.trainable_variables)


@pytest.mark.parametrize(
    ("train", "key", "expected", "found"),
    [
        ({"distil": True}, "distil", "`train.seeds` of 2 and more, or `train.folds`", "one net alone"),
        ({"seeds": 3, "distil_temperature": 4.0}, "distil_temperature", "`train.distil: true` beside it", "false"),
        ({"seeds": 3, "distil_hard_weight": 0.1}, "distil_hard_weight", "`train.distil: true` beside it", "false"),
        ({"quantise": "int4"}, "quantise", "int8", "int4"),
    ],
)
def test_settings_without_use_are_refused(
    train: dict[str, Any], key: str, expected: str, found: str, tmp_path: Path
) -> None:
    task = {
        "task": "t", "source": {"reader": "folder", "path": "films"}, "train": train,
        "inputs": {"image": {"kind": "image", "size": [64, 64]}},
        "targets": {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}},
    }  # fmt: skip
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "task.yaml")
    assert caught.value.where.endswith(f"task.yaml, train.{key}")
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_with_folds_a_student_needs_samples_to_be_judged_on(tmp_path: Path) -> None:
    settings = spec(seeds=1, distil=True)
    every = Development(*datasets(tmp_path / "some"), settings)
    assert {*every.taught().table["split"]} == {"train"}
    assert len(every.judged(None)) == COUNTS["validation"]
    with pytest.raises(DataError) as caught:
        Development(*datasets(tmp_path / "none", unknown=COUNTS["validation"]), settings)
    assert caught.value.where == "target finding, validation"


def contrary(development: Development, work: Path) -> list[Trained]:
    """Two teachers that are one trained net turned round: as sure as it was, of the opposite."""
    prepare(development.spec.train)
    learnt, judged = development.learnt(None), development.judged(None)
    net = train_member(members(development.spec)[0], learnt, judged, development.spec, work, lambda figures: None)
    return [replace(net, weights=[*net.weights[:-2], -net.weights[-2], -net.weights[-1]])] * 2


def taught(development: Development, teachers: list[Trained], work: Path, die_at: int = 0) -> Trained:
    def tell(figures: dict[str, float]) -> None:
        if figures["epoch"] == die_at:
            raise KeyboardInterrupt

    member = student(development.spec)
    assert member is not None
    prepare(development.spec.train)
    samples = development.taught(), development.judged(None)
    return train_member(member, *samples, development.spec, work, tell, teachers)


def test_a_student_learns_what_its_teachers_say_and_goes_on_when_killed(tmp_path: Path) -> None:
    """Of teachers who say the opposite of the labels, with no weight on the labels."""
    settings = spec(folds=0, seeds=2, width=8, epochs=4, patience=6, tolerance=0.99, learning_rate=0.01, distil=True,
                    distil_hard_weight=0.0)  # fmt: skip
    development = Development(*datasets(tmp_path / "data", folds=0), settings)
    teachers = contrary(development, tmp_path / "teachers")
    before = [weight.copy() for weight in teachers[0].weights]
    whole = taught(development, teachers, tmp_path / "whole")
    assert whole.member.title == "student, seed 3"
    assert teachers[0].validation_score > 0.8, "before it was turned round"
    assert whole.validation_score < 0.2
    assert all(np.array_equal(one, other) for one, other in zip(before, teachers[0].weights, strict=True))
    with pytest.raises(KeyboardInterrupt):
        taught(development, teachers, tmp_path / "killed", die_at=2)
    assert finished(whole.member, tmp_path / "killed") is None
    resumed = taught(development, teachers, tmp_path / "killed")
    assert resumed.curves == whole.curves
    assert all(np.array_equal(one, other) for one, other in zip(resumed.weights, whole.weights, strict=True))


@pytest.mark.parametrize("folds", [pytest.param(0, marks=pytest.mark.accept), 2])
def test_a_step_makes_teaches_and_judges_and_repeats(
    folds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    settings = spec(folds=folds, seeds=2 - folds // 2, width=16, epochs=2 if folds else 4, learning_rate=0.01,
                    distil=True, quantise="int8", tolerance=0.0)  # fmt: skip
    cleaned, augmented = datasets(tmp_path / "data", folds=folds)
    model = tmp_path / "first/model"
    train(cleaned.path, augmented.path, model, settings)
    said = capsys.readouterr().out
    info, tried = Model(model).info, Model(model).info.smaller
    assert tried is not None
    assert tried.full.nets == 2
    assert tried.attempts[0].how == "distil"
    assert said.count("smaller model, ") == len(tried.attempts) == 2
    for each in tried.attempts:
        assert set(each.scores) == set(each.full_scores) == {"finding"}
    assert tried.attempts[0].parameters * 2 == tried.full.parameters
    if tried.served is not None:
        assert (info.members, info.parameters) == ((), tried.served.parameters)
        assert (model / "full.onnx").exists()
    curves = pd.read_csv(model / "curves.csv")
    assert list(curves["member"].unique()) == [1, 2, 3]
    run = json.loads((model.parent / "run.json").read_text(encoding="utf-8"))
    assert set(run["latency_ms"]) == {"full", *(each.how for each in tried.attempts if each.bytes)}
    logged = client().get_run(run["run_id"]).data.metrics
    assert logged["smaller/distil/finding_score"] == pytest.approx(tried.attempts[0].scores["finding"])
    assert logged["smaller/full/latency_ms"] == pytest.approx(run["latency_ms"]["full"])
    if folds:
        return
    train(cleaned.path, augmented.path, tmp_path / "second/model", settings)
    assert model_digest(tmp_path / "second/model") == model_digest(model)
