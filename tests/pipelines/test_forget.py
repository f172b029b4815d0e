"""A patient is forgotten: every version of the data with them, every model that learned from it, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import films
import pandas as pd
import pytest
from mlflow import MlflowClient
from searching import written
from workspaces import Workspace, make_tiny

from components.lib.dataset import Dataset
from components.lib.errors import DataError, MedpipeError
from components.lib.pseudonyms import KEY_VARIABLE, pseudonym
from pipelines import forget, traces
from pipelines.patient import survey
from pipelines.traces import Folder

# The pipeline runs twice; on a loaded machine that takes minutes.
pytestmark = [pytest.mark.xdist_group("tensorflow"), pytest.mark.timeout(900), pytest.mark.accept]
KEY = "a key of this test's own, long enough"
LEFT, LATER = "patient-005", "patient-002"
"""Who is forgotten after having left the raw data, and who is before a version without them was made."""
TASK = """
task: forget
source: {reader: folder, path: films, index: index.csv}
inputs: {image: {kind: image, size: [12, 12], channels: 1}}
targets: {finding: {kind: binary, classes: [normal, pneumonia]}}
split: {validation: 0.15, test: 0.45}   # gates judge nothing of fewer than 20 test patients
clean: {shortcuts: "off", suspects: 0}
augment: null
train: {model: cnn, width: 4, epochs: 1, batch_size: 16}
evaluate: {gates: {finding.accuracy: 0.01}}
register: null
"""


@dataclass(frozen=True)
class Story:
    """What the commands printed and what was kept, in order."""

    workspace: Workspace
    ids: frozenset[str]
    """sample_ids of the one who left."""
    listed: str
    refused: str
    forgot: str
    kept: dict[str, Any]
    """After that: digest of the dataset, versions and aliases, what is found of whom."""
    again: str
    later: str


def lay(raw: Path, patients: Sequence[int]) -> None:
    """The films of these patients; each has the same ones every time."""
    rows = [row for row in films.patients(80) if int(row["patient"][-3:]) in patients]
    contents = {row["path"]: films.encoded(films.film(zero)) for zero, row in enumerate(films.patients(80))}
    shutil.rmtree(raw, ignore_errors=True)
    films.write_films(raw, rows, films=contents)


def patient_ids(workspace: Path, patient: str) -> frozenset[str]:
    """sample_ids of a patient in the ingested dataset."""
    samples = Dataset(workspace / "data/ingested").samples()
    return frozenset(samples.loc[samples["patient"] == pseudonym(KEY.encode(), patient), "sample_id"])


def traces_of(workspace: Path, patient: str, ids: frozenset[str]) -> set[str]:
    """Files beside the raw data that name the patient, the pseudonym or one of these samples."""
    words = [word.encode() for word in (patient, patient.replace("patient-", "Patient_"), *ids)]
    words.append(pseudonym(KEY.encode(), patient).encode())
    found = written(workspace, [workspace / "films"])
    return {str(path.relative_to(workspace)) for path, text in found if any(word in text for word in words)}


def registry(workspace: Workspace) -> tuple[set[str], dict[str, str]]:
    """Versions and aliases."""
    client = MlflowClient(workspace.store)
    versions = {str(version.version) for version in client.search_model_versions("name='forget'")}
    return versions, {name: str(v) for name, v in client.get_registered_model("forget").aliases.items()}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two versions of the data, the second without one patient; that one is forgotten, and then another."""
    workspace = make_tiny(tmp_path_factory.mktemp("forget") / "workspace", TASK)

    def forgets(patient: str, *, yes: bool = False) -> str:
        """What it says; in this process, which has MLflow loaded already."""
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
            patch.setenv(KEY_VARIABLE, KEY)
            patch.setenv("MLFLOW_TRACKING_URI", workspace.store)
            patch.setattr("sys.stdin", io.StringIO())
            try:
                forget.main(patient, workspace.path, yes=yes)
            except MedpipeError as error:
                print(f"refused: {error}")
        return printed.getvalue()

    lay(workspace.path / "films", range(60))
    workspace.run("dvc", "repro", MEDPIPE_PATIENT_KEY=KEY)
    ids = patient_ids(workspace.path, LEFT)
    lay(workspace.path / "films", [n for n in range(80) if f"patient-{n:03d}" != LEFT])
    workspace.run("dvc", "repro", MEDPIPE_PATIENT_KEY=KEY)
    before = traces_of(workspace.path, LEFT, ids)
    digest = Dataset(workspace.path / "data/cleaned").info.digest
    listed = forgets(LEFT)
    assert traces_of(workspace.path, LEFT, ids) == before  # a listing changes nothing
    refused = forgets(LATER, yes=True)
    forgot = forgets(LEFT, yes=True)
    other = patient_ids(workspace.path, LATER)
    kept = {
        "before": before, "left": traces_of(workspace.path, LEFT, ids), "registry": registry(workspace),
        "same": Dataset(workspace.path / "data/cleaned").info.digest == digest,
        "others": traces_of(workspace.path, LATER, other),
        "artifacts": [*(workspace.path / "mlruns").rglob("model.onnx")],
        "runs": len(MlflowClient(workspace.store).search_runs(["1"], run_view_type=3)),
        "checkout": _from_cache(workspace, digest),
    }  # fmt: skip
    again = forgets(LEFT, yes=True)
    lay(workspace.path / "films", [n for n in range(80) if f"patient-{n:03d}" not in (LEFT, LATER)])
    later = forgets(LATER, yes=True)
    kept["later"] = traces_of(workspace.path, LATER, other)
    workspace.run("dvc", "repro", "clean", MEDPIPE_PATIENT_KEY=KEY)
    return Story(workspace, ids, listed, refused, forgot, kept, again, later)


