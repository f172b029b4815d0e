"""Fixtures of several test modules, and the order in which two workers take the files."""

from __future__ import annotations

import os

import pytest
from filelock import FileLock
from workspaces import TINY_ECG, TINY_TABLE, TINY_TASK, Workspace, make_tiny

# The first three run a pipeline each, so that neither of two workers waits for the other: one takes the longest, the
# other the two short ones. Then what needs no pipeline, last what needs those that were run.
FIRST, LAST = (
    ("test_end_to_end.py", "test_tiny_ecg.py", "test_tiny_table.py"),
    (
        "test_front_ends.py", "test_killed_steps.py", "test_register.py", "test_serving.py", "test_other_kinds.py",
        "test_serve.py",
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


def _once(factory: pytest.TempPathFactory, name: str, task: str) -> Workspace:
    """The workspace of a task after `dvc repro`; the worker that asks first runs it, others wait."""
    base = factory.getbasetemp()  # of this worker; without workers its parent holds earlier runs, of other code
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{shared}.lock"):
        if (shared / "done").exists():
            return Workspace(shared / "workspace")
        workspace = make_tiny(shared / "workspace", task)
        workspace.run("dvc", "repro")
        (shared / "done").touch()
        return workspace
