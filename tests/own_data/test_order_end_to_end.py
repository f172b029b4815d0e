"""Tables whose columns, classes and targets come in any order, all the way to a served model and a batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from asking import requests_of, served
from mlflow import MlflowClient
from reached import Done, reach
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from components.evaluate import evaluate
from components.lib.dataset import Dataset
from components.lib.errors import DataError, ModelError
from components.lib.model_dir import Model
from components.lib.server import ask
from components.lib.spec import load_spec
from components.train.step import train
from serving.batch import batch

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]

ROWS = 420
COLUMNS = ("Aufnahme", "zustand nach", "été", "性别", "B", "a", "sex", "discharge_status", "Site")
CLASSES = ("severe", "Mild", "none", "acute")


def drawn(seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """A task and its table: two targets that hang on categories, so that confused columns would show."""
    generator = np.random.default_rng(seed)
    columns = generator.permutation(COLUMNS).tolist()
    numbers, words = columns[:2], columns[2:6]
    table = pd.DataFrame({"patient": [f"P{row:04d}" for row in range(ROWS)]})
    table[numbers] = generator.normal(size=(ROWS, 2)).round(3)
    for column in words:
        # The same words in every column, meaning something else in each.
        table[column] = generator.choice(["x", "y", "z"], ROWS)
    ill = (table[words[0]] == "x") ^ (generator.random(ROWS) < 0.04)
    table["sepsis"] = np.where(ill, "present", "clear")
    kinds = generator.permutation(CLASSES)[:3].tolist()
    stage = table[words[1]].map(dict(zip("xyz", kinds, strict=True)))
    table["stage"] = np.where(generator.random(ROWS) < 0.04, generator.choice(kinds, ROWS), stage)
    order = generator.permutation([*table.columns]).tolist()
    listed = [generator.permutation(["x", "y", "z"]).tolist(), None, None, None]
    targets = {
        "sepsis": {"kind": "binary", "classes": generator.permutation(["present", "clear"]).tolist()},
        "stage": {"kind": "multiclass", "classes": generator.permutation(kinds).tolist()},
    }
    categories = dict(zip(words, listed, strict=True))
    task = {
        "task": "any_order",
        "source": {
            "reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
            "columns": {"site": None, "sex": None, "age": None},
        },
        "inputs": {"record": {"kind": "table", "numbers": numbers, "categories": categories}},
        "targets": {name: targets[name] for name in generator.permutation([*targets]).tolist()},
        "split": {"validation": 0.25, "test": 0.25}, "clean": None, "augment": None, "register": None,
        "train": {"model": "mlp", "width": 16, "epochs": 30, "batch_size": 16, "learning_rate": 0.02},
        "evaluate": {"gates": {"sepsis.accuracy": 0.01}},  # what is served needs an alias, and no calibrated model
    }  # fmt: skip
    return task, table[order]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without a run: it takes seconds to make."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


NETS: dict[str, dict[str, Any]] = {
    "one net": {},
    "folds and seeds": {"folds": 2, "seeds": 2, "epochs": 15},
    "distilled, in int8": {"seeds": 2, "distil": True, "quantise": "int8", "width": 64},
}


@pytest.fixture(scope="module", params=NETS)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, store: Path) -> Done:
    """Another order for each way to train."""
    folder = tmp_path_factory.mktemp("order") / "here"
    folder.mkdir()
    shutil.copy(store, folder)
    task, table = drawn([*NETS].index(request.param))
    task["train"] |= NETS[request.param]
    task["split"]["folds"] = NETS[request.param].get("folds", 0)
    return reach(folder, task, table)


def outputs(predicted: pd.DataFrame, target: str) -> np.ndarray:
    return np.stack(predicted.loc[predicted["target"] == target, "output"].to_list())


def test_the_model_does_from_disk_what_it_did_when_it_was_trained(done: Done) -> None:
    """The score on validation stands in model.json as training measured it, before anything was written or read."""
    model, data = Model(done.data / "model"), Dataset(done.data / "cleaned")
    if model.info.cross_validated or (model.info.smaller and model.info.smaller.served):
        pytest.skip("its score is out of fold, or of another graph")
    samples, arrays = data.select("validation", ["record"])
    found = model.predict(arrays)
    for name, kind in done.spec.targets.items():
        truth, known = kind.encode(samples[name])
        assert kind.score(found[name][known], truth[known]) == pytest.approx(model.info.fitted[name].validation_score)


def test_what_depends_on_one_column_is_found_there(done: Done) -> None:
    predicted = done.predicted
    sepsis = predicted[predicted["target"] == "sepsis"]
    positive = done.spec.targets["sepsis"].class_names[1]
    assert roc_auc_score(sepsis["truth"] == positive, outputs(predicted, "sepsis")[:, 0]) > 0.85
    stage = predicted[predicted["target"] == "stage"]
    classes = np.array(done.spec.targets["stage"].class_names)
    assert (classes[outputs(predicted, "stage").argmax(axis=1)] == stage["truth"]).mean() > 0.85


def compare(done: Done, answers: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Answers about the table's rows are those of evaluate."""
    for target in done.spec.targets:
        known = done.predicted[done.predicted["target"] == target].set_index("row").loc[rows.index]
        assert answers[f"{target}_label"].tolist() == known["label"].tolist()
        np.testing.assert_allclose(answers[f"{target}_probability"], known["probability"], atol=1e-6)


