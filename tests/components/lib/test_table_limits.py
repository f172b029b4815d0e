"""Small tables that become gigabytes are refused before they do; others are read as they were."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.attacks.reading import read_apart
from components.lib.errors import DataError
from components.lib.readers._tables import read_table
from components.lib.readers.npz import read_array
from components.lib.tables import read_text
from components.lib.tables.limits import TableBombError, check_parquet

ROWS = 20_000_000


def constant(rows: int, **columns: str) -> bytes:
    """A table that repeats one row."""
    file = io.BytesIO()
    names = {name: pa.DictionaryArray.from_arrays(np.zeros(1 << 20, np.int32), pa.array([value]))
             for name, value in columns.items()}  # fmt: skip
    piece = pa.table({name: column.dictionary_decode() if len(str(column[0])) < 99 else column
                      for name, column in names.items()})  # fmt: skip
    with pq.ParquetWriter(file, piece.schema, compression="zstd") as writer:
        for first in range(0, rows, len(piece)):
            writer.write_table(piece.slice(0, min(len(piece), rows - first)))
    return file.getvalue()


def test_twenty_million_rows_of_nothing_are_refused_by_the_footer() -> None:
    content = constant(ROWS, image="x")
    assert len(content) < 60_000
    told = read_apart("parquet", [content])
    assert (told.read, told.refused, told.broken) == (0, 1, [])
    assert told.megabytes < 100
    assert told.seconds < 5
    with pytest.raises(TableBombError, match="20,000,000 rows × 1 columns"):
        check_parquet(content)


def test_a_long_text_that_each_row_repeats_is_measured_before_it_is_written_out() -> None:
    content = constant(100_000, note="ä long text " * 100_000)
    assert len(content) < 200_000
    told = read_apart("parquet", [content])
    assert (told.refused, told.broken) == (1, [])
    assert told.megabytes < 300


def test_real_tables_pass(tmp_path: Path) -> None:
    count = 300_000
    table = pd.DataFrame({
        "id": np.arange(count), "sex": "female", "site": "Köln", "note": None, "days": 0.5,
        "name": [f"somebody {number}" for number in range(count)],
    })  # fmt: skip
    table.to_parquet(tmp_path / "t.parquet")
    check_parquet(tmp_path / "t.parquet")
    assert len(read_table(tmp_path / "t.parquet")) == count


def test_gzip_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (75 << 20), 9))
    with pytest.raises(DataError, match="unpacks to more than"):
        read_text(tmp_path / "t.csv.gz")
    with pytest.raises(DataError, match="unpacks to more than"):
        read_text(tmp_path / "t.csv.gz", content=(tmp_path / "t.csv.gz").read_bytes())


def test_lines_that_are_filled_up_to_a_wide_header_are_refused() -> None:
    told = read_apart("csv", [b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"1\n" * 1_000_000])
    assert (told.refused, told.broken) == (1, [])
    assert told.megabytes < 400


def workbook(reference: str) -> bytes:
    """One sheet with a cell there."""
    from openpyxl import Workbook

    book, file = Workbook(), io.BytesIO()
    book.active["A1"], book.active["B1"], book.active["A2"], book.active["B2"] = "a", "b", 1, 2
    book.active[reference] = 3
    book.save(file)
    return file.getvalue()


def test_a_workbook_with_a_cell_in_its_last_corner_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(workbook("XFD1048576"))
    with pytest.raises(DataError, match="more than"):
        read_text(tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").write_bytes(workbook("B3"))
    assert read_text(tmp_path / "t.xlsx").cells["b"].tolist() == ["2", "3"]


@pytest.mark.parametrize("shape", ["(1000000000, 100, 100)", "(10, 4)", "(10, 5, 5, 9)"])
def test_an_array_whose_header_states_more_than_there_is_is_refused(tmp_path: Path, shape: str) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((10, 5, 5), np.uint8))
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': " + shape.encode() + b", }"
    array = b"\x93NUMPY\x01\0" + (118).to_bytes(2, "little") + head.ljust(117) + b"\n" + bytes(250)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train_images.npy", array)
    (tmp_path / "a.npz").write_bytes(content.getvalue())
    with pytest.raises(DataError, match="of which 250 are there"):
        read_array(tmp_path / "a.npz", "train_images")
    told = read_apart("archive", [content.getvalue()])
    assert (told.refused, told.broken) == (1, [])
    assert told.megabytes < 50


def test_an_array_of_zeros_by_the_gigabyte_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", train_images=np.zeros((30, 1000, 1000), np.uint8))
    with pytest.raises(DataError, match="bomb"):
        read_array(tmp_path / "a.npz", "train_images")
