"""Shares as readers see them: what isn't whole is never rounded to it."""

from __future__ import annotations

import pytest

from components.lib.decisions import percent
from components.lib.numbers import hundredths
from components.lib.statistics import Estimate


@pytest.mark.parametrize(
    ("share", "digits", "shown"),
    [
        (1.0, 1, "100.0"), (0.99951, 1, ">99.9"), (0.9994, 1, "99.9"), (0.9999999, 1, ">99.9"), (0.996, 0, ">99"),
        (0.0, 1, "0.0"), (0.0004, 1, "<0.1"), (0.0006, 1, "0.1"), (0.004, 0, "<1"), (0.5, 0, "50"), (1.0, 0, "100"),
    ],
)  # fmt: skip
def test_a_share_reads_as_none_or_all_only_where_it_is(share: float, digits: int, shown: str) -> None:
    assert hundredths(share, digits) == shown


def test_the_upper_end_of_a_set_that_held_all_but_one_is_below_a_hundred() -> None:
    assert percent(Estimate(0.9992, 0.9952, 0.9998, 1200, "Wilson")) == "99.9% (99.5 to >99.9)"
    assert percent(Estimate(1.0, 0.9968, 1.0, 1200, "Wilson")) == "100.0% (99.7 to 100.0)"
