"""Attacks on what steps hand to each other, and on what other users of the machine could read."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.attacks import Attack
from components.lib.spec import load_spec
from pipelines.steps import steps_of
from pipelines.workspace import create_from_task

TASK = """
task: attacked
phantom: {kind: chest, patients: 48, prevalence: 0.5, seed: 3}
source: {reader: folder, path: data/raw, index: index.csv, synthetic: true, public_key: true}
inputs: {image: {kind: image, size: [32, 32], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.4}
train: {model: cnn, width: 4, epochs: 1, batch_size: 16}
evaluate: {gates: {finding.accuracy: 0.0}}
"""
NOBODY = 65534


def attacks(folder: Path) -> Iterator[Attack]:
    """Run a tiny task as a user who hides nothing, then change and read what it left."""
    folder.chmod(0o755)  # as a home that others may enter
    before = os.umask(0)
    try:
        home = made(folder)
    finally:
        os.umask(before)
    yield Attack.tried(
        "a bit of a cleaned film is flipped before train", "train refuses, and names the file",
        lambda: changed(home, "train", "data/cleaned/part-00000/image.npy", _flipped),
    )  # fmt: skip
    yield Attack.tried(
        "the threshold in model.json is changed before evaluate", "evaluate refuses, and names the file",
        lambda: changed(home, "evaluate", "data/model/model.json", _threshold),
    )  # fmt: skip
    yield Attack.tried(
        "a figure in evaluation.json is changed before register", "register refuses, and names the file",
        lambda: changed(home, "register", "data/evaluation/evaluation.json", _passed),
    )  # fmt: skip
    yield Attack.tried("another user reads the workspace, its store and DVC's memory", "no file", lambda: others(home))


def made(folder: Path) -> Path:
    """A workspace after `dvc repro`, with its store in it."""
    (folder / "attacked.yaml").write_text(TASK, encoding="utf-8")
    home = folder / "ws"
    create_from_task(folder / "attacked.yaml", home)
    _run(home, "dvc", "repro").check_returncode()
    return home


def changed(home: Path, name: str, file: str, change: Callable[[bytes], bytes]) -> tuple[str, bool]:
    """Change a file, run the step that reads it, and put the file back; what the step said, and whether it refused."""
    spec, path = load_spec(home / "task.yaml"), home / file
    step = next(each for each in steps_of(spec) if each.name == name)
    content = path.read_bytes()
    other = change(content)
    if other == content:
        return "nothing was changed", False
    path.write_bytes(other)
    try:
        done = _run(home, *step.command("task.yaml", str(spec.source.path))[2:])
    finally:
        path.write_bytes(content)
    said = done.stderr.strip().splitlines()
    refusal = next((line for line in said if "Error: " in line), "no error")
    return f"exit {done.returncode}, {refusal}", done.returncode == 1 and file in refusal


def others(home: Path) -> tuple[str, bool]:
    """What the user nobody may read below a folder."""
    if os.geteuid() != 0:
        return "not run: only root can become another user", False
    readable = readable_by_others(home)
    count = sum(each.is_file() for each in home.rglob("*"))
    return f"{len(readable)} of {count} files{': ' if readable else ''}{', '.join(readable[:5])}", not readable


def readable_by_others(folder: Path) -> list[str]:
    """The files below a folder that the user nobody may open; wants to be called as root."""
    context = multiprocessing.get_context("fork")  # nobody may well not be allowed to start this interpreter
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_walk_as_nobody, args=(folder, sender))
    child.start()
    sender.close()
    found: list[str] = receiver.recv()
    child.join()
    return found


def _walk_as_nobody(folder: Path, found: Connection) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    readable = []
    for place, _, files in os.walk(folder):
        for file in (Path(place, name) for name in files):
            with suppress(OSError), file.open("rb"):
                readable.append(str(file.relative_to(folder)))
    found.send(sorted(readable))


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _threshold(content: bytes) -> bytes:
    values = json.loads(content)
    for fitted in values["fitted"].values():
        fitted["decision"]["threshold"] = 1 - fitted["decision"]["threshold"] / 2
    return (json.dumps(values, indent=2) + "\n").encode()


def _passed(content: bytes) -> bytes:
    values = json.loads(content)
    return json.dumps(values | {"passed": not values["passed"]}).encode()


def _run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
