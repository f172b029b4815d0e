"""The search for close pairs: as many as by comparing every pair, and the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from components.lib.validate import close_pairs as module
from components.lib.validate.close_pairs import close_pairs


def vectors(count: int, width: int, spread: float) -> NDArray[np.float16]:
    """Unit vectors around a common one, and a copy of every third that is a little different."""
    generator = np.random.default_rng(count)
    made = generator.normal(size=width) + spread * generator.normal(size=(count, width)) * np.geomspace(3, 0.3, width)
    made[: count // 3] = made[-(count // 3) :] + 0.02 * generator.normal(size=(count // 3, width))
    made -= made.mean(axis=1, keepdims=True)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def found(those: NDArray[np.float16], least: float) -> list[tuple[int, int]]:
    return sorted((int(a), int(b)) for one, two in close_pairs(those, least) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("spread", [0.05, 0.3, 2.0])
@pytest.mark.parametrize(("group", "tile"), [(256, 16), (16, 3), (1, 1)])
def test_it_finds_every_pair_once(spread: float, group: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", group)
    monkeypatch.setattr(module, "TILE", tile)
    those = vectors(120, 30, spread)
    full = those.astype(np.float64)
    first, second = np.nonzero(np.triu(full @ full.T >= 0.989 - module.ROUNDED, 1))
    assert found(those, 0.989) == list(zip(first.tolist(), second.tolist(), strict=True))
    assert len(first) >= 40


def test_far_groups_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", 16)
    those = vectors(240, 4, 2.0)
    places = module._places(those)
    groups = module._groups(places, np.arange(len(those)))
    near = module._near(places, groups, 0.15)
    assert near.diagonal().all()
    assert near.mean() < 0.7


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_make_no_pair(count: int) -> None:
    assert found(np.ones((count, 4), np.float16), 0.9) == []


def test_what_is_blank_is_close_to_nothing() -> None:
    those = np.vstack([np.zeros((3, 30), np.float16), vectors(9, 30, 1.0)])
    assert all(first >= 3 for first, _ in found(those, 0.5))
