"""What training leaves behind of how its samples lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import FINDING, dataset, task
from threadpoolctl import threadpool_limits

from components.lib import summaries
from components.lib.outside import distance
from components.lib.summaries import evenly, summed_up
from components.train.outside import _groups, fit_outside
from components.train.samples import Fitted

FITTED = Fitted({"image": {}}, {})
SPEC = task(FINDING)


def test_equal_samples_give_equal_figures_on_any_number_of_cores(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", FINDING, {"train": 90, "validation": 30}, synthetic=True)
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            found.append(fit_outside(data, ("train",), SPEC, FITTED)["image"])
    assert found[0] == found[1]
    assert found[0].samples == 90
    assert fit_outside(data, ("train", "validation"), SPEC, FITTED)["image"].samples == 120


def test_a_patients_films_are_measured_by_fits_without_them() -> None:
    table = pd.DataFrame({"patient": ["p", None, "q", "p", None, "q"], "sample_id": list("abcdef")})
    groups = _groups(table)
    assert groups[0] == groups[3]
    assert groups[2] == groups[5]
    assert len({*groups.tolist()}) == 4


def test_a_handful_of_samples_gives_none(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", FINDING, {"train": 8}, synthetic=True)
    assert fit_outside(data, ("train",), SPEC, FITTED) == {}


def test_of_many_samples_some_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path / "d", FINDING, {"train": 90, "test": 10}, synthetic=True)
    monkeypatch.setattr(summaries, "MOST_SAMPLES", 30)
    monkeypatch.setattr(summaries, "FEWEST_SAMPLES", 1)
    table, figures = summed_up(data, ["train"], "image", SPEC.inputs["image"], {})
    assert table["sample_id"].tolist() == [f"s{row:04d}" for row in range(0, 90, 3)]
    own = SPEC.inputs["image"].summary(data.select("train", ["image"])[1]["image"][::3], {})
    np.testing.assert_array_equal(figures, own)
    assert evenly(np.arange(5), 9).tolist() == [0, 1, 2, 3, 4]


def test_samples_of_one_patient_alone_still_give_figures(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", FINDING, {"train": 30}, synthetic=True)
    for part in data.parts:
        part.samples.assign(patient="p0").to_parquet(part.path / "samples.parquet", index=False)
    again = type(data)(tmp_path / "d")
    found = fit_outside(again, ("train",), SPEC, FITTED)["image"]
    assert np.isfinite(distance(np.zeros((1, len(found.figures))), found)).all()
