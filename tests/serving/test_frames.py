"""Files of several pictures behind a really started server, and the examples for pictures of docs/serving.md."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import Answer, Caller
from dicoms import dicom
from films import encoded
from PIL import Image as Picture
from serving_examples import run_all
from workspaces import Workspace

from components.lib.dataset import Dataset
from components.lib.kinds import Array


@pytest.fixture(scope="module")
def frames(tiny: Workspace) -> Array:
    """Three cleaned films of the test split (3, 32, 32)."""
    return np.asarray(Dataset(tiny.path / "data/cleaned").select("test", ["image"])[1]["image"][:3])[..., 0]


def cine(frames: Array) -> bytes:
    return dicom(np.concatenate(list(frames)), Rows=frames.shape[1], NumberOfFrames=len(frames))


def scan(frames: Array) -> bytes:
    pages, file = [Picture.fromarray(each) for each in frames[:2]], io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return file.getvalue()


def asked(caller: Caller, *rows: tuple[bytes, Any]) -> Answer:
    records = [{"image": base64.b64encode(content).decode(), "image_frame": frame} for content, frame in rows]
    return caller.post({"dataframe_records": records})


@pytest.mark.parametrize("form", ["cine", "scan"])
def test_a_frame_is_answered_as_when_it_is_sent_alone(caller: Caller, frames: Array, form: str) -> None:
    content, count = {"cine": (cine(frames), 3), "scan": (scan(frames), 2)}[form]
    answer = asked(caller, *((content, number + 1) for number in range(count)))
    assert answer.status == 200, answer.text
    alone = [dicom(each) if form == "cine" else encoded(each, ".tif") for each in frames[:count]]
    assert answer.content["predictions"] == caller.pictures(*alone).content["predictions"]
    assert len({row["probability"] for row in answer.content["predictions"]}) == count


def test_files_with_and_without_frames_in_one_request(caller: Caller, frames: Array) -> None:
    answer = asked(caller, (encoded(frames[0]), None), (cine(frames), 2))
    assert answer.status == 200, answer.text
    expected = caller.pictures(encoded(frames[0]), encoded(frames[1])).content["predictions"]
    found = [row["probability"] for row in answer.content["predictions"]]
    assert np.allclose(found, [row["probability"] for row in expected], atol=1e-6)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (
            None,
            "row 0, column 'image': the file holds 3 pictures: say which one is meant in the column 'image_frame', "
            "1 to 3",
        ),
        (4, "row 0, column 'image': no picture 4 in the file: it holds 3 pictures, 1 to 3"),
        (1.5, "row 0, column 'image': expected a whole number from 1 under 'image_frame'"),
        ("2", "row 0, column 'image': expected a whole number from 1 under 'image_frame'"),
    ],
)
def test_what_is_said_of_a_frame_that_is_none(caller: Caller, frames: Array, frame: Any, sentence: str) -> None:
    answer = asked(caller, (cine(frames), frame))
    assert (answer.status, answer.message) == (400, sentence)


def test_a_frame_of_an_array_is_refused(caller: Caller, frames: Array) -> None:
    answer = caller.post({"dataframe_records": [{"image": frames[0].tolist(), "image_frame": 1}]})
    assert answer.status == 400
    assert "image_frame is for files of several pictures" in answer.message


@pytest.mark.parametrize(("title", "count"), [("Params", 1), ("An input of `kind: image`", 4)])
def test_the_examples_of_the_page(films_url: str, frames: Array, tmp_path: Path, title: str, count: int) -> None:
    for name, content in (("film.png", encoded(frames[0])), ("cine.dcm", cine(frames)), ("scan.tif", scan(frames))):
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "film.npy", frames[0].astype(np.uint16) * 200)
    assert run_all(title, films_url, tmp_path) == count
