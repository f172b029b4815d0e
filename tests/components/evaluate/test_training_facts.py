"""The lines on training: complete for a model that says how it was trained, and honest for one that doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluations import evaluated

from components.evaluate.training_facts import UNKNOWN, training_facts
from components.lib.kinds.image import Image
from components.lib.model_dir import Training, read_model_json, write_model_json
from components.lib.train_settings import Train


def told(**settings: object) -> Training:
    train = Train.model_validate(settings)
    return Training(
        settings=train.model_dump(mode="json", exclude={"device", "precision"}), seeds=(4, 5), batch_size=16,
        most_epochs=30, initialisers=("he normal",), class_weights={"finding": {"normal": 0.6, "1": 3.0}},
        augmentation={"image": Image(kind="image", size=(8, 8)).policy_class().model_dump(mode="json")}, copies=1200,
    )  # fmt: skip


def test_every_line_is_filled_in_and_survives_the_file(tmp_path: Path) -> None:
    looked = evaluated(tmp_path, outputs=[0.2, 0.8] * 20, truth=["normal", "pneumonia"] * 20)
    info = looked.network.info.model_copy(update={"training": told(optimizer="adamw", mixup=0.2, loss="focal")})
    write_model_json(tmp_path / "model", info)
    lines = dict(training_facts(read_model_json(tmp_path / "model" / "model.json")))
    assert lines["Seeds"] == "4, 5"
    assert lines["Initialisation"] == "drawn at random (he normal)"
    assert lines["Optimizer"].startswith("AdamW, learning rate 0.001, cosine schedule, weight decay 0.0001, 16 samples")
    assert lines["Loss"] == "focal, gamma 2, label smoothing 0.05"
    assert lines["Class weights"] == "finding: normal 0.600, class 1 3.00"
    assert lines["Regularisation"] == "dropout 0.3, mixup 0.2"
    assert lines["Early stopping"].startswith("at most 30 epochs, ended after 5 without a better validation score")
    assert lines["Copies added by augment"] == "1,200"
    assert lines["Augmentation of image"] != "none"


@pytest.mark.parametrize("weights", ["file", None])
def test_pretrained_weights_are_said(tmp_path: Path, weights: str | None) -> None:
    looked = evaluated(tmp_path, outputs=[0.2, 0.8] * 20, truth=["normal", "pneumonia"] * 20)
    facts = told(model="pretrained", pretrained={"weights": weights})
    lines = dict(training_facts(looked.network.info.model_copy(update={"training": facts})))
    assert ("from a file of weights" in lines["Initialisation"]) == (weights is not None)


def test_an_earlier_model_says_that_it_does_not_know(tmp_path: Path) -> None:
    looked = evaluated(tmp_path, outputs=[0.2, 0.8] * 20, truth=["normal", "pneumonia"] * 20)
    assert training_facts(looked.network.info) == [("Training", UNKNOWN)]
    assert '"training"' not in (tmp_path / "model" / "model.json").read_text()
