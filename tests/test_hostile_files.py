"""Damaged files of every format are read or refused in words, in bounded memory and time, whatever the damage."""

from __future__ import annotations

import pytest

from benchmarks.attacks.corpus import FORMATS, damaged
from benchmarks.attacks.reading import Told, read_apart, read_each

QUICK, MANY = 100, 20_000


def require_held(told: Told, count: int) -> None:
    assert told.broken == []
    assert told.read + told.refused == count
    assert told.held, told


def test_some_damaged_files_of_every_format() -> None:
    told = read_each((each for name in FORMATS for each in damaged(name, QUICK, seed=1)), megabytes=1024)
    require_held(told, QUICK * len(FORMATS))
    assert told.read > QUICK
    assert told.refused > QUICK


def test_a_comment_above_one_row_that_a_quote_never_ends() -> None:
    told = read_apart("csv", [b'# a,b\n"1,2\n3,4\n', b"# a,b\n# c,d\n", b" , \n , \n", b"#\n"])
    assert told.broken == []


@pytest.mark.accept
@pytest.mark.parametrize("name", FORMATS)
def test_twenty_thousand_damaged_files(name: str) -> None:
    require_held(read_each(damaged(name, MANY)), MANY)


def test_what_breaks_its_limits_is_noticed() -> None:
    """A reader that takes a gigabyte, or raises what nobody expects, is a fault and no refusal."""
    whole = FORMATS["NIfTI"][1]()[0]
    assert read_apart("volume", [whole]).read == 1
    assert read_apart("no such reader", [whole]).broken
    assert not Told(megabytes=600).held
    assert not Told(seconds=11).held


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_drawn_from_the_seed(name: str) -> None:
    first, again, other = (list(damaged(name, 20, seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
