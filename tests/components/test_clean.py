"""Step `clean`: what can be used becomes arrays, what can't is told, work that is done is not done again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import CLASSES, SIDE, encoded, film, patients, task, write_films

from components.clean import clean
from components.ingest import ingest
from components.lib import parallel
from components.lib.dataset import Dataset, DatasetWriter
from components.lib.digests import write_sums
from components.lib.errors import DataError, GateError
from components.lib.kinds.image import Image

BLANK = encoded(np.full((SIDE, SIDE), 90, np.uint8))
CUT = encoded(film(7, 64))[:1500]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def ingested(folder: Path, *, rows_per_part: int = 2048, **films: Any) -> Path:
    """60 films through ingest, some of them replaced; returns the folder."""
    raw = write_films(folder / "raw", patients(30), **films)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.ingest.step.rows_per_part", lambda size: rows_per_part)
        ingest(raw, folder / "ingested", folder / "private", task())
    return folder


def run(folder: Path, **sections: Any) -> Dataset:
    clean(folder / "raw", folder / "ingested", folder / "private", folder / "cleaned", task(**sections))
    return Dataset(folder / "cleaned")


def killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that dies when its parts are done; returns what it leaves."""

    def die(*arguments: Any, **others: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    (left,) = folder.glob(".cleaned.partial-*")
    return left


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}


def test_the_arrays_are_the_films_of_the_table(tmp_path: Path) -> None:
    dataset = run(ingested(tmp_path))
    sources = pd.read_parquet(tmp_path / "private" / "sources.parquet").set_index("sample_id")["file"]
    films = dataset.parts[0].array("image")
    assert films.shape == (60, SIDE, SIDE, 1)
    kind = Image(kind="image", size=(SIDE, SIDE))
    for row, name in enumerate(dataset.samples()["sample_id"]):
        np.testing.assert_array_equal(films[row], kind.clean((tmp_path / "raw" / sources[name]).read_bytes()).array)
    assert np.allclose(dataset.samples()["image_mean"], films.mean(axis=(1, 2, 3)))
    assert dataset.info.lineage["ingested"] == Dataset(tmp_path / "ingested").info.digest


def test_unusable_films_are_left_out_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = {"films/Patient_002_normal.png": BLANK, "films/Patient_009_pneumonia.png": CUT}
    dataset = run(ingested(tmp_path, films=films))
    rejected = dataset.rejected()
    assert sorted(reason.split(":")[0] for reason in rejected["reason"]) == ["blank", "unreadable"]
    assert not set(rejected["sample_id"]) & set(dataset.samples()["sample_id"])
    assert len(dataset.samples()) == len(dataset.parts[0].array("image")) == 58
    assert "cleaned: 58 samples, rejected: 2" in capsys.readouterr().out
    assert "Patient_0" not in rejected.to_csv()


def test_more_than_the_allowed_share_stops_the_run_and_leaves_the_page(tmp_path: Path) -> None:
    blank = {f"films/Patient_00{i}_{finding}.png": BLANK for i in range(2) for finding in CLASSES}
    folder = ingested(tmp_path, films=blank)
    with pytest.raises(GateError) as caught:
        run(folder)
    assert caught.value.expected == "At most 5% of the samples are rejected"
    assert "4 of 60 samples (6.67%): 4 blank" in caught.value.found
    page = tmp_path / "cleaned.failed.html"
    assert "blank: grey values spread 0.0 of 255" in page.read_text(encoding="utf-8")
    assert not (tmp_path / "cleaned").exists()
    assert len(run(folder, clean={"maximum_rejected": 0.1}).samples()) == 56
    assert not page.exists()


def test_a_film_that_vanished_after_ingest_is_unreadable(tmp_path: Path) -> None:
    folder = ingested(tmp_path)
    (folder / "raw" / "films" / "Patient_003_normal.png").unlink()
    assert list(run(folder).rejected()["reason"]) == ["unreadable: No such file or directory"]


