"""Beats as text: a line a beat, numbers and a label behind or before them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from components.lib.errors import DataError
from components.lib.readers._tables import SPLIT_NAMES
from components.lib.readers.beats import SPLIT_FILES, label_of
from components.lib.tables import Ends, LineForm, recognise_lines
from components.lib.tables.read import TEXT
from components.lib.tables.recognise import NAMES
from pipelines.look.choices import (
    MOST_CLASSES,
    Classes,
    classes_from,
    is_split,
    kept_split,
    numbered_classes,
    split_by,
    trained_on,
    training,
)
from pipelines.look.findings import Draft, Questions, counted, refused

LEAST_VALUES = 30
"""Numbers in a line, below which it is rather a row of a table."""
MIT_BIH = 187
"""Values of a beat as MIT-BIH is often passed on: 125 Hz, and the groups of AAMI numbered from 0."""
GROUPS = ["N", "S", "V", "F", "Q"]
RATES = ["100", "125", "128", "250", "360", "500", "1000"]
BEHIND, BEFORE = "behind the values", "before the values"
MOST_LABELS = 1000
"""Different values from which on the end of a line can't hold labels."""


def form_of_beats(path: Path) -> LineForm | None:
    """How beats are written: many numbers a line, as many in every line, and a label; None where it is no such text."""
    if not path.name.lower().endswith(TEXT):
        return None
    try:
        return recognise_lines(path, LEAST_VALUES)
    except (OSError, DataError):
        return None


def beat_files(folder: Path) -> dict[str, Path]:
    """Split to its file of beats: train.csv, val.csv, test.csv, or ECG5000_TRAIN.txt and ECG5000_TEST.txt.

    Empty where the names don't say the splits, or say one twice.
    """
    texts = sorted(path for path in folder.iterdir() if path.name.lower().endswith(TEXT) and path.is_file())
    usual = {SPLIT_FILES[path.name]: path for path in texts if path.name in SPLIT_FILES}
    if usual:
        return usual if all(map(form_of_beats, usual.values())) else {}
    told = [(split, path) for path in texts if (split := _split_of(path.stem)) and form_of_beats(path)]
    told.sort(key=lambda each: [*SPLIT_FILES.values()].index(each[0]))
    return dict(told) if len({split for split, _ in told}) == len(told) else {}


def _split_of(stem: str) -> str | None:
    """The split that the last word of a file's name says."""
    return SPLIT_NAMES.get(re.split(r"[-_. ]", stem)[-1].lower())


def look_at_beats(place: Path, files: dict[str, Path], questions: Questions) -> Draft:
    """Beats as text: how many values a line has, which labels there are; the rate is asked.

    Args:
        place: the file, or the folder.
        files: split to file, of a folder; of a file, that alone under "".
        questions: asked for the rate, and for the end of the lines at which the labels stand where both could.

    Raises:
        DataError: labels of one class, or too many; sides of a split that lack one; files written differently.
    """
    sides = {*files} - {""}
    if sides and not is_split(sides):
        raise refused(
            place,
            expected="train.csv and test.csv, and validation.csv where there is one; or one file, named by its path",
            found=", ".join(path.name for path in files.values()),
            todo=f"put the lines of one of them aside as {min({'train', 'test'} - sides)}.csv",
        )
    form = _one_form(place, files)
    ends = {end: [_labels(path, form, end) for path in files.values()] for end in ("last", "first")}
    label = _label(ends, questions)
    counts = [labels for labels in ends[label] if labels is not None]
    labels = sum(counts, Counter[str]())
    lines = sum(labels.values())
    train = dict(zip(files, counts, strict=False)).get("train", Counter[str]()).total()
    width = _width(next(iter(files.values())), form, label)
    classes, note, codes = _classes(place, labels, width, questions)
    known = width == MIT_BIH
    rate = float(questions.choose(
        "How many values a second has a beat? The file doesn't say it:", RATES, "125",
        "as MIT-BIH is passed on, 187 values a beat" if known else "a usual rate; correct source.rate if it is another",
    ))  # fmt: skip
    between = NAMES.get(form.delimiter, repr(form.delimiter))
    written = f", {between} between them" if form.delimiter != "," else ""
    written += ", decimal commas" if form.decimal == "," else ""
    found = [
        f"beats as text: {lines:,} lines of {width} values{written} and a label "
        f"{BEHIND if label == 'last' else BEFORE}"
        + (", the files' split kept" if sides else "")
        + ("; it has no validation, which is made from train" if sides and "validation" not in sides else ""),
        *classes.found,
        *note,
        "no patient ids: people stand on both sides of the split, and the figures will be too good",
    ]
    split, why_split = kept_split(sides, "sample") if sides else ({**split_by("sample"), "method": "hash"}, "")
    settings, why_train = training(trained_on(train, sides) if train else round(0.7 * lines), "signal", classes)
    source: dict[str, Any] = {"reader": "beats", "path": str(place.resolve()), "rate": rate, "lead": "II", "unit": "mV"}
    source |= {"label": label} if label != "last" else {}
    plain = LineForm()
    source |= {"format": form.model_dump(exclude_defaults=True)} if form != plain else {}
    source |= {"files": {side: path.name for side, path in files.items()}} if _named_otherwise(files) else {}
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
        "source.label": "where the label stands in a line",
        "source.format": "how the lines are written",
        "source.files": "the file of each split, by their names",
        "inputs.ecg.seconds": f"{width} values",
        "targets.beat.classes": classes.why,
        "split": why_split,
        "split.by": "no patient ids",
        **why_train,
    }
    used = {path.name for path in files.values()}
    others = sorted(path.name for path in place.iterdir() if path.name not in used) if sides else []
    beside = [name for name in others if name.lower().endswith(TEXT) and form_of_beats(place / name)]
    left_out = dict.fromkeys(beside, "beats, too, in a file whose name says no split")
    if beside:
        found.insert(1, f"left out: {counted(len(beside), 'file')} of beats whose names say no split")
    return Draft(values, found, why, left_out=left_out)


