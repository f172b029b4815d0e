"""Folders of any name: as data, as workspace and above it; they are read, and nothing of the name is run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.parsing import DataResolver
from dvc.repo import Repo
from films import lay
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_places import ALL_AT_ONCE, forget_links

from components.lib.errors import MedpipeError, SpecError
from components.lib.places import place
from components.lib.plain_path import LINE_BREAKS, plain_path
from components.lib.shell_words import quoted
from components.lib.spec import load_spec
from pipelines.doctor import cache_folder, dvc_config
from pipelines.look import Questions
from pipelines.new import create
from pipelines.steps import stages_of
from pipelines.workspace import TASKS, require_fresh

SPEC = load_spec(TASKS / "chest_xray_pneumonia.yaml").model_copy(update={"phantom": None})
NASTY = (
    "my films", "it's", 'say "a"', "n#1", "a&b", "films;touch PWNED;", "$(touch PWNED)", "`touch PWNED`", "${HOME}",
    "${task}", "\\${x}", "back\\slash", "ends with \\", "für", "胸部", "عربي", "-rf", "blank ", "😀", "100%", "%(x)s",
    "a?b", "{0}", "}{", "*", "~", "!x", "tab\there", "a=b,c:d", "'\"'\"'", "\\'; touch PWNED; '",
)  # fmt: skip
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=LINE_BREAKS + "/\0"), min_size=1, max_size=40
)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository of DVC's, whose loader reads what we write."""
    folder = tmp_path_factory.mktemp("repo")
    (folder / "params.yaml").write_text("task: task.yaml\n")
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield Repo.init(no_scm=True)
    finally:
        os.chdir(here)


def resolved(repo: Any, path: str) -> dict[str, Any]:
    """Every stage as DVC reads it from the dvc.yaml of a task with its data at that path."""
    spec = SPEC.model_copy(update={"source": SPEC.source.model_copy(update={"path": path})})
    text = yaml.safe_dump({"stages": stages_of(spec)})
    stages: dict[str, Any] = DataResolver(repo, repo.root_dir, yaml.safe_load(text)).resolve()["stages"]
    return stages


def check_stage(stage: dict[str, Any], path: str) -> None:
    words = shlex.split(stage["cmd"])
    assert words[:5] == ["python", "-m", "components.ingest", "--task", "task.yaml"]
    assert words[words.index("--raw") + 1] == path
    assert stage["deps"][0] == path
    assert len(stage["cmd"].splitlines()) == 1


@pytest.mark.parametrize("name", NASTY)
def test_dvc_reads_the_very_path(repo: Any, name: str) -> None:
    check_stage(resolved(repo, f"/mnt/{name}/films")["ingest"], f"/mnt/{name}/films")
    check_stage(resolved(repo, name)["ingest"], name)


@settings(max_examples=40)
@given(name=NAMES)
def test_dvc_reads_any_path(repo: Any, name: str) -> None:
    if "://" not in name:
        check_stage(resolved(repo, f"/mnt/{name}")["ingest"], f"/mnt/{name}")


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish"])
def test_a_shell_reads_the_very_path(tmp_path: Path, shell: str) -> None:
    script = "import sys; open('told', 'w', encoding='utf-8').write('\\0'.join(sys.argv[1:]))"
    words = [sys.executable, "-c", script, *NASTY]
    try:
        subprocess.run([shell, "-c", " ".join(map(quoted, words))], cwd=tmp_path, check=True)
    except FileNotFoundError:
        pytest.skip(f"{shell} isn't installed")
    assert (tmp_path / "told").read_text(encoding="utf-8").split("\0") == [*NASTY]
    assert [path.name for path in tmp_path.iterdir()] == ["told"]


