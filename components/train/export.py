"""Keras network to model.onnx: named, normalised, and checked against Keras on real samples."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from components.lib.errors import ModelError

OPSET = 18
# Of a probability, or of the largest map value; convolutions in float32 differ by about 1e-5 between the two.
TOLERANCE = 1e-4


def export(served: keras.Model, names: list[str], example: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Write the ONNX graph of a float32 network.

    Args:
        served: the network, its inputs a list; their names and order become the graph's.
        names: names of its outputs, in order.
        example: real samples (N, *shape) of every input, to check the graph against Keras on.
        path: the file to write.

    Raises:
        ModelError: ONNX Runtime's answer differs from Keras'.
    """
    inputs = [tensor.name for tensor in served.inputs]
    samples = [example[name] for name in inputs]
    answers = served.predict_on_batch(samples[0] if len(samples) == 1 else samples)
    expected = [np.asarray(values) for values in keras.tree.flatten(answers)]  # of a list of one, Keras gives the one
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for a name that NumPy dropped
            served.export(file, format="onnx", verbose=False, opset_version=OPSET)
        graph = onnx.load(file)
    path.write_bytes(normalise(graph, inputs, names).SerializeToString(deterministic=True))
    _check(path, dict(zip(inputs, samples, strict=True)), names, expected)


def normalise(model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    """The same graph with names and order that follow from its structure alone, bodies of loops and branches too.

    Two exports of equal weights differ in the names of nodes and tensors; after this they are the same bytes. A loop
    may stay different: of two equal results, tf2onnx takes the first or the second by chance. Ours have none.
    """
    graph = model.graph
    names = dict(zip([i.name for i in graph.input], inputs, strict=True))
    names |= dict(zip([o.name for o in graph.output], outputs, strict=True))
    sizes: dict[str, str] = {}
    _name_dimensions([*graph.input, *graph.output], sizes)
    _normalise(graph, names, sizes, "")
    graph.name = "medpipe"
    normalised = onnx.helper.make_model(graph, opset_imports=model.opset_import, producer_name="medpipe")
    normalised.ir_version = model.ir_version
    onnx.checker.check_model(normalised, full_check=True)
    return normalised


def _normalise(graph: onnx.GraphProto, names: dict[str, str], sizes: dict[str, str], prefix: str) -> None:
    """Order, prune and rename a graph in place.

    Args:
        graph: the graph, or the body of a node; a body may use tensors of the graphs around it.
        names: new names of those tensors, and of inputs and outputs where they are settled; gets those of this graph.
        sizes: new names of unknown sizes so far.
        prefix: before every name of this graph. The names of a body must not be those of a tensor around it.
    """
    nodes, constants, _ = _walk(graph)
    for position, value in enumerate(graph.input):
        value.name = names.setdefault(value.name, f"{prefix}input_{position}")
    for position, tensor in enumerate(constants):
        tensor.name = names.setdefault(tensor.name, f"{prefix}constant_{position}")
    for position, node in enumerate(nodes):
        node.name = f"{prefix}{node.op_type}_{position}"
        node.doc_string = ""
        for index, result in enumerate(node.output):
            names.setdefault(result, f"{prefix}value_{position}_{index}" if result else "")
        for name, body in _bodies(node):
            _name_dimensions([*body.input, *body.output], sizes)
            _normalise(body, dict(names), sizes, f"{node.name}_{name}_")
            body.name = f"{node.name}_{name}"
        node.input[:] = [names[source] if source else "" for source in node.input]
        node.output[:] = [names[result] for result in node.output]
    for value in graph.output:
        value.name = names[value.name]
    graph.CopyFrom(
        onnx.GraphProto(name=graph.name, input=graph.input, output=graph.output, node=nodes, initializer=constants)
    )


def _walk(graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], list[str]]:
    """Nodes and constants that the outputs need, and tensors from outside: each before its use, outputs in order."""
    producers = {name: node for node in graph.node for name in node.output}
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    outside: list[str] = []
    seen = {"", *(value.name for value in graph.input)}  # an optional input left out has an empty name

    def visit(tensor: str) -> None:
        if tensor in seen:
            return
        seen.add(tensor)
        if tensor in initializers:
            constants.append(initializers[tensor])
        elif tensor in producers:
            node = producers[tensor]
            seen.update(node.output)
            for source in [*node.input, *(name for _, body in _bodies(node) for name in _walk(body)[2])]:
                visit(source)
            nodes.append(node)
        else:
            outside.append(tensor)

    for output in graph.output:
        visit(output.name)
    return nodes, constants, outside


def _bodies(node: onnx.NodeProto) -> list[tuple[str, onnx.GraphProto]]:
    """The graphs inside a node (the body of Loop and Scan, the branches of If) under the names of their attributes."""
    graphs = [(attribute.name, attribute.g) for attribute in node.attribute if attribute.HasField("g")]
    return sorted(graphs, key=lambda pair: pair[0])


def _name_dimensions(values: list[onnx.ValueInfoProto], names: dict[str, str]) -> None:
    """Unknown sizes as size_0, size_1 … in order of appearance: the exporter counts them through the process."""
    for dimension in (d for value in values for d in value.type.tensor_type.shape.dim if d.dim_param):
        dimension.dim_param = names.setdefault(dimension.dim_param, f"size_{len(names)}")


def _check(
    path: Path, example: dict[str, NDArray[np.float32]], names: list[str], expected: list[NDArray[np.float32]]
) -> None:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(names, example)
    for output, ours, keras_ in zip(names, found, expected, strict=True):
        scale = max(1.0, float(np.abs(keras_).max()))
        difference = float(np.abs(ours - keras_).max()) / scale if ours.shape == keras_.shape else np.inf
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{path.name}, output {output}",
                expected=f"Keras' answer within {TOLERANCE:g}",
                found=f"a difference of {difference:.2g}, shape {ours.shape} for {keras_.shape}",
                todo="keep the architecture to layers that export; see docs",
            )
