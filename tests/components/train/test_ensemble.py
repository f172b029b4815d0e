"""Several nets as one model: their mean in one graph, and figures that rest on samples which no net learnt from."""

from __future__ import annotations

import copy
from pathlib import Path

import keras
import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
from films import SIDE
from folded import COUNTS, datasets, spec

from components.lib.errors import ModelError
from components.lib.model_dir import TargetFigures
from components.train.ensemble import (
    ByFold,
    Judged,
    export_mean,
    fit_targets,
    judge,
    member_figures,
    out_of_fold,
    plain_cores,
    require_one_file,
)
from components.train.members import Trained, members
from components.train.network import build_core
from components.train.samples import Development, weight_offsets

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
FIGURES = {"finding": TargetFigures(scaling={"temperature": 2.0}, decision={"threshold": 0.5}, validation_score=0.9)}


def untrained(development: Development) -> list[Trained]:
    """Nets with weights of their own, as if trained."""
    nets = []
    for number, member in enumerate(members(development.spec)):
        core = build_core(development.spec, development.all.fitted)
        random = np.random.default_rng(number)
        weights = [weight + random.uniform(0, 0.3, weight.shape).astype(np.float32) for weight in core.get_weights()]
        nets.append(Trained(member, weights, 0, [{"validation_score": 0.5 + number / 10}], "float32"))
    return nets


def judged(development: Development) -> tuple[list[Trained], list[keras.Model], ByFold]:
    nets = untrained(development)
    cores = plain_cores(nets, development.spec, development.all.fitted)
    return nets, cores, judge(cores, nets, development)


def test_one_graph_answers_with_the_mean_of_the_nets(tmp_path: Path) -> None:
    development = Development(*datasets(tmp_path / "data"), spec(seeds=2))
    _, cores, found = judged(development)
    names = export_mean(tmp_path / "model.onnx", cores, found, development.spec, FIGURES)
    films = np.random.default_rng(0).random((5, SIDE, SIDE, 1), np.float32)
    answer, places = ort.InferenceSession(tmp_path / "model.onnx").run(names, {"image": films})
    alone = np.stack([np.asarray(core.predict_on_batch({"image": films})["finding"]) for core in cores])
    assert len(cores) == 4
    assert np.ptp(alone, axis=0).min() > 1e-3, "the nets differ"
    np.testing.assert_allclose(answer, 1 / (1 + np.exp(-alone.mean(axis=0) / 2)), atol=1e-5)
    np.testing.assert_allclose(places.mean(axis=(1, 2)), alone.mean(axis=0) / 2, rtol=1e-5, atol=1e-5)


def test_each_sample_is_judged_by_the_nets_of_its_fold_alone(tmp_path: Path) -> None:
    development = Development(*datasets(tmp_path, unknown=3), spec(seeds=2))
    nets, cores, found = judged(development)
    table = out_of_fold(found, FIGURES, development.spec)
    assert list(table) == ["sample_id", "fold", "target", "known", "output"]
    assert sorted(table["sample_id"]) == sorted(f"s{i}" for i in range(COUNTS["train"] + COUNTS["validation"]))
    assert (~table["known"]).sum() == 3
    for fold in (0, 1):
        own = [core for core, net in zip(cores, nets, strict=True) if net.member.fold == fold]
        inputs = development.judged(fold).inputs(slice(0, None))
        expected = np.mean([np.asarray(core.predict_on_batch(inputs)["finding"]) for core in own], axis=0)
        told = np.stack(table.loc[table["fold"] == fold, "output"].to_list())
        np.testing.assert_allclose(told, 1 / (1 + np.exp(-expected / 2)), atol=1e-6)


def test_samples_whose_target_is_unknown_count_nowhere(tmp_path: Path) -> None:
    development = Development(*datasets(tmp_path, unknown=3), spec(seeds=2))
    nets, _, found = judged(development)
    spoilt: ByFold = {}
    for fold, each in found.items():
        unknown = ~each.samples.known["finding"]
        spoilt[fold] = Judged(each.samples, [{"finding": np.where(unknown[:, None], np.float32(1e4), one["finding"])}
                                             for one in each.each])  # fmt: skip
    fitted = [
        fit_targets(some, development.spec, development.all.fitted, weight_offsets(development.all))
        for some in (found, spoilt)
    ]
    assert fitted[0] == fitted[1]
    figures = [member_figures(nets, some, fitted[0], development.spec) for some in (found, spoilt)]
    assert figures[0] == figures[1]
    assert [(each.fold, each.seed) for each in figures[0]] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert {name for each in figures[0] for name in each.metrics["finding"]} >= {"auc", "accuracy", "brier"}


def test_more_nets_than_a_file_holds_are_refused() -> None:
    require_one_file(11_200_000, 15)
    with pytest.raises(ModelError) as caught:
        require_one_file(40_000_000, 15)
    assert "at most 13 nets" in caught.value.expected
    assert "train.seeds" in caught.value.todo


def test_patients_with_several_samples_get_a_decision_of_their_own_out_of_fold(tmp_path: Path) -> None:
    development = Development(*datasets(tmp_path, unknown=3), spec(seeds=1))
    _, _, found = judged(development)
    offsets = weight_offsets(development.all)
    alone = fit_targets(found, development.spec, development.all.fitted, offsets)["finding"]
    twice: ByFold = {}
    for fold, each in found.items():
        samples = copy.copy(each.samples)
        samples.table = samples.table.assign(patient=[f"{fold} {row % 2} {row // 4}" for row in range(len(samples))])
        twice[fold] = Judged(samples, each.each)
    fitted = fit_targets(twice, development.spec, development.all.fitted, offsets)["finding"]
    assert alone.patients is None
    assert fitted.patients is not None
    assert fitted == alone.model_copy(update={"patients": fitted.patients}), "a sample is decided as before"
    kind, name = development.spec.targets["finding"], "finding"
    pairs = [(each, each.samples.known[name]) for each in twice.values()]
    values = np.concatenate([each.mean[name][rows] for each, rows in pairs])
    truth = np.concatenate([each.samples.targets[name][rows] for each, rows in pairs])
    names = [who for each, rows in pairs for who in each.samples.table["patient"][rows]]
    whose = np.unique(pd.factorize(pd.Series(names))[0], return_inverse=True)[1]
    answers = np.asarray(kind.activation(values, fitted.scaling))
    assert kind.fit_patients(answers, truth, whose, development.spec.train) == fitted.patients
    assert fitted.patients.patients == len(set(names))
