"""A patient's answer from those to the samples: the three rules, and what is fitted on patients."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from components.lib.kinds.binary import Binary
from components.lib.patient_answers import calibrated, fit, joined, numbered
from components.lib.patient_figures import Rule
from components.lib.thresholds import fit_threshold
from components.lib.train_settings import Threshold, Train

RULES: tuple[Rule, ...] = ("max", "mean", "noisy_or")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 20))
def test_rules_are_what_they_say_whatever_the_order_of_the_samples(seed: int, samples: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    patients = np.unique(generator.integers(0, most, samples), return_inverse=True)[1]
    probability = generator.beta(0.5, 2, samples).clip(1e-6, 1 - 1e-6)
    found = {rule: joined(rule, probability, patients) for rule in RULES}
    for who in range(int(patients.max()) + 1):
        own = probability[patients == who]
        assert found["max"][who] == own.max()
        assert found["mean"][who] == pytest.approx(own.mean())
        assert found["noisy_or"][who] == pytest.approx(1 - math.prod(1 - own), abs=1e-9)
    assert (found["mean"] <= found["max"] + 1e-12).all()
    assert (found["max"] <= found["noisy_or"] + 1e-12).all()
    order = generator.permutation(samples)
    for rule in RULES:
        assert joined(rule, probability[order], patients[order]) == pytest.approx(found[rule])


def test_noisy_or_of_many_samples_loses_nothing_to_rounding() -> None:
    assert joined("noisy_or", np.full(1000, 1e-9), np.zeros(1000, np.intp))[0] == pytest.approx(1e-6, rel=1e-5)
    assert joined("noisy_or", np.array([1.0, 0.0]), np.zeros(2, np.intp))[0] == pytest.approx(1)


def films(patients: int, seed: int, share: float = 0.15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of films, whose they are, and whether a patient is ill: a single film of several shows it."""
    probability, whose, ill, _ = _films(patients, seed, share)
    return probability, whose, ill


def shown(patients: int, seed: int, share: float = 0.15) -> np.ndarray:
    """Which of these films show it."""
    return _films(patients, seed, share)[3]


def _films(patients: int, seed: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, 7, patients)
    whose, ill = np.repeat(np.arange(patients), counts), generator.random(patients) < share
    shows = np.zeros(len(whose), bool)
    first = np.append(0, np.cumsum(counts)[:-1])
    shows[(first + generator.integers(0, counts))[ill]] = True
    rare = shows.mean()
    # Two normal distributions two deviations apart: the calibrated logit of a film has a mean of 2 either way.
    probability = expit(generator.normal(np.where(shows, 2.0, -2.0), 2.0) + np.log(rare / (1 - rare)))
    return probability, whose, ill, shows


@pytest.mark.parametrize("rule", RULES)
def test_a_patients_probability_comes_true_and_the_threshold_finds_what_was_asked_for(rule: Rule) -> None:
    probability, whose, ill = films(3000, 1)
    fitted = fit(rule, "platt", probability, ill, whose, Threshold(method="sensitivity", sensitivity=0.9))
    assert fitted is not None
    assert (fitted.rule, fitted.patients) == (rule, 3000)
    probability, whose, ill = films(6000, 2)
    raw = joined(rule, probability, whose)
    served = calibrated(raw, fitted.scaling)
    assert 0.9 <= ill.mean() / served.mean() <= 1.1
    # These films are independent but for the finding, as noisy-or takes them to be.
    assert (0.9 <= ill.mean() / raw.mean() <= 1.1) == (rule == "noisy_or")
    assert roc_auc_score(ill, served) == pytest.approx(roc_auc_score(ill, raw), abs=1e-9)
    assert (served[ill] >= fitted.decision["threshold"]).mean() == pytest.approx(0.9, abs=0.04)


def test_where_one_film_of_several_shows_it_a_films_threshold_loses_patients_by_the_mean() -> None:
    asked = Threshold(method="sensitivity", sensitivity=0.9)
    probability, whose, ill = films(3000, 3)
    of_film = fit_threshold(probability, shown(3000, 3), asked)
    fitted = fit("mean", "platt", probability, ill, whose, asked)
    assert fitted is not None
    probability, whose, ill = films(6000, 4)
    mean = joined("mean", probability, whose)
    assert (mean[ill] >= of_film).mean() < 0.84
    assert (calibrated(mean, fitted.scaling)[ill] >= fitted.decision["threshold"]).mean() > 0.86
    assert (joined("max", probability, whose)[ill] >= of_film).mean() > 0.89


def test_films_that_are_alike_make_noisy_or_too_sure_until_it_is_calibrated() -> None:
    generator = np.random.default_rng(6)
    whose, ill = np.repeat(np.arange(3000), 5), generator.random(3000) < 0.2
    probability = np.repeat(expit(generator.normal(np.where(ill, 1.0, -1.0), np.sqrt(2)) + np.log(0.25)), 5)
    raw = joined("noisy_or", probability, whose)
    fitted = fit("noisy_or", "platt", probability, ill, whose, Threshold())
    assert fitted is not None
    assert ill.mean() / raw.mean() < 0.6
    assert ill.mean() / calibrated(raw, fitted.scaling).mean() == pytest.approx(1, abs=0.05)


def test_without_repeats_or_with_one_class_nothing_is_fitted() -> None:
    probability, whose, ill = films(50, 4)
    assert fit("max", "platt", probability[:50], ill, np.arange(50), Threshold()) is None
    assert fit("max", "platt", probability, np.zeros(50, bool), whose, Threshold()) is None


def test_the_rule_is_the_targets_and_is_assumed_where_it_names_none() -> None:
    probability, whose, ill = films(300, 5)
    encoded = ill[whose].astype(np.float32)[:, None]
    for rule in (None, *RULES):
        kind = Binary(kind="binary", classes=("well", "ill"), by_patient=rule)
        fitted = kind.fit_patients(probability[:, None], encoded, whose, Train())
        assert fitted is not None
        assert fitted.rule == (rule or "max")
        told = kind.assumed({"threshold": 0.5}, fitted)
        assert [each for each in told if "by_patient" in each] == list(told)
        assert bool(told) == (rule is None)
        answers = calibrated(joined(fitted.rule, probability, whose), fitted.scaling)
        assert kind.patient_output(probability[:, None], whose, fitted)[:, 0] == pytest.approx(answers)


def test_who_is_unknown_is_a_patient_of_its_own() -> None:
    assert numbered(pd.Series(["a", None, "a", None]), 4).tolist() == [0, 1, 0, 2]  # type: ignore[union-attr]
    assert numbered(pd.Series(["a", None, "b"]), 3) is None
    assert numbered(None, 3) is None
