"""What the figures of a number say, in plain language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from components.lib.kinds._classes import hundred
from components.lib.numbers import number

if TYPE_CHECKING:
    from components.lib.statistics import Estimate

LOWER_IS_BETTER = ("mae", "rmse", "bias", "interval_width")


def explained(name: str, estimate: Estimate, unit: str | None, decision: Mapping[str, float]) -> Estimate:
    """The metric of this name with its sentence, which way is better, and whether it heads the report."""
    better: Literal["higher", "lower"] = "lower" if name in LOWER_IS_BETTER else "higher"
    meaning = _meaning(name, estimate, f" {unit}" if unit else "", decision) if estimate.known else ""
    return replace(estimate, meaning=meaning, better=better, headline=name in ("mae", "coverage"))


def _meaning(name: str, found: Estimate, unit: str, decision: Mapping[str, float]) -> str:
    value = number(found.value)
    match name:
        case "mae":
            ends = f"{number(found.low)} to {number(found.high)}" if found.bounded else "no interval"
            return f"On average the prediction is off by {value}{unit} ({ends})."
        case "rmse":
            return f"As the mean error, but large errors count more: {value}{unit}. Never below it."
        case "r2":
            return "1 is perfect, 0 is no better than always saying the mean, below 0 is worse."
        case "bias":
            if found.value == 0:
                return "On average the prediction is neither too high nor too low."
            where = "high" if found.value > 0 else "low"
            by_chance = "; that may be chance" if found.low <= 0 <= found.high else ""
            return f"On average the prediction is {number(abs(found.value))}{unit} too {where}{by_chance}."
        case "coverage":
            asked = f"{100 * decision['coverage']:.0f}"
            return f"Of 100 samples, about {hundred(found)} lie inside the served interval; it promises {asked}."
        case _:
            return f"The served interval is {value}{unit} wide."
