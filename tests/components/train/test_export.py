"""model.onnx: the same network is the same file, and it answers as Keras does."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from films import SIDE, task
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train.export import export, normalise
from components.train.models.signal.gru import GRU
from components.train.network import build_core, build_served
from components.train.samples import Fitted

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
SPEC = task(train={"model": "cnn", "width": 4})
EXAMPLE = np.random.default_rng(0).random((4, SIDE, SIDE, 1), np.float32)
FITTED = Fitted({"image": {}}, {"finding": {}})
NAMES = ["finding", "finding_map"]
SHAPES = {"signal.resnet": (41, 2), "signal.lstm": (41, 2), "signal.gru": (41, 2), "table.mlp": (9,)}


def graph(prefix: str, *, shuffled: bool = False, bias: float = 1.0, batch: str = "N") -> onnx.ModelProto:
    """finding = sigmoid(x · w + b) and finding_map = relu(x · w), with names of the exporter's choosing."""
    p = prefix
    nodes = [
        helper.make_node("MatMul", [f"{p}in", f"{p}w"], [f"{p}product"], name=f"{p}1", doc_string=f"from {p}"),
        helper.make_node("Add", [f"{p}product", f"{p}b"], [f"{p}sum"], name=f"{p}2"),
        helper.make_node("Relu", [f"{p}product"], [f"{p}map"], name=f"{p}3"),
        helper.make_node("Sigmoid", [f"{p}sum"], [f"{p}out"], name=f"{p}4"),
        helper.make_node("Neg", [f"{p}sum"], [f"{p}unused"], name=f"{p}5"),
    ]
    constants = [
        numpy_helper.from_array(np.ones((3, 2), np.float32), f"{p}w"),
        numpy_helper.from_array(np.float32([bias, 2]), f"{p}b"),
    ]
    if shuffled:
        nodes, constants = [nodes[i] for i in (0, 2, 1, 4, 3)], constants[::-1]
    values = [helper.make_tensor_value_info(f"{p}{n}", TensorProto.FLOAT, [batch, w]) for n, w in
              (("in", 3), ("out", 2), ("map", 2))]  # fmt: skip
    made = helper.make_graph(nodes, f"{p}graph", values[:1], values[1:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], producer_name=p, ir_version=10)


def normalised(model: onnx.ModelProto) -> onnx.ModelProto:
    return normalise(model, ["image"], NAMES)


def recurrent(prefix: str, *, shuffled: bool = False) -> onnx.ModelProto:
    """finding = x + 3 · w by a loop whose body adds `w` of the graph around it."""
    p = prefix
    tensor = helper.make_tensor_value_info
    row = [tensor(f"{p}{n}", TensorProto.FLOAT, [f"{p}N", 2]) for n in ("in", "out", "before", "after")]
    body_nodes = [
        helper.make_node("Add", [f"{p}before", f"{p}w"], [f"{p}after"], name=f"{p}add"),
        helper.make_node("Identity", [f"{p}go"], [f"{p}on"], name=f"{p}same"),
        helper.make_node("Neg", [f"{p}before"], [f"{p}unused"], name=f"{p}unused"),
    ]
    body = helper.make_graph(
        body_nodes[::-1] if shuffled else body_nodes, f"{p}body",
        [tensor(f"{p}step", TensorProto.INT64, []), tensor(f"{p}go", TensorProto.BOOL, []), row[2]],
        [tensor(f"{p}on", TensorProto.BOOL, []), row[3]],
    )  # fmt: skip
    loop = helper.make_node("Loop", [f"{p}count", "", f"{p}in"], [f"{p}out"], body=body, name=f"{p}loop")
    constants = [
        numpy_helper.from_array(np.int64(3), f"{p}count"),
        numpy_helper.from_array(np.float32([1, 10]), f"{p}w"),
    ]
    made = helper.make_graph([loop], f"{p}graph", row[:1], row[1:2], constants[::-1] if shuffled else constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], producer_name=p, ir_version=10)


def network(name: str) -> keras.Model:
    """An architecture under a linear head on pooled features and, where there are places, on each of them."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(SHAPES[name], name="sample")
    features = importlib.import_module(f"components.train.models.{name}").features(inputs, Train(width=4))
    head = keras.layers.Dense(1)
    places = features.ndim == 3
    outputs = [head(keras.ops.mean(features, axis=1)), head(features)] if places else [head(features)]
    return unsettled(keras.Model([inputs], outputs))


def unsettled(model: keras.Model) -> keras.Model:
    """Other weights than the first ones: a bias of zero would hide its absence."""
    random = np.random.default_rng(2)
    model.set_weights([weight + random.uniform(0, 0.2, weight.shape) for weight in model.get_weights()])
    return model


def samples(name: str, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(count).standard_normal((count, *SHAPES[name]), np.float32)


def export_network(name: str, path: Path) -> keras.Model:
    made = network(name)
    export(made, NAMES[: len(made.outputs)], {"sample": samples(name, 3)}, path)
    return made


def answers(path: Path, example: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [np.asarray(values) for values in session.run(None, dict(example))]


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def served() -> keras.Model:
    """A small network with the seed's weights."""
    keras.utils.set_random_seed(1)
    return build_served([build_core(SPEC, FITTED)], SPEC, FITTED, {"finding": {"temperature": 1.5}})


def test_graphs_that_differ_in_names_and_order_alone_become_the_same_bytes() -> None:
    first = normalised(graph("a/", batch="unk__1")).SerializeToString(deterministic=True)
    second = normalised(graph("b_", shuffled=True, batch="unk__77")).SerializeToString(deterministic=True)
    assert first == second


