"""What params ask of a really started server: another threshold, maps, and rows that don't spoil each other."""

from __future__ import annotations

import base64
import json
from typing import Any

import cv2
import numpy as np
import pytest
from asking import Caller
from films import encoded
from workspaces import Workspace

from components.lib.answers import answers
from components.lib.dataset import Dataset
from components.lib.kinds import Array
from components.lib.model_dir import Model
from serving.reference_data import REFUSED, WRONG_PARAMS


@pytest.fixture(scope="module")
def cleaned(tiny: Workspace) -> Array:
    """Six cleaned films of the test split (6, 32, 32, 1)."""
    return np.asarray(Dataset(tiny.path / "data/cleaned").select("test", ["image"])[1]["image"][:6])


def films(cleaned: Array) -> list[bytes]:
    return [encoded(each) for each in cleaned]


def predictions(caller: Caller, contents: list[bytes], **params: Any) -> list[dict[str, Any]]:
    answer = caller.pictures(*contents, **params)
    assert answer.status == 200, answer.text
    predicted: list[dict[str, Any]] = answer.content["predictions"]
    return predicted


def close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal, but for the last digits of numbers."""
    numbers = {name for name, value in other.items() if isinstance(value, float)}
    return {*one} == {*other} and all(
        abs(one[name] - other[name]) < 1e-6 if name in numbers else one[name] == other[name] for name in other
    )


@pytest.mark.parametrize("params", [{}, {"threshold": 0.2}, {"threshold": 1, "explain": True}, {"threshold": None}])
def test_the_answer_is_that_of_the_model_itself(
    caller: Caller, tiny: Workspace, cleaned: Array, params: dict[str, Any]
) -> None:
    model = Model(tiny.path / "data/model")
    thresholds = {"finding": params["threshold"]} if params.get("threshold") is not None else None
    said = answers(model, {"image": cleaned}, thresholds=thresholds, explain=bool(params.get("explain")))
    rows = zip(*(values.tolist() for values in said.values()), strict=True)
    expected = [{**dict(zip(said, row, strict=True)), "model_version": "1"} for row in rows]
    found = predictions(caller, films(cleaned), **params)
    assert [[*row] for row in found] == [[*row] for row in expected]
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


def test_a_threshold_moves_the_label(caller: Caller, cleaned: Array) -> None:
    probabilities = [row["probability"] for row in predictions(caller, films(cleaned))]
    middle = sorted(probabilities)[3]
    called = [row["label"] for row in predictions(caller, films(cleaned), threshold=middle - 1e-4)]
    assert called == ["pneumonia" if each >= middle - 1e-4 else "normal" for each in probabilities]
    assert {*called} == {"normal", "pneumonia"}


def test_the_map_is_a_png_beside_the_picture(caller: Caller, cleaned: Array) -> None:
    (row,) = predictions(caller, films(cleaned[:1]), explain=True)
    png = cv2.imdecode(np.frombuffer(base64.b64decode(row["map"], validate=True), np.uint8), cv2.IMREAD_COLOR)
    assert png.shape == (320, 648, 3)  # the picture, a gap, and the same picture under its map
    alone = cv2.resize(cleaned[0, ..., 0], (320, 320), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(png[:, :320, 0], alone)
    assert not np.array_equal(png[:, -320:], png[:, :320])


def test_noise_is_warned_of_and_a_film_is_not(caller: Caller, cleaned: Array) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    strange, film = predictions(caller, [encoded(noise), encoded(cleaned[0])])
    assert (strange["outside"], strange["warnings"]) == (1.0, "image: farther out than every training sample")
    assert film["outside"] < 1
    assert film["warnings"] == ("" if film["outside"] <= 0.99 else film["warnings"])


BAD = [b"no picture", encoded(np.zeros((9, 9), np.uint8)), b""]


def test_a_bad_row_does_not_spoil_the_others(caller: Caller, cleaned: Array) -> None:
    good = films(cleaned)
    mixed = [BAD[0], good[0], BAD[1], good[1], good[2]]
    rows = predictions(caller, mixed, on_error="row", explain=True)
    alone = predictions(caller, good[:3], on_error="row", explain=True)
    assert all(close(one, other) for one, other in zip([rows[1], rows[3], rows[4]], alone, strict=True))
    assert [row["error"] for row in alone] == [None] * 3
    for bad, sentence in ((rows[0], "column 'image': unreadable"), (rows[2], "column 'image': blank")):
        assert bad["error"].startswith(sentence)
        assert [*bad] == [*rows[1]]
        assert {value for name, value in bad.items() if name != "error"} == {None}


def test_only_bad_rows_are_answered_too(caller: Caller) -> None:
    rows = predictions(caller, BAD, on_error="row")
    assert all(row["error"] for row in rows)
    assert {row["probability"] for row in rows} == {None}


def test_more_rows_than_are_looked_at_together(caller: Caller, cleaned: Array) -> None:
    """A row's number is that of the request, not that of the piece that it is in."""
    many = films(cleaned) * 30
    rows = predictions(caller, many)
    assert all(close(rows[at], rows[at % 6]) for at in range(len(many)))
    many[150] = b"no picture"
    answer = caller.pictures(*many)
    assert (answer.status, answer.message[:23]) == (400, "row 150, column 'image'")
    assert [at for at, row in enumerate(predictions(caller, many, on_error="row")) if row["error"]] == [150]


