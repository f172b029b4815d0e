"""Labels of single readers beside the truth: where the raw data have them, and what a dataset calls them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from components.lib.errors import nearest
from components.lib.kinds import InputKind, TargetKind

Problem = tuple[str, str, str]
"""Key, what was expected, what was found."""


def reader_column(target: str, number: int) -> str:
    """The dataset's column with what a reader, counted from 1 in the order of the task file, says of a target."""
    return f"{target}_reader_{number}"


def reader_columns(readers: Mapping[str, Collection[str]], targets: Collection[str]) -> dict[str, tuple[str, str]]:
    """The dataset's columns, by name: the target, and the column of the raw data.

    Args:
        readers: `source.columns.readers`: per target, the columns of the raw data.
        targets: those that are asked for.
    """
    return {
        reader_column(target, number): (target, column)
        for target, columns in readers.items()
        if target in targets
        for number, column in enumerate(columns, 1)
    }


def labelled(source: Any, targets: Mapping[str, TargetKind], columns: Collection[str]) -> dict[str, TargetKind]:
    """The kinds of a table's columns of labels: the targets, and what single readers said of them.

    Args:
        source: of the task.
        targets: of the task.
        columns: of the table.
    """
    readers = reader_columns(_readers(source), targets)
    return {**targets, **{name: targets[target] for name, (target, _) in readers.items() if name in columns}}


def readers_problem(
    source: Any, targets: Mapping[str, TargetKind], inputs: Mapping[str, InputKind], ordered: Collection[str]
) -> Problem | None:
    """What is wrong with `source.columns.readers` and `evaluate.ordered` of a task file, or None."""
    read = _readers(source)
    for target, names in read.items():
        if problem := _problem_of(source, target, names, targets, inputs):
            return problem
    if taken := {*targets} & {*reader_columns(read, targets)}:
        return f"targets.{min(taken)}", "another name", "a name that a dataset gives a reader's column"
    for target in ordered:
        if target not in targets or len(targets[target].class_names) < 3:
            return "evaluate.ordered", "targets with three classes or more", f"{target}{nearest(target, targets)}"
    return None


def _problem_of(
    source: Any,
    target: str,
    names: Collection[str],
    targets: Mapping[str, TargetKind],
    inputs: Mapping[str, InputKind],
) -> Problem | None:
    """The same of one target's readers."""
    key = f"source.columns.readers.{target}"
    if target not in targets or not targets[target].class_names:
        held = [name for name, kind in targets.items() if kind.class_names]
        expected = f"a target with classes: {', '.join(held)}" if held else "no such key: no target has classes"
        return key, expected, f"{target}{nearest(target, held)}"
    if getattr(source, "index", "") is None:
        return key, "`source.index`, the table that has the columns", "none"
    listed = list(names)
    bad = [name for name in listed if listed.count(name) > 1 or name == source.columns.patient]
    if bad or not listed:
        expected = "columns of readers, each once, and not the patient's"
        return key, expected, ", ".join(dict.fromkeys(bad)) or "none"
    for name, kind in inputs.items():
        if inside := {*listed} & {column.name for column in kind.request_columns(name)}:
            found = f"{', '.join(sorted(inside))}, which inputs.{name} reads: the network would be told the answer"
            return key, "columns that are no input", found
    return None


def _readers(source: Any) -> Mapping[str, Collection[str]]:
    columns = getattr(source, "columns", None)
    return columns.readers if columns is not None else {}
