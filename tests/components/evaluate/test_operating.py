"""Operating points and decision curves in the report, on samples whose truth and answers are chosen."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import FINDING, RHYTHM, SUGAR, evaluated
from statsmodels.stats.proportion import proportion_confint

from components.evaluate import figures
from components.evaluate.figures import draw
from components.evaluate.operating import exchange, part
from components.evaluate.part import Part
from components.lib.errors import ModelError
from components.lib.page import page

LATER = {"asked_sensitivity": 0.95, "asked_miss_cost": 5.0, "threshold_youden": 0.5, "threshold_sensitivity": 0.3,
         "threshold_cost": 0.2}  # fmt: skip


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)


def films(n: int, seed: int = 0, share: float = 0.3) -> dict[str, Any]:
    """Calibrated answers for n films."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < share
    ratio = generator.normal(np.where(positive, 1.5, -1.5), np.sqrt(3))
    odds = np.exp(ratio) * share / (1 - share)
    return {"outputs": odds / (1 + odds), "truth": [FINDING.classes[int(each)] for each in positive]}


def text(found: Part) -> str:
    """The sections as a reader sees them, cells apart."""
    html = re.sub(r"<style>.*?</style>", "", page("t", "s", found.sections), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_every_method_has_a_row_measured_on_test(tmp_path: Path) -> None:
    scores, truth = np.array([0.1, 0.25, 0.4, 0.6] * 10), ["normal", "normal", "pneumonia", "pneumonia"] * 10
    found = text(part(evaluated(tmp_path, outputs=scores, truth=truth, decision={"threshold": 0.5, **LATER})))
    assert re.search(r"The model's own; Best sum of both \(Youden\) 0\.500 50\.0% .* 100\.0% ", found)
    assert re.search(r"Sensitivity of 95% on validation 0\.300 100\.0% \(83\.9 to 100\.0\) 100\.0%", found)
    assert re.search(r"Least cost, 5 : 1 for a miss 0\.200 100\.0% \(\S+ to 100\.0\) 50\.0%", found)
    assert "Where 50% of all are pneumonia, as in this test sample." in found
    assert "evaluate.prevalences" in found, "how to get predictive values elsewhere"


def test_stated_prevalences_get_predictive_values_and_counts_of_people(tmp_path: Path) -> None:
    settings = {"prevalences": [0.05]}
    scores, truth = np.array([0.1] * 45 + [0.8] * 5 + [0.1] * 5 + [0.8] * 45), ["normal"] * 50 + ["pneumonia"] * 50
    found = text(part(evaluated(tmp_path, outputs=scores, truth=truth, settings=settings)))
    assert "Of 1,000 people, 50 of them pneumonia, 140 are called pneumonia, 45 of them rightly; 5 are missed." in found
    assert re.search(r"Where 5% of all .* The model's own\S* .*32\.1% \(", found)


def test_the_curve_says_where_the_model_is_of_use(tmp_path: Path) -> None:
    found, again = (part(evaluated(tmp_path / name, **films(2000))) for name in ("once", "again"))
    (chart,), (other,) = found.charts.values(), again.charts.values()
    assert [*found.charts] == ["finding_decision_curve"]
    assert list(chart.table) == ["threshold", "model", "treat_all", "treat_none", "low", "high"]
    assert draw(chart) == draw(other)
    assert found.sections == again.sections
    told = re.search(r"beyond chance \(95% interval at each\) from (\d+)% to (\d+)%", text(found))
    assert told is not None
    assert int(told[1]) <= 15
    assert int(told[2]) >= 75


def test_a_worthless_model_is_of_use_nowhere_beyond_chance(tmp_path: Path) -> None:
    case = films(400)
    outputs = np.random.default_rng(9).random(400)
    assert re.search(
        "nowhere beyond chance|at no threshold", text(part(evaluated(tmp_path, outputs=outputs, truth=case["truth"])))
    )


def test_patients_with_several_films_widen_the_intervals(tmp_path: Path) -> None:
    case = films(60)
    four = {"outputs": np.repeat(case["outputs"], 4), "truth": np.repeat(case["truth"], 4).tolist()}
    pattern = r"The model's own\D*0\.\d+ \S+ \((\S+) to (\S+)\)"

    def width(name: str, patients: list[str] | None) -> float:
        told = re.search(pattern, text(part(evaluated(tmp_path / name, **four, patients=patients))))
        assert told is not None
        return float(told[2]) - float(told[1])

    assert width("known", [f"p{i // 4}" for i in range(240)]) > 1.6 * width("unknown", None)


def test_several_classes_are_held_each_against_the_rest(tmp_path: Path) -> None:
    label = np.arange(90) % 3
    truth = [RHYTHM.classes[k] for k in label]
    logits = np.random.default_rng(1).normal(2 * np.eye(3)[label], 1)
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = part(evaluated(tmp_path, outputs=outputs, truth=truth, kind=RHYTHM))
    assert all(f"For {name}, going" in text(found) for name in RHYTHM.classes)
    (chart,) = found.charts.values()
    assert set(chart.table["class"]) == set(RHYTHM.classes)
    assert draw(chart).startswith(b"\x89PNG")


def test_a_number_has_no_operating_point(tmp_path: Path) -> None:
    values = np.linspace(80, 200, 40)
    assert part(evaluated(tmp_path, outputs=values, truth=values.tolist(), kind=SUGAR)) == Part()


@pytest.mark.parametrize("truth", [["normal"] * 30, ["pneumonia", *[None] * 29]])
def test_one_class_is_a_sentence(tmp_path: Path, truth: list[str | None]) -> None:
    found = part(evaluated(tmp_path, outputs=np.linspace(0.1, 0.9, 30), truth=truth))
    assert "Only one class" in text(found)
    assert not found.charts


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_the_end_is_no_crash(tmp_path: Path, threshold: float) -> None:
    found = part(evaluated(tmp_path, **films(50), decision={"threshold": threshold}, settings={"prevalences": [0.1]}))
    assert "Operating points" in text(found)


@pytest.mark.parametrize("threshold", [float("nan"), -0.2, 1.3])
def test_a_threshold_out_of_range_is_refused_when_the_model_is_opened(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(ModelError) as caught:
        evaluated(tmp_path, **films(50), decision={"threshold": threshold})
    assert (caught.value.found, caught.value.todo) == (
        f"threshold {threshold:g}",
        "run the train step again: dvc repro train",
    )
    assert "fitted.finding.decision" in caught.value.where


def test_a_model_of_before_has_its_own_point_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FINDING), "fit_decision", lambda *_: {"threshold": 0.4})
    assert "Youden" not in text(part(evaluated(tmp_path, **films(50))))


