"""The task files that come with medpipe, workspaces made from them, and raw data that don't fit them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
import yaml
from looks import REAL, needs

from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.spec import load_spec
from pipelines.kubeflow import compile_pipeline
from pipelines.steps import steps_of
from pipelines.workspace import TASKS, create_from_task, require_fresh, task_named, with_path, with_sections

pytestmark = pytest.mark.xdist_group("tensorflow")  # dvc.yaml is made from every step's function
FILES = sorted(TASKS.glob("*.yaml"))
NAMES = [file.stem for file in FILES]
HOUSES = TASKS / "house_prices.yaml"
HEADER = (
    "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
    "ocean_proximity,median_house_value"
)
DISTRICT = "-122.23,37.88,41,880,129,322,126,8.3252,NEAR BAY,452600"
SECTIONS = ("clean", "augment", "train", "evaluate", "register")


def houses(path: Path, *lines: str) -> Path:
    """A table of house prices."""
    path.write_text("\n".join(lines or (HEADER, DISTRICT)) + "\n", encoding="utf-8")
    return path


# The task files.


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_task_file_is_called_after_its_task_and_says_how_to_run_it(file: Path) -> None:
    spec = load_spec(file)
    assert spec.task == file.stem
    head = file.read_text(encoding="utf-8").partition("\ntask:")[0]
    assert "make demo" in head
    assert "expected:" in head
    assert spec.evaluate.gates


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_task_file_compiles_for_kubeflow(file: Path, tmp_path: Path) -> None:
    compile_pipeline(file, tmp_path / "pipeline.yaml")
    pipeline = yaml.safe_load((tmp_path / "pipeline.yaml").read_text(encoding="utf-8"))
    spec = load_spec(file)
    tasks = {*pipeline["root"]["dag"]["tasks"]}
    assert tasks == {*(step.name for step in steps_of(spec)), *([] if spec.phantom else ["importer"])}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_task_file_makes_a_workspace(file: Path, tmp_path: Path) -> None:
    data = None if load_spec(file).phantom else houses(tmp_path / "houses.csv")
    workspace = tmp_path / "workspace"
    create_from_task(file, workspace, data)
    spec = load_spec(workspace / "task.yaml")
    require_fresh(workspace, spec)
    stages = yaml.safe_load((workspace / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert [*stages] == [step.name for step in steps_of(spec)]
    assert spec.source.path == (str(data) if data else load_spec(file).source.path)
    # DVC stops where a stage depends on a section that isn't there.
    wanted = {section for stage in stages.values() for sections in stage["params"][0].values() for section in sections}
    assert wanted <= {*yaml.safe_load((workspace / "task.yaml").read_text(encoding="utf-8"))}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_another_path_changes_nothing_else(file: Path) -> None:
    before = file.read_text(encoding="utf-8")
    path = '/data/a "new" place: #1/ü.csv'
    after = with_path(before, path)
    old, new = yaml.safe_load(before), yaml.safe_load(after)
    assert new["source"].pop("path") == path
    del old["source"]["path"]
    assert new == old
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    assert before.count("#") == after.count("#") - 1  # the one of the path itself


def test_a_path_in_one_line_keeps_its_neighbours() -> None:
    text = "source: {reader: table, path: data/raw, file: a.csv}  # mine\n"
    assert with_path(text, "/b") == "source: {reader: table, path: /b, file: a.csv}  # mine\n"


def test_a_task_is_known_by_name_or_by_file() -> None:
    assert task_named("house_prices") == HOUSES
    assert task_named("elsewhere/mine.yaml") == Path("elsewhere/mine.yaml")


def test_a_mistyped_task_is_told_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        task_named("house_price")
    assert caught.value.found == "no such task; nearest: house_prices"
    assert all(name in caught.value.expected for name in NAMES)


@pytest.mark.parametrize("given", [False, True])
def test_data_that_are_not_there_are_asked_for(tmp_path: Path, given: bool) -> None:
    with pytest.raises(DataError) as caught:
        create_from_task(HOUSES, tmp_path / "workspace", tmp_path / "none.csv" if given else None)
    assert "make demo TASK=house_prices DATA=PATH" in caught.value.todo
    assert not (tmp_path / "workspace").exists()


def test_an_edited_task_file_is_kept(tmp_path: Path) -> None:
    workspace, data = tmp_path / "workspace", houses(tmp_path / "houses.csv")
    create_from_task(HOUSES, workspace, data)
    task = workspace / "task.yaml"
    edited = task.read_text(encoding="utf-8").replace("epochs: 60", "epochs: 2")
    task.write_text(edited, encoding="utf-8")
    assert "is there already and is kept" in create_from_task(HOUSES, workspace, data)[0]
    assert task.read_text(encoding="utf-8") == edited


# The public data that a task file is made for.


@pytest.mark.parametrize(
    ("task", "data"),
    [
        pytest.param(task, REAL / data, marks=needs(data), id=task)
        for task, data in {"brain_mri_4class": "brain_mri_4class", "house_prices": "california_housing.csv"}.items()
    ],
)
def test_a_task_file_takes_the_data_it_is_made_for(tmp_path: Path, task: str, data: Path) -> None:
    done = ingest(TASKS / f"{task}.yaml", data, tmp_path)
    assert done.returncode == 0, done.stderr
    counts = Dataset(tmp_path / "ingested").info.counts
    assert min(counts[split] for split in ("train", "validation", "test")) > 100


# Raw data that don't fit, through the command that a user runs.


def ingest(task: Path, raw: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """The ingest command."""
    command = ["components.ingest", "--task", str(task), "--raw", str(raw), "--dataset", str(out / "ingested"),
               "--private", str(out / "private")]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((HEADER,), "the names of the columns, and nothing below"),
        ((HEADER.replace("median_income", "median_incme"), DISTRICT), "median_incme"),
        ((HEADER.replace(",", ";"), DISTRICT.replace(",", ";")), "set source.format.delimiter in the task file"),
        ((HEADER.replace("households", "population"), DISTRICT), "population twice"),
        ((HEADER, DISTRICT + ",1"), "expected:"),
        ((HEADER, DISTRICT.replace("452600", "dear")), "1 value is no number"),
        ((HEADER, DISTRICT, DISTRICT), "The validation split has samples"),
        (("",), "expected:"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_a_sentence(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    done = ingest(HOUSES, houses(tmp_path / "houses.csv", *lines), tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "to do:" in done.stderr
    assert not (tmp_path / "ingested").exists()


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    done = ingest(HOUSES, tmp_path / "none.csv", tmp_path)
    assert done.returncode == 1
    assert "no such file" in done.stderr


# Records of electrocardiograms.

ECG = {
    "task": "records",
    "source": {"reader": "wfdb", "path": "raw", "before": 0.5, "after": 0.5, "index": "index.csv",
               "labels": {"normal": ["N"], "ventricular": ["V"]}, "public_key": True},
    "inputs": {"ecg": {"kind": "signal", "seconds": 1.0, "rate": 100, "leads": ["II"]}},
    "targets": {"beat": {"kind": "binary", "classes": ["normal", "ventricular"]}},
    "split": {"validation": 0.3, "test": 0.3},
    **dict.fromkeys(SECTIONS),
}  # fmt: skip
RECORDS = [f"r{number:02d}" for number in range(24)]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A folder of short records with an index; beats of both classes in each."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for number, name in enumerate(RECORDS):
        noise = np.random.default_rng(number).normal(0, 0.1, (1000, 1))
        wfdb.wrsamp(name, fs=200, units=["mV"], sig_name=["II"], p_signal=noise, fmt=["16"], adc_gain=[200.0],
                    baseline=[0], write_dir=str(raw))  # fmt: skip
        wfdb.wrann(name, "atr", np.array([200, 400, 600, 800]), symbol=[*"NVNV"], fs=200, write_dir=str(raw))
    index = pd.DataFrame({"record": RECORDS, "patient": [f"p{number}" for number in range(len(RECORDS))]})
    index.to_csv(raw / "index.csv", index=False)
    return raw


def task(folder: Path, **source: object) -> Path:
    """The task file of the records."""
    text = yaml.safe_dump({**ECG, "source": {**ECG["source"], **source}})  # type: ignore[dict-item]
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    return folder / "task.yaml"


def test_records_that_fit_are_taken(records: Path, tmp_path: Path) -> None:
    done = ingest(task(tmp_path), records, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "beats: 96 of 96" in done.stdout


def test_a_misspelt_class_is_told_the_nearest(records: Path, tmp_path: Path) -> None:
    labels = {"normal": ["N"], "ventriculer": ["V"]}
    done = ingest(task(tmp_path, labels=labels), records, tmp_path)
    assert done.returncode == 1
    assert "'ventriculer', which is not among the classes; nearest: ventricular" in done.stderr


def test_a_record_without_annotations_is_a_rejected_row_without_its_name(records: Path, tmp_path: Path) -> None:
    (records / "r03.atr").unlink()
    done = ingest(task(tmp_path), records, tmp_path)
    assert done.returncode == 0
    rejected = pd.read_parquet(tmp_path / "ingested" / "part-00000" / "rejected.parquet")
    assert rejected["reason"].tolist() == ["unreadable: annotations of a WFDB record: no such file"]
    assert "r03" not in done.stdout + done.stderr


def test_beats_of_a_record_without_its_signal_are_rejected_rows(records: Path, tmp_path: Path) -> None:
    (records / "r03.dat").unlink()
    done = ingest(task(tmp_path), records, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "missing: 4 files that the index names" in done.stdout
    data = Dataset(tmp_path / "ingested")
    assert sum(data.info.counts.values()) == 92
    assert len(data.rejected()) == 4


def test_no_record_at_all(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    done = ingest(task(tmp_path, index=None), tmp_path / "raw", tmp_path)
    assert done.returncode == 1
    assert "no record" in done.stderr
    assert str(tmp_path / "raw") in done.stderr


def test_sections_that_a_task_file_leaves_out_are_there_for_dvc() -> None:
    text = "task: t  # mine\ntrain: {epochs: 3}\n"
    told = with_sections(text)
    assert told.startswith(text)
    values = yaml.safe_load(told)
    assert values["train"] == {"epochs": 3}
    assert [values[name] for name in ("split", "clean", "augment", "evaluate", "register")] == [None] * 5
    assert with_sections(told) == told
