"""YAML that a user hands us takes no more memory or time than a task needs; its faults are errors of ours."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.lib import yaml_text
from components.lib.errors import MedpipeError, SpecError
from components.lib.params import named_task
from components.lib.spec import load_spec
from components.lib.yaml_text import MAX_DEPTH, MAX_SIZE, LimitError, parsed_yaml, read_yaml

ROOT = Path(__file__).parents[3]


def bomb(layers: int, width: int = 9) -> str:
    lines = [f"a0: &a0 [{','.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]" for n in range(1, layers)]
    return "\n".join(lines)


HOSTILE = {
    "aliases": bomb(20),
    "merged aliases": "a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{y: [*{a}, *{a}], <<: [*{a}, *{a}]}}\n" for a, b in
                                                zip("abcdefghijklmnopqrstu", "bcdefghijklmnopqrstuv", strict=True)),
    "alias of itself": "task: &a [*a]",
    "brackets": "task: " + "[" * 20_000 + "]" * 20_000,
    "braces": "{a: " * 20_000,
    "dashes": "- " * 20_000,
    "questions": "? " * 20_000,
    "size": "# " + "x" * MAX_SIZE,
    "digits": "task: " + "1:" * 200_000 + "1",
    "float": "task: " + "1:" * 200_000 + "1.5",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused(name: str) -> None:
    with pytest.raises(LimitError):
        read_yaml(HOSTILE[name])
    if name not in ("digits", "float"):
        with pytest.raises(LimitError):
            parsed_yaml(HOSTILE[name])


def test_values_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 100)
    assert len(read_yaml(f"[{'x,' * 99}]")) == 99
    with pytest.raises(LimitError):
        read_yaml(f"[{'x,' * 100}]")


def test_a_bomb_of_under_a_thousand_bytes_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(bomb(19), encoding="utf-8")
    assert (tmp_path / "task.yaml").stat().st_size < 1000
    code = (
        "import resource, sys, time; from pathlib import Path; from components.lib import spec\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()\n"
        "try: spec.load_spec(Path(sys.argv[1]))\n"
        "except spec.SpecError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,"
        " time.monotonic() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "task.yaml"], capture_output=True, text=True, check=True, cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    )  # fmt: skip
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 50_000
    assert seconds < 5


def test_what_a_task_may_need_is_read() -> None:
    nested = "[" * (MAX_DEPTH - 1) + "x" + "]" * (MAX_DEPTH - 1)
    assert str(read_yaml(f"a: {nested[1:-1]}")["a"]).count("[") == MAX_DEPTH - 2
    columns = [f"gene_{number}" for number in range(20_000)]
    assert read_yaml(yaml.safe_dump(columns)) == columns
    assert read_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}") == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize("value", ["!!int ''", "!!timestamp x", "!!float ''", "2020-99-99", "!!int _", "? [a]\n: b"])
def test_a_value_that_is_not_what_its_tag_says_is_no_yaml(value: str, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(f"task: {value}", encoding="utf-8")
    with pytest.raises(SpecError):
        load_spec(tmp_path / "task.yaml")


SIGNS = st.text(st.sampled_from("[]{}&*!|>:?-, \n'\"\\#%@`<~ab01._"), max_size=60)


@given(text=st.one_of(SIGNS, st.text(max_size=40)), key=st.sampled_from(["task", "source", "inputs", "split", ""]))
def test_any_text_is_a_task_or_an_error_of_ours(text: str, key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(f"{key}: {text}" if key else text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(SpecError):
        load_spec(file)


@pytest.mark.timeout(30)  # a pipe that is opened waits for ever
@pytest.mark.parametrize("of", ["named pipe", "device", "sparse file"])
def test_what_never_ends_is_no_task_file(of: str, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    if of == "named pipe":
        os.mkfifo(file)
    elif of == "device":
        file.symlink_to("/dev/zero")
    else:
        file.touch()
        os.truncate(file, 1 << 40)
    start = time.monotonic()
    with pytest.raises(SpecError):
        load_spec(file)
    (tmp_path / "params.yaml").symlink_to(file)
    with pytest.raises(MedpipeError):
        named_task(tmp_path)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("text", ["", "task: 7", "- a", "task: ''", "[" * 20_000, "task: a\ntask: b"])
def test_params_without_a_task_are_an_error_of_ours(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MedpipeError):
        named_task(tmp_path)


def test_nothing_else_reads_yaml() -> None:
    others = []
    for file in (path for folder in ("components", "pipelines", "serving") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if (
                isinstance(called, ast.Attribute)
                and isinstance(called.value, ast.Name)
                and called.value.id == "yaml"
                and called.attr not in ("safe_dump", "safe_dump_all", "YAMLError")
            ):
                others.append(f"{file.relative_to(ROOT)}: yaml.{called.attr}")
    # Of a task file that was checked before: comments and order stay.
    assert sorted(others) == ["pipelines/space.py: yaml.dump", "pipelines/space.py: yaml.load"]
