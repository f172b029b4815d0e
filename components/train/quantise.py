"""A graph whose body computes in whole numbers of 8 bits: static quantisation by ONNX Runtime.

Jacob et al. 2018, arXiv:1712.05877: weights by channel, activations by tensor, at the range that they take on some
training samples. What comes before the first layer with weights stays float32, and so does the last one with all that
follows it: head, calibration, activation and map.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization

from components.train.export import normalise

Feed = Mapping[str, NDArray[np.float32]]

MOST_SAMPLES = 256
"""That ranges are taken on."""
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
BETWEEN = (
    "Add", "AveragePool", "Clip", "Concat", "Flatten", "MaxPool", "Relu", "Reshape", "Resize", "Slice", "Squeeze",
    "Transpose", "Unsqueeze",
)  # fmt: skip
"""What may stay in 8 bits between two layers with weights."""


class NotQuantisable(Exception):  # noqa: N818  it is a finding about a graph, not a fault of the program
    """Nothing in a graph can be computed in int8; its text says why."""


def quantise(source: Path, samples: Iterable[Feed], path: Path) -> None:
    """Write the graph of `source` with its body in int8. Equal graphs and samples give equal bytes.

    Ranges are the least and the largest value met: unlike histograms they need no memory for activations. Weights take
    7 of their 8 bits: processors without VNNI add two products in 16 bits and cut off what doesn't fit (ONNX Runtime's
    guide, "reduce_range"), so that with 8 the answer would hang on the processor.

    Args:
        source: a float32 graph that `export` wrote.
        samples: some of its input at a time, by name.
        path: the file to write.

    Raises:
        NotQuantisable: no layer but the last has weights that can be quantised.
    """
    original = onnx.load(source)
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        # Batch normalisation goes into the convolution before it. Symbolic shapes are for transformers alone.
        quantization.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared)
        for position, node in enumerate(graph.graph.node):
            node.name = f"node_{position}"
        chosen = body(graph.graph)
        onnx.save(graph, prepared)
        quantization.quantize_static(
            str(prepared), str(made), _Samples(samples), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            reduce_range=True, activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=[*WEIGHTED, *BETWEEN], nodes_to_quantize=chosen,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )  # fmt: skip
        quantised = onnx.load(made)
    _only_used_domains(quantised)
    quantised.ir_version = original.ir_version
    names = [[value.name for value in values] for values in (original.graph.input, original.graph.output)]
    path.write_bytes(normalise(quantised, *names).SerializeToString(deterministic=True))


def body(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that are computed in int8, of a graph in topological order.

    Raises:
        NotQuantisable: there is none.
    """
    constants = {tensor.name for tensor in graph.initializer}
    weighted = {node.name for node in graph.node if _has_weights(node, constants)}
    leading = _leading(graph, weighted)
    layers = weighted & leading
    if not layers:
        why = "no convolution or dense layer before its last one" if weighted else "no convolution or dense layer"
        raise NotQuantisable(f"the graph has {why}: there is nothing to compute in int8")
    behind: set[str] = set()
    chosen = []
    for node in graph.node:
        known = [name in behind for name in node.input if name]
        # A sum with a constant is a bias: of 8 bits it would be too coarse.
        through = node.op_type in BETWEEN and node.name in leading and any(known)
        if node.name in layers or (through and (node.op_type != "Add" or all(known))):
            chosen.append(node.name)
        if node.name in layers or any(known):
            behind.update(node.output)
    return chosen


def _has_weights(node: onnx.NodeProto, constants: set[str]) -> bool:
    return node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in constants


def _leading(graph: onnx.GraphProto, weighted: set[str]) -> set[str]:
    """Names of the nodes from which a layer with weights is still to come."""
    found: set[str] = set()
    needed: set[str] = set()
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            found.add(node.name)
        if node.name in weighted or node.name in found:
            needed.update(name for name in node.input if name)
    return found


def _only_used_domains(model: onnx.ModelProto) -> None:
    """ONNX Runtime names every set of operators it knows; a file should name those that it needs."""
    used = {node.domain or "" for node in model.graph.node}
    kept = [each for each in model.opset_import if ("" if each.domain == "ai.onnx" else each.domain) in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Iterable[Feed]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        """Some more samples, or None."""
        found = next(self._samples, None)
        return None if found is None else dict(found)
