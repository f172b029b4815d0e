"""Beats as text: a line a beat, numbers with commas between them and a label at the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from components.lib.readers.beats import SPLIT_FILES
from pipelines.look.choices import (
    Classes,
    classes_from,
    is_split,
    kept_split,
    numbered_classes,
    split_by,
    trained_on,
    training,
)
from pipelines.look.findings import Draft, Questions, refused

LEAST_VALUES = 30
"""Numbers in a line, below which it is rather a row of a table."""
MIT_BIH = 187
"""Values of a beat as MIT-BIH is often passed on: 125 Hz, and the groups of AAMI numbered from 0."""
GROUPS = ["N", "S", "V", "F", "Q"]
RATES = ["100", "125", "128", "250", "360", "500", "1000"]


def is_beats(path: Path) -> bool:
    """Whether the first lines are many numbers each, as many in every line, and a label."""
    try:
        with path.open("rb") as file:
            lines = [line.strip() for _, line in zip(range(5), file, strict=False)]
    except OSError:
        return False
    fields = [line.removeprefix(b"\xef\xbb\xbf").split(b",") for line in lines if line]
    if not fields or len(fields[0]) <= LEAST_VALUES or len({*map(len, fields)}) > 1:
        return False
    counted = fields[0] == [str(position).encode() for position in range(len(fields[0]))]
    return not counted and all(_is_number(field) for line in fields for field in line[:-1])


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def beat_files(folder: Path) -> list[Path]:
    """train.csv, validation.csv or val.csv, test.csv: those of them that hold beats."""
    found = [folder / name for name in SPLIT_FILES if (folder / name).is_file()]
    return found if found and all(map(is_beats, found)) else []


def look_at_beats(place: Path, paths: list[Path], questions: Questions) -> Draft:
    """Beats as text: how many values a line has, which labels there are; the rate is asked.

    Raises:
        DataError: labels of one class, or too many; sides of a split that lack one.
    """
    labels: Counter[str] = Counter()
    width = lines = train = 0
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                if stripped := line.strip():
                    width = width or stripped.count(b",")
                    labels[stripped.rpartition(b",")[2].strip().decode("utf-8", "replace").strip("\"'")] += 1
                    lines += 1
                    train += path.name == "train.csv"
    sides = {SPLIT_FILES[path.name] for path in paths if place.is_dir()}
    if place.is_dir() and not is_split(sides):
        raise refused(
            place,
            expected="train.csv and test.csv, and validation.csv where there is one; or one file, named by its path",
            found=", ".join(path.name for path in paths),
            todo=f"put the lines of one of them aside as {min({'train', 'test'} - sides)}.csv",
        )
    classes, note, codes = _classes(place, labels, width, questions)
    known = width == MIT_BIH
    rate = float(questions.choose(
        "How many values a second has a beat? The file doesn't say it:", RATES, "125",
        "as MIT-BIH is passed on, 187 values a beat" if known else "a usual rate; correct source.rate if it is another",
    ))  # fmt: skip
    found = [
        f"beats as text: {lines:,} lines of {width} values and a label"
        + (", the files' split kept" if place.is_dir() else "")
        + ("; it has no validation, which is made from train" if place.is_dir() and "validation" not in sides else ""),
        *classes.found,
        *note,
        "no patient ids: people stand on both sides of the split, and the figures will be too good",
    ]
    split, why_split = kept_split(sides, "sample") if place.is_dir() else ({**split_by("sample"), "method": "hash"}, "")
    settings, why_train = training(trained_on(train, sides) if train else round(0.7 * lines), "signal")
    source: dict[str, Any] = {"reader": "beats", "path": str(place.resolve()), "rate": rate, "lead": "II", "unit": "mV"}
    source |= codes
    values = {
        "source": source,
        "inputs": {"ecg": {"kind": "signal", "seconds": width / rate, "rate": rate, "leads": ["II"]}},
        "targets": {"beat": classes.target},
        "split": split,
        "train": settings,
    }
    why = {
        "source.rate": "values a second; the file doesn't say it, correct it if it is another",
        "source.lead": "the file doesn't name it",
        "source.unit": "the file doesn't say it; beats scaled to 0..1 pass",
        "inputs.ecg.seconds": f"{width} values",
        "targets.beat.classes": classes.why,
        "split": why_split,
        "split.by": "no patient ids",
        **why_train,
    }
    return Draft(values, found, why)


def _classes(
    place: Path, labels: Counter[str], width: int, questions: Questions
) -> tuple[Classes, list[str], dict[str, list[int]]]:
    """Classes of the labels: names as they stand, numbers in their order; notes; and the codes of the classes."""
    if not 2 <= len(labels) <= 20:
        raise refused(
            place,
            expected="a label at the end of each line, 2 to 20 different ones",
            found=f"{len(labels):,}",
            todo="if the lines are no beats, write names of the columns above them, and it is a table",
        )
    numbers = _numbers(labels)
    if numbers is None:
        return classes_from(labels, questions), [], {}
    counts = Counter[int]()
    for label, number in labels.items():
        counts[int(float(label))] += number
    named = width == MIT_BIH and sorted(counts) == list(range(len(GROUPS)))
    classes, codes = numbered_classes(counts, questions, GROUPS if named else None)
    return classes, ["named by the groups of AAMI, as sets of 187 values have them"] if named else [], codes


def _numbers(labels: Counter[str]) -> list[int] | None:
    """Labels as numbers of classes; None where one is a word, or no whole number."""
    try:
        told = [float(label) for label in labels]
    except ValueError:
        return None
    return [int(each) for each in told] if all(each.is_integer() and 0 <= each < 100 for each in told) else None
