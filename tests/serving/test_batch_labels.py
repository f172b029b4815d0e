"""Batch predictions of labelled rows stand in the test-set log, known by the same digests as ingest gives them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from evaluations import FINDING
from pictures import looked_at

from components.lib.kinds.table import Table
from components.lib.model_dir import Model
from components.lib.openings import record
from components.lib.places import place
from components.lib.readers.base import content
from components.lib.readers.table import TableFile
from components.lib.sample_prints import SamplePrints
from components.lib.tracking import batch_run, client
from serving.batch import batch
from serving.batch_labels import _digests, label_columns
from serving.batch_table import TableData


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """Two of one task, that learnt from real films."""
    folder = tmp_path_factory.mktemp("models")
    first = looked_at(folder / "one", synthetic=False).network
    shutil.copytree(first.path, folder / "two")
    file = folder / "two" / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"epochs": 1', '"epochs": 2'), encoding="utf-8")
    return [first, Model(folder / "two")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        yield


def films(folder: Path, names: list[str]) -> list[str]:
    """Films of these names; returns the SHA-256 of each."""
    digests = []
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([len(str(folder)), number]).integers(0, 256, (40, 40), np.uint8)
        (folder / name).write_bytes(bytes(cv2.imencode(".png", pixels)[1]))
        digests.append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
    return digests


@pytest.mark.usefixtures("store")
def test_films_in_folders_of_classes_are_counted_and_others_are_not(
    models: list[Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{word}/ä {i};$(x).png" for i in range(3) for word in (*FINDING.classes, "not known")]
    digests = films(tmp_path / "films", names)
    batch(models[0], None, tmp_path / "films", tmp_path / "one.parquet")
    assert "no other model that was evaluated on any of these 6 labelled rows" in capsys.readouterr().out
    batch(models[1], None, tmp_path / "films", tmp_path / "two.parquet")
    assert "All these 6 labelled rows were evaluated for 1 other model before." in capsys.readouterr().out
    # An evaluation of the same films later knows of both.
    ingested = SamplePrints.of(pd.DataFrame({"sha256": digests, "patient": None}))
    found = record(batch_run("another_task", "e" * 64, ingested.digest), ingested, "e" * 64)
    assert (found.models, found.seen) == (2, 6)
    # The output is there: nothing is shown that wasn't before.
    batch(models[1], None, tmp_path / "films", tmp_path / "two.parquet")
    assert "counted" not in capsys.readouterr().out
    films(tmp_path / "plain", ["a.png", "b.png"])
    batch(models[0], None, tmp_path / "plain", tmp_path / "plain.parquet")
    assert "counted" not in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_a_table_of_paths_counts_rows_whose_label_is_there(
    models: list[Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{i}.png" for i in range(4)]
    films(tmp_path / "listed", names)
    table = pd.DataFrame({"image": names, "Finding": ["normal", "", "pneumonia", None], "age": [1, 2, 3, 4]})
    table.to_csv(tmp_path / "listed" / "index.csv", index=False)
    batch(models[0], None, tmp_path / "listed" / "index.csv", tmp_path / "listed.parquet")
    assert "any of these 2 labelled rows before" in capsys.readouterr().out
    assert pd.read_parquet(tmp_path / "listed.parquet")["error"].isna().all()


def test_a_model_of_synthetic_data_is_not_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = looked_at(tmp_path / "made").network
    films(tmp_path / "films", [f"{word}/{i}.png" for i in range(2) for word in FINDING.classes])
    batch(made, None, tmp_path / "films", tmp_path / "out.parquet")
    assert "counted" not in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_have_the_digests_that_ingest_gives_them(ending: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    layout = Table(kind="table", numbers=("crp", "count"), categories={"Gerät": ("a", "b")})
    table = pd.DataFrame(
        {
            "finding": generator.choice(["normal", "pneumonia"], 30), "count": generator.integers(0, 9, 30),
            "Gerät": generator.choice(["a", "b"], 30), "crp": generator.normal(5, 2, 30).round(3),
        }
    )  # fmt: skip
    path = tmp_path / f"rows.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path, index=False)
    info = SimpleNamespace(inputs={"rows": layout}, targets={"finding": FINDING})
    rows = TableData(path, info, None, ())  # type: ignore[arg-type]
    load = TableFile(reader="table", path=str(path)).opener(place(str(path)), info.inputs)
    expected = [hashlib.sha256(content(load("table", row))).hexdigest() for row in range(30)]
    assert list(_digests(info, rows, tmp_path)) == expected  # type: ignore[arg-type]


def test_a_column_is_a_label_however_it_is_written(models: list[Model]) -> None:
    names = ["image", "FINDING", "fin ding", "findings", "finding_2"]
    assert label_columns(models[0].info, names) == ["FINDING", "fin ding"]


@pytest.mark.usefixtures("store")
def test_the_run_of_the_same_rows_is_found_again() -> None:
    first = batch_run("again", "a" * 64, "b" * 64)
    assert batch_run("again", "a" * 64, "b" * 64).id == first.id
    assert batch_run("again", "a" * 64, "c" * 64).id != first.id
    assert client().get_run(first.id).info.status == "FINISHED"
