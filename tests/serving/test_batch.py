"""Batch predictions are what evaluate measured: pictures, rows of a table and signals, from every form they come in."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from asking import requests_of
from workspaces import Workspace

from components.lib.answers import answers
from components.lib.dataset import Dataset
from components.lib.model_dir import Model
from components.lib.spec import load_spec
from serving.batch import batch

SAMPLES_A_SECOND = 250
"""Of the phantom's records."""


def evaluated(workspace: Workspace) -> pd.DataFrame:
    """Test samples: sample_id, file, row and what evaluate predicted, in the order of the cleaned dataset."""
    predicted = pd.read_parquet(workspace.path / "data/evaluation/predictions.parquet")
    sources = pd.read_parquet(workspace.path / "data/private/sources.parquet")
    return predicted.merge(sources, on="sample_id", how="left", validate="one_to_one")


def run(workspace: Workspace, data: Path, out: Path, **options: Any) -> pd.DataFrame:
    """What the batch writes, by the workspace's model directory."""
    batch(Model(workspace.path / "data/model"), None, data, out, **options)
    return pd.read_parquet(out)


def as_answered(workspace: Workspace, **options: Any) -> pd.DataFrame:
    """The test samples' answers by the function behind the served model, from the cleaned arrays."""
    model = Model(workspace.path / "data/model")
    _, arrays = Dataset(workspace.path / "data/cleaned").select("test", list(model.info.inputs))
    return pd.DataFrame(answers(model, arrays, **options))


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Every column of an answer: figures to 1e-6 of their size, words and flags as they are."""
    for name, values in expected.items():
        if values.dtype.kind == "f":
            assert np.allclose(found[name].to_numpy(), values.to_numpy(), rtol=1e-6, atol=1e-6), name
        else:
            assert found[name].tolist() == values.tolist(), name


# Pictures.


def test_a_folder_of_films_gets_what_evaluate_measured(tiny: Workspace, tmp_path: Path) -> None:
    found = run(tiny, tiny.path / "data/raw", tmp_path / "predictions.parquet")
    films = sorted(p.relative_to(tiny.path / "data/raw").as_posix() for p in (tiny.path / "data/raw").rglob("*.png"))
    assert found["file"].tolist() == films
    assert found["error"].isna().all()
    assert set(found["model_version"]) == {"unregistered"}
    known = evaluated(tiny)
    of_test = found.set_index("file").loc[known["file"]].reset_index()
    assert (of_test["probability"] - known["probability"]).abs().max() < 1e-6
    assert of_test["label"].tolist() == known["label"].tolist()
    assert_equal(of_test, as_answered(tiny))


def test_the_registered_version_at_the_command_line(tiny: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "predictions.parquet"
    options = ("--model", "models:/tiny_synthetic@champion", "--data", "data/raw", "--out", str(out), "--explain")
    said = tiny.run("serving.batch", *options, "--threshold", "0.9").stdout
    assert "tiny_synthetic/1, run by the code of this checkout" in said
    assert "SYNTHETIC" in said.splitlines()[-1]
    assert "2 other files were passed over" in said
    found = pd.read_parquet(out)
    assert set(found["model_version"]) == {"1"}
    assert (found["label"] == "pneumonia").tolist() == (found["probability"] >= 0.9).tolist()
    assert set(found["threshold"]) == {0.9}
    assert all(base64.b64decode(text).startswith(b"\x89PNG") for text in found["map"])
    told = json.loads(pq.read_metadata(out).metadata[b"medpipe"])
    assert (told["model"], told["rows"], told["unusable"]) == ("tiny_synthetic/1", len(found), 0)
    assert told["digest"] == Model(tiny.path / "data/model").digest


def test_a_table_of_paths_gets_the_same_and_keeps_its_columns(tiny: Workspace, tmp_path: Path) -> None:
    index = tiny.path / "data/raw/index.csv"
    listed = pd.read_csv(index, dtype=str)
    found = run(tiny, index, tmp_path / "by_table.parquet", column="path", keep=["path", "finding"])
    assert found["row"].tolist() == list(range(len(listed)))
    assert found["path"].tolist() == listed["path"].tolist()
    assert found["finding"].fillna("").tolist() == listed["finding"].fillna("").tolist()
    by_folder = run(tiny, index.parent, tmp_path / "by_folder.parquet").set_index("file").loc[listed["path"]]
    columns = list(by_folder.columns)
    assert found[columns].equals(by_folder.reset_index(drop=True)[columns])


# A row of a table.


def test_rows_of_a_csv_get_what_evaluate_measured(tiny_table: Workspace, tmp_path: Path) -> None:
    found = run(tiny_table, tiny_table.path / "data/raw/diabetes.csv", tmp_path / "predictions.parquet")
    assert found["row"].tolist() == list(range(len(found)))
    known = evaluated(tiny_table)
    of_test = found.iloc[known["row"]].reset_index(drop=True)
    assert np.allclose(of_test["prediction"], [output[0] for output in known["output"]], rtol=1e-6, atol=0)
    assert_equal(of_test, as_answered(tiny_table))


def test_parquet_with_numbers_as_numbers_gets_the_same(tiny_table: Workspace, tmp_path: Path) -> None:
    source = tiny_table.path / "data/raw/diabetes.csv"
    table = pd.read_csv(source)
    assert table["sex"].dtype.kind == "i", "a category that stands there as a number"
    table.to_parquet(tmp_path / "rows.parquet")
    one = run(tiny_table, tmp_path / "rows.parquet", tmp_path / "one.parquet", keep=["age"])
    other = run(tiny_table, source, tmp_path / "other.parquet")
    assert one["age"].tolist() == table["age"].tolist()
    assert one.drop(columns="age").equals(other)


# Signals.


def test_signals_in_parquet_get_what_evaluate_measured(tiny_ecg: Workspace, tmp_path: Path) -> None:
    known = evaluated(tiny_ecg)
    pq.write_table(pa.table(requests_of(tiny_ecg, known)), tmp_path / "signals.parquet")
    found = run(tiny_ecg, tmp_path / "signals.parquet", tmp_path / "predictions.parquet")
    columns = [f"probability_{name}" for name in load_spec(tiny_ecg.path / "task.yaml").targets["rhythm"].class_names]
    assert np.abs(found[columns].to_numpy() - np.stack(known["output"].to_list())).max() < 1e-6
    assert_equal(found, as_answered(tiny_ecg))


def test_signals_in_a_csv_are_json(tiny_ecg: Workspace, tmp_path: Path) -> None:
    cells = requests_of(tiny_ecg, evaluated(tiny_ecg).head(4))["ecg"]
    texts = [json.dumps(cell) for cell in cells]
    pd.DataFrame({"signal": [*texts, texts[0][:-9]]}).to_csv(tmp_path / "signals.csv", index=False)
    found = run(tiny_ecg, tmp_path / "signals.csv", tmp_path / "predictions.parquet", column="signal")
    assert_equal(found.head(4), as_answered(tiny_ecg).head(4))
    assert found["error"].iloc[4] == "begins like JSON and is none"


def packed(folder: Path, record: str) -> str:
    """A ZIP of a record's files, base64-encoded."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for suffix in (".hea", ".dat"):
            archive.write(folder / f"{record}{suffix}", f"{record}{suffix}")
    return base64.b64encode(content.getvalue()).decode()


def test_a_folder_of_records_gets_what_a_server_says_of_them(tiny_ecg: Workspace, tmp_path: Path) -> None:
    raw = tiny_ecg.path / "data/raw"
    found = run(tiny_ecg, raw, tmp_path / "by_folder.parquet")
    records = sorted(path.name for path in raw.glob("*.hea"))
    assert found["file"].tolist() == records
    names = [name.removesuffix(".hea") for name in records]
    # As a server gets them, and as paths, with and without the ending.
    for path in (path for path in raw.iterdir() if path.stem in names[2:4]):
        (tmp_path / path.name).hardlink_to(path)
    cells = [packed(raw, names[0]), packed(raw, names[1]), names[2], records[3]]
    pq.write_table(pa.table({"ecg": cells}), tmp_path / "cells.parquet")
    sent = run(tiny_ecg, tmp_path / "cells.parquet", tmp_path / "by_request.parquet")
    assert sent["error"].isna().all()
    assert sent.drop(columns="row").equals(found.drop(columns="file").head(4))
