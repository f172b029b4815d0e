"""Fixtures of several test modules, and the order in which two workers take the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from limits import MAKING, crowded, off_the_clock
from workspaces import TINY_ECG, TINY_TABLE, TINY_TASK, WATCH, Workspace, made_once, make_tiny

if TYPE_CHECKING:
    from servers import Bucket, Web

# A slow machine is no failure; and what runs on every change draws the same cases each time.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")

# The first three run a pipeline each, so that neither of two workers waits for the other: one takes the longest, the
# other the two short ones. Then what needs no pipeline, last what needs those that were run.
FIRST, LAST = (
    ("test_end_to_end.py", "test_tiny_ecg.py", "test_tiny_table.py"),
    (
        "test_front_ends.py", "test_killed_steps.py", "test_register.py", "test_serving.py", "test_params.py",
        "test_frames.py", "test_other_kinds.py", "test_serve.py", "test_external.py", "test_server.py",
        "test_bodies.py", "test_bombs.py", "test_workers.py", "test_batch.py",
    ),
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files; pytest-xdist hands them out in this order."""
    items.sort(key=lambda item: _place(item.path.name))


def _place(name: str) -> int:
    if name in FIRST:
        return FIRST.index(name) - len(FIRST)
    return int(name in LAST)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny films after `dvc repro`, once for all workers. Tests read it; none writes to it."""
    return _once(tmp_path_factory, "tiny", TINY_TASK)


@pytest.fixture(scope="session")
def tiny_table(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny table, likewise."""
    return _once(tmp_path_factory, "tiny_table", TINY_TABLE)


@pytest.fixture(scope="session")
def tiny_ecg(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny electrocardiograms, likewise."""
    return _once(tmp_path_factory, "tiny_ecg", TINY_ECG)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an S3 server."""
    from servers import s3_server  # it takes a second, for which tests without servers needn't wait

    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bucket:
    """A fresh bucket, and an environment that leads there."""
    from servers import AWS, make_bucket

    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in {**AWS, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, value)
    return make_bucket(s3, request.node.nodeid)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server of a folder `www`."""
    from servers import web_server

    (tmp_path / "www").mkdir()
    with web_server(tmp_path / "www") as running:
        yield running


def _once(factory: pytest.TempPathFactory, name: str, task: str) -> Workspace:
    """The workspace of a task after `dvc repro`; the worker that asks first runs it, others wait.

    What it would have sent out is refused, and written down in egress.log beside the workspace.
    """
    base = factory.getbasetemp()  # of this worker; without workers its parent holds earlier runs, of other code
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name

    def make() -> None:
        workspace, log = make_tiny(shared / "workspace", task), str(shared / "egress.log")
        workspace.run("dvc", "repro", limit=MAKING * crowded(), PYTHONPATH=str(WATCH), MEDPIPE_EGRESS_LOG=log)

    with off_the_clock():
        made_once(shared, make)
    return Workspace(shared / "workspace")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let the limit of a test grow with the load of the machine, at the moment when it begins."""
    own = item.get_closest_marker("timeout")
    limit = float(own.args[0]) if own and own.args else float(item.config.getini("timeout") or 0)
    if limit and item.config.option.timeout is None and crowded() > 1:
        item.add_marker(pytest.mark.timeout(limit * crowded()), append=False)
    return (yield)
