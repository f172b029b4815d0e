"""Step `ingest`: who, which split, which target; names end here, leaks stop here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import encoded, film, patients, task, write_films

from components.ingest import ingest
from components.lib.dataset import Dataset, DatasetWriter
from components.lib.errors import DataError, GateError
from components.lib.pseudonyms import fingerprint
from components.lib.spec import TaskSpec

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "pneumoniamnist_assembled.npz"
KEY, OTHER = "k" * 32, "o" * 32
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", KEY)


def run(folder: Path, rows: list[dict[str, Any]], spec: TaskSpec | None = None, **films: Any) -> Dataset:
    """The dataset that ingest makes of these rows."""
    raw = write_films(folder / "raw", rows, **films)
    ingest(raw, folder / "ingested", folder / "private", spec or task())
    return Dataset(folder / "ingested")


def given(**policies: Any) -> TaskSpec:
    """A task that keeps the splits of the index."""
    source = {"reader": "folder", "path": "raw", "index": "index.csv", "columns": {"split": "split"}}
    return task(source=source, split={"method": "given", **policies})


def in_splits(count: int) -> list[dict[str, Any]]:
    """Rows of so many patients in each split."""
    rows = patients(3 * count)
    return [{**row, "split": SPLITS[i * 3 // len(rows)]} for i, row in enumerate(rows)]


def sides(dataset: Dataset) -> dict[str, str]:
    """Content to split."""
    samples = dataset.samples()
    return dict(zip(samples["sha256"], samples["split"], strict=True))


def test_a_table_without_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = run(tmp_path, patients(30, site="A", sex="f", age=70))
    samples = dataset.samples()
    assert len(samples) == 60
    assert samples["patient"].nunique() == 30
    assert (samples[["site", "sex", "age", "synthetic"]] == ["A", "f", 70, False]).all().all()
    assert dataset.info.arrays == {}
    assert dataset.info.key_fingerprint == fingerprint(KEY.encode())
    assert min(dataset.info.counts.values()) > 0
    shares = " / ".join(str(dataset.info.patients[split]) for split in SPLITS)
    assert f"patients shared: 0 ({shares})" in capsys.readouterr().out
    assert (tmp_path / "ingested" / "validation.html").is_file()


def test_both_films_of_a_patient_are_on_one_side(tmp_path: Path) -> None:
    samples = run(tmp_path, patients(30)).samples()
    assert set(samples.groupby("patient")["split"].nunique()) == {1}


def test_the_split_hangs_on_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(tmp_path / "one", patients(30))
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", OTHER)
    other = run(tmp_path / "other", patients(30))
    assert sides(one) == sides(other)
    assert not set(one.samples()["patient"]) & set(other.samples()["patient"])


def test_nobody_changes_sides_when_data_grow(tmp_path: Path) -> None:
    before: dict[str, str] = {}
    for count in (25, 40, 80):
        now = sides(run(tmp_path / str(count), patients(count)))
        assert before.items() <= now.items()
        before = now


def test_another_seed_is_another_split(tmp_path: Path) -> None:
    one = run(tmp_path / "one", patients(30), task(split={"seed": 1}))
    other = run(tmp_path / "other", patients(30), task(split={"seed": 3}))
    assert sides(one) != sides(other)


def test_without_patients_equal_content_is_on_one_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDPIPE_PATIENT_KEY")
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY_FILE", str(tmp_path / "none"))  # nobody to pseudonymise, no key needed
    rows = patients(60, patient="")
    twins = {row["path"]: encoded(film(i // 4 * 4 + i % 2)) for i, row in enumerate(rows)}  # each film twice
    with pytest.raises(DataError, match=r"120 of 120 samples without one(.|\n)*split.unknown_patients: accept"):
        run(tmp_path, rows, films=twins)
    assert not (tmp_path / "ingested").exists()
    assert not (tmp_path / "private").exists()
    dataset = run(tmp_path, rows, task(split={"unknown_patients": "accept"}), films=twins)
    samples = dataset.samples()
    assert set(samples.groupby("sha256")["split"].nunique()) == {1}
    assert samples["sample_id"].is_unique
    assert samples["patient"].isna().all()
    assert dataset.info.key_fingerprint is None
    assert capsys.readouterr().out.splitlines()[0] == "patients unknown: overlap can't be excluded"


def test_given_splits_are_kept(tmp_path: Path) -> None:
    dataset = run(tmp_path, in_splits(2), given())
    assert dataset.info.counts == {"train": 4, "validation": 4, "test": 4}


def test_given_splits_with_gaps(tmp_path: Path) -> None:
    rows = in_splits(2)
    rows[3]["split"] = ""
    with pytest.raises(DataError) as caught:
        run(tmp_path, rows, given())
    assert caught.value.found == "1 of 12 samples without one"
    assert "split.method: hash" in caught.value.todo


def test_another_key_than_the_task_is_pinned_to(tmp_path: Path) -> None:
    source = {"reader": "folder", "path": "raw", "index": "index.csv", "key_fingerprint": fingerprint(OTHER.encode())}
    with pytest.raises(DataError, match=fingerprint(OTHER.encode())):
        run(tmp_path, patients(30), task(source=source))
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_no_name_leaves_ingest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = patients(30)
    for row in rows:
        row["patient"] = row["patient"].replace("patient", "Mustermann")
    missing = {**rows[0], "path": "films/Mustermann_gone.png"}
    raw = write_films(tmp_path / "raw", [*rows, missing])
    (raw / missing["path"]).unlink()
    ingest(raw, tmp_path / "out" / "ingested", tmp_path / "private", task())
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) >= 5
    told = [*(path.read_bytes() for path in written), *(said.encode() for said in capfd.readouterr())]
    tables = [pd.read_parquet(path).to_csv().encode() for path in written if path.suffix == ".parquet"]
    for name in (b"Mustermann", b"Patient_0", b"films", b".png"):
        assert not [text for text in (*told, *tables) if name in text], name
    assert "films/Patient_000_normal.png" in set(pd.read_parquet(tmp_path / "private" / "sources.parquet")["file"])


def test_a_failing_gate_names_no_name_either(tmp_path: Path) -> None:
    rows = in_splits(2)
    rows[0]["split"] = "test"
    with pytest.raises(GateError) as caught:
        run(tmp_path, rows, given())
    page = (tmp_path / "ingested.failed.html").read_text(encoding="utf-8")
    assert "patient-0" not in page + str(caught.value)


def test_files_the_index_names_but_nobody_has_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = patients(30)
    raw = write_films(tmp_path / "raw", rows)
    for row in rows[5:7]:
        (raw / row["path"]).unlink()
    (raw / rows[6]["path"]).mkdir()
    ingest(raw, tmp_path / "ingested", tmp_path / "private", task())
    dataset = Dataset(tmp_path / "ingested")
    assert len(dataset.samples()) == 58
    assert list(dataset.rejected()["reason"]) == ["the index names a file that is not there"] * 2
    assert "missing: 2 files" in capsys.readouterr().out


def test_none_of_the_files_is_there(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_films(raw, patients(2))
    (raw / "films").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError) as caught:
        ingest(raw, tmp_path / "ingested", tmp_path / "private", task())
    assert (caught.value.where, caught.value.found) == (str(raw), "none of 4")


def test_the_same_film_on_two_sides_leaves_train(tmp_path: Path) -> None:
    rows = in_splits(3)
    twin = {rows[0]["path"]: encoded(film(99)), rows[-2]["path"]: encoded(film(99))}
    dataset = run(tmp_path, rows, given(), films=twin)
    assert dataset.info.counts == {"train": 5, "validation": 6, "test": 6}
    (dropped,) = dataset.rejected().to_dict("records")
    assert dropped["reason"] == "its exact duplicate stands in test"
    assert dropped["sample_id"] not in set(dataset.samples()["sample_id"])


def test_a_patient_on_two_sides_stops_the_run_and_leaves_the_page(tmp_path: Path) -> None:
    rows = in_splits(2)
    rows[0]["split"] = "test"
    with pytest.raises(GateError) as caught:
        run(tmp_path, rows, given())
    page = tmp_path / "ingested.failed.html"
    assert caught.value.expected == "No known patient stands on two sides of the split"
    assert str(page) in caught.value.todo
    assert "patients shared: 1" in page.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ingested.failed.html", "raw"]


def test_the_page_goes_when_the_gate_passes(tmp_path: Path) -> None:
    rows = in_splits(3)
    rows[0]["split"] = "test"
    with pytest.raises(GateError):
        run(tmp_path, rows, given())
    dataset = run(tmp_path, rows, given(shared_patients="drop_from_train"))
    assert not (tmp_path / "ingested.failed.html").exists()
    assert list(dataset.rejected()["reason"]) == ["its patient also stands in test"]


def test_one_class_stops_the_run(tmp_path: Path) -> None:
    rows = [{**row, "finding": "normal"} for row in patients(30)]
    with pytest.raises(GateError, match="every class of finding: normal, pneumonia"):
        run(tmp_path, rows)


@pytest.mark.parametrize("there", [("train",), ("train", "validation"), ("validation", "test")])
def test_a_given_split_without_train_or_test_stops_the_run(tmp_path: Path, there: tuple[str, ...]) -> None:
    rows = [{**row, "split": there[i % len(there)]} for i, row in enumerate(patients(6))]
    with pytest.raises(DataError) as caught:
        run(tmp_path, rows, given())
    assert caught.value.found == f"{' and '.join(sorted(there))} alone"
    assert "split.method: hash" in caught.value.todo


def test_a_given_split_without_validation_gets_one_from_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "split": "Testing" if i < 20 else "Training"} for i, row in enumerate(patients(60))]
    samples = run(tmp_path, rows, given(validation=0.25)).samples()
    films = pd.read_parquet(tmp_path / "private" / "sources.parquet").merge(samples, on="sample_id")
    number = films["file"].str.extract(r"Patient_(\d+)")[0].astype(int)
    assert (films["split"] == "test").tolist() == (number < 10).tolist()  # the given test, and no other
    assert set(samples.groupby("patient")["split"].nunique()) == {1}
    made = int((samples["split"] == "validation").sum())
    assert 10 <= made <= 40
    assert f"validation made from the given train: {made} of 100\n" in capsys.readouterr().out
    assert f"validation made from the given train: {made} of 100" in (
        tmp_path / "ingested" / "validation.html"
    ).read_text(encoding="utf-8")


def test_validation_made_from_train_is_chosen_as_by_hash(tmp_path: Path) -> None:
    """Nobody changes sides when patients are added, and train's patients land where `hash` without a test puts them."""

    def validation(folder: Path, count: int, **split: Any) -> set[str]:
        rows = [{**row, "split": "test" if i < 20 else "train"} for i, row in enumerate(patients(count))]
        found = run(folder, rows, given(**split)).samples()
        return {*found[found["split"] == "validation"]["sha256"]}

    few, more = validation(tmp_path / "a", 50), validation(tmp_path / "b", 60)
    assert few < more
    assert validation(tmp_path / "c", 50, seed=8) != few
    assert validation(tmp_path / "d", 50, validation=0.3) > few


def test_a_label_that_is_no_class(tmp_path: Path) -> None:
    rows = patients(30)
    rows[4]["finding"] = "pnuemonia"
    with pytest.raises(DataError, match=r"target finding[\s\S]*'pnuemonia' \(1; nearest: pneumonia\)"):
        run(tmp_path, rows)


def test_a_killed_run_goes_on_with_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", patients(30)).info

    def die(*arguments: Any, **others: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", patients(30))
    assert not (tmp_path / "killed" / "ingested").exists()
    assert run(tmp_path / "killed", patients(30)).info == whole
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["ingested", "private", "raw"]


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_ten_rows_of_the_real_set_leave_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = task(
        source={"reader": "npz", "path": str(REAL)},
        inputs={"image": {"kind": "image", "size": [28, 28]}},
        split={"method": "given", "by": "sample"},
    )
    ingest(REAL, tmp_path / "ingested", tmp_path / "private", spec)
    dataset = Dataset(tmp_path / "ingested")
    with np.load(REAL, allow_pickle=False) as arrays:
        assert dataset.info.counts["train"] == len(arrays["train_images"]) - 10
    assert len(dataset.rejected()) == 10
    assert "dropped to keep the splits apart: train 10" in capsys.readouterr().out
