"""A workspace from data: the task file with its reasons, the command, and what is kept."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from films import lay
from looks import cleaned

from components.lib.errors import DataError
from components.lib.spec import load_spec
from pipelines.look import Questions, look, task_text
from pipelines.new import create
from pipelines.workspace import workspace_name

pytestmark = pytest.mark.xdist_group("tensorflow")  # dvc.yaml is made from every step's function


def films(folder: Path) -> Path:
    """Films of two classes, 40 each."""
    return lay(folder, *(f"{name}/{number}.png" for name in ("effusion", "cardiomegaly") for number in range(40)))


def run(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """The command."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.new", *arguments], capture_output=True, text=True, check=False, stdin=stdin
    )
    assert "Traceback" not in done.stderr
    return done


def test_a_workspace_that_loads_and_is_kept(tmp_path: Path) -> None:
    data, workspace = films(tmp_path / "films"), tmp_path / "workspace"
    create(data, workspace, "chest")
    spec = load_spec(workspace / "task.yaml")
    assert spec.task == "chest"
    assert spec.targets["finding"].class_names == ("cardiomegaly", "effusion")
    assert yaml.safe_load((workspace / "params.yaml").read_text()) == {"task": "task.yaml"}
    assert "phantom" not in yaml.safe_load((workspace / "dvc.yaml").read_text())["stages"]
    assert "no_scm = True" in (workspace / ".dvc" / "config").read_text()
    text = (workspace / "task.yaml").read_text(encoding="utf-8")
    assert "# Found in the data:\n#   80 PNG in 2 class folders" in text
    # DVC wants every section that a stage depends on to be there.
    wanted = {s for stage in yaml.safe_load((workspace / "dvc.yaml").read_text())["stages"].values()
              for sections in stage["params"][0].values() for s in sections}  # fmt: skip
    assert wanted <= {*yaml.safe_load(text)}
    edited = text.replace("epochs: 20", "epochs: 2")
    assert edited != text
    (workspace / "task.yaml").write_text(edited, encoding="utf-8")
    assert "is there already and is kept" in create(data, workspace, "chest")[-1]
    assert (workspace / "task.yaml").read_text(encoding="utf-8") == edited


def test_a_workspace_keeps_its_data_out_of_git(tmp_path: Path) -> None:
    data = films(tmp_path / "films")
    for _ in range(2):
        create(data, tmp_path / "work", "films")
    ignored = (tmp_path / "work/.gitignore").read_text(encoding="utf-8").splitlines()
    assert ignored == ["/data/", "/tuning/", "/.dvc/private/", "/inspection.html"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Chest X-rays.npz", "chest_x_rays"),
        ("2024 scans", "task_2024_scans"),
        ("_a_", "a"),
        ("röntgen.npz", "rontgen"),
        ("Straße", "strasse"),
    ],
)
def test_a_name_from_a_path(tmp_path: Path, name: str, expected: str) -> None:
    assert workspace_name(tmp_path / name) == expected


def test_every_choice_has_its_reason_beside_it(tmp_path: Path) -> None:
    draft = look(films(tmp_path / "films"))
    text = task_text("chest", draft)
    assert yaml.safe_load(text)["train"] == draft.values["train"]
    lines = text.splitlines()
    for above, line in pairwise(lines):
        key = line.strip().partition(":")[0]
        if key in ("size", "channels", "horizontal_flip", "classes", "by", "epochs", "batch_size", "split"):
            assert "  # " in line or above.strip().startswith("#"), line
    assert all(len(line) <= 120 or str(tmp_path) in line for line in lines)


def test_words_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    data = lay(
        tmp_path / "films", *(f"{name}/{n}.png" for name in ("no", "yes", "1.5", "a: b", "#c") for n in range(30))
    )
    spec_names = {"no", "yes", "1.5", "a: b", "#c"}
    text = task_text("t", look(data))
    assert {*yaml.safe_load(text)["targets"]["finding"]["classes"]} == spec_names
    assert sum(cleaned(data, tmp_path / "work").info.counts.values()) == 150


def test_the_command_says_what_it_found_and_assumed(tmp_path: Path) -> None:
    done = run(str(films(tmp_path / "films")), "--into", str(tmp_path / "work"), "--name", "heart")
    assert done.returncode == 0, done.stderr
    assert "found: 80 PNG in 2 class folders; 12×12, grey" in done.stdout
    assert "found: assumed: Which class is the finding" in done.stdout
    assert load_spec(tmp_path / "work" / "task.yaml").task == "heart"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = run(str(films(tmp_path / "films")), "--into", str(tmp_path / "work"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "work").exists()
    text, _, said = done.stdout.partition("nothing was written")
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    assert load_spec(tmp_path / "task.yaml").task == "films"
    assert "task.yaml, params.yaml, dvc.yaml" in said


@pytest.mark.parametrize(("more", "asked"), [((), True), (("--yes",), False)])
def test_questions_are_asked_on_a_terminal_alone(tmp_path: Path, more: tuple[str, ...], asked: bool) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"cardiomegaly\n")
    done = run(str(films(tmp_path / "films")), "--into", str(tmp_path / "w"), "--dry-run", *more, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert ("Number or name, empty for effusion:" in done.stdout) is asked
    assert ("whose probability is served? effusion" in done.stdout) is not asked
    assert f"classes: [{'effusion, cardiomegaly' if asked else 'cardiomegaly, effusion'}]" in done.stdout


def test_an_end_of_input_takes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    assert Questions(ask=True).choose("Which?", ["a", "b"], "b", "it is last") == "b"
    monkeypatch.setattr("builtins.input", lambda _: "1")
    assert Questions(ask=True).choose("Which?", ["a", "b"], "b", "it is last") == "a"


def test_data_that_nobody_understands_leave_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"letter")
    done = run(str(tmp_path / "a.docx"), "--into", str(tmp_path / "work"))
    assert done.returncode == 1
    assert all(part in done.stderr for part in ("expected:", "found:", "to do:", "docs/new-task.md"))
    assert not (tmp_path / "work").exists()
    with pytest.raises(DataError):
        create(tmp_path / "a.docx", tmp_path / "work", "letter")


def test_a_column_is_named_on_the_command_line(tmp_path: Path) -> None:
    lines = "".join(f"{n},{n % 7},{n % 3}\n" for n in range(60))
    (tmp_path / "s.csv").write_text(f"length,ward_type,days\n{lines}")
    done = run(str(tmp_path / "s.csv"), "--target", "ward_type", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert [*yaml.safe_load(done.stdout.partition("nothing was written")[0])["targets"]] == ["ward_type"]
