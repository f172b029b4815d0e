"""docs/task-file.md says what the classes say today."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components.lib.kinds.image import ImagePolicy
from components.lib.spec import TaskSpec
from pipelines.reference import main, page


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_the_committed_page_is_fresh() -> None:
    main(check=True)


def test_every_key_of_every_class_is_there(text: str) -> None:
    keys = {key for model in TaskSpec.model_json_schema()["$defs"].values() for key in model["properties"]}
    assert {key for key in keys | {*ImagePolicy.model_fields} if f"{key}`" not in text} == set()


def test_every_key_has_a_meaning(text: str) -> None:
    assert [line for line in text.splitlines() if line.startswith("| `") and line.endswith("| |")] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `train.patience` | integer, ≥ 1 | `5` |",  # a bound
        "| `train.epochs` | integer, ≥ 1 or `auto` | `10` |",
        "| `train.learning_rate` | number, > 0 | `0.001` |",  # an exclusive bound
        "| `split.by` | `patient`, `sample` | `patient` |",  # choices
        "| `source.index` | text or null | `null` |",
        "| `source.path` | text | *required* |",
        "| `source.reader` | `folder` | *required* |",  # a member of a family
        "| `train.model` | for image: `attention_cnn`, `cnn`, `pretrained`, `resnet`; for signal: `gru`, `lstm`, `resnet`; for table: `mlp`; or null |",  # noqa: E501
        "| `evaluate.gates` | NAME: number or list of 2: number or {`overlaps`: list of 2: number} | `{}` |",
        "| `inputs.NAME.size` | list of 2: integer, ≥ 8, ≤ 2048 | *required* |",
        "| `targets.NAME.classes` | list of 2 or more: text, 1 to 60 signs | *required* |",
        "| `augment.online.NAME.zoom` | number, ≥ 0, ≤ 0.5 | `0.1` |",  # a kind's own policy
        "| `phantom.faults.blank` | integer, ≥ 0 | `0` |",
    ],
)
def test_types_bounds_and_defaults(text: str, row: str) -> None:
    assert row in text


def _defaults(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _defaults(value, f"{prefix}{key}.")
        elif not isinstance(value, dict):
            yield f"{prefix}{key}", value


def test_the_defaults_are_the_ones_a_task_gets(text: str) -> None:
    task = {"task": "t", "source": {"reader": "folder", "path": "p"},
            "inputs": {"image": {"kind": "image", "size": (8, 8)}},
            "targets": {"finding": {"kind": "binary", "classes": ("a", "b")}}}  # fmt: skip
    values = TaskSpec.model_validate(task).model_dump(mode="json", by_alias=True)
    sections = {key: values[key] for key in ("split", "clean", "train", "evaluate", "register")}
    for key, value in _defaults(sections):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{key}` |")]
        assert f"| `{value if isinstance(value, str) else json.dumps(value)}` |" in row
