"""What other users of the machine may read of a workspace and its store, whatever the umask: nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import TINY_TABLE, Workspace

from benchmarks.attacks.steps import readable_by_others
from components.ingest import ingest
from components.lib.output import output
from components.lib.pseudonyms import FILE_VARIABLE, KEY_VARIABLE
from components.lib.pseudonyms import main as make_key
from components.lib.spec import load_spec
from components.lib.store_file import keep_private as keep_store_private
from components.lib.store_file import make_tables
from components.phantom.step import phantom
from pipelines.workspace import create_from_task, make_workspace

KNOWN = {"task.yaml", "params.yaml", "dvc.yaml", "dvc.lock", ".gitignore", ".dvcignore", "inspection.html"}
"""What a workspace in a folder of the user's own leaves readable: settings, and no sample."""


@pytest.fixture
def careless() -> Iterator[Path]:
    """A folder that everybody may enter, and a user who hides nothing."""
    before = os.umask(0)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
    os.umask(before)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.rglob("*"))}


def test_a_private_output_is_its_owners_alone(careless: Path) -> None:
    for private in (True, False):
        with output(careless / "out", {}, private=private) as partial:
            (partial / "deep").mkdir()
            (partial / "deep" / "sources.parquet").write_text("names")
            assert (partial.stat().st_mode & 0o077 == 0) is private
        assert (modes(careless / "out") == {0o700, 0o600}) is private


def test_a_key_is_its_owners_alone(careless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setenv(FILE_VARIABLE, str(careless / "keys" / "key"))
    make_key()
    assert modes(careless / "keys") == {0o700, 0o600}


def test_a_store_is_its_owners_alone_and_stays_a_groups(careless: Path) -> None:
    store = careless / "store"
    store.mkdir()
    uri = f"sqlite:///{store}/mlflow.db"
    make_tables(uri)
    assert stat.S_IMODE((store / "mlflow.db").stat().st_mode) == 0o600
    keep_store_private(uri)
    assert modes(store / "mlruns") == {0o700}
    (store / "mlflow.db").chmod(0o666)
    (store / "mlruns").chmod(0o775)
    keep_store_private(uri)
    assert (modes(store / "mlruns"), modes(store / "mlflow.db")) == ({0o770}, {0o660})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("own", [False, True], ids=["a folder that medpipe made", "a folder that was there"])
def test_another_user_reads_no_sample(careless: Path, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    home = careless / "ws"
    if own:
        home.mkdir()
        (home / "task.yaml").write_text(TINY_TABLE)
        make_workspace(home)
    else:
        (careless / "task.yaml").write_text(TINY_TABLE)
        create_from_task(careless / "task.yaml", home)
        (careless / "task.yaml").unlink()
    monkeypatch.chdir(home)
    spec = load_spec(home / "task.yaml")
    phantom(home / "data/raw", spec)
    ingest(home / "data/raw", home / "data/ingested", home / "data/private", spec)
    (home / ".dvc/cache").mkdir(exist_ok=True)
    (home / ".dvc/cache/content").write_text("a film")
    assert (home / "data/private/sources.parquet").is_file()
    assert modes(home / "data/private") == {0o700, 0o600}
    readable = readable_by_others(careless)
    assert {*readable} <= {f"ws/{name}" for name in KNOWN} if own else readable == []
    assert bool(readable) is own


def test_nothing_of_a_run_but_its_settings_is_readable(tiny: Workspace) -> None:
    """By the rights of files and of every folder above them in the workspace."""
    root, readable = tiny.path, set()
    for file in (each for each in root.rglob("*") if each.is_file() and not each.is_symlink()):
        above = [folder for folder in file.parents if folder.is_relative_to(root) and folder != root]
        if file.stat().st_mode & 0o004 and all(folder.stat().st_mode & 0o001 for folder in above):
            readable.add(str(file.relative_to(root)))
    assert readable <= KNOWN
