"""Plain figures beside the network: what they explain, and which of them, in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluated as of_rows
from pictures import FINDING, SIZE, looked_at
from threadpoolctl import threadpool_limits

from components.evaluate import surrogate
from components.evaluate.part import Part
from components.lib.kinds import TargetKind


def text(part: Part) -> str:
    return " ".join(str(block) for section in part.sections for block in section.blocks)


def test_a_finding_that_plain_figures_tell_raises_a_warning(tmp_path: Path) -> None:
    part = surrogate.part(looked_at(tmp_path))
    assert part.metrics["finding"]["surrogate_auc"].low > 0.9
    assert "Plain figures do as well as the network" in text(part)
    assert "a linear model on plain figures" in part.warnings[0]


def test_the_direction_of_a_figure_is_told(tmp_path: Path) -> None:
    """A film whose left edge is lighter is called ill: that figure comes first."""
    evaluated = looked_at(tmp_path)
    for part in evaluated.data.parts:
        films = np.load(part.path / "image.npy")
        ill = (part.samples["finding"] == "pneumonia").to_numpy()
        films[:, 9:17, 9:17] = films[:, :1, :1].mean()
        films[ill, 10:18, :9] = np.clip(films[ill, 10:18, :9].astype(int) + 25, 0, 255)
        np.save(part.path / "image.npy", films)
    samples, arrays = evaluated.data.select("test", ["image"])
    said = text(surrogate.part(replace(evaluated, samples=samples, arrays=arrays)))
    assert (
        "What speaks for pneumonia most, with its weight for one standard deviation: lighter at the middle left ("
        in said
    )


@pytest.mark.parametrize(("kind", "figure"), [(FINDING, "surrogate_auc"), (SIZE, "surrogate_mae")])
def test_equal_work_gives_equal_words_on_any_number_of_cores(tmp_path: Path, kind: TargetKind, figure: str) -> None:
    evaluated = looked_at(tmp_path, kind=kind, unknown=9)
    found = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            found.append(surrogate.part(evaluated))
    assert found[0] == found[1]
    assert list(found[0].metrics["finding"]) == [figure]


def test_a_number_gets_its_own_plain_model(tmp_path: Path) -> None:
    part = surrogate.part(looked_at(tmp_path, kind=SIZE))
    assert "Plain figures do better than the network" in text(part)
    assert "for a higher value" in text(part)
    assert "Both call" not in text(part)


def test_where_nothing_can_be_fitted_one_sentence_says_why(tmp_path: Path) -> None:
    other_hospital = looked_at(tmp_path / "a", counts={"test": 40}, known_outside=False)
    assert "no train split: there is nothing to fit" in text(surrogate.part(other_hospital))
    few = looked_at(tmp_path / "b", counts={"train": 12, "test": 40})
    assert "Too few training samples" in text(surrogate.part(few))
    few_in_test = looked_at(tmp_path / "c", counts={"train": 60, "test": 8})
    assert "Too few test samples" in text(surrogate.part(few_in_test))


def test_unlabelled_training_samples_are_left_out(tmp_path: Path) -> None:
    assert "fitted on 160 training samples" in text(surrogate.part(looked_at(tmp_path, unknown=5))).replace("\n", " ")


def test_rows_have_their_baselines_instead(tmp_path: Path) -> None:
    assert surrogate.part(of_rows(tmp_path, outputs=[0.2, 0.8], truth=["normal", "pneumonia"])) == Part()