@pytest.mark.parametrize("sign", LINE_BREAKS)
def test_a_line_break_in_a_path_is_refused_before_anything_is_written(tmp_path: Path, sign: str) -> None:
    names = [f"{name}/{n}.png" for name in "ab" for n in range(30)]
    data = lay(tmp_path / f"films{sign}touch PWNED", *names)
    for workspace, raw in ((tmp_path / "ws", data), (tmp_path / f"w{sign}s", lay(tmp_path / "plain", *names))):
        with pytest.raises(MedpipeError, match="line break"):
            create(raw, workspace, "films", Questions())
        assert not workspace.exists()
    with pytest.raises(SpecError, match="line break"):
        place(str(data))


def test_a_link_hides_no_line_break(tmp_path: Path) -> None:
    data = lay(tmp_path / "films\ntouch PWNED", *(f"{name}/{n}.png" for name in "ab" for n in range(30)))
    (tmp_path / "films").symlink_to(data)
    with pytest.raises(MedpipeError, match="line break"):
        create(tmp_path / "films", tmp_path / "ws", "films", Questions())
    assert not (tmp_path / "ws").exists()


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/r\xf6ntgen")
    data = lay(Path(folder), *(f"{name}/{n}.png" for name in "ab" for n in range(30)))
    with pytest.raises(MedpipeError, match="UTF-8"):
        create(data, tmp_path / "ws", "films", Questions())
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("name", ["josé", "100%(x)s", "{0} ${HOME}", "a'b\"c'''d\"\"\"e"])
def test_dvc_keeps_names_of_files_in_a_private_place_whatever_the_workspace_is_called(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = lay(tmp_path / "films", *(f"{each}/{n}.png" for each in ("sick", "well") for n in range(30)))
    workspace = tmp_path / name / "ws"
    for _ in range(2):
        create(data, workspace, "films", Questions())
        memory = Path(dvc_config(workspace)["core"]["site_cache_dir"])
        assert memory.is_dir()
        assert memory.resolve() == workspace.resolve() / ".dvc" / "private"
        assert memory.stat().st_mode & 0o777 == 0o700
        assert cache_folder(workspace) == workspace.resolve() / ".dvc" / "cache"
        require_fresh(workspace, load_spec(workspace / "task.yaml"))


def test_a_workspace_that_lost_its_private_place_gets_it_again(tmp_path: Path) -> None:
    data = lay(tmp_path / "films", *(f"{each}/{n}.png" for each in ("sick", "well") for n in range(30)))
    create(data, tmp_path / "ws", "films", Questions())
    (tmp_path / "ws/.dvc/config.local").write_text("")  # as the call that died left it
    create(data, tmp_path / "ws", "films", Questions())
    assert dvc_config(tmp_path / "ws")["core"]["site_cache_dir"] == str(tmp_path / "ws/.dvc/private")


def test_a_link_is_made_where_a_path_is_not_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "für 50%?"
    folder.mkdir()
    link = plain_path(folder)
    assert link.resolve() == folder
    assert link.parent.parent.stat().st_mode & 0o777 == 0o700
    assert plain_path(folder) == link
    assert plain_path(folder, "#") == folder
    link.unlink()
    link.symlink_to(tmp_path)  # somebody else's
    assert plain_path(folder).resolve() == folder
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "auch für"))
    assert plain_path(folder).resolve() == folder
    assert plain_path(folder).is_relative_to(f"/var/tmp/medpipe-{os.getuid()}")
    forget_links(tmp_path)


@pytest.mark.accept
@pytest.mark.parametrize("name", [ALL_AT_ONCE, "films;touch PWNED;", "${HOME}"])
def test_ingest_runs_in_any_place_and_nothing_of_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / name
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "0" * 32)
    data = lay(home / "films", *(f"{each}/{n}.png" for each in ("sick", "well") for n in range(60)))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(home), "MLFLOW_TRACKING_URI": ""}
    environment.pop("XDG_CACHE_HOME", None)
    made = subprocess.run(
        [sys.executable, "-m", "pipelines.new", str(data), "--into", str(home / "ws"), "--yes"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for command in (["repro", "ingest"], ["status", "ingest"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=home / "ws", env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    assert (home / "ws/data/ingested/dataset.json").is_file()
    assert [*tmp_path.rglob("PWNED")] == []
    forget_links(tmp_path)
