"""What a report says of the maps: what they are, whether they matter, and whether they are but the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluated as of_rows
from pictures import looked_at

from components.evaluate import explanation
from components.evaluate.chosen import chosen
from components.evaluate.explanation import Maps, deletion, maps_of, resemblance
from components.evaluate.part import Evaluated, Part


def text(part: Part) -> str:
    return " ".join(str(block) for section in part.sections for block in section.blocks)


@pytest.fixture
def mapped(tmp_path: Path) -> Evaluated:
    return looked_at(tmp_path)


def test_it_says_what_the_maps_are_and_how_far_they_point(mapped: Evaluated) -> None:
    said = text(explanation.part(mapped))
    assert "class-activation map" in said
    assert "for pneumonia" in said
    assert "On 64 test films, the strongest tenth of the places holds " in said
    assert "The marked places matter" in said


def test_hiding_what_is_marked_costs_more_than_hiding_elsewhere(mapped: Evaluated) -> None:
    (result,) = mapped.results
    rows = chosen(result, 40)
    own = maps_of(mapped, result, rows)
    right = deletion(mapped, result, own)
    assert right.low > 0
    corner = np.zeros_like(own.maps)
    corner[:, :3, :3] = 1
    wrong = deletion(mapped, result, Maps(rows, corner, own.units))
    assert wrong.high < right.low


def test_a_map_that_marks_what_doesnt_matter_is_warned_of(mapped: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    real = explanation.maps_of

    def elsewhere(*given: object) -> Maps:
        found = real(*given)  # type: ignore[arg-type]
        return Maps(found.rows, np.roll(found.maps, (3, 3), (1, 2)), found.units)

    monkeypatch.setattr(explanation, "maps_of", elsewhere)
    part = explanation.part(mapped)
    assert any("hiding what the maps mark costs no more" in each for each in part.warnings)
    assert "It isn&#39;t shown that the marked places matter" in text(part)


def test_maps_that_are_but_the_picture_are_warned_of(mapped: Evaluated) -> None:
    """This graph's map is the film times one weight a place: with the weights shuffled it is much the same."""
    part = explanation.part(mapped)
    assert part.metrics["finding"]["map_resemblance"].low > 0.5
    assert any("a network of shuffled weights draws much the same maps" in each for each in part.warnings)


def test_the_same_map_resembles_itself_and_a_random_one_doesnt(mapped: Evaluated) -> None:
    (result,) = mapped.results
    own = maps_of(mapped, result, chosen(result, 40))
    noise = np.random.default_rng(0).normal(0, 1, own.maps.shape)
    assert resemblance(mapped, result, Maps(own.rows, noise, own.units)).high < 0.2
    assert explanation._rank_correlation(own.maps[0], own.maps[0]) == pytest.approx(1)
    assert explanation._rank_correlation(own.maps[0], np.full_like(own.maps[0], np.nan)) == 0


def test_shuffling_keeps_the_weights_and_the_model(mapped: Evaluated) -> None:
    arrays = {"image": mapped.arrays["image"][:5]}
    before = mapped.network.predict(arrays)
    other = mapped.network.shuffled(0).predict(arrays)
    assert not np.array_equal(other["finding_map"], before["finding_map"])
    np.testing.assert_array_equal(mapped.network.predict(arrays)["finding_map"], before["finding_map"])
    np.testing.assert_array_equal(mapped.network.shuffled(0).predict(arrays)["finding"], other["finding"])


def test_maps_by_occlusion_are_explained_and_checked(tmp_path: Path) -> None:
    part = explanation.part(looked_at(tmp_path, explain="occlusion"))
    assert "hiding one place after the other" in text(part)
    assert list(part.metrics["finding"]) == ["map_resemblance"]


def test_no_map_and_no_truth_get_a_sentence(tmp_path: Path) -> None:
    assert "doesn&#39;t say where it looked" in text(explanation.part(looked_at(tmp_path / "a", explain="none")))
    unlabelled = looked_at(tmp_path / "b", counts={"train": 40, "test": 5}, unknown=1)
    assert "the maps weren&#39;t checked" in text(explanation.part(unlabelled))
    rows = of_rows(tmp_path / "c", outputs=[0.2, 0.8], truth=["normal", "pneumonia"])
    assert "knows no places of the rows" in text(explanation.part(rows))