def _from_cache(workspace: Workspace, digest: str) -> bool:
    """Whether DVC's cache still holds all of the current dataset."""
    shutil.rmtree(workspace.path / "data/cleaned")
    workspace.run("dvc", "checkout", "--quiet", "clean", MEDPIPE_PATIENT_KEY=KEY)
    return Dataset(workspace.path / "data/cleaned").info.digest == digest


def test_it_lists_what_holds_the_patient_and_removes_nothing(story: Story) -> None:
    told = story.listed
    assert "nothing was removed: --yes removes it" in told
    assert "THE CHAMPION GOES: forget version 1" in told
    assert re.search(r"DVC's cache: \w{12}: clean, \w{12}, [-0-9]{10}, 2 samples", told)
    assert "forget version 2" not in told


def test_a_patient_in_the_raw_data_is_refused(story: Story) -> None:
    assert "refused: films" in story.refused
    assert "the raw data still hold the patient: 2 samples" in story.refused
    assert "--keep-raw" in story.refused


def test_nothing_of_the_patient_is_left(story: Story) -> None:
    assert len(story.ids) == 2
    assert any(".dvc/cache/files" in path for path in story.kept["before"])
    assert story.kept["left"] == set()


def test_versions_and_runs_that_learned_from_the_patient_are_gone_for_good(story: Story) -> None:
    assert story.kept["registry"] == ({"2"}, {"challenger": "2"})
    assert story.kept["runs"] == 1
    assert len(story.kept["artifacts"]) == 1
    assert "the champion is gone" in story.forgot
    assert "forget version 2" in story.forgot


def test_what_others_left_stays(story: Story) -> None:
    assert story.kept["same"]
    assert story.kept["checkout"]
    assert {"data/ingested/part-00000/samples.parquet", "data/private/sources.parquet"} <= story.kept["others"]


def test_a_second_run_says_that_nothing_is_left(story: Story) -> None:
    assert story.again.startswith("nothing is left of patient")


def test_the_current_version_is_made_again_without_the_patient(story: Story) -> None:
    assert story.kept["later"] == set()
    assert "dvc repro" in story.later
    assert registry(story.workspace) == (set(), {})
    assert patient_ids(story.workspace.path, LATER) == frozenset()
    assert len(Dataset(story.workspace.path / "data/cleaned").samples()) == 2 * 78


def test_the_receipt_says_what_was_removed_and_never_who(story: Story) -> None:
    first, second = sorted((story.workspace.path / "data").glob("forgotten-*.json"), key=lambda p: p.stat().st_mtime)
    told = json.loads(first.read_text(encoding="utf-8"))
    assert told["pseudonym_begins"] == pseudonym(KEY.encode(), LEFT)[:8]
    assert told["counts"] == {"cache": 6, "version": 1, "run": 1, "model": 1}
    assert told["samples"] == 2
    assert json.loads(second.read_text(encoding="utf-8"))["private_rows"] == 2
    outputs = [story.listed, story.refused, story.forgot, story.again, story.later]
    texts = [first.read_text(), second.read_text(), *outputs]
    for patient in (LEFT, LATER):
        assert not any(patient in text or pseudonym(KEY.encode(), patient) in text for text in texts)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which nothing ran yet, without a store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none/mlflow.db")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return make_tiny(tmp_path / "workspace", TASK).path


