"""Pipes, sockets and links in a data folder: nothing waits for ever, nothing that lies elsewhere is read unasked."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from films import encoded, film, lay, patients, task, write_films

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.readers._foreign import foreign
from components.lib.spec import load_spec
from pipelines.look import Questions
from pipelines.new import create

pytestmark = pytest.mark.timeout(60)  # a pipe that is opened waits for ever


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def films(folder: Path) -> Path:
    return lay(folder, *(f"{name}/{number}.png" for name in ("sick", "well") for number in range(30)))


def bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may be of 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("name", ["sick/pipe.png", "index.csv", "notes.txt", "sick/linked.png"])
@pytest.mark.parametrize("kind", ["named pipe", "socket"])
def test_what_is_no_regular_file_is_refused_before_a_workspace_is_made(tmp_path: Path, name: str, kind: str) -> None:
    data, where = films(tmp_path / "films"), tmp_path / "films" / name
    if "linked" in name:
        where.symlink_to(data / ".special")
        where = data / ".special"
    os.mkfifo(where) if kind == "named pipe" else bind(where)
    with pytest.raises(DataError) as caught:
        create(data, tmp_path / "ws", "films", Questions())
    assert (caught.value.expected, caught.value.found) == ("regular files", f"1 {kind}")
    assert not (tmp_path / "ws").exists()


def test_a_pipe_in_place_of_the_data_is_refused(tmp_path: Path) -> None:
    for name in ("films", "table.csv", "films.zip", "films.npz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="a named pipe"):
            create(tmp_path / name, tmp_path / "ws", "films", Questions())
    with pytest.raises(DataError, match="a device"):
        create(Path("/dev/zero"), tmp_path / "ws", "films", Questions())


def through(raw: Path, folder: Path, **source: Any) -> Dataset:
    spec = task(
        clean={"maximum_rejected": 0.9},
        source={"reader": "folder", "path": "raw", "index": "index.csv", **source},
    )
    ingest(raw, folder / "ingested", folder / "private", spec)
    clean(raw, folder / "ingested", folder / "private", folder / "cleaned", spec)
    return Dataset(folder / "cleaned")


def test_a_pipe_that_an_index_names_is_one_rejected_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = patients(30)
    raw = write_films(tmp_path / "raw", rows)
    (raw / rows[0]["path"]).unlink()
    os.mkfifo(raw / rows[0]["path"])
    assert through(raw, tmp_path).rejected()["reason"].tolist() == ["unreadable: not a regular file"]
    assert "not regular files, and never read: 1 named pipe" in capsys.readouterr().out


def test_a_pipe_in_place_of_the_index_is_refused(tmp_path: Path) -> None:
    raw = write_films(tmp_path / "raw", patients(30))
    (raw / "index.csv").unlink()
    os.mkfifo(raw / "index.csv")
    with pytest.raises(DataError, match="a named pipe"):
        through(raw, tmp_path)


@pytest.mark.parametrize("of", ["file", "folder", "by way of a link"])
def test_links_that_lead_out_are_refused_unless_they_are_allowed(tmp_path: Path, of: str) -> None:
    data, other = films(tmp_path / "films"), tmp_path / "other"
    other.mkdir()
    (other / "x.png").write_bytes(encoded(film(999)))
    if of == "file":
        (data / "sick/x.png").symlink_to(other / "x.png")
    elif of == "folder":
        (data / "sick/more").symlink_to(other)
    else:
        (other / "way").symlink_to(other / "x.png")
        (data / "sick/x.png").symlink_to(other / "way")
    with pytest.raises(DataError) as caught:
        create(data, tmp_path / "ws", "films", Questions())
    assert caught.value.found.startswith("1 links to files or folders outside")
    assert "x.png" not in str(caught.value)
    assert not (tmp_path / "ws").exists()


def test_a_task_says_that_links_are_followed(tmp_path: Path) -> None:
    data = films(tmp_path / "films")
    (tmp_path / "x.png").write_bytes(encoded(film(999)))
    (data / "sick/x.png").symlink_to(tmp_path / "x.png")
    create(data, tmp_path / "ws", "films", Questions(), follow_links=True)
    assert load_spec(tmp_path / "ws/task.yaml").source.follow_links


def test_ingest_refuses_them_too(tmp_path: Path) -> None:
    rows = patients(30)
    raw = write_films(tmp_path / "raw", rows)
    (raw / rows[0]["path"]).rename(tmp_path / "elsewhere.png")
    (raw / rows[0]["path"]).symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(DataError, match="follow_links"):
        through(raw, tmp_path)
    assert len(through(raw, tmp_path, follow_links=True).samples()) == 60


def test_links_inside_and_loops_are_no_way_out(tmp_path: Path) -> None:
    data = films(tmp_path / "films")
    (data / "sick/same.png").symlink_to("0.png")
    (data / "sick/all").symlink_to("../..")  # which leads above the folder
    assert foreign(data).links_out == 1
    (data / "sick/all").unlink()
    (data / "sick/up").symlink_to("..")
    (data / "sick/self").symlink_to("self")
    (data / "sick/gone.png").symlink_to("nothing.png")
    assert foreign(data).links_out == 0
    create(data, tmp_path / "ws", "films", Questions())
    (tmp_path / "link").symlink_to(data)
    assert foreign(tmp_path / "link").links_out == 0
