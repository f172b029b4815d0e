"""Groups: a weak one is named, chance is not taken for a finding, and a person can't be picked out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import RHYTHM, SUGAR, evaluated
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.contrasts import beyond_chance, contrasts, sensitivity_gap
from components.evaluate.gates import judge
from components.evaluate.groups import part
from components.evaluate.part import Part
from components.lib.statistics import Estimate, wilson

COUNT = 600


def scores(weak: NDArray[np.bool_], seed: int = 0) -> tuple[list[str], NDArray[np.float64]]:
    """Labels, and probabilities that tell them well except where `weak`."""
    generator = np.random.default_rng(seed)
    sick = generator.random(len(weak)) < 0.5
    signal = np.where(sick & ~weak, 0.75, 0.35) + generator.normal(0, 0.15, len(weak))
    return list(np.where(sick, "pneumonia", "normal")), signal.clip(0.01, 0.99)


def sites(count: int = COUNT) -> NDArray[np.object_]:
    return np.array(["A", "B", "C"], object)[np.arange(count) % 3]


def text(found: Part) -> str:
    return Markup(" ").join(block for section in found.sections for block in section.blocks).striptags()


def looked(
    folder: Path, weak: NDArray[np.bool_], settings: dict[str, Any] | None = None, **columns: Sequence[Any]
) -> Part:
    labels, output = scores(weak)
    return part(evaluated(folder, outputs=output, truth=labels, settings=settings, **columns))


def test_a_planted_weak_subgroup_is_named(tmp_path: Path) -> None:
    found = looked(tmp_path, sites() == "B", site=sites(), sex=["f", "m"] * (COUNT // 2))
    (warning,) = found.warnings
    assert "Finding: the model does worse for site B than for the rest: AUC 0." in warning
    assert "Recall 0.0" in warning
    figures = found.metrics["finding"]
    assert figures["worst_group_auc"].value < 0.6 < figures["equal_opportunity_gap"].value
    assert "site B" in figures["worst_group_auc"].meaning
    assert "Worse than the rest, beyond chance: site B" in text(found)


def test_groups_that_are_alike_raise_nothing_and_the_worst_is_still_named(tmp_path: Path) -> None:
    found = looked(tmp_path, np.zeros(COUNT, bool), site=sites(), sex=["f", "m"] * (COUNT // 2))
    assert found.warnings == ()
    assert "Worst group: " in text(found)
    assert "Chance may explain that." in text(found)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    one, other = (looked(tmp_path / name, sites() == "B", site=sites()) for name in "ab")
    assert (one.sections, one.metrics, one.warnings) == (other.sections, other.metrics, other.warnings)


def test_a_subgroup_of_two_is_told_by_count_alone(tmp_path: Path) -> None:
    rare = np.array(["Z-rare-hospital"] * 2 + ["A"] * 149 + ["B"] * 149, object)
    found = looked(tmp_path, np.zeros(300, bool), site=rare)
    assert "One group of site is too few (2 samples): not shown." in text(found)
    assert "Z-rare" not in text(found)


def test_unknown_ages_and_one_sex_are_a_sentence(tmp_path: Path) -> None:
    found = looked(tmp_path, np.zeros(60, bool), age=[None] * 60, sex=["f"] * 60)
    assert "Age is unknown for all samples" in text(found)
    assert "All samples are of one sex: nothing to compare." in text(found)
    gate = judge(found.metrics, {"finding.worst_group_auc": 0.5}, {})[0]
    assert not gate.passed
    assert "no column of the table has two groups of 20 samples" in gate.text


def test_ages_are_put_into_the_bands_of_the_task(tmp_path: Path) -> None:
    ages = [10.0, 30.5, 39.9, 40.0, 90.0, None] * 50
    found = looked(tmp_path, np.zeros(300, bool), {"age_bands": [40]}, age=ages)
    assert "under 40" in text(found)
    assert "40 and over" in text(found)
    assert "Age is unknown for 50 samples." in text(found)


def test_gates_hold_the_weakest_group_to_its_own_interval(tmp_path: Path) -> None:
    gates = {
        "finding.worst_group_specificity": 0.6,
        "finding.worst_group_f1": 0.2,
        "finding.equal_opportunity_gap": 0.3,
    }
    found = looked(tmp_path, sites() == "B", {"gates": gates}, site=sites())
    verdicts = {gate.gate: gate.passed for gate in judge(found.metrics, gates, {})}
    assert verdicts == {name: name == "finding.worst_group_specificity" for name in gates}


def test_the_acquisition_is_looked_at_too(tmp_path: Path) -> None:
    device = np.where(np.arange(COUNT) % 2, "device-1", "device-2")
    found = looked(tmp_path, device == "device-2", device=device)
    assert any("machine device-2" in warning for warning in found.warnings)


def test_several_classes_and_numbers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    output = np.eye(3)[truth] * 0.6 + generator.dirichlet([1, 1, 1], 300) * 0.4
    of_classes = part(
        evaluated(
            tmp_path / "c", outputs=output, truth=[RHYTHM.classes[k] for k in truth], kind=RHYTHM, site=sites(300)
        )
    )
    assert of_classes.metrics["finding"]["equal_opportunity_gap"].known
    values = generator.normal(100, 20, 300)
    noise = np.where(sites(300) == "C", 30, 5) * generator.normal(size=300)
    of_numbers = part(
        evaluated(tmp_path / "n", outputs=values + noise, truth=list(values), kind=SUGAR, site=sites(300))
    )
    assert any("site C" in warning for warning in of_numbers.warnings)
    assert "equal_opportunity_gap" not in of_numbers.metrics["finding"]
    assert of_numbers.metrics["finding"]["worst_group_mae"].better == "lower"


@pytest.mark.parametrize("clustered", [False, True])
def test_the_gap_has_an_interval_around_it_and_few_positives_have_none(clustered: bool) -> None:
    generator = np.random.default_rng(1)
    hits = {"A": generator.random(200) < 0.9, "B": generator.random(200) < 0.6}
    who = {name: np.arange(200) // (4 if clustered else 1) for name in hits}
    gap = sensitivity_gap(hits, who)
    assert gap.low < gap.value < gap.high < 0.6
    assert gap.value == pytest.approx(hits["A"].mean() - hits["B"].mean())
    few = sensitivity_gap({"A": hits["A"], "B": hits["B"][:5]}, {"A": who["A"], "B": who["B"][:5]})
    assert not few.known
    assert "20 samples with the finding" in few.note


def test_of_two_groups_alike_one_in_twenty_is_called_worse_at_most() -> None:
    """2,000 draws of sensitivities in three groups of one truth."""
    generator, raised = np.random.default_rng(2), 0
    for _ in range(2000):
        counts = generator.binomial(80, 0.8, 3)
        held = contrasts("site", "recall", {str(i): wilson(int(k), 80) for i, k in enumerate(counts)})
        raised += bool(beyond_chance(held, 3))
    assert raised / 2000 < 0.06


def test_a_figure_that_cannot_be_trusted_is_no_contrast() -> None:
    fit, few = Estimate(0.9, 0.8, 0.95, 100, "test"), Estimate(0.1, 0.0, 0.2, 9, "test", note="too few")
    assert contrasts("site", "auc", {"A": fit, "B": few}) == []


def test_the_worst_group_is_named_where_none_can_be_compared(tmp_path: Path) -> None:
    found = looked(tmp_path, np.zeros(60, bool), site=sites(60))
    assert "The groups are too few to compare." in text(found)
    assert found.warnings == ()