def test_an_unknown_patient_is_an_error(fresh: Path) -> None:
    with pytest.raises(DataError, match="no dataset here holds this patient"):
        forget.main("nobody", fresh)


def test_without_a_key_there_is_no_pseudonym(fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY_FILE", str(tmp_path / "no.key"))
    with pytest.raises(DataError, match="a key of at least 32 characters"):
        forget.main("nobody", fresh)


def test_a_task_without_patients_can_forget_nobody(fresh: Path) -> None:
    task = fresh / "task.yaml"
    task.write_text(TASK.replace("index: index.csv", "index: index.csv, columns: {patient: null}"), encoding="utf-8")
    with pytest.raises(DataError, match="the column that names patients"):
        forget.main("nobody", fresh)


def test_the_patient_can_come_from_standard_input(fresh: Path) -> None:
    command = [sys.executable, "-m", "pipelines.forget", "-", str(fresh)]
    done = subprocess.run(command, input="nobody-in-particular\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no dataset here holds this patient" in done.stderr
    assert "nobody-in-particular" not in done.stdout + done.stderr


def dataset(folder: Path, rows: list[tuple[str, str]], step: str = "ingest", **lineage: str) -> Folder:
    """A folder as a step writes it, of (sample_id, patient)."""
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=["sample_id", "patient"]).astype("str").to_parquet(folder / "samples.parquet")
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()
    info = {"step": step, "digest": digest, "lineage": lineage, "key_fingerprint": None}
    (folder / "dataset.json").write_text(json.dumps(info), encoding="utf-8")
    return Folder("workspace", folder.name, {path.name: path for path in sorted(folder.iterdir())}, folder)


def test_a_film_that_two_patients_share_condemns_no_data_of_the_other(tmp_path: Path) -> None:
    shared, own = "a" * 16, "b" * 16
    old = dataset(tmp_path / "old", [(shared, "me"), (f"{shared}-1", "you"), (own, "me")])
    new = dataset(tmp_path / "new", [(shared, "you")])
    assert traces.mark([old, new], "me") == {own}
    assert (old.held, old.samples, new.held) == (True, 2, False)


def test_an_empty_set_of_copies_condemns_no_other_model(tmp_path: Path) -> None:
    """Without copies to balance, augment writes the same nothing for everybody."""
    mine = dataset(tmp_path / "mine", [("a" * 16, "me")])
    assert mine.own
    copies = [dataset(tmp_path / name, [], "augment", cleaned=of) for name, of in (("c1", mine.own), ("c2", "0" * 64))]
    traces.mark([mine, *copies], "me")
    assert [each.derived for each in copies] == [True, False]


def test_raw_data_in_the_cache_are_seen_and_are_not_the_steps(tmp_path: Path) -> None:
    """Another program's dataset.json among raw data makes them no output of a step."""
    raw = tmp_path / "films"
    (raw / "pid-1").mkdir(parents=True)
    (raw / "dataset.json").write_text('{"labels": {"background": 0}}', encoding="utf-8")
    (raw / "pid-1/film.png").write_bytes(b"pixels")
    files = {path.relative_to(raw).as_posix(): path for path in raw.rglob("*") if path.is_file()}
    folder = Folder("cache", "00.dir", files)
    assert traces.mark([folder], "me") == set()
    assert not folder.made
    by_content = hashlib.sha256(b"pixels").hexdigest()[:16]
    assert traces.raw_versions([folder], "pid-1", set()) == [folder]
    assert traces.raw_versions([folder], "pid-11", {by_content}) == [folder]
    assert traces.raw_versions([folder], "pid-11", set()) == []


def test_interrupted_work_goes_with_the_rest(fresh: Path) -> None:
    code = pseudonym(KEY.encode(), "patient-001")
    lay(fresh / "films", [2])
    dataset(fresh / "data/ingested", [("a" * 16, code)])
    (fresh / "data/.model.partial-00ff").mkdir()
    (fresh / "data/.model.partial-00ff/checkpoint").write_bytes(b"weights")
    assert {folder.name for folder in survey(fresh, "patient-001").going} == {
        "data/ingested", "data/.model.partial-00ff",
    }  # fmt: skip
    forget.main("patient-001", fresh, yes=True)
    assert [path.name[:10] for path in (fresh / "data").iterdir()] == ["forgotten-"]
