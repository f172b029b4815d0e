"""Every fault of docs/faults.md, at the command line: exit status 1, four parts, no traceback, nothing half-written.

Each case provokes one fault for real and returns the function and the words of a command; what the command tells to do
is held against the fault's row in docs/faults.md.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from films import encoded, film, patients, task, write_films
from mlflow import MlflowClient
from provoke import TRAIN, Command, Place, closed_port, listening, npy

from components.augment import augment
from components.clean import clean
from components.ingest import ingest
from components.lib.cli import run
from components.lib.spec import load_spec
from pipelines import new, serve, workspace

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "faults.md"
ROWS = patients(24) + [row for row in patients(44)[48:] if row["finding"] == "normal"]


def one_class(place: Place) -> Command:
    rows = [row for row in ROWS if row["finding"] == "normal"]
    return place.step(ingest, raw=write_films(place.folder / "raw", rows))


def empty_split(place: Place) -> Command:
    place.task(split={"validation": 0.001, "test": 0.5})
    return place.step(ingest)


def unreadable_files(place: Place) -> Command:
    raw = write_films(place.folder / "raw", ROWS)
    for number, row in enumerate(ROWS[:10]):  # each another one: equal ones would be dropped as duplicates
        (raw / row["path"]).write_bytes(encoded(film(number, 64))[:900])
    options = {"dataset": place.folder / "ingested", "private": place.folder / "private"}
    ingest(raw, *options.values(), load_spec(place.task()))
    return place.step(clean, raw=raw, **options)


def empty_folder(place: Place) -> Command:
    (place.folder / "raw").mkdir()
    place.task(source={"reader": "folder", "path": "raw"})
    return place.step(ingest, raw=place.folder / "raw")


def another_key(place: Place) -> Command:
    source = {"reader": "folder", "path": "raw", "index": "index.csv", "key_fingerprint": "0" * 12}
    place.task(source=source)
    return place.step(ingest)


def unknown_key(place: Place) -> Command:
    place.task(trian={})
    return place.step(ingest)


def wrong_type(place: Place) -> Command:
    place.task(train={"epochs": "many"})
    return place.step(ingest)


def full_disk(place: Place) -> Command:
    return place.step(clean, out=place.disk("size=16k") / "out")


def full_disk_in_training(place: Place) -> Command:
    command = place.train(width=64)
    sys.argv[-1] = str(place.disk("size=128k") / "out")
    return command


def read_only_disk(place: Place) -> Command:
    return place.step(clean, out=place.disk("ro") / "out")


def locked_store(place: Place) -> Command:
    other = place.stack.enter_context(closing(sqlite3.connect(place.done / "mlflow.db")))
    other.execute("BEGIN IMMEDIATE")
    return place.train()


def port_taken(place: Place) -> Command:
    port = place.stack.enter_context(listening())
    return place.program(lambda: run(serve.main), str(place.folder), "--port", str(port))


def no_workspace(place: Place) -> Command:
    place.environment.chdir(place.folder)
    return place.program(lambda: run(serve.main), ".", "--port", str(closed_port()))


def stale_workspace(place: Place) -> Command:
    place.environment.chdir(place.folder)
    return place.program(lambda: run(serve.main), str(place.workspace()), "--port", str(closed_port()))


def no_gpu(place: Place) -> Command:
    command = place.train(device="gpu")
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    return command


OBJECTS = np.array([{"un": "pickled"}] * 4, dtype=object)
CASES: dict[str, Callable[[Place], Command]] = {
    "unknown_key": unknown_key,
    "wrong_type": wrong_type,
    "missing_data": lambda place: place.step(ingest, raw=place.folder / "raw"),
    "empty_folder": empty_folder,
    "one_class": one_class,
    "empty_split": empty_split,
    "unreadable_files": unreadable_files,
    "archive_of_wrong_shape": lambda place: place.step(
        ingest, raw=place.archive(val_images=np.zeros((4, 12, 12, 12, 3), np.uint8))
    ),
    "archive_with_objects": lambda place: place.step(ingest, raw=place.archive(test_labels=OBJECTS)),
    "array_of_wrong_shape": lambda place: place.step(
        augment, dataset=place.spoilt("image.npy", npy(np.zeros((4, 5), np.uint8)))
    ),
    "array_with_objects": lambda place: place.step(augment, dataset=place.spoilt("image.npy", npy(OBJECTS))),
    "broken_table": lambda place: place.step(augment, dataset=place.spoilt("samples.parquet", b"PAR1")),
    "another_key": another_key,
    "full_disk": full_disk,
    "full_disk_in_training": full_disk_in_training,
    "read_only_disk": read_only_disk,
    "silent_server": lambda place: place.train(store=f"http://user:secret@127.0.0.1:{closed_port()}"),
    "locked_store": locked_store,
    "no_gpu": no_gpu,
    "model_larger_than_memory": lambda place: place.train(width=100_000),
    "loss_is_no_number": lambda place: place.train(learning_rate=1e30, epochs=3),
    "port_taken": port_taken,
    "no_workspace": no_workspace,
    "stale_workspace": stale_workspace,
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What healthy runs of ingest, clean and augment wrote, and a store."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
        raw, spec = write_films(folder / "raw", ROWS), task()
        ingest(raw, folder / "ingested", folder / "private", spec)
        clean(raw, folder / "ingested", folder / "private", folder / "cleaned", spec)
        augment(folder / "cleaned", folder / "augmented", spec)
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
        yield folder


@pytest.fixture
def place(done: Path, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        place = Place(tmp_path, done, stack)
        place.environment.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)
        yield place


def rows_of_table() -> dict[str, dict[str, str]]:
    """The tables of docs/faults.md by the name of the case."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    named = [row for row in cells if row[-1].startswith("`")]
    return {row[-1].strip("`"): dict(zip(cells[0], row, strict=True)) for row in named}