def test_a_batch_says_the_same_of_a_table_whose_columns_come_in_another_order(done: Done, tmp_path: Path) -> None:
    rows = done.table.loc[done.predicted["row"].unique()]
    chance = np.random.default_rng(7)
    rows[chance.permutation(rows.columns)].to_csv(tmp_path / "new.csv", index=False)
    batch(Model(done.data / "model"), None, tmp_path / "new.csv", tmp_path / "out.parquet")
    compare(done, pd.read_parquet(tmp_path / "out.parquet"), rows)


def test_a_server_says_the_same_of_requests_in_another_order(done: Done) -> None:
    samples = done.predicted.drop_duplicates("row")
    asked = requests_of(done.workspace, samples)
    with served(done.workspace, "any_order") as address:
        answers = pd.DataFrame(ask(address, dict(reversed(asked.items()))))
    compare(done, answers, done.table.loc[samples["row"]])


def test_a_task_file_whose_columns_moved_is_not_evaluated_with_the_old_model(done: Done, tmp_path: Path) -> None:
    moved = yaml.safe_load((done.workspace.path / "task.yaml").read_text(encoding="utf-8"))
    columns = moved["inputs"]["record"]["categories"]
    moved["inputs"]["record"]["categories"] = dict(reversed(columns.items()))
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(moved, sort_keys=False, allow_unicode=True), encoding="utf-8")
    spec = load_spec(tmp_path / "task.yaml")
    with pytest.raises(ModelError, match=r"the same in another order: inputs\.record(.|\n)*dvc repro --force"):
        evaluate(done.data / "cleaned", done.data / "model", tmp_path / "evaluation", spec)
    with pytest.raises(DataError, match=r"the same in another order(.|\n)*dvc repro --force clean"):
        train(done.data / "cleaned", done.data / "augmented", tmp_path / "model", spec)


def ward() -> tuple[dict[str, Any], pd.DataFrame]:
    """1,200 admissions: four measurements that say something, and where a patient was discharged to, which gives the
    answer away in 95 of 100. Columns of categories in the order of the table, which isn't that of the alphabet."""
    generator, count = np.random.default_rng(3), 1200
    values = generator.normal(size=(count, 4))
    ill = generator.random(count) < 1 / (1 + np.exp(1.9 - values @ np.array([1.0, 0.8, 0.6, -0.7])))
    table = pd.DataFrame(values, columns=["lactate", "heart_rate", "creatinine", "map"]).round(4)
    table["patient"] = [f"P{row:04d}" for row in range(count)]
    table["sex"], table["site"] = generator.choice(["f", "m"], count), generator.choice(["A", "B", "C"], count)
    table["discharge_status"] = np.where(ill ^ (generator.random(count) < 0.05), "icu", "home")
    table["sepsis"] = np.where(ill, "yes", "no")
    task = {
        "task": "ward",
        "source": {
            "reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
            "columns": {"site": None, "sex": None, "age": None},
        },
        "inputs": {
            "record": {
                "kind": "table", "numbers": ["lactate", "heart_rate", "creatinine", "map"],
                "categories": {"sex": None, "site": None, "discharge_status": None},
            }
        },
        "targets": {"sepsis": {"kind": "binary", "classes": ["no", "yes"]}},
        "split": {"validation": 0.2, "test": 0.4}, "clean": None, "augment": None, "register": None,
        "train": {"model": "mlp", "width": 16, "epochs": 20, "batch_size": 32, "learning_rate": 0.01},
        "evaluate": None,
    }  # fmt: skip
    return task, table


def test_a_column_that_gives_the_answer_away_is_seen_in_the_report_the_baselines_and_the_batch(
    tmp_path: Path, store: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(store, folder)
    done = reach(folder, *ward())
    rows = done.table.loc[done.predicted["row"]]
    rows.to_csv(tmp_path / "new.csv", index=False)
    batch(Model(done.data / "model"), None, tmp_path / "new.csv", tmp_path / "out.parquet")
    served_auc = roc_auc_score(rows["sepsis"] == "yes", pd.read_parquet(tmp_path / "out.parquet")["probability"])
    reported = json.loads((done.data / "evaluation/metrics.json").read_text(encoding="utf-8"))["sepsis"]["auc"]["value"]
    plain = make_pipeline(ColumnTransformer([("words", OneHotEncoder(), ["sex", "site", "discharge_status"])],
                                            remainder="passthrough"), LogisticRegression())  # fmt: skip
    columns = [*done.spec.inputs["record"].columns]
    learnt = done.table.drop(index=rows.index)
    plain.fit(learnt[columns], learnt["sepsis"] == "yes")
    known = roc_auc_score(rows["sepsis"] == "yes", plain.predict_proba(rows[columns])[:, 1])
    assert known > 0.93
    assert reported == pytest.approx(known, abs=0.02)
    assert served_auc == pytest.approx(reported, abs=1e-6)
    client = MlflowClient(done.workspace.store)
    (run,) = client.search_runs([client.get_experiment_by_name("ward").experiment_id])
    baselines = {
        name: value for name, value in run.data.metrics.items() if name.endswith("/auc") and name.count("/") == 3
    }
    assert len(baselines) >= 1
    assert all(value == pytest.approx(known, abs=0.03) for value in baselines.values())
