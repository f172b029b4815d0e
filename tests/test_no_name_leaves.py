"""No name of a patient leaves the raw data: names are planted wherever raw data have room for one, and looked for.

The pipelines run as a user runs them. Every byte they wrote is searched, and all they printed. Raw data and
data/private alone may hold a name: the private table leads back to the files. (DVC remembers files by name; it may do
so in .dvc/private, closed to others.)
"""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import films
import numpy as np
import pytest
import wfdb
from names import IDS, PATIENTS, PLANTED, SEX, found_in, header, lay_films, write_index
from searching import written
from workspaces import Workspace, make_tiny

pytestmark = pytest.mark.xdist_group("tensorflow")
KEY = "a key of this test's own, long enough"
FILMS = """
task: names
source: {reader: folder, path: raw, index: index.csv}
inputs: {image: {kind: image, size: [32, 32], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.25}
clean: {maximum_rejected: 0.5}
augment: {offline: {balance: 1.0}}
train: {model: cnn, width: 4, epochs: 1, batch_size: 16}
evaluate: {gates: {finding.accuracy: 0.01}}
register: null
"""
TABLE = """
task: names_in_a_table
source: {reader: table, path: raw, file: Tabellinski.csv}
inputs: {record: {kind: table, numbers: [bmi, pressure], categories: {ward: [a, b]}}}
targets: {ill: {kind: binary, classes: ["no", "yes"]}}
split: {validation: 0.25, test: 0.25}
"""
RECORDS = """
task: names_in_records
source: {reader: wfdb, path: raw, index: index.csv, before: 0.5, after: 0.5, labels: {normal: [N], early: [V]}}
inputs: {ecg: {kind: signal, seconds: 1.0, rate: 100, leads: [II], centred: true}}
targets: {beat: {kind: binary, classes: [normal, early]}}
split: {validation: 0.25, test: 0.25}
"""
DICOM = """
task: names_in_headers
source: {reader: dicom, path: raw}
inputs: {image: {kind: image, size: [32, 32], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.25, test: 0.25}
clean: {maximum_rejected: 0.5}
"""


@dataclass(frozen=True)
class Ran:
    """A workspace after its commands, and what they printed."""

    workspace: Workspace
    printed: str

    def leaks(self, fields: Collection[str]) -> dict[str, set[str]]:
        """Field to the files, beside raw and private data, in which what was planted there is found."""
        allowed = [self.workspace.path / place for place in ("raw", "data/private", ".dvc/private")]
        texts = [(str(p.relative_to(self.workspace.path)), text) for p, text in written(self.workspace.path, allowed)]
        texts.append(("printed", self.printed.encode()))
        return found_in(texts, fields)


def ran(path: Path, task: str, commands: Iterable[Iterable[str]], *, check: bool = True) -> Ran:
    """Run commands in a fresh workspace whose raw data lie there already."""
    raw = path / "raw"
    aside = Path(shutil.move(raw, path.with_name("aside")))
    path.rmdir()
    workspace = make_tiny(path, task)
    shutil.move(aside, raw)
    done = [workspace.run(*command, check=check, MEDPIPE_PATIENT_KEY=KEY) for command in commands]
    return Ran(workspace, "\n".join(one.stdout + one.stderr for one in done))


INGEST = ["components.ingest", "--task", "task.yaml", "--raw", "raw", "--dataset", "data/ingested"]
CLEAN = ["components.clean", *INGEST[1:], "--private", "data/private", "--out", "data/cleaned"]
TWO_STEPS = ([*INGEST, "--private", "data/private"], CLEAN)


@pytest.fixture(scope="module")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All steps on films, by `dvc repro`."""
    path = tmp_path_factory.mktemp("names") / "workspace"
    lay_films(path / "raw")
    return ran(path, FILMS, [["dvc", "repro"]])


def test_the_search_finds_what_is_there(chest: Ran) -> None:
    private = chest.workspace.path / "data/private"
    found = found_in(((str(path), text) for path, text in written(private)), PLANTED)
    assert {"file", "file, German", "folder"} <= set(found)
    raw = [(path.name, text) for path, text in written(chest.workspace.path / "raw")]
    expected = {field for field in PLANTED if "record" not in field and "table" not in field}
    assert set(found_in(raw, PLANTED)) == expected
    word = PLANTED["file, German"]
    for hidden in (
        word.encode("utf-16"),
        base64.b64encode(f"x{word}y".encode()),
        word.upper().encode("latin-1", "ignore"),
    ):
        assert found_in([("text", hidden)], ["file, German"]) or word.upper().encode("latin-1", "ignore") == hidden


def test_films_and_their_headers_leave_no_name(chest: Ran) -> None:
    assert (chest.workspace.path / "data/registered/receipt.json").is_file()
    assert chest.leaks(set(PLANTED) - {SEX}) == {}


def test_a_name_in_the_column_of_the_sex_goes_nowhere(chest: Ran) -> None:
    assert chest.leaks([SEX]) == {}


def test_what_dvc_remembers_of_files_is_the_owners_alone(chest: Ran) -> None:
    """DVC keeps the hashes of raw files under their names, outside the workspace unless it is told otherwise."""
    ask = [sys.executable, "-c", "from dvc.repo import Repo; print(Repo().site_cache_dir)"]
    done = subprocess.run(ask, cwd=chest.workspace.path, capture_output=True, text=True, check=True)
    memory = Path(done.stdout.strip())
    names = found_in(((str(path), text) for path, text in written(memory)), PLANTED)
    if names:
        private = chest.workspace.path / ".dvc/private"
        assert memory.is_relative_to(private), memory
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_refused_split_leaves_no_name(tmp_path: Path) -> None:
    """A patient in train and in test: the gate writes a page and prints an error."""
    path = tmp_path / "workspace"
    rows = lay_films(path / "raw")
    sides = [{**row, "side": ("train", "test", "validation")[n % 3]} for n, row in enumerate(rows)]
    write_index(path / "raw/index.csv", sides)
    given = FILMS.replace("split: {validation: 0.25, test: 0.25}", "split: {method: given}")
    given = given.replace("index: index.csv", "index: index.csv, columns: {split: side}")
    failed = ran(path, given, [[*INGEST, "--private", "data/private"]], check=False)
    assert "GateError" in failed.printed
    assert (path / "data/ingested.failed.html").is_file()
    assert failed.leaks(PLANTED) == {}


def test_refused_films_leave_no_name(tmp_path: Path) -> None:
    """More films than allowed can't be used."""
    path = tmp_path / "workspace"
    lay_films(path / "raw")
    failed = ran(path, FILMS.replace("maximum_rejected: 0.5", "maximum_rejected: 0.0"), TWO_STEPS, check=False)
    assert "GateError" in failed.printed
    assert (path / "data/cleaned.failed.html").is_file()
    assert failed.leaks(set(PLANTED) - {SEX}) == {}


