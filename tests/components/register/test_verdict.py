"""From differences to verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from components.lib.paired import Difference, Measure
from components.register.verdict import Overall, overall, rows


def difference(gain: float, error: float, *, better: str = "higher", gains: bool = True, scale: float = 1.0,
               note: str = "") -> Difference:  # fmt: skip
    value = (gain if better == "higher" else -gain) * scale
    measure = Measure("A", lambda weights: weights[:, 0], (), scale=scale, better=better, gains=gains)  # type: ignore[arg-type]
    return Difference(measure, measure, (0.5, 0.5 + value), error * scale, np.inf, "made up", note)


@pytest.mark.parametrize("better", ["higher", "lower"])
@pytest.mark.parametrize("scale", [1.0, 0.02, 300.0])
@pytest.mark.parametrize(
    ("gain", "error", "verdict"),
    [
        (0.10, 0.02, "superior"), (0.0, 0.02, "non-inferior"), (0.0, 0.04, "inconclusive"),
        (-0.02, 0.005, "non-inferior"), (-0.06, 0.02, "inferior"), (0.05, 0.06, "inconclusive"),
    ],
)  # fmt: skip
def test_a_measure(gain: float, error: float, verdict: str, better: str, scale: float) -> None:
    (row,) = rows({("finding", "a"): difference(gain, error, better=better, scale=scale)}, 0.05)
    assert row.verdict == verdict
    assert abs(row.bound) == pytest.approx(0.05 * scale)
    assert (row.bound < 0) == (better == "higher")
    assert row.low <= row.difference <= row.high


def test_superiority_allows_for_every_measure_that_may_show_it() -> None:
    # 2.2 standard errors: beyond 95% for one measure, not for one of seven.
    alone = rows({("t", "a"): difference(0.022, 0.01)}, 0.05)
    among = rows({("t", str(i)): difference(0.022 if i == 0 else 0.0, 0.01) for i in range(7)}, 0.05)
    assert (alone[0].verdict, among[0].verdict) == ("superior", "non-inferior")
    # What is no reason to replace a model, or can't be judged, isn't counted.
    others = {("t", "b"): difference(0.0, 0.01, gains=False), ("t", "c"): difference(0.0, 0.01, note="too few")}
    assert rows({("t", "a"): difference(0.022, 0.01), **others}, 0.05)[0].verdict == "superior"
    assert rows({("t", "a"): difference(0.2, 0.01, gains=False)}, 0.05)[0].verdict == "non-inferior"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([0.1, 0.0], "superior"), ([0.0, 0.0], "non-inferior"), ([0.1, -0.1], "inferior"),
        ([0.1, -0.04], "inconclusive"), ([], "not judged"),
    ],
)  # fmt: skip
def test_on_the_whole(found: list[float], expected: Overall) -> None:
    assert overall(rows({("t", str(i)): difference(gain, 0.025) for i, gain in enumerate(found)}, 0.05)) == expected


def test_one_measure_that_can_not_be_judged_is_enough() -> None:
    found = {("t", "a"): difference(0.1, 0.01), ("t", "b"): difference(0.1, 0.01, note="too few: 3 samples")}
    assert overall(rows(found, 0.05)) == "not judged"


def test_of_equal_models_one_is_called_superior_in_fewer_than_three_of_a_hundred() -> None:
    generator, count = np.random.default_rng(0), 0
    for _ in range(4000):
        gains = generator.normal(0, 0.01, 6)
        count += (
            overall(rows({("t", str(i)): difference(gain, 0.01) for i, gain in enumerate(gains)}, 0.1)) == "superior"
        )
    # 2.5% expected at most; 3.5% would be four standard errors more.
    assert count / 4000 < 0.035
