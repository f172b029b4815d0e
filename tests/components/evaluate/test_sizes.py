"""The section on sample size: events by split, what precision they buy, and what a neural network is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import RHYTHM, SUGAR, evaluated
from sklearn.metrics import roc_auc_score

from components.evaluate.sizes import NEURAL, part, sizes
from components.lib import sample_size as needs


def text(looked: Any) -> str:
    return " ".join(str(block) for block in part(looked).sections[0].blocks)


def test_events_and_what_the_test_split_is_too_small_for(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    ill = np.arange(400) % 50 == 0  # two in a hundred
    probability = np.clip(generator.normal(0.1 + 0.2 * ill, 0.1), 0.005, 0.9)
    looked = evaluated(tmp_path, outputs=probability, truth=np.where(ill, "pneumonia", "normal").tolist())
    found = sizes(looked, looked.results[0])
    assert (found.here, found.events, found.trained) == (400, 8, 400)
    area = roc_auc_score(ill, looked.results[0].output[:, 0])
    aims = {aim.metric: aim for aim in found.aims}
    assert aims["AUC"].needed == needs.auc_samples(min(area, 0.99), 0.02)
    assert aims["observed over expected"].found == pytest.approx(needs.oe_width(400, 0.02))
    (limit,) = part(looked).limits
    assert limit.startswith("Finding: test has 400 samples, 8 with pneumonia. Intervals of observed over expected")
    told = text(looked)
    assert NEURAL in told
    assert "support a regression with" in told
    assert "10.1002/sim.9025" in told


def test_patients_count_where_they_have_several_samples(tmp_path: Path) -> None:
    truth = ["normal", "normal", "pneumonia", "pneumonia"] * 60
    outputs = np.random.default_rng(0).uniform(0.1, 0.9, 240)
    looked = evaluated(tmp_path, outputs=outputs, truth=truth, patients=[f"p{i // 2}" for i in range(240)])
    found = sizes(looked, looked.results[0])
    assert (found.unit, found.here, found.events, found.trained) == ("patients", 120, 60, 120)
    assert "Patients with pneumonia" in text(looked)
    assert "120 patients" in text(looked)


@pytest.mark.parametrize("truth", [["normal"] * 60, [None] * 60])
def test_without_events_nothing_is_promised(tmp_path: Path, truth: list[Any]) -> None:
    looked = evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 60), truth=truth)
    assert "can&#39;t be said" in text(looked)
    assert part(looked).limits == ()


def test_of_several_classes_the_rarest_is_counted(tmp_path: Path) -> None:
    truth = [RHYTHM.classes[0]] * 100 + [RHYTHM.classes[1]] * 12 + [RHYTHM.classes[2]] * 30
    outputs = np.random.default_rng(0).dirichlet([1, 1, 1], 142)
    looked = evaluated(tmp_path, kind=RHYTHM, outputs=outputs, truth=truth)
    found = sizes(looked, looked.results[0])
    assert (found.event, found.events) == (RHYTHM.classes[1], 12)
    assert [aim.metric for aim in found.aims] == ["observed over expected", "AUC, against the rest"]
    assert "At a cautious R² (15% of the largest possible), 142 training samples are too few for a regression" in text(
        looked
    )


def test_of_a_number_r2_and_slope(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(150, 40, 200)
    looked = evaluated(tmp_path, kind=SUGAR, outputs=known + generator.normal(0, 20, 200), truth=known.tolist())
    found = sizes(looked, looked.results[0])
    r2 = looked.results[0].metrics["r2"].value
    assert [(aim.metric, aim.needed) for aim in found.aims] == [
        ("R²", needs.r2_samples(r2)),
        ("calibration slope", needs.slope_samples_of_number(r2)),
    ]
    assert "input columns" in text(looked)


@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (0.5, "one parameter takes 385, so that the share of each class is known to ±0.05"),
        (
            0.02,
            "one parameter takes 3\\d\\d, so that its coefficients need shrinking to no less than 0.9",
        ),
    ],
)
def test_too_few_for_a_regression_says_what_one_parameter_takes_and_why(
    tmp_path: Path, share: float, reason: str
) -> None:
    ill = np.arange(200) < 200 * share
    probability = np.clip(np.random.default_rng(0).normal(share, 0.01, 200), 0.005, 0.9)
    looked = evaluated(tmp_path, outputs=probability, truth=np.where(ill, "pneumonia", "normal").tolist())
    assert re.search(f"200 training samples are too few for a regression: {reason}", text(looked))