def test_other_weights_are_other_bytes() -> None:
    first, second = (normalised(graph("a", bias=bias)).SerializeToString(deterministic=True) for bias in (1, 1.001))
    assert first != second


def test_inputs_and_outputs_get_their_names_and_nothing_unused_stays() -> None:
    made = normalised(graph("a"))
    assert [value.name for value in made.graph.input] == ["image"]
    assert [value.name for value in made.graph.output] == ["finding", "finding_map"]
    assert [node.op_type for node in made.graph.node] == ["MatMul", "Add", "Sigmoid", "Relu"]


def test_the_answers_stay_the_same() -> None:
    pictures = np.float32([[1, -2, 3], [0, 0, -1]])
    before = ort.InferenceSession(graph("a").SerializeToString()).run(["aout", "amap"], {"ain": pictures})
    after = ort.InferenceSession(normalised(graph("a")).SerializeToString()).run(None, {"image": pictures})
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_exports_of_a_network_are_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):  # Keras counts its layers on, so the names inside differ
        export(served(), NAMES, {"image": EXAMPLE}, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_the_map_averages_to_the_logit(tmp_path: Path) -> None:
    export(served(), NAMES, {"image": EXAMPLE}, tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    probability, places = session.run(NAMES, {"image": EXAMPLE})
    assert (probability.shape, places.shape) == ((4, 1), (4, 1, 1, 1))
    np.testing.assert_allclose(1 / (1 + np.exp(-places.mean(axis=(1, 2)))), probability, atol=1e-6)


def test_a_graph_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    class Another(keras.Model):
        """Answers Keras a little differently than its graph."""

        def predict_on_batch(self, x: np.ndarray) -> list[np.ndarray]:
            answers = super().predict_on_batch(x)
            return [answers[0], answers[1] + 0.01]

    network = served()
    with pytest.raises(ModelError) as caught:
        export(Another(network.inputs, network.outputs), NAMES, {"image": EXAMPLE}, tmp_path / "model.onnx")
    assert caught.value.where == "model.onnx, output finding_map"
    assert "a difference of 0.01" in caught.value.found


def test_bodies_of_loops_get_names_of_their_structure_and_see_what_is_around_them() -> None:
    first, second = (normalise(made, ["x"], ["finding"]) for made in (recurrent("a/"), recurrent("b_", shuffled=True)))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    assert [node.op_type for node in first.graph.node[0].attribute[0].g.node] == ["Identity", "Add"]
    (found,) = ort.InferenceSession(first.SerializeToString()).run(None, {"x": np.float32([[0, 0], [1, 2]])})
    np.testing.assert_array_equal(found, [[3, 30], [4, 32]])


@pytest.mark.parametrize("name", SHAPES)
def test_every_architecture_answers_as_keras_for_any_number_of_samples(name: str, tmp_path: Path) -> None:
    made = export_network(name, tmp_path / "model.onnx")
    for count in (1, 7):
        example = samples(name, count)
        found = answers(tmp_path / "model.onnx", {"sample": example})
        for ours, theirs in zip(found, keras.tree.flatten(made.predict_on_batch(example)), strict=True):
            np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("name", "operator"), [("signal.lstm", "LSTM"), ("signal.gru", "GRU")])
def test_a_recurrent_layer_is_one_operator(name: str, operator: str, tmp_path: Path) -> None:
    export_network(name, tmp_path / "model.onnx")
    found = operators(tmp_path / "model.onnx")
    assert (found.count(operator), found.count("Loop")) == (1, 0)


def test_every_architecture_is_the_same_file_again_and_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, test_export as t\nfor n in t.SHAPES: t.export_network(n, pathlib.Path(sys.argv[1], n))"
    )
    (tmp_path / "other").mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}  # fmt: skip
    subprocess.run([sys.executable, "-c", script, tmp_path / "other"], check=True, env=environment)
    for name in SHAPES:
        for file in ("first", "second"):
            export_network(name, tmp_path / file)
        first = (tmp_path / "first").read_bytes()
        assert first == (tmp_path / "second").read_bytes()
        assert first == (tmp_path / "other" / name).read_bytes()


def test_our_gru_is_that_of_keras() -> None:
    steps = keras.Input((6, 3))
    ours = unsettled(keras.Model(steps, GRU(5, go_backwards=True)(steps)))
    theirs = keras.Model(steps, keras.layers.GRU(5, return_sequences=True, go_backwards=True)(steps))
    theirs.set_weights(ours.get_weights())
    example = np.random.default_rng(0).standard_normal((4, 6, 3), np.float32)
    np.testing.assert_allclose(ours.predict_on_batch(example), theirs.predict_on_batch(example), atol=1e-6)


def test_a_layer_that_becomes_a_loop_exports_too(tmp_path: Path) -> None:
    steps = keras.Input((6, 3), name="sample")
    made = unsettled(keras.Model([steps], [keras.layers.GRU(5, use_cudnn=False)(steps)]))
    example = np.random.default_rng(0).standard_normal((4, 6, 3), np.float32)
    export(made, ["finding"], {"sample": example}, tmp_path / "model.onnx")
    assert "Loop" in operators(tmp_path / "model.onnx")


def test_several_inputs_keep_names_and_order(tmp_path: Path) -> None:
    inputs = [keras.Input((2,), name="vitals"), keras.Input((2,), name="age")]
    made = keras.Model(inputs, [inputs[0] * 2 - inputs[1]])
    example = {"age": np.float32([[1, 2]]), "vitals": np.float32([[10, 20]])}
    export(made, ["finding"], example, tmp_path / "model.onnx")
    assert [value.name for value in onnx.load(tmp_path / "model.onnx").graph.input] == ["vitals", "age"]
    np.testing.assert_array_equal(answers(tmp_path / "model.onnx", example)[0], [[19, 38]])
