"""The network around an architecture: standardisation, pooling, heads, maps; and what is exported of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from components.lib.kinds import InputKind
from components.lib.spec import TaskSpec
from components.train.keras_settings import settle
from components.train.models import architecture, sources
from components.train.samples import Fitted


def build_core(spec: TaskSpec, fitted: Fitted, name: str = "core") -> keras.Model:
    """The network's input to logits `<target>` (N, units), and to maps `<target>_map` where there are places.

    The head is linear and shared between pooled features and the feature map, so that the mean of a map is its logit:
    the class-activation map of Zhou et al. 2016 (doi:10.1109/CVPR.2016.319), as a second output, (N, h, w, units) for
    pictures and (N, t, units) along time. Cores of one graph need names of their own.
    """
    settle()
    source, kind = _only_input(spec)
    inputs = _input(source, kind, fitted)
    extract, local = architecture(kind.kind, spec.model_name)
    features = extract(kind.standardise(inputs), spec.train)
    places = tuple(range(1, len(features.shape) - 1))
    pooled = keras.ops.mean(keras.ops.cast(features, "float32"), axis=places) if places else features
    pooled = keras.layers.Dropout(spec.train.dropout_rate, dtype="float32", seed=spec.train.seed)(pooled)
    outputs: dict[str, Any] = {}
    for target, target_kind in spec.targets.items():
        head = keras.layers.Dense(target_kind.units, dtype="float32", name=f"{target}_head")
        outputs[target] = head(pooled)
        if places and local:
            outputs[f"{target}_map"] = head(features)
    return keras.Model({source: inputs}, outputs, name=name)


def every_layer(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a network, and in place of a network in it that one's layers."""
    nested = [every_layer(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers]
    return [layer for layers in nested for layer in layers]


def build_training(
    core: keras.Model, spec: TaskSpec, fitted: Fitted, teachers: Sequence[keras.Model] = ()
) -> keras.Model:
    """The core behind the online augmentation; outputs the logits of every target (N, units).

    With teachers, which see what the core sees, the mean of their logits stands behind the core's own: (N, 2 × units).
    """
    name, kind = _only_input(spec)
    inputs = _input(name, kind, fitted)
    altered = inputs
    for layer in kind.random_layers(spec.policy(name), spec.train.seed):
        altered = layer(altered)
    said = core({name: altered})
    outputs = {target: said[target] for target in spec.targets}
    if teachers:
        taught = [teacher({name: altered}, training=False) for teacher in teachers]
        mean = {target: _mean([each[target] for each in taught]) for target in spec.targets}
        outputs = {target: keras.ops.concatenate([own, mean[target]], axis=-1) for target, own in outputs.items()}
    return keras.Model({name: inputs}, outputs, name="training")


def build_served(
    cores: Sequence[keras.Model], spec: TaskSpec, fitted: Fitted, scaling: Mapping[str, Mapping[str, float]]
) -> keras.Model:
    """What is exported: calibrated outputs and maps, in the order of `output_names`; each target has its `scaling`.

    Of several cores the logits are averaged, and so are the maps: a map's mean stays the logit.
    """
    name, kind = _only_input(spec)
    inputs = _input(name, kind, fitted)
    answers = [core({name: inputs}) for core in cores]
    logits = {output: _mean([each[output] for each in answers]) for output in output_names(cores[0], spec)}
    outputs = []
    for target, target_kind in spec.targets.items():
        outputs.append(target_kind.activation(logits[target], scaling[target]))
        if f"{target}_map" in logits:
            outputs.append(target_kind.map_activation(logits[f"{target}_map"], scaling[target]))
    return keras.Model([inputs], outputs, name="served")


def build_judged(groups: Sequence[Sequence[keras.Model]], spec: TaskSpec, fitted: Fitted) -> keras.Model:
    """The mean logits of each group of cores: for every group in turn all targets, in the order of `judged_names`."""
    name, kind = _only_input(spec)
    inputs = _input(name, kind, fitted)
    outputs = []
    for cores in groups:
        answers = [core({name: inputs}) for core in cores]
        outputs += [_mean([each[target] for each in answers]) for target in spec.targets]
    return keras.Model([inputs], outputs, name="judged")


def judged_names(groups: int, spec: TaskSpec) -> list[str]:
    """Names of the outputs of `build_judged`, in order."""
    return [f"{target}_of_{group}" for group in range(groups) for target in spec.targets]


def learnt_sources(spec: TaskSpec) -> dict[str, str]:
    """Digests of the files that learnt weights come from, by name: a part of what a model is made from.

    Raises:
        ModelError: one isn't there.
    """
    return sources(_only_input(spec)[1].kind, spec.model_name, spec.train)


def output_names(core: keras.Model, spec: TaskSpec) -> list[str]:
    """Names of the served outputs, in order."""
    return [name for target in spec.targets for name in (target, f"{target}_map") if name in core.output]


def _mean(tensors: list[Any]) -> Any:
    return keras.layers.Average(dtype="float32")(tensors) if len(tensors) > 1 else tensors[0]


def _only_input(spec: TaskSpec) -> tuple[str, InputKind]:
    ((name, kind),) = spec.inputs.items()
    return name, kind


def _input(name: str, kind: InputKind, fitted: Fitted) -> Any:
    return keras.Input(kind.network_shape(fitted.inputs[name]), name=name, dtype="float32")