def test_an_index_without_names_of_columns_is_told_without_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "workspace"
    lay_films(path / "raw")
    index = path / "raw/index.csv"
    index.write_text("".join(index.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    failed = ran(path, FILMS, [[*INGEST, "--private", "data/private"]], check=False)
    assert "DataError" in failed.printed
    assert failed.leaks(PLANTED) == {}


def test_a_table_leaves_no_name(tmp_path: Path) -> None:
    path = tmp_path / "workspace"
    rows = [
        {"patient": IDS[n // 2], "bmi": str(20 + n), "pressure": PLANTED["column age"] if n == 3 else str(70 + n),
         "ward": "ab"[n % 2] if n != 5 else PLANTED["column address"], "ill": ("no", "yes")[n % 3 == 0], "sex": "F",
         "name": PLANTED["column name"], "address": PLANTED["column address"], PLANTED["folder"]: "1"}
        for n in range(2 * PATIENTS)
    ]  # fmt: skip
    (path / "raw").mkdir(parents=True)
    write_index(path / "raw" / f"{PLANTED['name of a table']}.csv", rows)
    task = f"{TABLE}clean: {{maximum_rejected: 0.5}}\n"
    done = ran(path, task, TWO_STEPS)
    assert (path / "data/cleaned/dataset.json").is_file()
    # (the task file names the table; whoever writes it chooses the name)
    assert {field: files for field, files in done.leaks(PLANTED).items() if files != {"task.yaml"}} == {}


def test_records_leave_no_name(tmp_path: Path) -> None:
    path = tmp_path / "workspace"
    rows = []
    for number in range(12):
        folder = path / "raw" / f"{PLANTED['folder']} {number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{PLANTED['name of a record']}_{number:02d}"
        signal = np.random.default_rng(number).normal(size=(1200, 1))
        wfdb.wrsamp(
            name, fs=200, units=["mV"], sig_name=["II"], p_signal=signal, fmt=["16"], adc_gain=[200.0], baseline=[0],
            comments=[f"Name: {PLANTED['comment of a record']}"], write_dir=str(folder),
        )  # fmt: skip
        notes = [PLANTED["comment of a record"], "", "", ""]
        wfdb.wrann(
            name, "atr", np.array([200, 400, 600, 800]), symbol=[*"NVNV"], aux_note=notes, fs=200, write_dir=str(folder)
        )
        rows.append({
            "record": f"{folder.name}/{name}", "patient": IDS[number], "sex": "M", "age": "50",
            "name": PLANTED["column name"], "address": PLANTED["column address"],
        })  # fmt: skip
    (path / "raw" / rows[7]["record"]).with_suffix(".dat").write_bytes(b"short")
    write_index(path / "raw/index.csv", rows)
    done = ran(path, f"{RECORDS}clean: {{maximum_rejected: 0.5}}\n", TWO_STEPS)
    assert (path / "data/cleaned/dataset.json").is_file()
    assert done.leaks(PLANTED) == {}


def test_dicom_headers_leave_no_name(tmp_path: Path) -> None:
    path = tmp_path / "workspace"
    for number in range(2 * PATIENTS):
        folder = path / "raw" / films.CLASSES[number % 2] / f"{PLANTED['folder']} {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        film = header(f"{PLANTED['header PatientID']}-{number // 2:02d}", number, PatientSex="F")
        name = PLANTED["file that is damaged" if number == 7 else "file"]
        (folder / f"{name} {number}.dcm").write_bytes(film[:-300] if number == 7 else film)
    done = ran(path, DICOM, TWO_STEPS)
    assert (path / "data/cleaned/dataset.json").is_file()
    assert done.leaks(PLANTED) == {}
