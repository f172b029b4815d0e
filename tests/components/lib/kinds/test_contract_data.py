"""What every input kind must keep for the gates: figures of a copy, and words on where a sample comes from."""

from __future__ import annotations

import re

import pytest
from kind_examples import INPUTS, Input, input_of

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@pytest.fixture(params=[(name, at) for name, examples in INPUTS.items() for at in range(len(examples))], ids=str)
def source(request: pytest.FixtureRequest) -> Input:
    return input_of(*request.param)


def test_what_a_cleaned_sample_alone_tells_lies_in_its_range(source: Input) -> None:
    """A copy gets these figures anew, and the gate behind augment holds them against the ranges."""
    for cleaned in source.cleaned:
        figures = source.kind.figures(cleaned)
        assert {*figures} <= {*source.kind.quality_ranges}
        for figure, value in figures.items():
            low, high = source.kind.quality_ranges[figure]
            assert isinstance(value, float)
            assert low <= value <= high, figure
        assert figures == source.kind.figures(cleaned.copy())


def test_where_a_sample_comes_from_is_told_in_words_of_a_list(source: Input) -> None:
    for raw in source.raws:
        told = source.kind.origin(raw)
        assert {*told} == {*source.kind.origin_columns}
        assert all(word is None or re.fullmatch(r"[A-Za-z0-9 ,.]{1,60}", word) for word in told.values()), told
