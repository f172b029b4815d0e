"""Beats as lines of text: read line by line, and refused line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.lib.errors import DataError, Unusable
from components.lib.kinds.multiclass import Multiclass
from components.lib.kinds.signal import Signal
from components.lib.readers.beats import Beats

CLASSES = ("normal", "supraventricular", "ventricular")
TARGETS: dict[str, Any] = {"beat": Multiclass(kind="multiclass", classes=CLASSES)}
INPUTS: dict[str, Any] = {"ecg": Signal(kind="signal", seconds=187 / 125, rate=125.0, leads=("II",))}


def values(seed: int = 0) -> np.ndarray:
    """A beat of 187 values in 0..1, padded with zeros."""
    time = np.arange(187)
    beat = np.exp(-(((time - 60) / 4) ** 2)) + np.random.default_rng(seed).uniform(0.05, 0.1, 187)
    return np.where(time < 140, beat, 0) / beat.max()


def line(seed: int = 0, label: object = "0.000000000000000000e+00") -> str:
    return ",".join(f"{value:.18e}" for value in values(seed)) + f",{label}"


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


def source(path: Path, **changes: Any) -> Beats:
    return Beats(**{"reader": "beats", "path": str(path), "rate": 125.0, **changes})


def problem(path: Path, targets: Any = TARGETS) -> DataError:
    with pytest.raises(DataError) as caught:
        source(path).samples(path, INPUTS, targets)
    return caught.value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_is_a_beat(tmp_path: Path, end: str, mark: str) -> None:
    path = write(tmp_path / "set.csv", mark + line(0), line(1, "2"), line(2, "normal"), line(3, 1.0), end=end)
    table, load = source(path).samples(path, INPUTS, TARGETS), source(path).opener(path, INPUTS)
    assert table["beat"].tolist() == ["normal", "ventricular", "normal", "supraventricular"]
    assert table["row"].tolist() == [0, 1, 2, 3]
    assert table[["patient", "split", "site", "sex", "age"]].isna().all().all()
    for seed, (file, row) in enumerate(zip(table["file"], table["row"], strict=True)):
        beat = load(file, row)
        np.testing.assert_array_equal(beat.values[:, 0], values(seed))
        assert (beat.rate, beat.leads, beat.units) == (125.0, ("II",), ("mV",))
        assert INPUTS["ecg"].clean(beat).array.shape == (187, 1)


def test_a_folder_gives_the_splits(tmp_path: Path) -> None:
    for name, count in (("train.csv", 3), ("val.csv", 2), ("test.csv", 1)):
        write(tmp_path / name, *(line(seed) for seed in range(count)))
    table = source(tmp_path).samples(tmp_path, INPUTS, TARGETS)
    assert table["split"].tolist() == ["train"] * 3 + ["validation"] * 2 + ["test"]
    np.testing.assert_array_equal(source(tmp_path).opener(tmp_path, INPUTS)("val.csv", 1).values[:, 0], values(1))
    write(tmp_path / "validation.csv", line())
    assert "both" in problem(tmp_path).found


def test_a_line_that_cannot_be_read_is_one_bad_sample(tmp_path: Path) -> None:
    words = ",".join(["a", *line().split(",")[1:]])
    gap = ",".join(["", *line().split(",")[1:]])
    path = write(tmp_path / "set.csv", line(), words, "", ",".join(line().split(",")[3:]), gap, line(1))
    table, load = source(path).samples(path, INPUTS, TARGETS), source(path).opener(path, INPUTS)
    assert table["row"].tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(Unusable, match="unreadable: value 1 of 187 is no number"):
        load("set.csv", 1)
    with pytest.raises(Unusable, match=r"expected 187 values \(1.496 s at 125 Hz\), found 184"):
        INPUTS["ecg"].clean(load("set.csv", 3))
    assert INPUTS["ecg"].clean(load("set.csv", 4)).quality["missing"] == 1 / 187
    np.testing.assert_array_equal(load("set.csv", 5).values[:, 0], values(1))
    with pytest.raises(Unusable, match="no such line"):
        load("set.csv", 6)


def test_a_place_is_the_number_of_the_line(tmp_path: Path) -> None:
    assert source(tmp_path).place("jane_doe.csv", 16) == "row 17"
    assert source(tmp_path).place("train.csv", 16) == "train.csv, row 17"


def test_labels_that_are_no_class_are_left_for_the_target_to_tell(tmp_path: Path) -> None:
    path = write(
        tmp_path / "set.csv", line(0), line(1, "3"), line(2, "-1"), line(3, "1.5"), line(4, "vent"), line(5, "")
    )
    found = source(path).samples(path, INPUTS, TARGETS)["beat"]
    assert found.tolist()[1:5] == ["3", "-1", "1.5", "vent"]
    assert found.isna().tolist() == [False] * 5 + [True]
    assert "4 labels are none of the classes" in str(TARGETS["beat"].problem(found))


def test_a_class_named_by_a_number_is_that_class(tmp_path: Path) -> None:
    path = write(tmp_path / "set.csv", line(0, "1"), line(1, "0"))
    targets: dict[str, Any] = {"beat": Multiclass(kind="multiclass", classes=("1", "0", "2"))}
    assert source(path).samples(path, INPUTS, targets)["beat"].tolist() == ["1", "0"]


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (",".join(f"value{i}" for i in range(187)) + ",label", "column names"),
        (",".join(map(str, range(188))), "column names"),
        ("no table", "a line without commas"),
        ("", "an empty file"),
    ],
)
def test_a_header_or_no_table_is_told(tmp_path: Path, first: str, found: str) -> None:
    path = write(tmp_path / "set.csv", first, *([line()] if "," in first else []))
    error = problem(path)
    assert (error.where, error.found) == (f"{path}, first line", found)


def test_no_file_no_folder_and_two_targets(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.csv").found == "no such path"
    assert problem(tmp_path).found == "none of them"
    assert "2: beat, other" in problem(tmp_path, {**TARGETS, "other": TARGETS["beat"]}).found


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": "125"}, {"lead": ""}, {"index": "a"}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(Path(), **wrong)
