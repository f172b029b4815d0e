"""Samples that get worse: a curve for each way, and the sentence that names what hurts most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluated as of_rows
from pictures import SIZE, looked_at

from components.evaluate import robustness
from components.evaluate.part import Evaluated, Part
from components.lib.statistics import auc


def text(part: Part) -> str:
    return " ".join(str(block) for section in part.sections for block in section.blocks)


@pytest.fixture
def films(tmp_path: Path) -> Evaluated:
    return looked_at(tmp_path)


def test_each_way_has_a_curve_and_the_worst_is_named(films: Evaluated) -> None:
    part = robustness.part(films)
    chart = part.charts["finding_robustness"]
    assert list(chart.table) == ["made worse by", "strength", "value", "low", "high"]
    assert chart.table.groupby("made worse by").size().to_dict() == dict.fromkeys(
        ["noise", "blur", "low contrast", "rotation", "JPEG"], 6
    )
    said = text(part)
    assert "With noise of strength 3 the AUC falls from " in said
    assert "All 80 test films" in said
    at_three = chart.table[(chart.table["made worse by"] == "noise") & (chart.table["strength"] == 3)]
    assert part.metrics["finding"]["auc_under_3"].value == at_three["value"].item()
    assert at_three["value"].item() == chart.table.loc[chart.table["strength"] == 3, "value"].min()


def test_a_figure_is_what_the_network_says_of_the_altered_films(films: Evaluated) -> None:
    kind = films.network.info.inputs["image"]
    worse = kind.corruptions["noise"].apply(films.arrays["image"], 4, np.random.default_rng([0, 4]))
    output = films.network.predict({"image": worse})["finding"][:, 0]
    expected = auc(output.astype(float), films.results[0].encoded[:, 0] > 0.5)
    table = robustness.part(films).charts["finding_robustness"].table
    found = table[(table["made worse by"] == "noise") & (table["strength"] == 4)]
    assert found["value"].item() == pytest.approx(expected.value)
    assert found["low"].item() == pytest.approx(expected.low)


def test_equal_input_gives_equal_bytes(films: Evaluated) -> None:
    one, other = robustness.part(films), robustness.part(films)
    assert text(one) == text(other)
    assert one.charts["finding_robustness"].table.equals(other.charts["finding_robustness"].table)


def test_an_error_rises(tmp_path: Path) -> None:
    said = text(robustness.part(looked_at(tmp_path, kind=SIZE)))
    assert "the mean absolute error rises from " in said


def test_what_costs_much_at_once_is_a_warning(films: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    assert robustness.part(films).warnings == ()
    monkeypatch.setattr("components.lib.kinds._image_corruptions.NOISE", (150,) * 5)
    (warning,) = robustness.part(films).warnings
    assert warning.startswith("Finding: a little noise already takes the AUC from 0.999 to ")


@pytest.mark.parametrize("shown", [True, False])
def test_real_films_are_shown_only_on_request(tmp_path: Path, shown: bool) -> None:
    said = text(robustness.part(looked_at(tmp_path, synthetic=False, thumbnails=shown)))
    assert said.count("<img") == (6 if shown else 1)


def test_many_samples_are_chosen_evenly_over_the_classes(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path, counts={"train": 20, "test": 600}, unknown=7)
    (result,) = evaluated.results
    rows = robustness.chosen(result, 192)
    assert len(rows) == len({*rows.tolist()})
    assert result.known[rows].all()
    labels = result.encoded[rows, 0]
    assert abs((labels == 1).sum() - 96) <= 1
    assert "of the 514 test films, evenly over the classes," in text(robustness.part(evaluated))


def test_one_class_gets_a_sentence(tmp_path: Path) -> None:
    evaluated = of_rows(tmp_path, outputs=[0.2, 0.4, 0.9], truth=["normal"] * 3)
    part = robustness.part(evaluated)
    assert "Not measured: AUC is unknown (only one class" in text(part)
    assert (part.charts, part.metrics) == ({}, {})


def test_rows_lose_values(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    truth = ["normal", "pneumonia"] * 40
    outputs = np.clip(np.tile([0.3, 0.7], 40) + generator.normal(0, 0.1, 80), 0.01, 0.99)
    part = robustness.part(of_rows(tmp_path, outputs=outputs, truth=truth))
    assert "missing values" in text(part)