def test_finished_parts_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ingested(tmp_path, rows_per_part=25)
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    left = killed(folder, monkeypatch)
    assert sorted(path.name for path in left.iterdir()) == ["part-00000", "part-00001", "part-00002"]
    shutil.rmtree(left / "part-00001")  # as if it had died a little earlier
    before = times(left / "part-00000"), times(left / "part-00002")
    run(folder)
    assert (times(folder / "cleaned" / "part-00000"), times(folder / "cleaned" / "part-00002")) == before
    assert not left.exists()


def test_a_resumed_run_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ingested(tmp_path)
    whole = run(folder).info
    shutil.rmtree(folder / "cleaned")
    killed(folder, monkeypatch)
    assert run(folder).info == whole


def test_processes_and_parts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(ingested(tmp_path / "one"))
    parted = ingested(tmp_path / "parts", rows_per_part=40)
    infos = []
    for cores in (1, 2):
        monkeypatch.setattr(parallel, "cores", lambda cores=cores: cores)
        infos.append(run(parted).info)
        shutil.rmtree(parted / "cleaned") if cores == 1 else None
    assert infos[0] == infos[1]
    assert infos[0].rows == (40, 20)
    several = Dataset(parted / "cleaned")
    pd.testing.assert_frame_equal(one.samples(), several.samples())
    np.testing.assert_array_equal(
        one.parts[0].array("image"), np.concatenate([part.array("image") for part in several.parts])
    )


@pytest.mark.parametrize("change", ["in another order", "with more samples"])
def test_the_way_back_is_by_sample(tmp_path: Path, change: str) -> None:
    folder = ingested(tmp_path, rows_per_part=25)
    whole = run(folder).info
    shutil.rmtree(folder / "cleaned")
    file = folder / "private" / "sources.parquet"
    sources = pd.read_parquet(file)
    more = pd.DataFrame({"sample_id": ["unknown"], "file": ["nowhere.png"], "row": [0]})
    changed = sources[::-1] if change == "in another order" else pd.concat([more, sources], ignore_index=True)
    changed.to_parquet(file, index=False)
    with pytest.raises(DataError, match="changed or damaged"):
        run(folder)
    write_sums(folder / "private")
    assert run(folder).info == whole


def test_what_a_dead_attempt_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ingested(tmp_path, rows_per_part=25)
    left = killed(folder, monkeypatch)
    (left / ".part-00001-of-a-dead-worker").mkdir()
    (left / ".part-00001-of-a-dead-worker" / "image.npy").write_bytes(b"half of it")
    run(folder)
    assert not list((folder / "cleaned").glob(".part-*"))


def test_the_first_of_two_attempts_at_a_part_counts(tmp_path: Path) -> None:
    table = pd.DataFrame({"sample_id": ["a"], "patient": ["p"], "split": ["train"]})
    for attempt in ("-first", "-second"):
        DatasetWriter(tmp_path, attempt).write_part(0, table.assign(sample_id=attempt), {})
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000"]
    assert list(pd.read_parquet(tmp_path / "part-00000" / "samples.parquet")["sample_id"]) == ["-first"]


def test_no_way_back_to_the_files(tmp_path: Path) -> None:
    folder = ingested(tmp_path)
    shutil.rmtree(folder / "private")
    with pytest.raises(DataError) as caught:
        run(folder)
    assert caught.value.where == str(folder / "private" / "sources.parquet")
    assert "dvc repro ingest" in caught.value.todo


def test_the_way_back_of_another_dataset(tmp_path: Path) -> None:
    folder, other = ingested(tmp_path / "a"), tmp_path / "b"
    write_films(other / "raw", patients(30), films={"films/Patient_004_normal.png": encoded(film(777))})
    ingest(other / "raw", other / "ingested", other / "private", task())
    shutil.rmtree(folder / "private")
    (other / "private").rename(folder / "private")
    with pytest.raises(DataError) as caught:
        run(folder)
    assert caught.value.expected == "the file of every ingested sample"
    assert caught.value.found.startswith("none for 1 of 60: ")
