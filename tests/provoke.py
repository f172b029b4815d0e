"""A place to provoke faults in, for tests/test_faults.py: inputs of a healthy run, spoilt as asked."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from films import task

from components.lib.cli import run_step
from components.lib.digests import SUMS
from components.lib.spec import load_spec
from pipelines.steps import dvc_yaml

TRAIN = {"model": "cnn", "width": 4, "batch_size": 8, "epochs": 1, "precision": "float32", "device": "cpu"}
Command = Callable[[], None]


class Place:
    """A folder to provoke a fault in; what a healthy run wrote before is read from `done`."""

    def __init__(self, folder: Path, done: Path, stack: ExitStack) -> None:
        self.folder, self.done, self.stack = folder, done, stack
        self.environment = pytest.MonkeyPatch()
        stack.callback(self.environment.undo)

    def task(self, **sections: Any) -> Path:
        """A task file; sections replace those of the healthy one."""
        healthy = task().model_dump(mode="json", by_alias=True, exclude={"phantom"}, exclude_unset=True)
        file = self.folder / "task.yaml"
        file.write_text(yaml.safe_dump({**healthy, **sections}), encoding="utf-8")
        return file

    def step(self, step: Callable[..., None], *, out: Path | None = None, **options: Path) -> Command:
        """A step's command line on the healthy inputs, its outputs in this folder."""
        out = out or self.folder / "out"
        paths = {
            "ingest": {"raw": self.done / "raw", "dataset": out, "private": self.folder / "private"},
            "clean": {name: self.done / name for name in ("raw", "private")}
            | {"dataset": self.done / "ingested", "out": out},
            "augment": {"dataset": self.done / "cleaned", "out": out},
            "train": {"dataset": self.done / "cleaned", "augmented": self.done / "augmented", "model": out},
        }[step.__name__]
        paths = {"task": self.folder / "task.yaml", **paths, **options}
        words = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
        if not paths["task"].exists():
            self.task()
        return self.program(lambda: run_step(step), *words)

    def program(self, function: Command, *words: str) -> Command:
        """A program with its words."""
        self.environment.setattr(sys, "argv", ["program", *words])
        return function

    def train(self, store: str | None = None, **settings: Any) -> Command:
        """The command line of training, with these settings."""
        from components.train.step import train

        self.environment.setenv("MLFLOW_TRACKING_URI", store or f"sqlite:///{self.done}/mlflow.db")
        self.task(train={**TRAIN, **settings})
        return self.step(train)

    def disk(self, options: str) -> Path:
        """A file system of its own in memory."""
        folder = self.folder / "disk"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        self.stack.callback(subprocess.run, ["umount", str(folder)], check=True)
        return folder

    def spoilt(self, file: str, content: bytes) -> Path:
        """A copy of the cleaned dataset with one file replaced, without digests, as earlier versions left it."""
        shutil.copytree(self.done / "cleaned", self.folder / "cleaned", ignore=shutil.ignore_patterns(SUMS))
        (self.folder / "cleaned" / "part-00000" / file).write_bytes(content)
        self.task(augment={"offline": {"balance": 1.0}})
        return self.folder / "cleaned"

    def archive(self, **arrays: Any) -> Path:
        """A MedMNIST archive, some arrays replaced, and a task that reads it."""
        healthy = {f"{split}_images": np.zeros((4, 12, 12), np.uint8) for split in ("train", "val", "test")}
        labels = {f"{split}_labels": np.array([0, 1, 0, 1]) for split in ("train", "val", "test")}
        np.savez(self.folder / "set.npz", **{**healthy, **labels, **arrays})
        self.task(source={"reader": "npz", "path": "set.npz"}, split={"method": "given", "by": "sample"})
        return self.folder / "set.npz"

    def workspace(self) -> Path:
        """A workspace as another version of medpipe made it: a command that differs, a file that is gone."""
        folder = self.folder / "workspace"
        folder.mkdir()
        self.task().rename(folder / "task.yaml")
        (folder / "params.yaml").write_text("task: task.yaml\n", encoding="utf-8")
        made = yaml.safe_load(dvc_yaml("task.yaml", load_spec(folder / "task.yaml"), absolute=True))
        made["stages"]["clean"]["cmd"] += " --faster"
        made["stages"]["train"]["deps"].append(str(folder / "old_loop.py"))
        (folder / "dvc.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
        return folder


@contextmanager
def listening() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def closed_port() -> int:
    """A port nobody has."""
    with listening() as port:
        return port


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """An array file's bytes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()
