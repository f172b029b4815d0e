"""Two folders of one name: the second one's data are never taken for the first one's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from films import lay

from components.lib.errors import DataError
from components.lib.spec import load_spec
from pipelines import demo, workspace
from pipelines.look import Questions
from pipelines.new import create
from pipelines.workspace import create_from_task, workspace_name


def films(folder: Path, count: int = 30) -> Path:
    return lay(folder, *(f"{name}/{number}.png" for name in ("sick", "well") for number in range(count)))


def test_the_second_folder_of_one_name_is_refused(tmp_path: Path) -> None:
    first, second = films(tmp_path / "A/films"), films(tmp_path / "B/films", 45)
    create(first, tmp_path / "ws", "films", Questions())
    kept = (tmp_path / "ws/task.yaml").read_bytes()
    with pytest.raises(DataError) as caught:
        create(second, tmp_path / "ws", "films", Questions())
    assert str(second) in caught.value.expected
    assert str(first) in caught.value.found
    assert "--name" in caught.value.todo
    assert (tmp_path / "ws/task.yaml").read_bytes() == kept
    create(first, tmp_path / "ws", "films", Questions())


def test_another_way_to_the_same_folder_is_no_other_folder(tmp_path: Path) -> None:
    data = films(tmp_path / "A/films")
    (tmp_path / "link").symlink_to(data)
    create(data, tmp_path / "ws", "films", Questions())
    create(tmp_path / "link", tmp_path / "ws", "films", Questions())
    create(tmp_path / "A/../A/films", tmp_path / "ws", "films", Questions())


def test_another_table_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        rows = "\n".join(f"{n},{n % 7},{'yes' if n % 3 else 'no'}" for n in range(90))
        (tmp_path / name).write_text(f"patient,value,sepsis\n{rows}\n")
    create(tmp_path / "a.csv", tmp_path / "ws", "tables", Questions())
    create(tmp_path / "a.csv", tmp_path / "ws", "tables", Questions())
    with pytest.raises(DataError, match=re.escape(r"b.csv")):
        create(tmp_path / "b.csv", tmp_path / "ws", "tables", Questions())


def test_make_demo_stops_too_and_takes_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CHECKOUT", tmp_path)
    first, second = films(tmp_path / "A/films"), films(tmp_path / "B/films")
    assert demo.workspace_for(first, None) == tmp_path / "work/films"
    with pytest.raises(DataError, match="NAME="):
        demo.workspace_for(second, None)
    assert demo.workspace_for(second, None, "films_b") == tmp_path / "work/films_b"
    assert load_spec(tmp_path / "work/films_b/task.yaml").task == "films_b"


def test_a_task_with_other_data_or_another_task_is_refused(tmp_path: Path) -> None:
    first, second = films(tmp_path / "A/films"), films(tmp_path / "B/films")
    create(first, tmp_path / "made", "chest", Questions())
    task = tmp_path / "chest.yaml"
    shutil.copy(tmp_path / "made/task.yaml", task)
    create_from_task(task, tmp_path / "ws", None)
    create_from_task(task, tmp_path / "ws", first)
    with pytest.raises(DataError, match="made for"):
        create_from_task(task, tmp_path / "ws", second)
    other = tmp_path / "other"
    other.mkdir()
    (other / "chest.yaml").write_text(task.read_text().replace("task: chest", "task: bones"))
    with pytest.raises(DataError, match="the task chest, which would be trained instead"):
        create_from_task(other / "chest.yaml", tmp_path / "ws", None)
    workspace.create_from_task(task, tmp_path / "ws", None)  # and the first one is as it was


@pytest.mark.parametrize(
    "names",
    [("胸部", "頭部"), ("Brüche", "Bruche 胸"), ("عربي", "فارسی"), ("😀", "😃"), ("-", "_"), ("películas", "片")],
)
def test_names_in_other_scripts_differ(tmp_path: Path, names: tuple[str, str]) -> None:
    made = [workspace_name(tmp_path / name) for name in names]
    assert made[0] != made[1]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in made)
    assert made == [workspace_name(tmp_path / name) for name in names]


def test_a_name_that_no_task_can_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = films(tmp_path / "films")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.new", str(data), "--into", str(tmp_path / "ws"), "--name", "Röntgen; x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "a-z" in done.stderr
    assert not (tmp_path / "ws").exists()
