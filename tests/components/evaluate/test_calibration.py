"""The look at calibration: before and after it was fitted, in words, and of numbers their quantiles."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from evaluations import RHYTHM, SUGAR, evaluated
from scipy.special import expit, logit, softmax
from sklearn.metrics import brier_score_loss

from components.evaluate.calibration import part
from components.evaluate.part import Part


def text(looked: Part) -> str:
    """What a reader reads."""
    blocks = " ".join(str(block) for section in looked.sections for block in section.blocks)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", blocks)).strip()


def labels(seed: int, probability: np.ndarray) -> list[str]:
    drawn = np.random.default_rng(seed).random(len(probability)) < probability
    return np.where(drawn, "pneumonia", "normal").tolist()


def test_calibration_is_taken_back_without_the_network(tmp_path: Path) -> None:
    probability = np.random.default_rng(0).uniform(0.02, 0.98, 400)
    truth = labels(1, probability)
    looked = part(evaluated(tmp_path, outputs=probability, truth=truth, temperature=2.5))
    ill = np.array(truth) == "pneumonia"
    before, after = (brier_score_loss(ill, each) for each in (expit(2.5 * logit(probability)), probability))
    assert before > after + 0.01
    told = text(looked)
    assert f"{after:.4f}" in told
    assert f"{before:.4f}" in told
    assert "better than before" in told
    chart = looked.charts["finding_calibration"].table
    assert set(chart["probabilities"]) == {"before", "after"}
    assert chart.groupby("probabilities")["count"].sum().tolist() == [400, 400]


def test_of_several_classes_too(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    probability = softmax(generator.normal(0, 1.5, (300, 3)), axis=1)
    truth = [RHYTHM.classes[int(generator.choice(3, p=row))] for row in probability]
    looked = part(evaluated(tmp_path, kind=RHYTHM, outputs=probability, truth=truth, temperature=2.0))
    earlier = softmax(2 * np.log(probability), axis=1)
    right = np.array([RHYTHM.classes.index(name) for name in truth]) == probability.argmax(axis=1)
    assert f"{brier_score_loss(right, earlier.max(axis=1)):.4f}" in text(looked)
    assert re.search(
        r"When it says about \d+ of 100 \(\d+ samples\), \d+ \(\d+ to \d+\) of 100 are right\.", text(looked)
    )


def test_right_probabilities_are_told_so_and_wrong_ones_stand_at_the_top(tmp_path: Path) -> None:
    probability = np.random.default_rng(0).uniform(0.05, 0.95, 400)
    fine = part(evaluated(tmp_path / "fine", outputs=probability, truth=labels(1, probability)))
    assert fine.warnings == ()
    assert "Nothing was changed after training" in text(fine)
    wrong = part(evaluated(tmp_path / "wrong", outputs=probability, truth=labels(1, probability**5)))
    (warning,) = wrong.warnings
    assert warning.startswith("Finding: stated probabilities are off by ")


def test_the_field_s_measures_stand_in_text_chart_and_metrics(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    stated = generator.normal(0.5, 2, 800)
    truth = np.where(generator.random(800) < expit(0.6 * stated - 0.5), "pneumonia", "normal").tolist()
    looked = part(evaluated(tmp_path, outputs=expit(stated), truth=truth))
    found = looked.metrics["finding"]
    assert found["calibration_slope"].low < 0.6 < found["calibration_slope"].high < 0.8
    assert found["observed_expected"].high < 1
    assert found["calibration_in_the_large"].high < 0
    assert 0 < found["ici"].low < found["e90"].value < found["emax"].value
    told = text(looked)
    assert (
        f"The calibration slope is {found['calibration_slope']}: probabilities are too extreme, beyond chance." in told
    )
    assert f"{truth.count('pneumonia')} are labelled pneumonia; the stated probabilities add up to" in told
    points = looked.charts["finding_calibration_curve"].table
    curve, groups = (points[points["of"] == name] for name in ("curve", "group"))
    assert groups["count"].sum() == 800
    for each in (curve, groups):
        assert ((each["low"] <= each["found"]) & (each["found"] <= each["high"])).all()


def test_every_class_is_held_against_the_rest_and_one_slope_against_all(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    probability = softmax(generator.normal(0, 1.5, (600, 3)), axis=1)
    truth = [RHYTHM.classes[int(generator.choice(3, p=row))] for row in probability]
    swapped = [RHYTHM.classes[0] if name == RHYTHM.classes[1] and k % 2 else name for k, name in enumerate(truth)]
    looked = part(evaluated(tmp_path, kind=RHYTHM, outputs=probability, truth=swapped))
    found = looked.metrics["finding"]
    assert set(found) == {*RHYTHM.calibration_names}
    first, second, _ = (found[RHYTHM.class_metric("observed_expected", name)] for name in RHYTHM.classes)
    assert first.low > 1 > second.high
    assert re.search(r"observed/expected is off beyond chance: normal \(1\.\d+\), flutter \(0\.\d+\)", text(looked))


def test_predictions_that_spread_too_far_have_a_slope_below_1_and_intervals_hold_less(tmp_path: Path) -> None:
    generator = np.random.default_rng(6)
    known = generator.normal(150, 40, 400)
    predicted = 150 + 1.5 * (known - 150) + generator.normal(0, 20, 400)
    half = {f"q{level:02d}": 0.3 * (level - 50) for level in range(5, 100, 5)}
    looked = part(evaluated(tmp_path, kind=SUGAR, outputs=predicted, truth=known.tolist(), decision=half))
    found = looked.metrics["finding"]
    assert found["calibration_slope"].high < 0.8
    assert found["quantile_error"].low > 0.05
    held = looked.charts["finding_interval_coverage"].table
    assert (held["promised"].round(2) == np.arange(0.1, 0.95, 0.1).round(2)).all()
    assert (held["high"] < held["promised"]).sum() >= 7
    assert "predictions spread too far, beyond chance" in text(looked)


def test_quantiles_of_numbers_are_held_against_what_came_true(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(150, 40, 300)
    predicted = known + generator.normal(0, 20, 300)
    fine = part(evaluated(tmp_path / "fine", kind=SUGAR, outputs=predicted, truth=known.tolist()))
    table = fine.charts["finding_calibration"].table
    np.testing.assert_allclose(table["found"], table["stated"], atol=0.01)
    assert "No quantile is off beyond chance." in text(fine)
    off = {f"q{level:02d}": -30.0 for level in range(5, 100, 5)}
    wrong = part(evaluated(tmp_path / "off", kind=SUGAR, outputs=predicted, truth=known.tolist(), decision=off))
    assert "Off beyond chance: 10%" in text(wrong) or "Off beyond chance: 5%, " in text(wrong)


@pytest.mark.parametrize("truth", [["normal"] * 30, [None] * 30, ["normal"] + [None] * 29])
def test_one_class_one_sample_or_none_is_a_sentence(tmp_path: Path, truth: list[str | None]) -> None:
    told = text(part(evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 30), truth=truth, temperature=1.5)))
    if truth.count(None) == 30:
        assert told.startswith("No truth is known on test")
    else:
        assert ("Not to be relied on: too few: 1 sample in all" in told) == (truth.count(None) > 0)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    probability = np.random.default_rng(0).random(60)
    patients = [i // 2 for i in range(60)]
    looked = [
        part(evaluated(tmp_path / name, outputs=probability, truth=labels(1, probability), patients=patients))
        for name in "ab"
    ]
    assert looked[0].sections == looked[1].sections
    assert looked[0].warnings == looked[1].warnings
