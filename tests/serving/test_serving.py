"""The champion behind a really started `mlflow models serve`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import requests
from asking import served
from workspaces import Workspace

from components.lib.model_dir import Model
from components.lib.server import ask


@pytest.fixture(scope="module")
def url(tiny: Workspace) -> Iterator[str]:
    with served(tiny, "tiny_synthetic", direct=False) as address:
        yield address


def _films(tiny: Workspace) -> pd.DataFrame:
    """Test films: sample_id, path and what evaluate predicted."""
    predicted = pd.read_parquet(tiny.path / "data/evaluation/predictions.parquet")
    sources = pd.read_parquet(tiny.path / "data/private/sources.parquet")
    return predicted.merge(sources, on="sample_id")


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_the_server_answers_what_evaluate_measured(url: str, tiny: Workspace) -> None:
    films = _films(tiny)
    answers = pd.DataFrame(ask(url, {"image": [_encoded(tiny.path / "data/raw" / file) for file in films["file"]]}))
    assert (answers["probability"] - films["probability"]).abs().max() < 1e-6
    assert list(answers["label"]) == list(films["label"])
    assert set(answers["model_version"]) == {"1"}
    assert answers["threshold"].between(0, 1).all()


def test_the_server_says_what_it_cannot_rule_out(url: str, tiny: Workspace) -> None:
    films, info = _films(tiny), Model(tiny.path / "data/model").info
    answers = pd.DataFrame(ask(url, {"image": [_encoded(tiny.path / "data/raw" / file) for file in films["file"]]}))
    decision = info.fitted["finding"].decision
    expected = info.targets["finding"].answer(np.stack(films["output"].to_list()), decision)
    assert list(answers["prediction_set"]) == list(expected["prediction_set"])
    assert list(answers["abstain"]) == list(expected["abstain"])
    assert set(answers["prediction_set"]) <= {"", "normal", "pneumonia", "normal | pneumonia"}


def test_a_jpeg_and_a_data_uri_are_answered(url: str, tiny: Workspace) -> None:
    picture = cv2.imread(str(tiny.path / "data/raw" / _films(tiny)["file"].iloc[0]), cv2.IMREAD_GRAYSCALE)
    jpeg = base64.b64encode(cv2.imencode(".jpg", picture)[1].tobytes()).decode()
    plain, uri = ask(url, {"image": [jpeg, f"data:image/jpeg;base64,{jpeg}"]})
    assert plain == uri
    assert 0 <= plain["probability"] <= 1


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (base64.b64encode(b"no picture").decode(), "row 0, column 'image': unreadable"),
        ("%%%", "row 0, column 'image': is no valid base64"),
        ("", "row 0, column 'image': expected a PNG, JPEG, TIFF, BMP or DICOM file as a base64 string"),
        (base64.b64encode(cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes()).decode(), "blank"),
    ],
)
def test_a_broken_image_is_a_400_with_a_sentence_of_ours(url: str, value: str, sentence: str) -> None:
    response = requests.post(f"{url}/invocations", json={"dataframe_records": [{"image": value}]}, timeout=30)
    assert response.status_code == 400
    assert sentence in response.json()["message"]
    assert "Traceback" not in response.text
