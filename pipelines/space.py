"""What `make tune` searches: settings of a task, their ranges, and a task with other values."""

from __future__ import annotations

import io
import json
from typing import Any

import optuna
from pydantic import ValidationError
from ruamel.yaml import YAML

from components.lib.errors import SpecError
from components.lib.spec import TaskSpec
from components.lib.tune_settings import Choices, Range

Value = bool | int | float | str
Space = dict[str, Range | Choices]
DIGITS = 3
"""Significant digits of a number that was tried: what a person reviews should be readable."""


def space_of(spec: TaskSpec) -> Space:
    """The task's own space, or the usual one around its values.

    Raises:
        SpecError: a key is no setting of the task, or its value lies outside its range: the first trial has the task's
            own settings, so that the best is compared with them.
    """
    space = dict(spec.tune.space) or _usual(spec)
    for key, place in space.items():
        value = value_of(spec, key)
        if not _holds(place, value):
            expected = "a range or choices that hold the task's own value: the first trial has it"
            raise SpecError(
                f"tune.space.{key}", expected=expected, found=f"{value} outside {place.model_dump()}",
                todo="widen it, or leave the key out",
            )  # fmt: skip
        for end in (place.low, place.high) if isinstance(place, Range) else place.choices:
            with_values(spec, {key: end})
    return space


def value_of(spec: TaskSpec, key: str) -> Any:
    """What a task has under a key of the space, defaults filled in.

    Raises:
        SpecError: it has no such key.
    """
    section, *names = key.split(".")
    try:
        if section == "augment":
            _, name, setting = names
            return getattr(spec.policy(name), setting)
        value: Any = spec.train
        for name in names:
            value = getattr(value, name)
        return value
    except (AttributeError, KeyError):
        raise SpecError(
            f"tune.space.{key}", expected="a setting of this task", found="no such key",
            todo="docs/task-file.md names the keys of train: and of augment.online",
        ) from None  # fmt: skip


def with_values(spec: TaskSpec, values: dict[str, Value]) -> TaskSpec:
    """The task with other values under keys of the space.

    Raises:
        SpecError: a value that the task file wouldn't take.
    """
    document = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for key, value in values.items():
        *sections, last = key.split(".")
        place = document
        for section in sections:
            place[section] = place.get(section) or {}
            place = place[section]
        place[last] = value
    try:
        return TaskSpec.model_validate_json(json.dumps(document))
    except ValidationError as error:
        problem = error.errors()[0]
        raise SpecError(
            f"tune.space.{', '.join(values)}", expected="values that the task file would take",
            found=f"{', '.join(map(str, values.values()))}: {problem['msg']}", todo="narrow the range",
        ) from None  # fmt: skip


def edited(text: str, values: dict[str, Value]) -> str:
    """A task file's text with other values; its comments and order stay."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    document = yaml.load(text)
    for key, value in values.items():
        *sections, last = key.split(".")
        place = document
        for section in sections:
            if place.get(section) is None:
                place[section] = {}
            place = place[section]
        place[last] = value
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def drawn(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """The values of one trial."""
    return rounded({key: _draw(trial, key, place) for key, place in space.items()})


def rounded(values: dict[str, Value]) -> dict[str, Value]:
    """Numbers with as many digits as a person would write."""
    return {key: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for key, v in values.items()}


def _draw(trial: optuna.Trial, key: str, place: Range | Choices) -> Value:
    value: Value
    if isinstance(place, Choices):
        value = trial.suggest_categorical(key, place.choices)
    elif isinstance(place.low, int) and isinstance(place.high, int):
        value = trial.suggest_int(key, place.low, place.high, log=place.log)
    else:
        value = trial.suggest_float(key, float(place.low), float(place.high), log=place.log)
    return value


def _holds(place: Range | Choices, value: Any) -> bool:
    if isinstance(place, Choices):
        return value in place.choices
    return isinstance(value, int | float) and place.low <= value <= place.high


def _usual(spec: TaskSpec) -> Space:
    train = spec.train
    space: Space = {
        "train.learning_rate": Range(low=train.learning_rate / 4, high=train.learning_rate * 4, log=True),
        "train.weight_decay": Range(
            low=min(1e-5, train.weight_decay or 1e-5), high=max(1e-2, train.weight_decay), log=True
        ),
        "train.dropout_rate": Range(low=0.0, high=max(0.6, train.dropout_rate)),
    }
    if isinstance(train.batch_size, int):
        sizes = sorted({16, 32, 64, train.batch_size})
        space["train.batch_size"] = Choices(choices=tuple(sizes))
    if any("label_smoothing" in kind.train_settings for kind in spec.targets.values()):
        space["train.label_smoothing"] = Range(low=0.0, high=max(0.2, train.label_smoothing))
    for name in spec.inputs:
        for setting, value in spec.policy(name):
            if isinstance(value, float) and value > 0:
                space[f"augment.online.{name}.{setting}"] = Range(low=0.0, high=_highest(spec, name, setting, value))
    return space


def _highest(spec: TaskSpec, name: str, setting: str, value: float) -> float:
    """Twice the task's strength, or less where the policy doesn't take that."""
    for factor in (2.0, 1.5, 1.25):
        try:
            with_values(spec, {f"augment.online.{name}.{setting}": value * factor})
        except SpecError:
            continue
        return value * factor
    return value
