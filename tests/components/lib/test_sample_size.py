"""Sample sizes: the papers' and packages' own examples come out, and the widths are what simulated samples show."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from statsmodels.api import GLM, MNLogit, add_constant
from statsmodels.genmod.families import Binomial

from components.lib import sample_size as needs


def test_development_examples() -> None:
    # pmsampsize, help page: type(b) csrsquared(0.288) parameters(24) prevalence(0.174)
    assert needs.development(24, 0.174, 0.288) == needs.Needed(shrinkage=623, optimism=662, overall=221)
    # Riley et al. 2019, doi:10.1002/sim.7992: 20 parameters, R² .1: 1698 (.04 more, rounded up)
    assert needs.development(20, 0.5, 0.1).shrinkage == 1699
    assert needs.largest_r2(0.5) == pytest.approx(0.75)
    # pmsampsize, help page: type(c) rsquared(0.2) parameters(25): criteria 1 to 3
    assert needs.development_of_number(25, 0.2) == needs.Needed(shrinkage=918, optimism=401, overall=259)


def test_development_examples_of_several_classes() -> None:
    # multsampsize, read-me: the worked example of Pate et al. 2023, five kinds of ovarian mass, R² between pairs from C
    events = np.array([2557, 186, 176, 467, 120])
    pairs = [0.116, 0.179, 0.497, 0.168, 0.185, 0.499, 0.372, 0.329, 0.128, 0.210]
    shares = events / events.sum()
    found = needs.development_of_classes(
        17, shares, dict(zip(combinations(range(5), 2), pairs, strict=True)), 0.15 * needs.largest_r2_of_classes(shares)
    )
    assert found == needs.Needed(shrinkage=13136, optimism=1477, overall=524)
    # Its second example: .15 of the largest R², between pairs and in all.
    shares = np.array([50, 100, 150]) / 300
    cautious = {
        (k, j): 0.15 * needs.largest_r2(shares[j] / (shares[k] + shares[j])) for k, j in combinations(range(3), 2)
    }
    found = needs.development_of_classes(17, shares, cautious, 0.15 * needs.largest_r2_of_classes(shares))
    assert (found.shrinkage, found.optimism) == (2660, 714)
    # Of two classes they are the criteria for two, but for the rounding of 1.96.
    shares, r2 = np.array([0.826, 0.174]), 0.288
    of_two = needs.development_of_classes(24, shares, {(0, 1): r2}, r2)
    assert (of_two.shrinkage, of_two.optimism) == (623, 662)


def test_r2_of_several_classes_is_that_of_a_fitted_model() -> None:
    generator = np.random.default_rng()
    x = generator.normal(size=(600, 2))
    label = np.array([generator.choice(3, p=row) for row in softmax(x @ generator.normal(size=(2, 3)), axis=1)])
    fitted = MNLogit(label, add_constant(x)).fit(disp=False)
    expected = 1 - np.exp(2 * (fitted.llnull - fitted.llf) / 600)
    probability = np.asarray(fitted.predict())
    assert needs.cox_snell_of_classes(probability, label) == pytest.approx(expected, abs=1e-6)
    rows = label != 1
    alone = probability[rows, 2] / (probability[rows, 0] + probability[rows, 2])
    assert needs.pairwise_cox_snell(probability, label)[0, 2] == pytest.approx(needs.cox_snell(alone, label[rows] == 2))


@pytest.mark.parametrize(
    ("prevalence", "auc", "samples"), [(0.1, 0.7, 1154), (0.5, 0.8, 302), (0.018, 0.8, 4252), (0.018, 0.75, 5125)]
)
def test_auc_examples(prevalence: float, auc: float, samples: int) -> None:
    # Riley et al. 2021, doi:10.1002/sim.9025; (.018, .8) is also pmvalsampsize's own test
    assert needs.auc_samples(auc, prevalence) == samples
    assert needs.auc_width(samples, auc, prevalence) <= needs.AUC_WIDTH < needs.auc_width(samples - 1, auc, prevalence)


def test_observed_over_expected_and_slope_examples() -> None:
    # pmvalsampsize's own tests: prevalence .018, width 1: 905, by steps of .0001 of the standard error; logits from
    # N(-5, 2.5²): 4501 of 1,000 simulated ones, 4544 of a million in its help page
    assert needs.oe_samples(0.018, 1.0) == pytest.approx(905, abs=2)
    assert needs.oe_width(905, 0.018) == pytest.approx(1, abs=0.001)
    logits = np.random.default_rng(0).normal(-5, 2.5, 400_000)
    assert needs.slope_samples(logits) == pytest.approx(4544, rel=0.02)


def test_as_many_parameters_as_are_supported_need_no_more_samples() -> None:
    generator = np.random.default_rng()
    for _ in range(50):
        prevalence, samples = generator.uniform(0.01, 0.6), int(generator.integers(400, 50_000))
        r2 = needs.largest_r2(prevalence) * generator.uniform(0.05, 0.9)
        needed = partial(needs.development, prevalence=prevalence, r2=r2)
        most = needs.supported_parameters(samples, needed)
        if most:
            assert needed(most).samples <= samples
            assert needed(most + 1).samples > samples
    assert needs.supported_parameters(50, partial(needs.development, prevalence=0.5, r2=0.2)) == 0


def test_widths_are_what_samples_of_that_size_show() -> None:
    generator = np.random.default_rng(1)
    slopes, ratios, r2s, lines = [], [], [], []
    for _ in range(100):
        logits = generator.normal(-1.5, 1.2, 800)
        outcome = generator.random(800) < expit(logits)
        slopes.append(GLM(outcome, add_constant(logits), family=Binomial()).fit().params[1])
        ratios.append(np.log(outcome.sum() / expit(logits).sum()))
        predicted = generator.normal(0, 1, 800)
        known = predicted + generator.normal(0, 1, 800)
        r2s.append(r2_score(known, LinearRegression().fit(predicted[:, None], known).predict(predicted[:, None])))
        lines.append(LinearRegression().fit(predicted[:, None], known).coef_[0])
    spread = generator.normal(-1.5, 1.2, 200_000)
    share = expit(spread).mean()
    shown = {"slope": np.std(slopes), "r2": np.std(r2s), "line": np.std(lines)}
    expected = {
        "slope": needs.slope_width(800, spread), "r2": needs.r2_width(800, 0.5),
        "line": needs.slope_width_of_number(800, 0.5),
    }  # fmt: skip
    for name, deviation in shown.items():
        assert 2 * 1.96 * deviation == pytest.approx(expected[name], rel=0.2), name
    # The formula leaves out what the expected share takes from the variance: it is an upper bound, and close.
    assert 2 * np.sinh(1.96 * np.std(ratios)) < 1.15 * needs.oe_width(800, share)


def test_cox_snell_is_that_of_a_fitted_model() -> None:
    generator = np.random.default_rng()
    x = generator.normal(size=500)
    positive = generator.random(500) < expit(x - 1)
    fitted = GLM(positive, add_constant(x), family=Binomial()).fit()
    expected = fitted.pseudo_rsquared(kind="cs")
    assert needs.cox_snell(np.asarray(fitted.predict()), positive) == pytest.approx(expected, abs=1e-9)
    assert needs.cox_snell(np.full(500, 0.9), positive) < 0
