"""The search for similar patches: most of what comparing every two would find, of pictures that are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from components.lib.validate import similar_patches as module
from components.lib.validate.patches import COMPONENTS, Patches
from components.lib.validate.pictures import Rows
from components.lib.validate.similar_patches import similar

EACH = 10


def patches(pictures: int, copied: int, chance: np.random.Generator) -> Patches:
    """Ten patches a picture; the last pictures show those of the first, a little altered."""
    values = chance.normal(size=(pictures * EACH, COMPONENTS)) * np.geomspace(1, 0.2, COMPONENTS)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    values[-copied * EACH :] = values[: copied * EACH] + chance.normal(0, 0.03, (copied * EACH, COMPONENTS))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    rows = np.repeat(np.arange(pictures), EACH)
    return Patches(values.astype(np.float16), rows, np.zeros((len(rows), 2), np.float32))


def found(those: Patches, wanted: module.Wanted) -> set[tuple[int, int]]:
    return {
        (int(one), int(two))
        for _, ones, others, _ in similar(those, {1.0: those}, 0.9, wanted)
        for one, two in zip(ones, others, strict=True)
    }


def everything(one: Rows, _: Rows) -> NDArray[np.bool_]:
    return np.ones(len(one), bool)


def test_most_are_found_in_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    those, copied = patches(600, 100, np.random.default_rng(0)), 100 * EACH
    monkeypatch.setattr(module, "LEAF", 100)
    monkeypatch.setattr(module, "LEAVES", 3)
    pairs = found(those, everything)
    assert all(those.rows[one] != those.rows[two] for one, two in pairs)
    planted = [(i, len(those.rows) - copied + i) for i in range(copied)]
    assert sum(pair in pairs or pair[::-1] in pairs for pair in planted) >= 0.9 * copied


def test_only_pairs_of_pictures_that_are_asked_for_are_named() -> None:
    those = patches(60, 20, np.random.default_rng(1))
    pairs = found(those, lambda one, two: (one + two) % 3 == 0)
    assert pairs
    assert all((those.rows[one] + those.rows[two]) % 3 == 0 for one, two in pairs)


def test_a_patch_that_many_pictures_have_says_nothing() -> None:
    those = patches(60, 20, np.random.default_rng(2))
    those.values[::EACH] = those.values[0]
    pairs = found(those, everything)
    assert pairs
    assert not any(one % EACH == 0 or two % EACH == 0 for one, two in pairs)


@pytest.mark.parametrize("pictures", [0, 1])
def test_few_pictures_have_no_pairs(pictures: int) -> None:
    none = Patches(
        np.zeros((pictures, COMPONENTS), np.float16), np.arange(pictures), np.zeros((pictures, 2), np.float32)
    )
    assert found(none, everything) == set()
