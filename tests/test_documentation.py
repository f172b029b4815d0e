"""Every command is documented with an example, every documented command exists, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
FOLDERS = ("components", "pipelines", "serving", "benchmarks")


def targets() -> list[str]:
    """The targets of the Makefile that are commands."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    return [name for line in lines if line.startswith(".PHONY:") for name in line.removeprefix(".PHONY:").split()]


def modules() -> list[str]:
    """The modules that can be run: a __main__.py, or a file that says what to do when it is."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    runnable = [
        p
        for p in files
        if not re.match(r"_(?!_main__)", p.name)
        and re.search(r"^if __name__ == .__main__.:", p.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in runnable]
    return [".".join(p[:-1] if p[-1] == "__main__" else p) for p in parts]


def examples(command: str) -> list[str]:
    """What stands in backquotes and runs the command."""
    return [text for text in re.findall(r"`([^`]+)`", COMMANDS) if re.match(rf"{re.escape(command)}(?![\w.])", text)]


def test_there_is_something_to_document() -> None:
    assert len(targets()) > 10
    assert len(modules()) > 15


@pytest.mark.parametrize("target", targets())
def test_every_make_target_has_an_example(target: str) -> None:
    assert len(examples(f"make {target}")) >= 2  # its name, and an example of it


@pytest.mark.parametrize("module", modules())
def test_every_module_that_runs_has_an_example(module: str) -> None:
    assert len(examples(f"python -m {module}")) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_ours_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {*re.findall(rf"python -m ((?:{'|'.join(FOLDERS)})\.[\w.]*\w)", text)}
    assert named - {*modules()} == set()
    told = {*re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)}
    assert told - {*targets()} == set()


def test_every_target_that_commands_names_exists() -> None:
    assert {*re.findall(r"^\| `make ([a-z]+)`", COMMANDS, re.MULTILINE)} == {*targets()}


def test_the_options_of_the_examples_exist() -> None:
    """Steps take their options from their functions, so the examples are held against the functions' source."""
    from pipelines.steps import PHANTOM, STEPS

    for step in (PHANTOM, *STEPS):
        (example,) = (text for text in examples(f"python -m components.{step.name}") if "--task" in text)
        options = re.findall(r"--([a-z]+)", example)
        assert options == ["task", *step.inputs, *step.outputs]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []
