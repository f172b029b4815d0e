"""What holds for every architecture: pictures smaller than its strides are refused in words."""

from __future__ import annotations

import keras
import pytest

from components.lib.errors import ModelError
from components.lib.train_settings import Train
from components.train.models import architecture

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@pytest.mark.parametrize(("name", "least"), [("cnn", 8), ("attention_cnn", 16), ("pretrained", 32)])
def test_a_picture_smaller_than_the_strides_is_refused(name: str, least: int) -> None:
    extract, _ = architecture("image", name)
    with pytest.raises(ModelError) as caught:
        extract(keras.Input((least + 8, least - 1, 1)), Train(model=name))
    assert caught.value.where == f"train.model: {name}"
    assert f"at least {least} × {least} pixels" in caught.value.expected
    assert caught.value.found == f"{least + 8} × {least - 1} pixels"
    assert "raise the size of the input" in caught.value.todo


@pytest.mark.parametrize(("name", "side"), [("cnn", 8), ("attention_cnn", 16), ("resnet", 8)])
def test_the_smallest_picture_still_leaves_a_map(name: str, side: int) -> None:
    extract, _ = architecture("image", name)
    assert extract(keras.Input((side, side, 1)), Train(width=4)).shape[1:3] in ((1, 1), (2, 2))
