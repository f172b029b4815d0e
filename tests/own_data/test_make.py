"""What is typed behind `make …` reaches Python as it is: make and the shell read nothing in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "my films", "$(touch PWNED)", "$(shell touch PWNED)", "${HOME}", "$$x", "`touch PWNED`", "a;touch PWNED;",
    'say "a"', "it's", "#1", "-rf", "back\\slash", "für 胸部", "100%", "blank ", "a\nb",
)  # fmt: skip
PYTHON = """#!/bin/sh
exec {python} -c 'import json, sys; json.dump(sys.argv[1:], open("told.json", "w"))' "$@"
"""


def checkout(folder: Path) -> Path:
    """The Makefile beside an environment whose Python writes down what it is told."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/ready-cpu").touch()
    for file in (folder / "requirements").iterdir():
        os.utime(file, (0, 0))
    python = folder / ".venv/bin/python"
    python.write_text(PYTHON.format(python=shutil.which("python3")))
    python.chmod(0o755)
    return folder


def told(folder: Path, *words: str) -> list[str]:
    (folder / "told.json").unlink(missing_ok=True)
    done = subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [*folder.rglob("PWNED")]
    found: list[str] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_names_are_passed_on_as_they_are_typed(tmp_path: Path, name: str) -> None:
    folder = checkout(tmp_path / "checkout")
    assert told(folder, "demo", f"DATA={name}") == ["-m", "pipelines.demo", "--", name]
    assert told(folder, "demo", f"TASK={name}", f"NAME={name}") == [
        "-m", "pipelines.demo", "--task", name, "--name", name,
    ]  # fmt: skip
    assert told(folder, "tune", f"TASK={name}", f"DATA={name}", "TRIALS=3")[-2:] == ["--", name]
    assert told(folder, "serve", f"WORKSPACE={name}", "PORT=7") == ["-m", "pipelines.serve", "--port", "7", "--", name]
    assert told(folder, "reproduce", f"MODEL={name}")[-2:] == ["--", name]
    assert told(folder, "gc", f"WORKSPACE={name}")[-2:] == ["--", name]
    assert told(folder, "doctor", f"WORKSPACE={name}")[-2:] == ["--", name]


@pytest.mark.parametrize("name", ["my work", "it's $(touch PWNED)", "n#1 & ${x} 100%", "für 胸部 "])
def test_a_checkout_below_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = checkout(tmp_path / name / "medpipe")
    assert told(folder, "demo") == ["-m", "pipelines.demo"]
    assert told(folder, "demo", "DATA=x", "TASK=y")[-2:] == ["--", "x"]


@pytest.mark.parametrize("name", ["a:b", "a\nb"])
def test_a_checkout_that_no_environment_can_be_in_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    folder = checkout(tmp_path / name / "medpipe")
    shutil.rmtree(folder / ".venv")
    done = subprocess.run(["make", "setup"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "colon or a line break" in done.stdout
    assert not (folder / ".venv").exists()