def matches(written: str, told: str) -> bool:
    """Whether the table's words are those told; … stands for what differs from run to run."""
    pattern = ".+?".join(re.escape(piece) for piece in written.replace("`", "").split("…"))
    return re.fullmatch(pattern, told.replace("`", ""), flags=re.DOTALL) is not None


@pytest.mark.parametrize("name", CASES)
def test_a_fault_ends_in_four_parts(name: str, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    command = CASES[name](place)
    started = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 1
    assert time.monotonic() - started < 15
    said = capfd.readouterr().err
    parts = re.search(
        r"(\w+Error): (.*?)\n  expected: (.*?)\n  found:    (.*?)\n  to do:    (.*?)\s*$", said, re.DOTALL
    )
    assert parts, said
    assert "Traceback" not in said
    assert "secret" not in said
    row = rows_of_table()[name]
    assert matches(row["found"], parts[4]), parts[4]
    assert matches(row["to do"], parts[5]), parts[5]
    assert not [each for each in ("out", "disk/out", "private") if (place.folder / each / "dataset.json").exists()]
    assert not [each for each in ("out", "disk/out") if (place.folder / each).exists()]


def test_the_table_names_every_case() -> None:
    assert {name for name in rows_of_table() if "::" not in name} == CASES.keys()


def test_what_is_tested_elsewhere_is_tested_and_told_so() -> None:
    code = "".join(
        file.read_text(encoding="utf-8")
        for file in (
            ROOT / "Makefile",
            *(f for d in ("components", "pipelines", "serving") for f in (ROOT / d).rglob("*.py")),
        )
    )
    for name, row in rows_of_table().items():
        if "::" in name:
            file, test = name.split("::")
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), name
            for piece in row["to do"].replace("`", "").split("…"):
                assert piece.strip() in code.replace("`", ""), (name, piece)


def test_a_batch_whose_loss_is_no_number_is_named_with_its_step(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    from components.lib.dataset import Dataset

    command = CASES["loss_is_no_number"](place)
    with pytest.raises(SystemExit):
        command()
    said = capfd.readouterr().err
    assert re.search(r"train, epoch \d, step \d of \d", said)
    named = re.findall(r"\b[0-9a-f]{16}\b", said)
    train = Dataset(place.done / "cleaned").samples().query("split == 'train'")["sample_id"]
    assert 1 <= len(named) <= TRAIN["batch_size"]  # type: ignore[operator]
    assert set(named) <= set(train)


def test_a_workspace_is_renewed(place: Place) -> None:
    folder = place.workspace()
    place.environment.setattr(sys, "argv", ["new", "--renew", str(folder)])
    with pytest.raises(SystemExit) as ended:
        run(new.main)
    assert ended.value.code == 0
    workspace.require_fresh(folder, load_spec(folder / "task.yaml"))


def test_memory_that_runs_out_while_training(place: Place) -> None:
    place.train(width=1024, device="auto")
    # TensorFlow's threads come first: without memory for a thread it ends the process itself.
    program = (
        "import components, resource; from components.train.step import train; "
        "from components.lib.cli import run_step; import tensorflow as tf; tf.zeros(1); "
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize(); "
        "resource.setrlimit(resource.RLIMIT_AS, (used + 800_000_000,) * 2); run_step(train)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *sys.argv[1:]], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "to do:    reduce train.batch_size to 4, 2, 1, or train.width" in done.stderr
    assert not (place.folder / "out").exists()


@pytest.mark.parametrize(
    ("system", "python", "sentence"),
    [
        ("Darwin arm64", sys.executable, "medpipe needs Linux on x86-64, this is Darwin arm64: "),
        ("Linux x86_64", "false", "medpipe needs Python 3.11 with venv: "),
    ],
    ids=["platform", "python"],
)
def test_a_machine_that_will_not_do(tmp_path: Path, system: str, python: str, sentence: str) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {system}\n", encoding="utf-8")
    uname.chmod(0o755)
    done = subprocess.run(
        ["make", "--no-print-directory", "setup", f"VENV={tmp_path}/venv", f"PYTHON={python}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout.startswith(sentence)
    assert not (tmp_path / "venv").exists()
