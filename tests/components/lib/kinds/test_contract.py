"""What every kind must keep, whoever adds it: run over every concrete kind, on the examples in tests/kind_examples.py.

A kind without an example fails `test_every_kind_has_an_example` by name. Read input_kind.py or target_kind.py first.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kind_examples import INPUTS, KINDS, TARGETS, Input, Target, input_of, is_plain, is_png, one_line, spoilt, target_of
from threadpoolctl import threadpool_limits

from components.evaluate import figures
from components.lib.errors import DataError, ModelError, Unusable
from components.lib.kinds.base import Array, Explained
from components.lib.readers import Source
from components.lib.readers.base import content
from components.lib.settings import concrete
from components.lib.spec import TaskSpec
from components.lib.train_settings import Train
from components.train.network import build_core
from components.train.samples import Fitted

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_an_example(name: str) -> None:
    assert {**INPUTS, **TARGETS}.get(name), f"kind {name}: no example of it; add one to tests/kind_examples.py"


@pytest.fixture(params=[(name, at) for name, examples in INPUTS.items() for at in range(len(examples))], ids=str)
def source(request: pytest.FixtureRequest) -> Input:
    return input_of(*request.param)


def test_clean_gives_what_it_says(source: Input) -> None:
    kind = source.kind
    for raw in source.raws:
        before = content(raw)
        one, other = kind.clean(raw), kind.clean(raw)
        assert (one.array.shape, one.array.dtype) == (kind.shape, np.dtype(kind.dtype))
        assert (one.array.tobytes(), one.quality) == (other.array.tobytes(), other.quality)
        assert content(raw) == before
        assert {*one.quality} == {*kind.quality_ranges}
        for column, (low, high) in kind.quality_ranges.items():
            assert low <= one.quality[column] <= high, column
            assert isinstance(one.quality[column], float), column
    assert len({content(raw) for raw in source.raws}) == len(source.raws) >= 20, "each another, so that much is tried"
    assert len({each.tobytes() for each in source.cleaned}) > 3


def test_what_cannot_be_used_is_refused_in_one_line(source: Input) -> None:
    for raw, word in source.example.refused:
        with pytest.raises(Unusable) as caught:
            source.kind.clean(raw)
        assert word in str(caught.value)
        assert one_line(str(caught.value)), str(caught.value)


def test_cleaned_samples_are_stored_without_pickle(source: Input, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", source.cleaned, allow_pickle=False)
    read = np.load(tmp_path / "a.npy", mmap_mode="r", allow_pickle=False)
    assert (read.dtype, read.tobytes()) == (source.cleaned.dtype, source.cleaned.tobytes())
    assert source.kind.to_network(read, source.fitted).tobytes() == source.network.tobytes()


def test_what_is_fitted_is_json_however_samples_are_cut(source: Input) -> None:
    def rounded(fitted: Any) -> Any:
        return json.loads(json.dumps(fitted), parse_float=lambda text: f"{float(text):.9e}")  # sums in another order

    assert is_plain(source.fitted)
    for cuts in ([1, 2, 9], range(1, len(source.cleaned)), [0]):
        assert rounded(source.kind.fit(iter(np.split(source.cleaned, cuts)))) == rounded(source.fitted)


def test_the_network_gets_finite_float32_row_by_row(source: Input) -> None:
    kind, values = source.kind, source.network
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert values.shape == (len(source.cleaned), *kind.network_shape(source.fitted))
    through_json = json.loads(json.dumps(source.fitted))
    for row, value in enumerate(values):
        np.testing.assert_array_equal(kind.to_network(source.cleaned[row : row + 1], through_json)[0], value)
    columns = kind.features(values)
    assert columns is None or (columns.ndim == 2 and len(columns) == len(values) and columns.dtype == np.float32)


def test_standardising_keeps_samples_apart(source: Input) -> None:
    values = source.network
    together = np.asarray(source.kind.standardise(keras.ops.convert_to_tensor(values)))
    assert np.isfinite(together).all()
    for row in range(0, len(values), 7):
        beside_others = np.concatenate([values[row : row + 1], 1000 * values[:3] + 5])
        for batch in (values[row : row + 1], beside_others):
            alone = np.asarray(source.kind.standardise(keras.ops.convert_to_tensor(batch)))[0]
            np.testing.assert_allclose(alone, together[row], rtol=1e-4, atol=1e-5)


def test_online_augmentation_is_for_training_alone_and_repeatable(source: Input) -> None:
    strong, zeros = source.policies
    once = source.altered(strong)
    assert (once.shape, once.dtype) == (source.network.shape, np.float32)
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(once, source.altered(strong))
    np.testing.assert_array_equal(source.network, source.altered(strong, training=False))
    np.testing.assert_array_equal(source.network, source.altered(zeros))
    if source.kind.random_layers(strong, 3):
        assert not np.array_equal(once, source.network)
        assert not np.array_equal(once, source.altered(strong, seed=4))


def test_a_copy_follows_its_generator(source: Input) -> None:
    strong, zeros = source.policies
    for cleaned in source.cleaned[:5]:
        copies = [source.kind.random_copy(cleaned, strong, np.random.default_rng(seed)) for seed in (1, 1)]
        assert (copies[0].shape, copies[0].dtype) == (cleaned.shape, cleaned.dtype)
        assert copies[0].tobytes() == copies[1].tobytes()
        assert source.kind.random_copy(cleaned, zeros, np.random.default_rng(1)).tobytes() == cleaned.tobytes()
        assert np.isfinite(source.kind.to_network(copies[0][None], source.fitted)).all()


def test_a_request_holds_what_the_pipeline_cleans(source: Input) -> None:
    kind, columns = source.kind, source.kind.request_columns("sample")
    names = [column.name for column in columns]
    required = {column.name for column in columns if column.required}
    assert len({*names}) == len(names) >= 1
    assert {column.type for column in columns} <= {"string", "double", "any"}
    assert all(one_line(column.meaning) for column in columns)
    for raw, cleaned in zip(source.raws, source.cleaned, strict=True):
        sent = kind.to_request("sample", raw)
        assert required <= {*sent} <= {*names}
        for told in (sent, json.loads(json.dumps(sent, allow_nan=False))):
            received = kind.clean(kind.from_request("sample", told)).array
            assert received.tobytes() == cleaned.tobytes()
            kind.refuse_unknown(received, source.fitted)


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_any_request_is_cleaned_or_refused(source: Input, data: st.DataObject) -> None:
    sent = source.kind.to_request("sample", source.raws[0])
    column = data.draw(st.sampled_from([each.name for each in source.kind.request_columns("sample")]))
    wrong = {**sent, column: data.draw(spoilt(sent.get(column)))}
    told = None
    try:
        cleaned = source.kind.clean_request("sample", wrong).array
        source.kind.refuse_unknown(cleaned, source.fitted)
    except Unusable as reason:
        told = str(reason)
    if told is None:
        assert np.isfinite(source.kind.to_network(cleaned[None], source.fitted)).all()
    else:
        assert one_line(told), told


def test_a_picture_is_a_png_with_and_without_evidence(source: Input) -> None:
    places = [max(1, side // 4) for side in source.kind.network_shape(source.fitted)[:-1]]
    evidence = np.random.default_rng(0).normal(size=places).astype(np.float32) if places else None
    asked = [(None, 1.0), (evidence, 2.0), (evidence, 0.0)]
    pictures = [source.kind.picture(source.cleaned[0], *each) for each in asked]
    assert all(map(is_png, pictures))
    assert pictures[:2] == [source.kind.picture(source.cleaned[0], *each) for each in asked[:2]]
    assert len({*pictures[:2]}) == (2 if places else 1)


def test_it_says_what_it_is(source: Input) -> None:
    assert all(one_line(source.kind.legend("for pneumonia", explained=explained)) for explained in get_args(Explained))
    assert "for pneumonia" in source.kind.legend("for pneumonia", explained="class_activation_map")
    assert one_line(source.kind.noun)
    assert source.kind.noun.islower()
    assert any(issubclass(reader.raw_type, source.kind.raw_types) for reader in concrete(Source)), "no reader reads it"
    assert {type(raw) for raw in source.raws} == {*source.kind.raw_types}, "examples of every raw type"


def test_every_architecture_builds_on_it(source: Input) -> None:
    kind = source.kind
    names = [path.stem for path in (ROOT / f"components/train/models/{kind.kind}").glob("[!_]*.py")]
    assert kind.default_model in names
    names = [name for name in names if name != "pretrained"]  # it takes no such small pictures: it has its own tests
    targets = {f"{name}_{at}": target_of(name, at).kind for name in TARGETS for at in range(len(TARGETS[name]))}
    for name in names:
        spec = TaskSpec.model_construct(inputs={"sample": kind}, targets=targets, train=Train(model=name, width=4))
        core = build_core(spec, Fitted({"sample": source.fitted}, {}))
        outputs = {key: np.asarray(value) for key, value in core({"sample": source.network[:3]}).items()}
        for key, target in targets.items():
            assert outputs[key].shape == (3, target.units), name
            assert np.isfinite(outputs[key]).all(), name
            if f"{key}_map" not in outputs:
                continue
            maps = outputs[f"{key}_map"]
            assert maps.ndim == len(kind.network_shape(source.fitted)) + 1, name
            np.testing.assert_allclose(maps.mean(axis=tuple(range(1, maps.ndim - 1))), outputs[key], atol=1e-4)


def test_kinds_load_nothing_heavy() -> None:
    heavy = "{'keras', 'tensorflow', 'matplotlib', 'scipy', 'sklearn', 'mlflow', 'wfdb'}"
    script = f"import sys, components.lib.kinds; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.fixture(params=[(name, at) for name, examples in TARGETS.items() for at in range(len(examples))], ids=str)
def target(request: pytest.FixtureRequest) -> Target:
    return target_of(*request.param)


def test_a_wrong_column_is_told_of(target: Target) -> None:
    assert target.kind.problem(target.values) is None
    assert target.kind.problem(target.values.dropna()) is None
    for values, word in target.example.refused:
        column = pd.Series(values, dtype=object, name="finding")
        problem = target.kind.problem(column)
        assert problem is not None, values
        assert word in problem
        assert one_line(problem), problem
        with pytest.raises(DataError, match="target column finding"):
            target.kind.encode(column)


def test_a_column_encodes_as_the_raw_values_do(target: Target) -> None:
    assert target.known.dtype == np.bool_
    np.testing.assert_array_equal(target.known, target.values.notna())
    stored = target.kind.column(target.values)
    assert stored.index.equals(target.values.index)
    np.testing.assert_array_equal(stored.notna(), target.known)
    table = stored.to_frame().to_parquet()
    for column in (stored, pd.read_parquet(io.BytesIO(table))["finding"]):
        encoded, known = target.kind.encode(column)
        assert encoded.dtype == target.encoded.dtype
        np.testing.assert_array_equal(encoded, target.encoded)
        np.testing.assert_array_equal(known, target.known)


def test_the_loss_knows_the_truth_and_no_unknown_sample(target: Target) -> None:
    kind, known = target.kind, target.known
    weights = kind.sample_weights(target.encoded, known)
    assert (weights.shape, weights.dtype) == (known.shape, np.float32)
    assert (weights[~known] == 0).all()
    assert (weights[known] > 0).all()
    assert not kind.sample_weights(target.encoded, np.zeros_like(known)).any()
    aims = kind.to_loss(target.encoded, target.scaling)
    assert aims.dtype == np.float32

    def loss(logits: Array) -> float:
        return float(kind.loss(Train())(aims, logits, sample_weight=weights))

    truth = target.example.logits(target.encoded, target.scaling)
    changed = np.where(known[:, None], truth, 17)
    assert truth.shape == (len(known), kind.units)
    assert np.isfinite(loss(truth))
    assert loss(truth) < loss(target.logits) < loss(-truth)
    assert loss(changed) == pytest.approx(loss(truth), rel=1e-6)


def test_what_is_fitted_is_plain_numbers(target: Target) -> None:
    assert target.kind.train_settings <= {*Train.model_fields}
    for output, encoded in target.cases.values():
        decided = target.kind.fit_decision(output, encoded, Train()) if len(encoded) else {}
        calibrated = target.kind.calibrate(target.logits[: len(encoded)], encoded, target.scaling)
        for fitted in (target.kind.fit(encoded) if len(encoded) else {}, calibrated, decided):
            assert is_plain(fitted)
            assert {type(value) for value in fitted.values()} <= {float}
        assert not decided or one_line(target.kind.decision_text(decided))
        assert not decided or target.kind.decision_problem(decided) is None


def test_arrays_and_tensors_are_activated_alike(target: Target) -> None:
    output = target.output(target.logits)
    assert np.isfinite(output).all()
    np.testing.assert_allclose(target.output(keras.ops.convert_to_tensor(target.logits)), output, rtol=1e-5, atol=1e-6)
    symbol = target.kind.activation(keras.Input((target.kind.units,)), target.scaling)
    assert symbol.shape[1:] == output.shape[1:]
    maps = np.repeat(target.logits[:, None, None], 3, axis=2)
    shown = np.asarray(target.kind.map_activation(maps, target.scaling))
    assert shown.shape == maps.shape
    assert target.kind.map_activation(keras.Input(maps.shape[1:]), target.scaling).shape[1:] == maps.shape[1:]
    unit, what = target.kind.shown_unit(output[0])
    assert 0 <= unit < target.kind.units
    assert one_line(what)


def test_a_better_output_scores_higher(target: Target) -> None:
    truth = target.example.logits(target.encoded, target.scaling)
    outputs = [target.output(logits)[target.known] for logits in (truth, target.logits, -truth)]
    best, fair, worst = (target.kind.score(output, target.served[1]) for output in outputs)
    assert best > fair > worst
    assert isinstance(best, float)
    for name in ("one", "constant output", "constant 0"):
        assert np.isfinite(target.kind.score(*target.cases[name])), name
    with pytest.raises(DataError):
        target.kind.score(*target.cases["none"])


def test_an_output_that_is_no_number_is_an_error(target: Target) -> None:
    kind, (output, encoded), decision = target.kind, target.served, target.decision
    for wrong in (np.nan, np.inf):
        spoilt_output = output.copy()
        spoilt_output[3] = wrong
        given = {"score": (), "metrics": (decision,), "charts": (decision,)}
        calls = [partial(getattr(kind, name), spoilt_output, encoded, *more) for name, more in given.items()]
        for call in (*calls, partial(kind.difference, spoilt_output, output, encoded)):
            with pytest.raises(ModelError, match="finite"):
                call()


def test_metrics_have_intervals_or_a_reason(target: Target) -> None:
    kind = target.kind
    expected = {kind.chance[0], *kind.comparable}
    found = {name: kind.metrics(*case, target.decision) for name, case in target.cases.items()}
    assert all(found["good"][name].known for name in found["good"])
    for case, metrics in found.items():
        assert tuple(metrics) == kind.metric_names, case
        assert expected <= {*metrics}
        for name, each in metrics.items():
            assert re.fullmatch(r"[\w -]+", name), "MLflow and the gates take no other name"
            assert each.n <= len(target.cases[case][1])
            if each.known:
                assert each.low <= each.value <= each.high, (case, name)
                assert one_line(each.meaning), (case, name)
            else:
                assert one_line(each.note), (case, name)
                assert np.isnan([each.low, each.high]).all()
    assert found["good"][kind.chance[0]].value > kind.chance[1]


def test_charts_draw_and_their_tables_have_the_columns_for_dvc(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)  # four times as fast
    for case, (output, encoded) in target.cases.items():
        charts = {chart.name: chart for chart in target.kind.charts(output, encoded, target.decision)}
        assert {*target.kind.dvc_plots} <= {*charts}
        for name, plot in target.kind.dvc_plots.items():
            assert {plot["x"], plot["y"]} <= {*charts[name].table.columns}, (case, name)
        for chart in charts.values():
            assert one_line(chart.title)
            assert one_line(chart.caption)
            if case in ("good", "one", "none"):
                assert is_png(figures.draw(chart))


def test_examples_are_known_samples_each_once_a_group(target: Target) -> None:
    output, nobody = target.output(target.logits), np.zeros_like(target.known)
    for known in (target.known, nobody, np.arange(len(nobody)) == 5):
        groups = target.kind.examples(output, target.encoded, known, target.decision)
        assert len({group.title for group in groups}) == len(groups) >= 1
        for group in groups:
            assert known[group.rows].all()
            assert len({*group.rows.tolist()}) == len(group.rows)
            assert group.rows.dtype == np.intp
            assert one_line(group.title)
        assert any(len(group.rows) for group in groups) == known.any()


def test_samples_are_described_and_answered(target: Target) -> None:
    kind, output = target.kind, target.output(target.logits)
    truth = [value if known else None for value, known in zip(kind.column(target.values), target.known, strict=True)]
    assert all(one_line(kind.described(*each, target.decision)) for each in zip(output, truth, strict=True))
    for part in (output, output[:1], output[:0]):
        answer = kind.answer(part, target.decision)
        assert [*answer] == [*kind.answer_types]
        assert {len(column) for column in answer.values()} == {len(part)}
        assert is_plain({name: column.tolist() for name, column in answer.items()})
        for name, column in answer.items():
            kinds = {"double": float, "string": str, "long": int, "boolean": bool}
            assert {type(value) for value in column.tolist()} <= {kinds[kind.answer_types[name]]}, name


def test_baselines_answer_in_the_form_of_the_network(target: Target) -> None:
    kind, (output, encoded) = target.kind, target.served
    features = np.random.default_rng(0).normal(size=(len(encoded), 2)).astype(np.float32)
    for estimator in kind.baselines(0).values():
        with threadpool_limits(1):  # many threads on few samples wait for each other
            estimator.fit(features, kind.baseline_target(encoded))
        plain = kind.baseline_output(estimator, features)
        assert (plain.shape, plain.dtype) == (output.shape, np.float32)
        assert np.isfinite(plain).all()
        assert kind.metrics(plain, encoded, target.decision)[kind.comparable[0]].known
        assert kind.difference(output, plain, encoded).known


def test_a_model_differs_from_itself_by_nothing(target: Target) -> None:
    for case, (output, encoded) in target.cases.items():
        same = target.kind.difference(output, output, encoded)
        assert same.known or one_line(same.note), case
        assert not same.known or same.low <= same.value == 0 <= same.high
    assert target.kind.difference(*target.served[:1] * 2, target.served[1]).known
