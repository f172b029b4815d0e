"""`train:`: what has no use beside something else is refused by key; numbers may be left to the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.lib.errors import SpecError
from components.lib.spec import TaskSpec, load_spec
from components.lib.train_settings import Train

WEIGHTS = {"weights": "mobile.h5"}


def load(folder: Path, train: dict[str, Any]) -> TaskSpec:
    task = {
        "task": "t", "source": {"reader": "folder", "path": "films"}, "train": train,
        "inputs": {"image": {"kind": "image", "size": [64, 64]}},
        "targets": {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}},
    }  # fmt: skip
    file = folder / "task.yaml"
    file.write_text(yaml.safe_dump(task), encoding="utf-8")
    return load_spec(file)


@pytest.mark.parametrize(
    ("train", "key", "expected", "found"),
    [
        ({"focal_gamma": 1.0}, "focal_gamma", "`train.loss: focal` beside it", "cross_entropy"),
        ({"optimizer": "adam", "weight_decay": 0.1}, "weight_decay", "adamw", "adam, which has none"),
        ({"pretrained": WEIGHTS}, "pretrained", "`train.model: pretrained` beside it", "None"),
        ({"model": "pretrained", "width": 8}, "width", "a backbone has its own width", "8"),
        ({"epochs": 4, "warmup_epochs": 4}, "warmup_epochs", "fewer epochs than training has", "4 of 4 epochs"),
        (
            {"epochs": 4, "warmup_epochs": 2, "model": "pretrained", "pretrained": {**WEIGHTS, "frozen_epochs": 2}},
            "warmup_epochs", "fewer epochs than training has", "2 of 2 epochs after 2 frozen ones",
        ),
        (
            {"epochs": 1, "model": "pretrained", "pretrained": {**WEIGHTS, "frozen_epochs": 3}},
            "pretrained.frozen_epochs", "no more epochs than train.epochs", "3 of 1",
        ),
        (
            {"model": "pretrained", "pretrained": {"frozen_epochs": 3}},
            "pretrained.frozen_epochs", "`weights: FILE` or `download: true`", "random weights",
        ),
        (
            {"model": "pretrained", "pretrained": {**WEIGHTS, "download": True}},
            "pretrained.download", "false, since `weights` names a file", "true",
        ),
        ({"batch_size": "many"}, "batch_size", "valid integer", "many"),
        ({"batch_size": 0}, "batch_size", "greater than or equal to 1", "0"),
        ({"ema": 1.0}, "ema", "less than 1", "1.0"),
        ({"model": "pretrained", "pretrained": {"backbone": "ResNet5"}}, "pretrained.backbone", "ResNet50", "ResNet5"),
    ],
)  # fmt: skip
def test_what_has_no_use_or_no_sense_is_refused_by_key(
    train: dict[str, Any], key: str, expected: str, found: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, train)
    assert caught.value.where.endswith(f"task.yaml, train.{key}")
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_batch_and_epochs_may_be_left_to_the_data(tmp_path: Path) -> None:
    made = load(tmp_path, {"batch_size": "auto", "epochs": "auto"}).train
    assert (made.batch_size, made.epochs) == ("auto", "auto")
    assert Train.model_validate_json(made.model_dump_json(exclude_unset=True)) == made


def test_weights_drawn_at_random_are_never_frozen() -> None:
    frozen = {"model": "pretrained", "pretrained": WEIGHTS}
    assert Train.model_validate(frozen).frozen_epochs == 2
    assert Train(model="pretrained").frozen_epochs == Train().frozen_epochs == 0