def test_many_samples_take_seconds(tmp_path: Path) -> None:
    from components.lib.decisions import decision_curve

    generator, started = np.random.default_rng(0), time.process_time()
    decision_curve(generator.random(50_000), generator.random(50_000) < 0.3, np.arange(50_000) // 2)
    assert time.process_time() - started < 5


def rare(n: int = 3000, share: float = 0.02) -> dict[str, Any]:
    """Calibrated answers where so few have it; exactly that share does."""
    generator = np.random.default_rng()
    positive = generator.permutation(n) < round(share * n)
    odds = np.exp(generator.normal(np.where(positive, 1.5, -1.5), np.sqrt(3))) * share / (1 - share)
    return {"outputs": odds / (1 + odds), "truth": [FINDING.classes[int(each)] for each in positive]}


def test_at_two_percent_the_trade_off_is_named_and_the_threshold_is_for_a_stated_sensitivity(tmp_path: Path) -> None:
    given = evaluated(tmp_path / "auto", **rare())
    decision = given.network.info.fitted["finding"].decision
    assert decision["threshold"] == decision["threshold_sensitivity"]
    (assumed,) = given.assumed
    assert assumed.startswith("finding: the threshold was set to find 95% of pneumonia on validation, where 2.0% are")
    told = text(part(given))
    odds = (1 - decision["threshold"]) / decision["threshold"]
    assert f"a miss counts as {odds:,.0f} false alarms, if the probabilities are right" in told
    assert "Youden's point weighs" not in told
    at_youden = evaluated(tmp_path / "youden", **rare(), decision={"threshold": decision["threshold_youden"],
                          "threshold_youden": decision["threshold_youden"]})  # fmt: skip
    assert "where 2.0% are pneumonia, as in validation, a miss counts as 49 false alarms." in text(part(at_youden))


def test_alarms_and_the_number_needed_to_evaluate_are_counted(tmp_path: Path) -> None:
    case = rare()
    given = evaluated(tmp_path, **case, settings={"prevalences": [0.005]})
    decision, score = given.network.info.fitted["finding"].decision, given.results[0].output[:, 0]
    called, positive = score >= decision["threshold"], np.array(case["truth"]) == "pneumonia"
    low, high = proportion_confint(called.sum(), 3000, method="wilson")
    told = text(part(given))
    ends = f"{1000 * called.mean():.0f} ({1000 * low:.0f} to {1000 * high:.0f})"
    ppv = positive[called].mean()
    low, high = proportion_confint(positive[called].sum(), called.sum(), method="wilson")
    needed = f"{1 / ppv:.1f} ({1 / high:.1f} to {1 / low:.1f})"
    assert re.search(
        rf"Where 2\.0% of all are pneumonia, as in this test sample\. "
        rf".*? The model's own\D*95% on validation "
        rf".*?{re.escape(ends)} {re.escape(needed)}",
        told,
    )
    elsewhere = 0.005 * called[positive].mean() + 0.995 * called[~positive].mean()
    assert re.search(rf"Where 0\.5% of all .*? The model's own.*? {1000 * elsewhere:.0f} \(", told)


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        (0.02, "a miss counts as 49 false alarms"), (0.5, "a miss counts as 1 false alarm"),
        (0.4, "a miss counts as 1.5 false alarms"),
        (0.8, "a false alarm counts as 4 misses"),
        (0.0, "a miss counts as any number"), (1.0, "a false alarm counts as any"),
    ],
)  # fmt: skip
def test_a_threshold_says_what_a_miss_counts_for(threshold: float, told: str) -> None:
    assert exchange(threshold).startswith(told)
