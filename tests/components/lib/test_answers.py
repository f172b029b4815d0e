"""What is answered of cleaned samples: figures of the report, how far out a sample lies, where the model looked."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import FINDING, SIDE, SIZE, SPOT, films, looked_at

from components.evaluate.part import Evaluated
from components.lib import answers as module
from components.lib.answers import answer_columns, answers, parameters, threshold_problem
from components.lib.kinds import TargetKind
from components.lib.kinds.base import Explained
from components.lib.model_dir import ModelInfo
from components.lib.outside import distance, nearer


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return looked_at(tmp_path_factory.mktemp("seen"))


def two_targets(info: ModelInfo) -> ModelInfo:
    """The same model as if it had a second finding beside a number."""
    targets = {"finding": FINDING, "effusion": FINDING, "size": SIZE}
    return info.model_copy(update={"targets": targets, "fitted": dict.fromkeys(targets, info.fitted["finding"])})


def test_the_columns_are_those_that_are_announced(seen: Evaluated) -> None:
    for explain in (False, True):
        said = answers(seen.network, seen.arrays, explain=explain)
        assert [*said] == [*answer_columns(seen.network.info, explain=explain)]
        assert {len(values) for values in said.values()} == {len(seen.samples)}
        json.dumps({name: values.tolist() for name, values in said.items()}, allow_nan=False)
    assert [*answer_columns(two_targets(seen.network.info), explain=True)][-5:] == [
        "outside", "warnings", "finding_map", "effusion_map", "size_map",
    ]  # fmt: skip


def test_probability_and_label_are_those_of_the_report(seen: Evaluated) -> None:
    said, (result,) = answers(seen.network, seen.arrays), seen.results
    np.testing.assert_array_equal(said["probability"], result.output[:, 0].astype(float))
    threshold = result.fitted.decision["threshold"]
    assert set(said["threshold"]) == {threshold}
    assert list(said["label"]) == ["pneumonia" if each >= threshold else "normal" for each in said["probability"]]


def test_another_threshold_changes_the_label_and_what_follows_from_it(seen: Evaluated) -> None:
    fitted = answers(seen.network, seen.arrays)
    for threshold, label in ((0.0, "pneumonia"), (1.0, "normal")):
        said = answers(seen.network, seen.arrays, thresholds={"finding": threshold})
        assert set(said["threshold"]) == {threshold}
        assert set(said["label"]) == {label}
        assert list(said["abstain"]) == [each != label for each in said["prediction_set"]]
        for name in ("probability", "prediction_set", "outside", "warnings"):
            assert list(said[name]) == list(fitted[name])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, math.inf])
def test_a_threshold_beyond_0_and_1_is_refused(seen: Evaluated, threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold of finding: expected a number from 0 to 1, found"):
        answers(seen.network, seen.arrays, thresholds={"finding": threshold})


def test_a_threshold_of_something_else_is_refused(seen: Evaluated) -> None:
    info = two_targets(seen.network.info)
    assert "no such target, but finding, effusion, size" in str(threshold_problem(info, {"heart": 0.5}))
    assert "a regression target as size is not decided by one" in str(threshold_problem(info, {"size": 0.5}))
    assert threshold_problem(info, {"effusion": 0.5}) is None


def test_params_of_several_targets_have_their_names(seen: Evaluated) -> None:
    info = seen.network.info
    fitted = info.fitted["finding"].decision["threshold"]
    assert {each.name: each.default for each in parameters(info)} == {
        "threshold": fitted, "explain": False, "on_error": "raise",
    }  # fmt: skip
    several = {each.name: each.default for each in parameters(two_targets(info))}
    assert several == {
        "finding_threshold": fitted, "effusion_threshold": fitted, "threshold": None, "explain": False,
        "on_error": "raise",
    }  # fmt: skip


def test_outside_is_the_score_of_the_report(seen: Evaluated) -> None:
    kind, outside = seen.network.info.inputs["image"], seen.network.info.outside["image"]
    distances = distance(kind.summary(seen.arrays["image"], {}), outside)
    said = answers(seen.network, seen.arrays)
    np.testing.assert_array_equal(said["outside"], nearer(distances, outside))
    assert [bool(text) for text in said["warnings"]] == list(distances > outside.mark)


def test_a_picture_of_another_kind_is_warned_of(seen: Evaluated) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 1), np.uint8)
    gradient = np.linspace(0, 255, SIDE * SIDE).reshape(1, SIDE, SIDE, 1).astype(np.uint8)
    said = answers(seen.network, {"image": np.concatenate([noise, gradient, seen.arrays["image"][:1]])})
    assert said["warnings"][:2].tolist() == ["image: farther out than every training sample"] * 2
    assert said["outside"][:2].tolist() == [1.0, 1.0]
    assert said["outside"][2] < 0.99
    assert said["warnings"][2] == ""


def test_a_model_that_does_not_know_its_training_samples_says_nothing_of_them(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path, known_outside=False)
    said = answers(evaluated.network, evaluated.arrays)
    assert set(said["outside"]) == {None}
    assert set(said["warnings"]) == {""}


@pytest.mark.parametrize("kind", [FINDING, SIZE], ids=["class", "number"])
@pytest.mark.parametrize("explain", ["class_activation_map", "occlusion"])
def test_the_map_is_warm_where_the_network_looks(tmp_path: Path, kind: TargetKind, explain: Explained) -> None:
    evaluated = looked_at(tmp_path, kind=kind, explain=explain, counts={"train": 40, "test": 8})
    pictures, bright = films(8, np.random.default_rng(0))
    row = int(np.argmax(bright))
    said = answers(evaluated.network, {"image": pictures[row : row + 1]}, explain=True)
    png = base64.b64decode(said["map"][0], validate=True)
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    half = shown.shape[0]
    warm = (shown[:, -half:] - shown[:, :half])[..., 2]
    middle = slice(SPOT.start * half // SIDE, SPOT.stop * half // SIDE)
    assert warm.max() > 40
    assert warm[middle, middle].clip(0).mean() > 3 * warm.clip(0).mean()


def test_a_model_without_maps_has_none(tmp_path: Path) -> None:
    evaluated = looked_at(tmp_path, explain="none")
    assert set(answers(evaluated.network, evaluated.arrays, explain=True)["map"]) == {None}


def test_the_figures_of_training_are_made_into_arrays_once(seen: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    ruler = module.Ruler
    monkeypatch.setattr(module, "Ruler", lambda outside: made.append(outside) or ruler(outside))
    network = seen.network.shuffled(1)  # another model of the same figures
    for _ in range(3):
        answers(network, {"image": seen.arrays["image"][:1]})
    assert len(made) == 1
