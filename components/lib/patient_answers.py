"""One answer a patient, from those to the patient's samples, where the finding counts as there when any sample has it.

Three rules. `max`: the most suspicious sample speaks for the patient. `noisy_or`: the chance that at least one sample
has it, if they were independent of each other; samples of one patient aren't, so that many of them make it too high.
`mean`: the samples' mean; one clear sample among many unclear ones is lost in it. None of them is a probability that
comes true by itself, and none fits the threshold of a single sample: a calibration and a threshold of its own are
fitted on the patients of validation, or on what nets say out of fold.

Sources: noisy-or: Pearl 1988, Probabilistic Reasoning in Intelligent Systems, section 4.3.2; the largest answer of a
bag as that of the bag: Dietterich, Lathrop & Lozano-Pérez 1997, doi:10.1016/S0004-3702(96)00034-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from components.lib.calibration import EDGE, BinaryMethod, binary_logits, fit_binary
from components.lib.patient_figures import PatientFigures, Rule
from components.lib.thresholds import fit_thresholds

if TYPE_CHECKING:
    from components.lib.train_settings import Threshold

Floats = NDArray[np.float64]


def numbered(patients: pd.Series | None, samples: int) -> NDArray[np.intp] | None:
    """Equal numbers for samples of one patient (N,); who is unknown is another patient in each sample.

    Args:
        patients: pseudonyms (N,), null where unknown; None: nobody is known.
        samples: N.

    Returns:
        None where nobody has several samples, and where no patient is known.
    """
    numbers = pd.factorize(patients)[0] if patients is not None else np.full(samples, -1)
    unknown = numbers < 0
    numbers[unknown] = numbers.max(initial=-1) + 1 + np.arange(int(unknown.sum()))
    return numbers.astype(np.intp) if len(np.unique(numbers)) < len(numbers) else None


def joined(rule: Rule, probability: NDArray[np.floating], patients: NDArray[np.intp]) -> Floats:
    """One probability a patient (P,), uncalibrated.

    Args:
        rule: how.
        probability: of the finding, of each sample (N,), 0..1.
        patients: 0 … P-1 (N,), each at least once.
    """
    values, count = np.asarray(probability, np.float64), int(patients.max(initial=-1)) + 1
    if rule == "max":
        highest = np.zeros(count)
        np.maximum.at(highest, patients, values)
        return highest
    if rule == "mean":
        return np.asarray(np.bincount(patients, values, count) / np.bincount(patients, minlength=count))
    # By logarithms: of many samples the product of what is left would be rounded away.
    left = np.bincount(patients, np.log1p(-np.clip(values, 0, 1 - EDGE)), count)
    return np.asarray(-np.expm1(left))


def fit(
    rule: Rule,
    method: BinaryMethod,
    probability: NDArray[np.floating],
    positive: NDArray[np.bool_],
    patients: NDArray[np.intp],
    threshold: Threshold,
) -> PatientFigures | None:
    """Calibration and threshold of patients' answers, from samples that the network didn't learn from.

    Args:
        rule: how answers become one.
        method: the setting `calibration` of the target.
        probability: of the finding, of each sample (N,), 0..1.
        positive: whether any sample of a patient has it (P,).
        patients: 0 … P-1 (N,), each at least once.
        threshold: how it is chosen.

    Returns:
        None where nobody has several samples, or where all patients are of one class.
    """
    if len(positive) == len(probability) or positive.all() or not positive.any():
        return None
    answers = joined(rule, probability, patients)
    scaling = fit_binary(method, _logits(answers), positive[:, None].astype(np.float64), 0.0)
    decision = fit_thresholds(calibrated(answers, scaling), positive, threshold)
    return PatientFigures(rule=rule, scaling=scaling, decision=decision, patients=len(positive))


def calibrated(answers: Floats, scaling: Mapping[str, float]) -> Floats:
    """Probabilities of patients (P,), calibrated by what `fit` gave; without it as they are."""
    if not scaling:
        return answers
    return np.asarray(expit(binary_logits(_logits(answers), scaling)).reshape(-1), np.float64)


def _logits(answers: Floats) -> Floats:
    """(P, 1)."""
    return np.asarray(logit(np.clip(answers, EDGE, 1 - EDGE)))[:, None]
