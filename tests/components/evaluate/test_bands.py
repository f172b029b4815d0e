"""What a probability is worth: predictive values by band."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import numpy as np
from evaluations import FINDING, RHYTHM, SUGAR, evaluated
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from components.evaluate.bands import FEWEST, bands, part
from components.evaluate.part import Part


def text(found: Part) -> str:
    html = "".join(str(block) for section in found.sections for block in section.blocks)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 400), st.floats(0.05, 20))
def test_every_sample_is_in_one_band_and_every_band_is_large_enough(seed: int, n: int, spread: float) -> None:
    probability = np.random.default_rng(seed).beta(0.5, spread, n)
    found = bands(probability)
    assert np.sum([band.rows for band in found], axis=0).tolist() == [1] * n
    assert min(int(band.rows.sum()) for band in found) >= FEWEST
    for band in found:
        assert (probability[band.rows] >= band.low).all()
        assert (probability[band.rows] <= band.high).all()


def test_a_band_has_the_share_that_statsmodels_gives(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    probability = np.repeat([0.004, 0.03, 0.15, 0.6], [1200, 500, 200, 100])
    positive = generator.random(2000) < probability
    truth = np.array(FINDING.classes, object)[positive.astype(int)].tolist()
    told = text(part(evaluated(tmp_path, outputs=probability, truth=truth)))
    names = ("below 1%", "1% to below 5%", "5% to below 20%", "20% and above")
    for name, value in zip(names, (0.004, 0.03, 0.15, 0.6), strict=True):
        rows = probability == value
        low, high = proportion_confint(positive[rows].sum(), rows.sum(), method="wilson")
        share = f"{positive[rows].mean():.1%} ({100 * low:.1f} to {100 * high:.1f})"
        assert re.search(rf"{name} {rows.sum()} \S+ \(\S+ to \S+\) {100 * value:.1f}% {re.escape(share)}", told), told


def test_several_classes_are_told_by_the_answer_and_numbers_not_at_all(tmp_path: Path) -> None:
    outputs = np.tile([[0.7, 0.2, 0.1], [0.1, 0.55, 0.35]], (40, 1))
    truth = [RHYTHM.classes[k] for k in (0, 1) * 40]
    told = text(part(evaluated(tmp_path / "classes", outputs=outputs, truth=truth, kind=RHYTHM)))
    assert re.search(r"65% and above 40 50\.0% \(\S+ to \S+\) 70\.0% 100\.0%", told)
    values = np.linspace(80, 200, 40)
    assert part(evaluated(tmp_path / "n", outputs=values, truth=values.tolist(), kind=SUGAR)).sections == ()
    few = evaluated(tmp_path / "few", outputs=[0.2, 0.8], truth=["normal", None])
    assert part(few).sections == ()