def test_maps_of_many_rows_are_refused(caller: Caller, cleaned: Array) -> None:
    answer = caller.pictures(*films(cleaned[:1]) * 101, explain=True)
    assert answer.status == 400
    assert answer.message == "explain: at most 100 rows in a request with maps, found 101"


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs", "instances"])
@pytest.mark.parametrize("count", [1, 2])
def test_every_form_of_a_body_is_answered_alike(caller: Caller, cleaned: Array, form: str, count: int) -> None:
    texts = [base64.b64encode(each).decode() for each in films(cleaned[:count])]
    records = [{"image": each} for each in texts]
    split = {"columns": ["image"], "data": [[each] for each in texts]}
    content = {"dataframe_split": split, "inputs": {"image": texts}}.get(form, records)
    answer = caller.post({form: content, "params": {"threshold": 0.25}})
    assert answer.status == 200, answer.text
    expected = predictions(caller, films(cleaned[:count]), threshold=0.25)
    found = answer.content["predictions"]
    assert len(found) == count
    assert all(close(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs", "instances"])
def test_numbers_go_in_every_form_too(caller: Caller, cleaned: Array, form: str) -> None:
    grids = [each[..., 0].tolist() for each in cleaned[:2]]
    records = [{"image": each} for each in grids]
    split = {"columns": ["image"], "data": [[each] for each in grids]}
    content = {"dataframe_split": split, "inputs": {"image": grids}}.get(form, records)
    answer = caller.post({form: content})
    assert answer.status == 200, answer.text
    expected = predictions(caller, films(cleaned[:2]))
    assert all(close(one, other) for one, other in zip(answer.content["predictions"], expected, strict=True))


@pytest.mark.parametrize(("row", "sentence"), REFUSED["image"])
def test_what_the_page_says_is_refused_is_refused_with_those_words(
    caller: Caller, row: dict[str, Any], sentence: str
) -> None:
    answer = caller.post({"dataframe_records": [row]})
    assert answer.status == 400
    assert sentence in answer.message


@pytest.mark.parametrize(
    ("params", "sentence"), [*WRONG_PARAMS, ({"threshold": float("nan")}, "expected a number from 0 to 1, found nan")]
)
def test_params_that_cannot_be_are_refused(
    caller: Caller, cleaned: Array, params: dict[str, Any], sentence: str
) -> None:
    answer = caller.pictures(*films(cleaned[:1]), **params)
    assert answer.status == 400
    assert sentence in answer.content["message"]
    assert "Traceback" not in answer.text


def test_no_row_is_refused(caller: Caller) -> None:
    for body in ({"dataframe_split": {"columns": ["image"], "data": []}}, {"inputs": {"image": []}}):
        answer = caller.post(body)
        assert answer.status == 400
        assert "no rows: send at least one row" in answer.content["message"], json.dumps(body)
