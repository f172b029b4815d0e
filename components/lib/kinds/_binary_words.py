"""What the metrics of two classes mean, in plain language."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from components.lib.kinds._classes import Floats, hundred, percentage

if TYPE_CHECKING:
    from components.lib.statistics import Estimate


def metric_meaning(name: str, found: Estimate, score: Floats, share: float, spoken: tuple[str, ...]) -> str:
    """One sentence in plain language on a metric.

    Args:
        name: of the metric.
        found: known.
        score: probabilities of the positive class (N,).
        share: of positives, 0..1.
        spoken: the negative class, then the positive one, as a sentence says them.
    """
    from components.lib.resampling import calibration_floor

    no, yes = spoken
    match name:
        case "accuracy":
            return f"Of 100 samples, about {hundred(found)} are called right."
        case "precision":
            of_all = f"{percentage(share)} of all are"
            return f"Of 100 samples called {yes}, about {hundred(found)} are labelled so ({of_all})."
        case "recall":
            return f"Sensitivity: of 100 samples labelled {yes}, about {hundred(found)} are found."
        case "specificity":
            wrongly = replace(found, value=1 - found.value, low=1 - found.high, high=1 - found.low)
            return f"Of 100 samples labelled {no}, about {hundred(wrongly)} are wrongly called {yes}."
        case "f1":
            return "Precision and sensitivity in one figure: 1 is perfect, 0 is no hit."
        case "auc":
            return f"Of 100 pairs of one {yes} and one {no}, about {hundred(found)} are ranked right; 50 is chance."
        case "average_precision":
            return f"Precision averaged over all thresholds; {share:.2f} is chance."
        case "brier":
            return (
                f"Squared error of the probabilities: 0 is perfect; always saying {percentage(share)} gives "
                f"{share * (1 - share):.3f}."
            )
        case _:
            return (
                f"Probabilities are off by {100 * found.value:.1f} points of 100 on average; a perfectly "
                f"calibrated model shows {100 * calibration_floor(score):.1f} on so many samples."
            )
