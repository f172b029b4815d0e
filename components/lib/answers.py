"""What a model answers of cleaned samples: the one function behind the server, the batch and the golden cases.

It needs what travels inside a registered version, and no pandas: a request of one picture is answered in less than a
millisecond.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds import Array
from components.lib.model_dir import Model, ModelInfo
from components.lib.occlusion import occlusion
from components.lib.outside import Ruler, told

LYING = {"outside": "double", "warnings": "string"}
"""Columns that tell how a sample lies among training samples, and MLflow's data types of them."""
MODEL_VERSION, ERROR = {"model_version": "string"}, {"error": "string"}
"""What the server adds to them: its version of the model, and with `on_error` the reason why a row has no answer."""
UNKNOWN_CATEGORY = "category counts as unknown, training has it rarely or never"
_rulers: WeakKeyDictionary[Model, dict[str, Ruler]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Parameter:
    """A param of a request."""

    name: str
    type: str
    """MLflow's data type of it."""
    default: float | bool | str | None
    meaning: str
    """In one line."""


def answers(
    model: Model,
    cleaned: Mapping[str, Array],
    *,
    thresholds: Mapping[str, float] | None = None,
    explain: bool = False,
) -> dict[str, NDArray[Any]]:
    """The columns of an answer, in the order of `answer_columns`.

    Args:
        model: the opened model directory.
        cleaned: per input, N samples (N, *shape) as `clean` gives them; at least one.
        thresholds: per target name, 0..1: what is decided by instead of the fitted threshold.
        explain: add a picture of where the model looked.

    Returns:
        each (N,). Per target what its kind answers, named `<target>_…` where there are several targets. `outside`,
        0..1: the share of training samples that lie nearer, of several inputs the largest, None where no input has
        plain figures. `warnings`: sentences joined by "; ", empty where there is none. With `explain` a column `map`
        or `<target>_map`: a PNG in base64, its colours on a scale of its own; None of a model without maps.

    Raises:
        ValueError: a threshold that can't be, in one sentence.
    """
    info, wanted = model.info, thresholds or {}
    problem = threshold_problem(info, wanted)
    if problem is not None:
        raise ValueError(problem)
    outputs = model.predict(cleaned)
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in info.targets.items():
        decision = info.fitted[name].decision
        if name in wanted:
            decision = {**decision, "threshold": wanted[name]}
        for column, values in kind.answer(outputs[name], decision).items():
            columns[column_name(info, name, column)] = values
    columns |= _lying(model, cleaned)
    if explain:
        columns |= _maps(model, cleaned, outputs)
    return columns


def answer_columns(info: ModelInfo, *, explain: bool = False) -> dict[str, str]:
    """Name of every column of an answer, in order, to MLflow's data type of it."""
    named = {
        column_name(info, name, column): column_type
        for name, kind in info.targets.items() for column, column_type in kind.answer_types.items()
    }  # fmt: skip
    return named | LYING | ({column_name(info, name, "map"): "string" for name in info.targets} if explain else {})


def column_name(info: ModelInfo, target: str, column: str) -> str:
    """What a column of a target is called in an answer: by its own name where there is no other target."""
    return column if len(info.targets) == 1 else f"{target}_{column}"


def fitted_thresholds(info: ModelInfo) -> dict[str, float]:
    """Of each target that is decided by a threshold, its name and the fitted one."""
    return {
        name: info.fitted[name].decision["threshold"] for name, kind in info.targets.items() if kind.takes_threshold
    }


def threshold_parameters(info: ModelInfo) -> dict[str, str]:
    """Of each target that is decided by a threshold, its name and what a request calls the threshold."""
    there = fitted_thresholds(info)
    return {name: "threshold" if len(there) == 1 else f"{name}_threshold" for name in there}


def parameters(info: ModelInfo) -> tuple[Parameter, ...]:
    """The params of a request to this model.

    `threshold` is always among them: of one that a model doesn't declare, MLflow says nothing and leaves it out.
    """
    names, fitted = threshold_parameters(info), fitted_thresholds(info)
    meaning = "what is decided by, 0 to 1; left out or null: the one that was fitted in training"
    thresholds = {name: Parameter(name, "double", fitted[target], meaning) for target, name in names.items()}
    other = f"of this model {' and '.join(names.values())}" if names else "none: this model does not decide by one"
    thresholds.setdefault("threshold", Parameter("threshold", "double", None, other))
    return (
        *thresholds.values(),
        Parameter("explain", "boolean", False, "true: a picture of where the model looked, a PNG in base64"),
        Parameter(
            "on_error", "string", "raise",
            "`row`: a row that can't be used gets the reason in the column `error`, and null in every other; `raise`: "
            "the whole request is refused with it",
        ),
    )  # fmt: skip


def threshold_problem(info: ModelInfo, thresholds: Mapping[str, float]) -> str | None:
    """What is wrong with thresholds that somebody asks for, in one sentence; None: nothing."""
    there = fitted_thresholds(info)
    for name, value in thresholds.items():
        if name not in info.targets:
            return f"threshold of {name[:60]!r}: the model has no such target, but {', '.join(info.targets)}"
        if name not in there:
            return f"threshold: a {info.targets[name].kind} target as {name} is not decided by one; leave it out"
        if not 0 <= value <= 1:  # a comparison with NaN is false
            return f"threshold of {name}: expected a number from 0 to 1, found {value:g}"
    return None


def _lying(model: Model, cleaned: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """How the samples lie among those of training: `outside` and `warnings`."""
    info, rulers = model.info, _rulers_of(model)
    count = len(next(iter(cleaned.values())))
    sentences = _unknown_categories(info, cleaned, count)
    if not rulers:
        return {"outside": np.full(count, None, object), "warnings": np.array(sentences, object)}
    farthest = np.zeros(count)
    for name, ruler in rulers.items():
        distances = ruler.distance(info.inputs[name].summary(cleaned[name], info.fitted_inputs[name]))
        shares = ruler.nearer(distances)
        np.maximum(farthest, shares, out=farthest)
        for row in np.flatnonzero(distances > ruler.mark).tolist():
            sentences[row] = "; ".join(filter(None, [sentences[row], f"{name}: {told(float(shares[row]))}"]))
    return {"outside": farthest, "warnings": np.array(sentences, object)}


def _unknown_categories(info: ModelInfo, cleaned: Mapping[str, Array], count: int) -> list[str]:
    """For each sample, in which columns its category counts as unknown; empty where in none."""
    found: list[list[str]] = [[] for _ in range(count)]
    for name, kind in info.inputs.items():
        for column, unknown in kind.unknown_categories_of(cleaned[name], info.fitted_inputs[name]).items():
            for row in np.flatnonzero(unknown).tolist():
                found[row].append(f"{name}: column {column}: {UNKNOWN_CATEGORY}")
    return ["; ".join(each) for each in found]


def _rulers_of(model: Model) -> dict[str, Ruler]:
    """Of each input with plain figures, those of training as arrays: made once for a model."""
    found = _rulers.get(model)
    if found is None:
        found = _rulers[model] = {name: Ruler(outside) for name, outside in model.info.outside.items()}
    return found


def _maps(
    model: Model, cleaned: Mapping[str, Array], outputs: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """Where the model looked on each sample of the first input, for each target: PNG in base64."""
    info = model.info
    name, kind = next(iter(info.inputs.items()))
    samples = cleaned[name]
    found: dict[str, NDArray[Any]] = {target: np.full(len(samples), None, object) for target in info.targets}
    for row, sample in enumerate(samples if info.explain != "none" else ()):
        hidden = occlusion(model, np.asarray(sample)) if info.explain == "occlusion" else None
        for target, target_kind in info.targets.items():
            every = outputs[f"{target}_map"][row] if hidden is None else hidden[target]
            evidence = every[..., target_kind.shown_unit(outputs[target][row])[0]]
            png = kind.picture(np.asarray(sample), evidence, float(evidence.max()))
            found[target][row] = base64.b64encode(png).decode()
    return {column_name(info, target, "map"): values for target, values in found.items()}
