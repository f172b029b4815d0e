"""A table whose categories have a long tail, from ingest to a really started server and a batch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from asking import served
from mlflow import MlflowClient
from reached import reach

from components.lib.dataset import Dataset
from components.lib.model_dir import Model
from components.lib.server import ask
from serving.batch import batch

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without a run: it takes seconds to make."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


def admissions(how: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """360 admissions whose diagnosis has a long tail: most codes occur once or twice."""
    generator, count = np.random.default_rng(5), 360
    codes = np.minimum(generator.zipf(1.5, count), 400)
    table = pd.DataFrame({"patient": [f"P{row:04d}" for row in range(count)], "age": generator.integers(20, 90, count)})
    table["diagnosis"], table["ward"] = [f"I{code:03d}" for code in codes], generator.choice(["Süd", "Nord"], count)
    table["ill"] = np.where((codes == 1) ^ (generator.random(count) < 0.1), "yes", "no")
    task = {
        "task": "tail",
        "source": {
            "reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
            "columns": {"site": None, "sex": None, "age": None},
        },
        "inputs": {
            "record": {
                "kind": "table", "numbers": ["age"], "categories": {"ward": None, "diagnosis": None},
                "unknown_categories": how,
            }
        },
        "targets": {"ill": {"kind": "binary", "classes": ["no", "yes"]}},
        "split": {"validation": 0.2, "test": 0.3}, "clean": None, "augment": None, "evaluate": None,
        "train": {"model": "mlp", "width": 16, "epochs": 25, "batch_size": 16, "learning_rate": 0.02},
        "register": {"golden_cases": 200},
    }  # fmt: skip
    return task, table


@pytest.mark.parametrize("how", ["allow", "reject"])
def test_a_long_tail_goes_from_the_table_to_the_server(
    tmp_path: Path, store: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(store, folder)
    done = reach(folder, *admissions(how))
    printed = capsys.readouterr().out
    network, data = Model(done.data / "model"), Dataset(done.data / "cleaned")
    training = data.info.counts["train"]
    fitted = network.info.fitted_inputs["record"]
    assert fitted["rare"] == max(3, int(np.ceil(training / 50)))
    assert f"record: categories in fewer than {fitted['rare']} training rows count as unknown" in printed
    test, predicted = data.info.counts["test"], done.predicted
    rows = done.table.loc[predicted["row"]]
    rare = ~rows["diagnosis"].isin(fitted["categories"][1]["known"])
    asked = {name: [*rows[name].tolist(), rows[name].iloc[0]] for name in ("age", "ward")}
    asked = {
        "age": [float(age) for age in asked["age"]],
        "ward": asked["ward"],
        "diagnosis": [*rows["diagnosis"], "neu"],
    }
    if how == "reject":
        assert not rare.any()
        lost = test - len(predicted)
        assert lost > 10
        assert f"a server refuses {lost} of {test} test samples; they are not measured" in printed
        assert f"golden cases: {len(predicted)} answered as measured" in printed
        with served(done.workspace, "tail") as address:
            body = {"dataframe_records": [{"age": 40.0, "ward": "Nord", "diagnosis": "neu"}]}
            answer = requests.post(f"{address}/invocations", json=body, timeout=30)
        assert answer.status_code == 400
        assert "column diagnosis: unknown category (training has it in fewer than" in answer.json()["message"]
        return
    assert rare.sum() > 10
    assert f"{rare.sum()} of {test} test samples, counted as unknown" in printed
    assert f"golden cases: {test} answered as measured" in printed
    with served(done.workspace, "tail") as address:
        answers_there = pd.DataFrame(ask(address, asked))
    np.testing.assert_allclose(answers_there["probability"][:-1], predicted["probability"], atol=1e-6)
    there = answers_there["warnings"].str.contains("column diagnosis: category counts as unknown")
    assert there.tolist() == [*rare.tolist(), True]
    rows.to_csv(tmp_path / "new.csv", index=False)
    batch(network, None, tmp_path / "new.csv", tmp_path / "out.parquet")
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert out["warnings"].str.contains("column diagnosis").tolist() == rare.tolist()
