"""Which samples are golden cases, what is sent of them, and what counts as another answer. No server is started."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from servers import Web
from workspaces import Workspace

from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.model_dir import Model, ModelInfo
from components.lib.places import Place, place
from components.lib.spec import load_spec
from components.register.cases import Cases, cases_of
from components.register.golden import differences


def cases(workspace: Workspace, count: int, raw: Place | None = None, info: ModelInfo | None = None) -> Cases:
    data, spec = workspace.path / "data", load_spec(workspace.path / "task.yaml")
    settings = spec.register_.model_copy(update={"golden_cases": count})
    return cases_of(
        raw or data / "raw", data / "cleaned", data / "private", data / "evaluation",
        info or Model(data / "model").info, Dataset(data / "cleaned").info.digest,
        spec.model_copy(update={"register_": settings}),
    )  # fmt: skip


def sent(body: bytes) -> dict[str, Any]:
    """Column to value of a request's one row."""
    split = json.loads(body)["dataframe_split"]
    assert len(split["data"]) == 1
    return dict(zip(split["columns"], split["data"][0], strict=True))


def test_cases_are_of_test_evenly_and_always_the_same(tiny: Workspace) -> None:
    samples = Dataset(tiny.path / "data/cleaned").samples()
    test = samples.loc[samples["split"] == "test", "sample_id"].tolist()
    places = [test.index(sample_id) for sample_id in cases(tiny, 5).sample_ids]
    assert len(places) == 5
    assert max(np.diff(places)) - min(np.diff(places)) <= 1
    assert cases(tiny, 5).sample_ids == cases(tiny, 5).sample_ids
    assert cases(tiny, 10_000).sample_ids == test


def test_a_file_is_sent_as_it_lies_there_from_a_server_too(tiny: Workspace, web: Web) -> None:
    shutil.copytree(tiny.path / "data/raw", web.folder, dirs_exist_ok=True)
    here, there = cases(tiny, 3), cases(tiny, 3, place(web.url))
    files = {file.read_bytes() for file in (tiny.path / "data/raw").rglob("*.png")}
    bodies = list(here.bodies)
    assert bodies == list(there.bodies)
    assert {base64.b64decode(sent(body)["image"]) for body in bodies} <= files


def test_a_case_whose_file_is_gone_is_named_by_its_sample(tiny: Workspace, tmp_path: Path) -> None:
    gone = cases(tiny, 3, tmp_path)
    with pytest.raises(DataError, match=rf"sample {gone.sample_ids[0]}\n(.|\n)*put the raw data back") as told:
        list(gone.bodies)
    assert "png" not in str(told.value)


def test_a_row_that_a_server_refuses_is_no_case(tiny_table: Workspace) -> None:
    info = Model(tiny_table.path / "data/model").info
    (name,) = info.inputs
    fitted = {**info.fitted_inputs[name], "categories": [{"name": "sex", "known": ["1"]}]}
    rejecting = {name: info.inputs[name].model_copy(update={"unknown_categories": "reject"})}
    every = cases(tiny_table, 1000, info=info.model_copy(update={"fitted_inputs": {name: fitted}}))
    assert {sent(body)["sex"] for body in every.bodies} == {"1", "2"}
    info = info.model_copy(update={"inputs": rejecting})
    known = info.model_copy(update={"fitted_inputs": {name: fitted}})
    chosen = cases(tiny_table, 1000, info=known)
    assert {sent(body)["sex"] for body in chosen.bodies} == {"1"}
    assert len(chosen.sample_ids) < len(cases(tiny_table, 1000).sample_ids)
    none_known = {**fitted, "categories": [{"name": "sex", "known": []}]}
    nobody = info.model_copy(update={"fitted_inputs": {name: none_known}})
    with pytest.raises(DataError, match=r"none of \d+"):
        cases(tiny_table, 3, info=nobody)


def test_a_number_is_held_against_the_largest_one_predicted(tiny_table: Workspace) -> None:
    chosen = cases(tiny_table, 4)
    predicted = pd.read_parquet(tiny_table.path / "data/evaluation/predictions.parquet")
    largest = max(abs(float(output[0])) for output in predicted["output"])
    assert list(chosen.figures) == ["prediction", "low", "high"]
    assert chosen.scales.tolist() == [largest] * 3
    answers: list[Any] = chosen.figures.to_dict("records")
    answers[2]["high"] += 3e-6 * largest
    assert differences(chosen, answers) == pytest.approx([0, 0, 3e-6, 0], abs=1e-12)


FIGURES = {"probability": 0.5, "threshold": np.nan}


@pytest.mark.parametrize(
    ("answer", "far"),
    [
        ({"probability": 0.5, "threshold": None, "label": "ill", "outside": 0.9}, 0),
        ({"probability": 0.5 - 3e-7, "threshold": None}, 3e-7),
        ({"probability": 0.5, "threshold": 0.1}, np.inf),
        ({"probability": None, "threshold": None}, np.inf),
        ({"probability": "a half", "threshold": None}, np.inf),
        ({"threshold": None}, np.inf),
        (None, np.inf),
    ],
)
def test_how_far_an_answer_lies(answer: dict[str, Any] | None, far: float) -> None:
    asked = Cases(["a", "b"], iter([]), pd.DataFrame([FIGURES] * 2), np.ones(2))
    right = {"probability": 0.5}
    assert differences(asked, [right, answer]) == pytest.approx([0, far])
