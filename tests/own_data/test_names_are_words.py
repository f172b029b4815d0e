"""Whatever a folder, a file or a column is called: a shell, DVC, MLflow, Make and Kubeflow take it for one word."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp.local.placeholder_utils import replace_placeholders
from mlflow.projects._project_spec import load_project
from odd_places import ALL_AT_ONCE
from workspaces import CHECKOUT, TINY_TASK

from components.lib.errors import MedpipeError, SpecError
from components.lib.plain_path import path_problem
from components.lib.shell_words import quoted
from components.lib.spec import load_spec
from pipelines.doctor import _inside
from pipelines.gc import survey
from pipelines.kubeflow import arguments, build
from pipelines.look.findings import Questions
from pipelines.steps import mlproject
from pipelines.trainer import train_job
from pipelines.workspace import TASKS

SPEC = load_spec(TASKS / "chest_xray_pneumonia.yaml").model_copy(update={"phantom": None})
OWN_DATA = TINY_TASK.replace("phantom:", "# phantom:").replace("synthetic: true, public_key: true", "synthetic: true")
NASTY = (
    "films;touch PWNED;", "$(touch PWNED)", "`touch PWNED`", "${task}", "${HOME}", "$HOME", "$$", "a'b", 'a"b', "a\\",
    "\\'; touch PWNED; '", "{raw}", "{{$.inputs}}", "{0}", "}{", "%s", "-rf", "--help", "*", "~", " ", "a b", "\ttab",
    "#x", "!x", "a&touch PWNED&", "|touch PWNED", "\x1b[31m", "\x7f", "\u202e", "\u2028", "\x85", "a\nb", "\r\n", "=x",
    "$(shell touch PWNED)", "$(eval x:=1)", "a=b", "a:b", "@x", "胸部", "😀", "(", ")", "<x", ">PWNED", ALL_AT_ONCE,
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
    st.text(st.sampled_from("$(){}`'\"\\;&|<>#!*?~ \t\n-=%@:,.xtouch"), min_size=1, max_size=40),
    st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name).map(os.fsdecode),
)
WORDS = ["printf", "%s\\0", "before"]


def words_of(script: str, folder: Path, shell: str = "sh") -> list[str]:
    """The words that a shell makes of a line that prints them; nothing else may come of it."""
    command = [shell, "-c", os.fsencode(script)]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=30)
    assert done.stderr == b""
    assert [*folder.iterdir()] == []
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish"])
def test_a_shell_takes_any_name_for_one_word(empty: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} isn't installed")

    @given(names=st.lists(NAMES, min_size=1, max_size=20))
    def check(names: list[str]) -> None:
        assert words_of(" ".join(map(quoted, [*WORDS, *names])), empty, shell) == ["before", *names]

    check()


@given(data=NAMES, target=NAMES)
def test_a_command_that_we_advise_names_what_was_meant(empty: Path, data: str, target: str) -> None:
    command = Questions(data=data).command(target)
    told = words_of(command.replace("python -m", "printf '%s\\0'", 1), empty)
    assert told == ["pipelines.new", data, "--target", target]


@given(name=NAMES)
def test_the_doctor_names_the_workspace_that_was_meant(empty: Path, name: str) -> None:
    if "/" in name or name in (".", ".."):
        return
    advice = _inside(Path.cwd() / name, "printf done")
    assert words_of(advice.replace("cd ", "printf '%s\\0' ", 1).replace(" && printf done", ""), empty) == [name]


def test_gc_names_the_workspace_that_was_meant(tmp_path: Path) -> None:
    workspace = tmp_path / "work/films;touch PWNED;"
    workspace.mkdir(parents=True)
    (workspace / "dvc.yaml").write_text("stages: {}\n")
    (note,) = [item.note for item in survey(tmp_path) if "rm -r" in item.note]
    assert shlex.split(note.split(": ", 1)[1])[:3] == ["rm", "-r", "work/films;touch PWNED;"]


@settings(max_examples=60, deadline=None)
@given(name=NAMES)
def test_mlflow_takes_any_name_for_one_word(empty: Path, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = f"/mnt/{name}"
    if path_problem(path) or "://" in path:
        return  # refused before a file is written
    folder = tmp_path_factory.mktemp("project")
    spec = SPEC.model_copy(update={"source": SPEC.source.model_copy(update={"path": path})})
    (folder / "MLproject").write_text(mlproject(f"{name}.yaml", spec), encoding="utf-8")
    (folder / "python_env.yaml").write_text("python: '3.11'\n")
    project = load_project(str(folder))
    for entry in ("main", "ingest", "clean", "register"):
        point: Any = project.get_entry_point(entry)
        command = point.compute_command({}, None).replace("python -m", "printf '%s\\0'", 1)
        told = words_of(command, empty)
        assert told[told.index("--task") + 1] == f"{name}.yaml"
        assert told[told.index("--raw") + 1] == path
        given_words = point.compute_command({"raw": name, "task": name}, None).replace("python -m", "printf '%s\\0'", 1)
        told = words_of(given_words, empty)
        assert told[told.index("--raw") + 1] == told[told.index("--task") + 1] == name


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Makefile where everything is set up, with a program for `python` that prints its words."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(CHECKOUT / "Makefile", folder)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / "requirements").mkdir()
    for name in ("cpu.txt", "dev.txt", "uv.txt"):
        (folder / "requirements" / name).touch()
    program = folder / ".venv/bin/python"
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    (folder / ".venv/ready-cpu").touch()
    return folder


MAKE = {
    "demo": ["pipelines.demo", "--task", "TASK", "--name", "NAME", "--", "DATA"],
    "tune": ["pipelines.tune", "--task", "TASK", "--", "DATA"],
    "reproduce": ["pipelines.reproduce", "--workspace", "WORKSPACE", "--", "MODEL"],
    "serve": ["pipelines.serve", "--", "WORKSPACE"],
    "gc": ["pipelines.gc", "--", "WORKSPACE"],
    "doctor": ["pipelines.doctor", "--", "WORKSPACE"],
}


@pytest.mark.parametrize("goal", MAKE)
def test_make_takes_any_name_for_one_word(checkout: Path, goal: str) -> None:
    expected = MAKE[goal]
    there = {*checkout.rglob("*")}

    @settings(max_examples=30, deadline=None)
    @given(name=NAMES)
    def check(name: str) -> None:
        if not name.strip():
            return  # for make no name at all
        meant = name.lstrip(" \t\n\v\f\r")  # which make takes away before anybody sees it
        given_words = [f"{word}={name}" for word in expected if word.isupper()]
        done = subprocess.run(
            ["make", "-s", "-C", str(checkout), goal, *map(os.fsencode, given_words)], capture_output=True, check=True,
            env={"PATH": os.environ["PATH"], "HOME": str(checkout)}, timeout=30,
        )  # fmt: skip
        told = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
        assert told == ["-m", *(meant if word.isupper() else word for word in expected)]
        assert {*checkout.rglob("*")} == there

    check()


@settings(max_examples=60, deadline=None)
@given(name=NAMES)
def test_kubeflow_takes_any_name_as_it_is_or_refuses_it(name: str) -> None:
    path = f"/mnt/{name}"
    try:
        given_values = arguments(OWN_DATA, path, "abc")
    except MedpipeError:
        return
    executor: dict[str, Any] = {"inputs": {"parameterValues": dict(given_values)}, "outputs": {"outputFile": "/out"}}
    found = replace_placeholders(
        ["sh", "-c", "script", "{{$}}", path], executor, pipeline_resource_name="p", task_resource_name="t",
        pipeline_root="/root", unique_pipeline_id="1",
    )  # fmt: skip
    assert executor["inputs"]["parameterValues"] == {"task": OWN_DATA, "raw": path, "raw_digest": "abc"}
    assert found[-1] == path


@settings(max_examples=25, deadline=None)
@given(name=NAMES)
def test_kubeflow_compiles_a_task_that_names_anything(name: str) -> None:
    text = OWN_DATA + "\nassumed: [" + yaml.safe_dump(name, default_style='"', width=10**9).strip() + "]\n"
    try:
        pipeline = build(text)
    except (MedpipeError, SpecError):
        return
    held = pipeline.pipeline_spec.root.input_definitions.parameters["task"].default_value.string_value
    assert held == text
    for executor in pipeline.pipeline_spec.deployment_spec["executors"].values():
        words = executor["container"]["command"] if "container" in executor else []
        assert not any(name in word for word in words if len(name) > 12)


@given(name=NAMES)
def test_a_pod_takes_any_name_for_one_word(empty: Path, name: str) -> None:
    (trainer,) = [train_job("films", name, "python:1", 1, volume="v", tracking=name)["spec"]["trainer"]]
    *shell, script = (expanded(word) for word in trainer["command"])
    assert shell == ["/bin/sh", "-c"]
    told = words_of(script.split(" && exec ", 1)[1].replace("python -m", "printf '%s\\0'", 1), empty)
    assert told[told.index("--task") + 1] == name
    assert expanded(trainer["env"][1]["value"]) == name


def expanded(text: str) -> str:
    """A text of a pod as Kubernetes makes it: `$$` is a dollar sign, `$(NAME)` a variable's value, all else itself."""
    made, place = "", 0
    while place < len(text):
        if text.startswith("$$", place):
            made, place = made + "$", place + 2
        elif text.startswith("$(", place) and ")" in text[place:]:
            made, place = made + "VARIABLE", text.index(")", place) + 1
        else:
            made, place = made + text[place], place + 1
    return made


def test_one_function_makes_words_of_names() -> None:
    others = []
    for file in (
        path for folder in ("components", "pipelines", "serving") for path in (CHECKOUT / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            shell = isinstance(node, ast.keyword) and node.arg == "shell"
            system = isinstance(node, ast.Attribute) and ast.unparse(node) in (
                "os.system",
                "os.popen",
                "subprocess.getoutput",
            )
            if "shlex" in names or shell or system:
                others.append(str(file.relative_to(CHECKOUT)))
    assert others == ["components/lib/shell_words.py"]