def _named_otherwise(files: dict[str, Path]) -> bool:
    return any(side and SPLIT_FILES.get(path.name) != side for side, path in files.items())


def _one_form(place: Path, files: dict[str, Path]) -> LineForm:
    """How all files are written.

    Raises:
        DataError: one of them is written otherwise than another.
    """
    forms = [form_of_beats(path) or LineForm() for path in files.values()]
    for path, form in zip(files.values(), forms, strict=True):
        if form != forms[0]:
            first = next(iter(files.values())).name
            raise refused(
                place, expected=f"all files written as {first} is: {forms[0].model_dump(exclude_defaults=True)}",
                found=f"{path.name}: {form.model_dump(exclude_defaults=True)}",
                todo="write one of them as the other, or name one file by its path",
            )  # fmt: skip
    return forms[0]


def _labels(path: Path, form: LineForm, ends: Ends) -> Counter[str] | None:
    """How often each value stands at that end of the lines; None where there are too many for labels."""
    labels: Counter[str] = Counter()
    comment = form.comment.encode(form.encoding) if form.comment else None
    with path.open("rb") as file:
        for line in file:
            if line.strip() and not (comment and line.startswith(comment)):
                labels[label_of(line, form, ends)] += 1
                if len(labels) > MOST_LABELS:
                    return None
    return labels


def _label(ends: dict[Any, list[Counter[str] | None]], questions: Questions) -> Ends:
    """At which end of the lines the labels stand: words, or few whole numbers, at least two."""
    fitting: list[Ends] = []
    for end, counts in ends.items():
        values = {value for each in counts if each is not None for value in each} - {""}
        numbers = [LineForm().number(value) for value in values]
        whole = all(number is None or number.is_integer() for number in numbers)
        if None not in counts and 2 <= len(values) <= MOST_CLASSES and whole:
            fitting.append(end)
    if len(fitting) != 1:
        if len(fitting) == 2:
            answer = questions.choose(
                "Where in a line does the label stand?", [BEHIND, BEFORE], BEHIND, "both ends hold few whole numbers"
            )
            return "last" if answer == BEHIND else "first"
        return "last"
    return fitting[0]


def _width(path: Path, form: LineForm, ends: Ends) -> int:
    """Values of a line."""
    comment = form.comment.encode(form.encoding) if form.comment else None
    with path.open("rb") as file:
        line = next(line for line in file if line.strip() and not (comment and line.startswith(comment)))
    cells = form.cells(line.decode(form.encoding, "replace").lstrip("\ufeff"))
    return len(cells) - 1 - (ends == "first" and len(cells) > 1 and not cells[-1])


def _classes(
    place: Path, labels: Counter[str], width: int, questions: Questions
) -> tuple[Classes, list[str], dict[str, list[int]]]:
    """Classes of the labels: names as they stand, numbers in their order; notes; and the codes of the classes."""
    if not 2 <= len(labels) <= 20:
        raise refused(
            place,
            expected="a label at one end of each line, 2 to 20 different ones",
            found=f"{len(labels):,} at the end",
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
    whole = all(each.is_integer() and 0 <= each < 100 for each in told)
    return [*map(int, told)] if whole or sorted(told) == [-1, 1] else None
