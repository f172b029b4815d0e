"""Readers of the test samples: from the raw columns to the report, never into the network, and nobody by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import RHYTHM, SUGAR, TARGET, evaluated
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from components.evaluate.agreement import TITLE, has_readers, part
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError, SpecError
from components.lib.numbers import number
from components.lib.spec import TaskSpec, load_spec

NAMES = ("normal", "pneumonia")


def said(truth: np.ndarray, wrong: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return truth ^ (generator.random(len(truth)) < wrong)


def test_readers_are_compared_with_one_another_the_truth_and_the_model(tmp_path: Path) -> None:
    truth = np.arange(200) % 3 == 0
    columns = {f"{TARGET}_reader_{n}": np.where(said(truth, 0.1 * n, n), *NAMES[::-1]).tolist() for n in (1, 2, 3)}
    columns[f"{TARGET}_reader_3"][:25] = [None] * 25
    outputs = np.clip(0.2 + 0.6 * said(truth, 0.15, 9), 0, 1)
    looked = evaluated(tmp_path, outputs=outputs, truth=np.where(truth, *NAMES[::-1]).tolist(), **columns)
    (section,) = part(looked).sections
    text = " ".join(map(str, section.blocks))
    assert section.title == TITLE
    assert has_readers(looked)
    assert number(cohen_kappa_score(columns[f"{TARGET}_reader_1"], columns[f"{TARGET}_reader_2"])) in text
    model = np.asarray(looked.results[0].answer["label"], str)
    assert number(cohen_kappa_score(model, np.array(columns[f"{TARGET}_reader_1"]))) in text
    together = np.stack([np.array(each[25:]) == NAMES[1] for each in columns.values()], axis=1).astype(int)
    expected = number(fleiss_kappa(aggregate_raters(together, n_cat=2)[0]))
    assert f"kappa {expected} (" in text
    assert "on 175 test samples that all labelled" in text
    assert "reader 2 and reader 3" in text
    (limit,) = part(looked).limits
    assert limit.startswith(f"Finding: 3 readers agree with Fleiss' kappa {expected}")


def test_ordered_classes_are_weighted_too(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 3, (2, 90))
    other = np.where(generator.random(90) < 0.7, one, other)
    names = np.array(RHYTHM.classes)
    looked = evaluated(
        tmp_path, kind=RHYTHM, outputs=generator.dirichlet([1, 1, 1], 90), truth=names[one].tolist(),
        settings={"ordered": [TARGET]}, finding_reader_1=names[one].tolist(), finding_reader_2=names[other].tolist(),
    )  # fmt: skip
    text = " ".join(map(str, part(looked).sections[0].blocks))
    assert "Kappa, weighted" in text
    assert number(cohen_kappa_score(one, other, weights="quadratic")) in text


def test_without_readers_or_classes_there_is_no_section(tmp_path: Path) -> None:
    plain = evaluated(tmp_path / "a", outputs=[0.2, 0.8] * 20, truth=[*NAMES] * 20)
    values = np.linspace(90, 190, 40).tolist()
    of_number = evaluated(tmp_path / "b", kind=SUGAR, outputs=values, truth=values, finding_reader_1=values)
    assert [part(each).sections for each in (plain, of_number)] == [(), ()]
    assert not has_readers(plain)


def task(readers: dict[str, list[str]], **changes: Any) -> dict[str, Any]:
    return {
        "task": "read_twice", "source": {"reader": "table", "path": "raw", "file": "rows.csv", "public_key": True,
                                         "columns": {"readers": readers}},
        "inputs": {"rows": {"kind": "table", "numbers": ["crp", "age"]}},
        "targets": {"finding": {"kind": "binary", "classes": [*NAMES], "spellings": {"pneumonia": ["Pneu"]}}},
        **changes,
    }  # fmt: skip


def test_labels_of_readers_go_from_the_table_into_the_dataset_under_numbers(tmp_path: Path) -> None:
    count = 120
    rows = pd.DataFrame({
        "patient": [f"p{i}" for i in range(count)], "crp": np.linspace(1, 90, count), "age": 50,
        "finding": [*NAMES] * (count // 2), "Dr. Müller;$(x)": ["Pneu", "normal"] * (count // 2),
        "second look": ["", "pneumonia"] * (count // 2),
    })  # fmt: skip
    (tmp_path / "raw").mkdir()
    rows.to_csv(tmp_path / "raw" / "rows.csv", index=False)
    spec = TaskSpec.model_validate_json(json.dumps(task({"finding": ["Dr. Müller;$(x)", "second look"]})))
    ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)
    samples = Dataset(tmp_path / "ingested").samples()
    assert set(samples["finding_reader_1"]) == {*NAMES}
    assert samples["finding_reader_2"].isna().sum() == count // 2
    assert (samples["finding_reader_1"] != samples["finding"]).all()
    assert b"ller" not in b"".join(each.read_bytes() for each in (tmp_path / "ingested").rglob("*") if each.is_file())


def test_a_word_that_is_no_class_is_named_with_its_reader(tmp_path: Path) -> None:
    rows = pd.DataFrame({"patient": range(20), "crp": 1, "age": 2, "finding": [*NAMES] * 10, "second": "perhaps"})
    (tmp_path / "raw").mkdir()
    rows.to_csv(tmp_path / "raw" / "rows.csv", index=False)
    spec = TaskSpec.model_validate_json(json.dumps(task({"finding": ["second"]})))
    with pytest.raises(DataError, match="finding_reader_1"):
        ingest(tmp_path / "raw", tmp_path / "ingested", tmp_path / "private", spec)


@pytest.mark.parametrize(
    ("readers", "changes", "expected"),
    [
        ({"finding": ["crp"]}, {}, "inputs.rows reads: the network would be told the answer"),
        ({"findings": ["a"]}, {}, "nearest: finding"),
        ({"finding": ["a", "a"]}, {}, "each once"),
        ({"finding": ["patient"]}, {}, "not the patient's"),
        ({"finding": []}, {}, "each once"),
        ({"finding": ["a"]}, {"evaluate": {"ordered": ["finding"]}}, "three classes or more"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key(
    tmp_path: Path, readers: dict[str, list[str]], changes: dict[str, Any], expected: str
) -> None:
    (tmp_path / "task.yaml").write_text(json.dumps(task(readers, **changes)), encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        load_spec(tmp_path / "task.yaml")
    assert expected in str(refused.value)
    assert "readers" in str(refused.value) or "ordered" in str(refused.value)
