"""Classes, columns and files whose names hold anything: the task file says what the data say, in whole lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from films import lay
from hypothesis import given
from hypothesis import strategies as st

from components.lib.errors import DataError, MedpipeError
from components.lib.visible import is_odd
from components.lib.yaml_text import in_comment, one_line, read_yaml
from pipelines.look import text as task_file_text
from pipelines.look.findings import Draft, Questions
from pipelines.look.text import task_text
from pipelines.new import create
from pipelines.workspace import with_path

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
NASTY = (
    "a\u2028b: c", "x\x85y", "\ttab\t", "nul\0", "\x7f", "\ufeffbom", "\u200fعربي\u202e", "\r\nphantom: {kind: chest}",
    "# no comment", "- a", "{a: b}", "a, b", "yes", "1e3", "0o7", "012", "1:30", "~", "", " ", "x ", "'", '"', "\\n",
    "2024-01-01", "😀", "\ufffe", "a" * 300, "&x", "*x", "!x", "%x", "@x", "`x", "<<", "=", "|", ">", "?", ": ", "a:",
    "a #b", "null",
)  # fmt: skip
WORDS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"])))
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=8,
)


def check(text: str, values: Any) -> None:
    assert read_yaml(text) == values


@given(value=VALUES)
def test_any_value_is_one_line_and_comes_back(value: Any) -> None:
    line = one_line(value)
    assert len(line.splitlines()) == 1
    check(line, value)
    check(f"key: {line}  # why", {"key": value})
    check(f"{one_line('a')}: {line}", {"a": value})


@given(text=st.text())
def test_a_comment_stays_in_its_line(text: str) -> None:
    assert len(in_comment(text).splitlines()) <= 1


@given(label=WORDS, key=WORDS, sentence=WORDS, reason=WORDS)
def test_a_task_file_is_what_the_draft_says(label: str, key: str, sentence: str, reason: str) -> None:
    values = {
        "source": {"reader": "folder", "path": "/x", "labels": {key: [label]}},
        "targets": {"finding": {"kind": "multiclass", "classes": [label, "other" + label] * 9}},
    }
    why = {"source": reason, "source.path": reason, "source.labels": reason, f"source.labels.{key}": reason}
    why |= {"targets.finding.classes": reason + "\n" + reason}
    text = task_text("films", Draft(values, [sentence], why, [f"assumed: {sentence}"]))
    held = read_yaml(text)
    assert held["task"] == "films"
    assert {name: held[name] for name in values} == values
    assert {*held} == {"task", "assumed", *values, "split", "clean", "augment", "train", "evaluate", "register"}
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert not any(is_odd(sign) for line in comments for sign in line)
    moved = read_yaml(with_path(text, f"/mnt/{label}"))
    assert moved["source"]["path"] == f"/mnt/{label}"
    assert {**moved, "source": values["source"]} == {**held, "source": values["source"]}


def test_a_task_file_that_reads_otherwise_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "a\u2028clean: {maximum_rejected: 0.9}"
    draft = Draft({"source": {"path": "/x"}}, [reason], {"source.path": reason})
    assert read_yaml(task_text("films", draft))["clean"] is None
    monkeypatch.setattr(task_file_text, "in_comment", lambda text: text)  # as if a writer forgot
    monkeypatch.setattr(task_file_text.textwrap, "wrap", lambda text, *_, **how: [how["initial_indent"] + text])
    with pytest.raises(MedpipeError, match="the task file, clean"):
        task_text("films", draft)


@pytest.mark.parametrize("word", NASTY)
def test_dvc_reads_the_same_task_file(word: str) -> None:
    from dvc.utils.serialize import parse_yaml

    values = {"source": {"path": word, "labels": {"a": [word]}}}
    text = "\n".join(f"{key}: {one_line(value)}" for key, value in values.items())
    if word in ("1e3", "0o7", "012", "1:30"):  # text for us, a number for YAML 1.2; both see when it changes
        return
    assert parse_yaml(text, "task.yaml") == yaml.safe_load(text) == values


@pytest.mark.parametrize("label", ["x" * 61, "a\u2028b", "a\x85b", "a\tb", "nul\x01", "\u202etext"])
def test_a_label_that_no_class_can_be_called_by_is_refused_by_new(tmp_path: Path, label: str) -> None:
    data = lay(tmp_path / "films", *(f"{name}/{n}.png" for name in (label, "well") for n in range(30)))
    with pytest.raises(DataError) as caught:
        create(data, tmp_path / "ws", "films", Questions())
    assert "spellings" in caught.value.todo
    assert not (tmp_path / "ws").exists()
