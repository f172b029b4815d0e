"""Rows that can't be used, data and outputs that can't be, and what a user is told of them."""

from __future__ import annotations

import base64
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import looked_at
from provoke import Place

from components.lib.answers import answers
from components.lib.errors import DataError, MedpipeError
from components.lib.model_dir import Model
from serving import batch as program
from serving.batch import batch
from serving.batch_files import in_order


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A real graph of films of 28 × 28, that learnt from synthetic ones."""
    return looked_at(tmp_path_factory.mktemp("spot")).network


def film(number: int, side: int = 40) -> np.ndarray[Any, Any]:
    """Noise, (side, side); another number, another film."""
    return np.random.default_rng(number).integers(0, 256, (side, side), np.uint8)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def films(folder: Path, count: int) -> Path:
    """A folder of films a000.png …"""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"a{number:03d}.png").write_bytes(png(film(number)))
    return folder


def expected(model: Model, *numbers: int) -> list[float]:
    """The probabilities that the model gives these films."""
    cleaned = np.stack([model.info.inputs["image"].clean(film(number)).array for number in numbers])
    told: list[float] = answers(model, {"image": cleaned})["probability"].tolist()
    return told


def test_bad_files_are_told_of_and_stop_nothing(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = films(tmp_path / "films", 6)
    (folder / "a001.png").write_bytes(png(film(1))[:200])
    (folder / "a002.png").write_bytes(b"no film")
    (folder / "a003.png").write_bytes(png(np.zeros((40, 40), np.uint8)))
    (folder / "a004.png").unlink()
    (folder / "a004.png").symlink_to("nowhere.png")
    (folder / "notes.txt").write_text("other files are passed over", encoding="utf-8")
    totals = batch(model, None, folder, tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert (totals.rows, totals.unusable) == (6, 4)
    errors = pq.read_table(tmp_path / "out.parquet")["error"].to_pylist()
    assert errors[0] is None
    assert errors[5] is None
    assert errors[1].startswith("unreadable: cut off")
    assert errors[2].startswith("unreadable")
    assert errors[3].startswith("blank")
    assert errors[4] == "unreadable: No such file or directory"
    for column in ("probability", "model_version"):
        assert found[column].isna().tolist() == [False, True, True, True, True, False]
    assert found["label"].isna().sum() == found["outside"].isna().sum() == found["warnings"].isna().sum() == 4
    assert np.allclose(found["probability"].dropna(), expected(model, 0, 5), atol=1e-6)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "predicted 2 of 6 rows; 4 could not be used" in last
    assert "1 other files were passed over" in last


def test_no_usable_row_is_an_error_and_the_output_says_why(model: Model, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_bytes(b"no film")
    for _ in range(2):  # also of an output that is there already
        with pytest.raises(DataError, match="none of 1; the first: unreadable"):
            batch(model, None, tmp_path / "films", tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["error"].tolist()[0].startswith("unreadable")


def test_cells_of_a_table_are_paths_or_base64_or_bytes(model: Model, tmp_path: Path) -> None:
    folder = films(tmp_path / "films", 2)
    (folder / "plain").write_bytes(png(film(2)))
    sent = base64.b64encode(png(film(3))).decode()
    cells = ["films/a001.png", "films/plain", sent, f"data:image/png;base64,{sent}", "films/lost.png", "", "../x.png"]
    pd.DataFrame({"image": cells}).to_csv(tmp_path / "films.csv", index=False)
    batch(model, None, tmp_path / "films.csv", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert np.allclose(found["probability"].head(4), expected(model, 1, 2, 3, 3), atol=1e-6)
    assert found["error"].iloc[4] == "unreadable: No such file or directory"
    assert found["error"].iloc[6].startswith("the path leads out of the table's folder")
    assert found["error"].iloc[5].startswith("expected a PNG, JPEG, TIFF, BMP or DICOM file")
    pq.write_table(pa.table({"image": [png(film(4)), None]}), tmp_path / "bytes.parquet")
    batch(model, None, tmp_path / "bytes.parquet", tmp_path / "of_bytes.parquet")
    assert np.allclose(pd.read_parquet(tmp_path / "of_bytes.parquet")["probability"].iloc[0], expected(model, 4))


def test_a_page_of_a_file_is_chosen_by_its_column(model: Model, tmp_path: Path) -> None:
    done, pages = cv2.imencodemulti(".tiff", [film(0), film(1), film(2)])
    assert done
    (tmp_path / "pages.tiff").write_bytes(pages.tobytes())
    table = pd.DataFrame({"image": ["pages.tiff"] * 3, "image_frame": ["1", "3", ""]})
    table.to_csv(tmp_path / "films.csv", index=False)
    batch(model, None, tmp_path / "films.csv", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert np.allclose(found["probability"].head(2), expected(model, 0, 2), atol=1e-6)
    assert "say which one is meant in the column 'image_frame', 1 to 3" in found["error"].iloc[2]


def test_files_stand_in_the_order_of_their_paths_each_once(tmp_path: Path) -> None:
    names = ["a/1", "a-b/2", "a.png", "b", "a/z/3", ".hidden/4", "c/.5", "__MACOSX/6"]
    for name in names:
        (tmp_path / "films" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "films" / name).write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "7").write_bytes(b"")
    (tmp_path / "films" / "a" / "again").symlink_to(tmp_path / "films" / "a-b")
    (tmp_path / "films" / "a" / "round").symlink_to(tmp_path / "films")
    (tmp_path / "films" / "linked").symlink_to(tmp_path / "elsewhere")
    found = list(in_order(tmp_path / "films"))
    assert found == sorted(["a/1", "a-b/2", "a.png", "b", "a/z/3", "linked/7"])


@pytest.mark.parametrize(
    ("name", "content", "found", "todo"),
    [
        ("nowhere", None, "no such file or folder", "name what holds the samples"),
        ("films.doc", b"a", "another file", "name what holds the samples"),
        ("films.csv", b"imag,patient\na.png,1\n", "imag, patient; nearest: imag", "--column NAME"),
        ("films.csv", b"17,Doe\na.png,1\n", "2 columns, none of them known", "--column NAME"),
        ("films.csv", b"image,image\na.png,1\n", "several", "--column NAME"),
        ("films.csv", b"image\n", "none", "name a table with rows"),
        ("films.csv", b"image,age\na.png,1\nb.png,2,3\n", "3", "correct the line"),
        ("films.csv", b"image,a\n\x00\x01,2\n", "binary data", "name a table"),
        ("films.parquet", b"no table", "Parquet", "write the table again"),
    ],
)
def test_data_that_cannot_be_are_refused_before_any_work(
    model: Model, tmp_path: Path, name: str, content: bytes | None, found: str, todo: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        batch(model, None, tmp_path / name, tmp_path / "out.parquet")
    assert found in error.value.found
    assert todo in error.value.todo
    assert not (tmp_path / "out.parquet").exists()


def test_a_folder_without_a_film_says_what_there_is(model: Model, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with pytest.raises(DataError, match="found:    an empty folder"):
        batch(model, None, tmp_path / "films", tmp_path / "out.parquet")
    (tmp_path / "films" / "a.txt").write_bytes(b"")
    with pytest.raises(DataError, match="found:    1 other files"):
        batch(model, None, tmp_path / "films", tmp_path / "out.parquet")


def test_an_output_is_lost_only_when_asked(model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = films(tmp_path / "films", 2), tmp_path / "out.parquet"
    out.write_text("somebody's notes", encoding="utf-8")
    with pytest.raises(DataError, match="another file, which would be lost"):
        batch(model, None, folder, out, overwrite=True)
    out.unlink()
    batch(model, None, folder, out)
    before = (out.stat().st_ino, out.read_bytes())
    batch(model, None, folder, out)
    assert f"{out} was there already" in capsys.readouterr().out
    assert (out.stat().st_ino, out.read_bytes()) == before
    (folder / "a001.png").write_bytes(png(film(7)))
    with pytest.raises(DataError, match="predictions of other work"):
        batch(model, None, folder, out)
    with pytest.raises(DataError, match="predictions of other work"):
        batch(model, None, folder, out, thresholds={"finding": 0.2})
    assert out.read_bytes() == before[1]
    batch(model, None, folder, out, overwrite=True)
    assert np.allclose(pd.read_parquet(out)["probability"], expected(model, 0, 7), atol=1e-6)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_full_disk_keeps_what_is_finished(model: Model, tmp_path: Path) -> None:
    folder = films(tmp_path / "films", 40)
    with ExitStack() as stack:
        out = Place(tmp_path, tmp_path, stack).disk("size=64k") / "out.parquet"
        with pytest.raises(MedpipeError, match="finished parts are kept"):
            batch(model, None, folder, out, explain=True)
        assert not out.exists()


def test_a_column_called_like_an_answer_is_not_kept(model: Model, tmp_path: Path) -> None:
    pd.DataFrame({"image": ["a.png"], "label": ["x"]}).to_csv(tmp_path / "films.csv", index=False)
    with pytest.raises(DataError, match="found:    label"):
        batch(model, None, tmp_path / "films.csv", tmp_path / "out.parquet", keep=["label"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "out.csv"], "a file that ends in .parquet"),
        (["--keep", "age"], "are of tables"),
        (["--threshold", "half"], "expected a number from 0 to 1"),
        (["--threshold", "1.5"], "expected a number from 0 to 1"),
        (["--threshold", "findin=0.5"], "no such target"),
        (["--wrong"], "No such option"),
    ],
)
def test_wrong_use_ends_with_status_2(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], told: str,
) -> None:  # fmt: skip
    folder = films(tmp_path / "films", 1)
    monkeypatch.chdir(tmp_path)
    options = {"--model": str(model.path), "--data": str(folder), "--out": "out.parquet"}
    options |= {words[0]: words[1]} if len(words) > 1 else {}
    given = [word for pair in options.items() for word in pair] + (words if len(words) == 1 else [])
    monkeypatch.setattr(sys, "argv", ["batch", *given])
    with pytest.raises(SystemExit) as end:
        program.run(program.main)
    assert end.value.code == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not Path("out.parquet").exists()


def test_a_model_directory_of_another_format_ends_with_status_1(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model.path, tmp_path / "model")
    text = (tmp_path / "model/model.json").read_text(encoding="utf-8").replace('"format": 3', '"format": 1')
    (tmp_path / "model/model.json").write_text(text, encoding="utf-8")
    words = ["--model", str(tmp_path / "model"), "--data", os.devnull, "--out", str(tmp_path / "out.parquet")]
    monkeypatch.setattr(sys, "argv", ["batch", *words])
    with pytest.raises(SystemExit) as end:
        program.run(program.main)
    assert end.value.code == 1
    assert "expected: format 3 of medpipe's model.json" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["x", "long text " * 100_000])
def test_a_small_parquet_table_of_gigabytes_is_refused_before_it_is_read(
    model: Model, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *words, **named: pytest.fail("it was read"))
    piece = pa.table({"image": pa.DictionaryArray.from_arrays(np.zeros(1 << 17, np.int32), pa.array([text]))})
    with pq.ParquetWriter(tmp_path / "t.parquet", piece.schema, compression="zstd") as writer:
        for _ in range(153 if text == "x" else 1):  # 20 million rows, or 131 GB of text
            writer.write_table(piece)
    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match="a bomb"):
        batch(model, None, tmp_path / "t.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
