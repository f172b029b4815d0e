"""The dataset directory: what is written comes back, what is half written doesn't count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_datasets import finish, pictures, table, write

from components.lib.dataset import Dataset, DatasetWriter, rows_per_part
from components.lib.errors import DataError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "d")
    dataset = Dataset(tmp_path / "d")
    pd.testing.assert_frame_equal(dataset.samples(), table(0, 8))
    assert [len(part.array("image")) for part in dataset.parts] == [5, 3]
    np.testing.assert_array_equal(np.concatenate([part.array("image") for part in dataset.parts]), pictures(0, 8))
    assert dataset.info.rows == (5, 3)
    assert dataset.info.counts == {"train": 6, "validation": 0, "test": 2}
    assert dataset.info.patients == {"train": 3, "validation": 0, "test": 2}
    assert dataset.rejected().empty


def test_one_split_of_all_parts(tmp_path: Path) -> None:
    write(tmp_path / "d")
    samples, arrays = Dataset(tmp_path / "d").select("test", ["image"])
    assert list(samples["sample_id"]) == ["s2", "s5"]
    assert arrays["image"][:, 0, 0].tolist() == [2, 5]


def test_a_split_without_samples_has_empty_arrays_of_the_right_shape(tmp_path: Path) -> None:
    write(tmp_path / "d")
    samples, arrays = Dataset(tmp_path / "d").select("validation", ["image"])
    assert samples.empty
    assert (arrays["image"].shape, arrays["image"].dtype) == ((0, 2, 3), np.uint8)


def test_rejected_samples_of_all_parts(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    for index in range(2):
        left_out = pd.DataFrame({"sample_id": [f"x{index}"], "split": ["train"], "reason": ["blank"]})
        DatasetWriter(folder).write_part(index, table(index, 1), {"image": pictures(index, 1)}, left_out)
    finish(folder, 2)
    assert list(Dataset(folder).rejected()["sample_id"]) == ["x0", "x1"]


def test_equal_content_has_equal_digests_and_other_content_others(tmp_path: Path) -> None:
    first, again = write(tmp_path / "a"), write(tmp_path / "b")
    parted, longer = write(tmp_path / "c", (4, 4)), write(tmp_path / "d", (5, 4))
    assert first == again
    assert len({first.digest, parted.digest, longer.digest}) == 3


def test_a_changed_pixel_changes_the_digest(tmp_path: Path) -> None:
    digest = write(tmp_path / "a").digest
    altered = pictures(0, 5)
    altered[4, 1, 2] += 1
    DatasetWriter(tmp_path / "a").write_part(0, table(0, 5), {"image": altered})
    assert finish(tmp_path / "a", 2).digest != digest


def test_what_a_killed_step_left_is_no_part_and_no_content(tmp_path: Path) -> None:
    digest = write(tmp_path / "whole").digest
    folder = tmp_path / "killed"
    left = folder / ".part-00001"
    left.mkdir(parents=True)
    (left / "samples.parquet").write_bytes(b"half of it")
    (folder / ".part-00007").mkdir()
    (folder / ".part-00007" / "image.npy").write_bytes(b"half of it")
    writer = DatasetWriter(folder)
    assert not writer.has_part(1)
    writer.write_part(0, table(0, 5), {"image": pictures(0, 5)})
    writer.write_part(1, table(5, 3), {"image": pictures(5, 3)})
    assert writer.has_part(1)
    assert not left.exists()
    assert finish(folder, 2).digest == digest


def test_a_part_can_be_written_afresh(tmp_path: Path) -> None:
    write(tmp_path / "d", (2,))
    DatasetWriter(tmp_path / "d").write_part(0, table(7, 1), {"image": pictures(7, 1)})
    finish(tmp_path / "d", 1)
    assert list(Dataset(tmp_path / "d").samples()["sample_id"]) == ["s7"]


def test_a_dataset_without_parts(tmp_path: Path) -> None:
    info = write(tmp_path / "d", ())
    dataset = Dataset(tmp_path / "d")
    assert (info.rows, info.counts) == ((), {"train": 0, "validation": 0, "test": 0})
    assert dataset.samples().empty
    assert dataset.rejected().empty
    samples, arrays = dataset.select("train", ["image"])
    assert (len(samples), arrays["image"].shape) == (0, (0, 2, 3))


def problem(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        Dataset(path)
    assert "dvc repro" in caught.value.todo
    return caught.value


def test_a_missing_directory_a_file_and_an_unfinished_one(tmp_path: Path) -> None:
    write(tmp_path / "unfinished")
    (tmp_path / "unfinished" / "dataset.json").unlink()
    (tmp_path / "file").write_text("no directory")
    for name in ("missing", "file", "unfinished"):
        error = problem(tmp_path / name)
        assert (error.where, error.found) == (str(tmp_path / name), "no such file")


@pytest.mark.parametrize(
    ("change", "found"),
    [({"format": 1}, "Input should be 2"), ({"rows": "many"}, "valid array"), ({"colour": 1}, "not permitted")],
)
def test_another_format(tmp_path: Path, change: dict[str, Any], found: str) -> None:
    write(tmp_path / "d")
    file = tmp_path / "d" / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    error = problem(tmp_path / "d")
    assert error.where == str(file)
    assert error.expected == "format 2 of medpipe's dataset.json"
    assert found in error.found


def test_a_missing_part(tmp_path: Path) -> None:
    write(tmp_path / "d")
    (tmp_path / "d" / "part-00001").rename(tmp_path / "elsewhere")
    error = problem(tmp_path / "d")
    assert (error.expected, error.found) == ("2 parts", "no part-00001")


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    write(tmp_path / "d")
    objects = np.array([{"un": "pickled"}] * 5, dtype=object)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        DatasetWriter(tmp_path / "d").write_part(2, table(0, 5), {"image": objects})
    np.save(tmp_path / "d" / "part-00000" / "image.npy", objects, allow_pickle=True)
    with pytest.raises(DataError, match="objects"):
        Dataset(tmp_path / "d").parts[0].array("image")


@given(st.integers(0, 2**48))
def test_a_part_has_a_row_and_fits_into_memory(size: int) -> None:
    rows = rows_per_part(size)
    assert 1 <= rows <= 2048
    assert rows == 1 or rows * size <= 256_000_000
    assert rows == 2048 or (rows + 1) * size > 256_000_000
