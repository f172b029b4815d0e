"""Single samples in the report: the best, the worst, the least certain, with what the network looked at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import SIZE, looked_at

from components.evaluate.cases import EACH, Cases, choose_cases
from components.evaluate.part import Evaluated
from components.lib.kinds.base import Explained


def cases(evaluated: Evaluated) -> Cases:
    return choose_cases(evaluated.results[0], evaluated.samples, evaluated.arrays, evaluated.network)


def decoded(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_best_worst_and_least_certain_are_shown(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path / "a")
    found = cases(evaluated)
    assert list(found.groups) == ["Surest of those called right", "Surest of those called wrongly", "Least sure"]
    probability = evaluated.results[0].output[:, 0]
    least = min(range(len(probability)), key=lambda row: abs(probability[row] - 0.5))
    shown = [each.caption for each in found.groups["Least sure"]]
    assert len(shown) == EACH
    assert evaluated.samples["sample_id"].iloc[least] in " ".join(shown)
    numbers = cases(looked_at(tmp_path / "b", kind=SIZE))
    assert list(numbers.groups) == ["Furthest off", "Closest", "Typical errors"]


@pytest.mark.parametrize(
    ("explain", "words"),
    [("class_activation_map", "class-activation map"), ("occlusion", "hiding one place after the other")],
)
def test_the_map_is_drawn_where_the_finding_is(tmp_path: Path, explain: Explained, words: str) -> None:
    found = cases(looked_at(tmp_path, explain=explain))
    assert words in found.legend
    ill = [each for group in found.groups.values() for each in group if "labelled pneumonia" in each.caption]
    assert ill
    for each in ill:
        assert "marked where the model looked" in each.alt
        picture = decoded(each.png).astype(int)
        side = picture.shape[0]
        plain, heated = picture[:, :side], picture[:, -side:]
        changed = np.abs(heated - plain).sum(axis=2)
        middle = changed[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4]
        assert middle.mean() > 2 * changed.mean()


def test_without_a_map_the_films_stand_alone(tmp_path: Path) -> None:
    found = cases(looked_at(tmp_path, explain="none"))
    assert "shown alone" in found.legend
    pngs = [each for group in found.groups.values() for each in group]
    assert all(decoded(each.png).shape[0] == decoded(each.png).shape[1] for each in pngs)
    assert not any("marked" in each.alt for each in pngs)
