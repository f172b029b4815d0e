"""What the training samples support, were the model a regression: how many parameters, or why not even one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from components.evaluate.part import Evaluated
from components.evaluate.results import Result
from components.lib import sample_size as needs

Plan = Callable[[int], needs.Needed]
"""What so many candidate parameters take."""
CAUTIOUS = f"a cautious R² ({needs.CAUTIOUS:.0%} of the largest possible)"
SHOWN = "the R² shown on test ({:.0%} of the largest possible)"
BEST_R2 = 0.89
"""A higher one isn't counted on: no shrinkage would be needed."""


def developed(
    evaluated: Evaluated, probability: NDArray[np.float64], positive: NDArray[np.bool_], trained: int, unit: str
) -> tuple[str, ...]:
    """What the training samples support, at a cautious R² and at the one that test shows."""
    if not trained:
        return ()
    share = float(positive.mean())
    largest = needs.largest_r2(share)
    plans: dict[str, Plan] = {CAUTIOUS: lambda count: needs.development(count, share, needs.CAUTIOUS * largest)}
    if (shown := needs.cox_snell(probability, positive)) > 0:
        r2 = min(shown, BEST_R2)
        plans[SHOWN.format(shown / largest)] = lambda count: needs.development(count, share, r2)
    return _supported(evaluated, plans, trained, unit)


def developed_of_classes(
    evaluated: Evaluated, result: Result, output: NDArray[np.float64], trained: int, unit: str
) -> tuple[str, ...]:
    """The same of several classes, of those that occur in test."""
    label = result.kind.labels(result.encoded)[result.known]  # type: ignore[attr-defined]
    there, label = np.unique(label, return_inverse=True)
    if not trained or len(there) < 2:
        return ()
    probability = output[:, there] / np.clip(output[:, there].sum(axis=1, keepdims=True), 1e-9, None)
    shares = np.bincount(label) / len(label)
    largest = needs.largest_r2_of_classes(shares)
    pairs = needs.pairwise_cox_snell(probability, label)
    cautious = {(k, j): needs.CAUTIOUS * needs.largest_r2(shares[j] / (shares[k] + shares[j])) for k, j in pairs}
    plans: dict[str, Plan] = {
        CAUTIOUS: lambda count: needs.development_of_classes(count, shares, cautious, needs.CAUTIOUS * largest)
    }
    shown = needs.cox_snell_of_classes(probability, label)
    if shown > 0 and min(pairs.values()) > 0:
        capped = {pair: min(r2, BEST_R2) for pair, r2 in pairs.items()}
        r2 = min(shown, BEST_R2)
        plans[SHOWN.format(shown / largest)] = lambda count: needs.development_of_classes(count, shares, capped, r2)
    return _supported(evaluated, plans, trained, unit)


def _supported(evaluated: Evaluated, plans: Mapping[str, Plan], trained: int, unit: str) -> tuple[str, ...]:
    """A sentence for each R² that is assumed."""
    columns, told = parameters(evaluated), []
    for name, needed in plans.items():
        most = needs.supported_parameters(trained, needed)
        few = f"support a regression with at most {most:,} parameter{'' if most == 1 else 's'}"
        if not most:
            one = needed(1)
            few = f"are too few for a regression: one parameter takes {one.samples:,}, {_binding(one)}"
        sentence = f"At {name}, {trained:,} training {unit} {few}"
        if columns:
            as_many = needed(columns).samples
            sentence += f"; one with as many parameters as this model has input columns ({columns:,}) takes {as_many:,}"
        told.append(f"{sentence}.")
    return tuple(told)


def _binding(needed: needs.Needed) -> str:
    """What the criterion that asks for most is about."""
    reasons = {
        needed.overall: f"so that the share of each class is known to ±{needs.MARGIN:g}",
        needed.shrinkage: f"so that its coefficients need shrinking to no less than {needs.SHRINKAGE:g} of themselves",
        needed.optimism: f"so that R² looks at most {needs.OPTIMISM:g} better in development than it is",
    }
    return reasons[needed.samples]


def parameters(evaluated: Evaluated) -> int:
    """Columns of the tables among the inputs; 0 where another input has no columns to count."""
    info = evaluated.network.info
    shapes = [kind.network_shape(info.fitted_inputs[name]) for name, kind in info.inputs.items()]
    return sum(shape[0] for shape in shapes) if all(len(shape) == 1 for shape in shapes) else 0
