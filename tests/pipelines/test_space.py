"""What `make tune` searches: the usual space of every kind of task, what a task takes, and changes to its text."""

import difflib
from pathlib import Path

import pytest
from workspaces import TINY_ECG, TINY_TABLE, TINY_TASK

from components.lib.errors import SpecError
from components.lib.spec import TaskSpec, load_spec
from components.lib.tune_settings import Choices, Range
from pipelines.space import edited, rounded, space_of, value_of, with_values


@pytest.fixture
def spec(tmp_path: Path):
    def load(text: str) -> TaskSpec:
        (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
        return load_spec(tmp_path / "task.yaml")

    return load


@pytest.mark.parametrize("text", [TINY_TASK, TINY_TABLE, TINY_ECG])
def test_the_usual_space_holds_the_tasks_own_values_and_others_that_it_takes(text: str, spec):
    task = spec(text)
    space = space_of(task)
    assert {"train.learning_rate", "train.weight_decay", "train.dropout_rate"} <= {*space}
    assert ("train.label_smoothing" in space) == (text is not TINY_TABLE)
    lows = {key: place.low if isinstance(place, Range) else place.choices[0] for key, place in space.items()}
    assert all(value_of(with_values(task, lows), key) == low for key, low in lows.items())


def test_values_go_into_policies_too(spec):
    changed = with_values(spec(TINY_TASK), {"augment.online.image.rotation": 0.01, "train.epochs": 9})
    assert (changed.policy("image").rotation, changed.train.epochs) == (0.01, 9)
    assert changed.augment.offline.balance == 1.0


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ("{train.learning_rate: {low: 0.1, high: 0.2}}", "outside"),
        ("{train.learning_rat: {low: 0.1, high: 0.2}}", "no such key"),
        ("{train.dropout_rate: {low: 0.0, high: 7.0}}", "less than 1"),
        ("{evaluate.gates: {choices: [1, 2]}}", "evaluate.gates"),
        ("{train.dropout_rate: {low: 0.5, high: 0.1}}", "low must be below high"),
    ],
)
def test_a_space_that_is_none_is_refused(space: str, found: str, spec):
    with pytest.raises(SpecError, match=found):
        space_of(spec(f"{TINY_TASK}tune: {{space: {space}}}\n"))


def test_a_space_of_ones_own(spec):
    task = spec(
        f"{TINY_TASK}tune: {{space: {{train.width: {{low: 4, high: 8}}, train.model: {{choices: [cnn, resnet]}}}}}}\n"
    )
    assert space_of(task) == {"train.width": Range(low=4, high=8), "train.model": Choices(choices=("cnn", "resnet"))}


def test_numbers_are_rounded_to_what_a_person_would_write():
    assert rounded({"a": 0.00123456, "b": 3, "c": "x"}) == {"a": 0.00123, "b": 3, "c": "x"}


def test_a_change_keeps_comments_and_everything_else():
    before = "# A task.\ntrain:\n  model: cnn   # small\n  epochs: 3\naugment: null\n"
    after = edited(before, {"train.epochs": 5, "augment.online.image.rotation": 0.02})
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert changed == [
        "-   epochs: 3", "+   epochs: 5", "- augment: null", "+ augment:", "+   online:", "+     image:",
        "+       rotation: 0.02",
    ]  # fmt: skip
