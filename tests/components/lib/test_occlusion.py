"""Maps made by hiding places: on a graph that looks at one place, and at nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import FINDING, SIDE, SIZE, SPOT, films, looked_at

from components.lib import occlusion as module
from components.lib.kinds import Array, TargetKind
from components.lib.kinds.image import Image
from components.lib.occlusion import ASKED, occlusion


@pytest.mark.parametrize("kind", [FINDING, SIZE], ids=["class", "number"])
def test_the_map_lies_where_the_network_looks(tmp_path: Path, kind: TargetKind) -> None:
    evaluated = looked_at(tmp_path, kind=kind, explain="occlusion")
    pictures, bright = films(8, np.random.default_rng(0))
    for picture in pictures[bright > 0.5]:
        found = occlusion(evaluated.network, picture)["finding"]
        assert (found.shape, found.dtype) == ((14, 14, 1), np.float32)
        cells = slice(SPOT.start * 14 // SIDE, -(-SPOT.stop * 14 // SIDE))
        positive = np.clip(found[..., 0], 0, None)
        assert positive[cells, cells].sum() > 0.5 * positive.sum()
        assert found[..., 0].max() == positive[cells, cells].max()


def test_the_network_is_asked_as_often_as_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, asked = looked_at(tmp_path, explain="occlusion").network, []
    predict = network.predict

    def counted(inputs: dict[str, Array], **options: Any) -> dict[str, Array]:
        asked.append(len(inputs["image"]))
        return predict(inputs, **options)

    monkeypatch.setattr(network, "predict", counted)
    occlusion(network, films(1, np.random.default_rng(0))[0][0])
    assert sum(asked) == ASKED == 170


def test_hiding_what_speaks_against_it_shows_as_negative(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path, explain="occlusion")
    picture = np.full((SIDE, SIDE, 1), 100, np.uint8)
    picture[22:26, 22:26] = 255
    assert occlusion(evaluated.network, picture)["finding"][10:, 10:].min() < -0.01


def test_large_pictures_go_in_smaller_batches_with_the_same_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = looked_at(tmp_path, explain="occlusion")
    picture = films(2, np.random.default_rng(1))[0][1]
    whole = occlusion(evaluated.network, picture)["finding"]
    monkeypatch.setattr(module, "MOST_NUMBERS", 3 * SIDE * SIDE)
    np.testing.assert_allclose(occlusion(evaluated.network, picture)["finding"], whole, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (9, 40), (65, 33)])
def test_places_cover_every_pixel_of_any_size(size: tuple[int, int]) -> None:
    for side in Image(kind="image", size=size).size:
        places = module._places(side)
        assert (places[0].start, places[-1].stop) == (0, side)
        assert all(one.stop > other.start for one, other in pairwise(places))
