"""Beats as text, however they are written: any separator, decimal sign and encoding, the class at either end."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import yaml
from looks import cleaned, refusal, spec_of

from components.lib.readers.beats import Beats
from components.lib.spec import SpecError, load_spec
from pipelines.look import Questions, look

NAMES = (("1", "2", "3", "4", "5"), ("-1", "1"), ("0", "1"), ("Herzschlag normal", "größer"), ("N", "V", "S"))


def beats(count: int, values: int, seed: int) -> np.ndarray:
    time = np.linspace(0, 1, values)
    draw = np.random.default_rng(seed)
    return np.sin(6 * time[None] + draw.uniform(0, 3, (count, 1))) + draw.normal(0, 0.02, (count, values))


def lines(draw: random.Random, held: np.ndarray, labels: list[str], where: str, delimiter: str, decimal: str) -> str:
    """Lines as a program writes them: plain, or in columns of equal width with blanks."""
    style = draw.choice(["{:.6f}", "{:15.7e}" if delimiter == " " else "{:.7e}"])
    label_style = "{:.7e}" if delimiter == " " and draw.random() < 0.5 else "{}"
    rows = []
    for values, label in zip(held, labels, strict=True):
        told = label_style.format(float(label)) if label.lstrip("-").isdigit() else label
        cells = [style.format(value).replace(".", decimal) for value in values]
        told = told.replace(".", decimal)
        rows.append(delimiter.join([told, *cells] if where == "first" else [*cells, told]))
    blanks = draw.choice(["", "  "]) if delimiter == " " else ""
    return "".join(f"{blanks}{row}{blanks}\n" for row in rows)


@pytest.mark.parametrize("seed", range(30))
def test_beats_of_any_form_are_read_as_they_are_meant(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    delimiter = draw.choice([" ", "\t", ";", "|", ","])
    decimal = "." if delimiter == "," else draw.choice(".,")
    where, classes = draw.choice(["first", "last"]), draw.choice(NAMES)
    if delimiter == " " and " " in classes[0]:
        classes = NAMES[-1]
    held = beats(60, draw.choice([40, 96, 187]), seed)
    labels = [draw.choice(classes) for _ in range(60 - len(classes))] + [*classes]
    path = tmp_path / f"beats{draw.choice(['.csv', '.txt', '.tsv'])}"
    encoding = draw.choice(["utf-8", "utf-8-sig", "cp1252"])
    path.write_bytes(lines(draw, held, labels, where, delimiter, decimal).encode(encoding))
    spec = spec_of(look(path, Questions()), tmp_path / "work")
    source = spec.source
    assert isinstance(source, Beats)
    assert (source.label, source.format.delimiter, source.format.decimal) == (where, delimiter, decimal)
    table, load = source.samples(path, spec.inputs, spec.targets), source.opener(path, spec.inputs)
    target = spec.targets["beat"]
    known = dict(zip(source.codes or range(9), target.listed_classes, strict=False))
    by_number = classes[0].lstrip("-").isdigit()
    assert table["beat"].tolist() == [known[int(label)] if by_number else label for label in labels]
    for at in (0, 37, 59):
        np.testing.assert_allclose(load(path.name, int(table["row"][at])).values[:, 0], held[at], atol=1e-6)


def ucr(folder: Path, name: str = "ECG5000", ending: str = ".txt") -> Path:
    """A set as the UCR archive has it, other files beside it."""
    folder.mkdir()
    for side, count, seed in (("TRAIN", 60, 1), ("TEST", 40, 2)):
        labels = [str(1 + n % 5) for n in range(count)]
        text = lines(random.Random(3), beats(count, 140, seed), labels, "first", " ", ".")
        (folder / f"{name}_{side}{ending}").write_text(text)
    (folder / "README.md").write_text("A set of beats.\n")
    return folder


def test_a_set_of_the_ucr_archive_goes_from_a_folder_to_cleaned_samples(tmp_path: Path) -> None:
    raw = ucr(tmp_path / "raw")
    draft = look(raw)
    assert draft.values["source"] | {"path": ""} == {
        "reader": "beats", "path": "", "rate": 125.0, "lead": "II", "unit": "mV", "label": "first",
        "format": {"delimiter": " "}, "files": {"train": "ECG5000_TRAIN.txt", "test": "ECG5000_TEST.txt"},
        "codes": [1, 2, 3, 4, 5],
    }  # fmt: skip
    assert draft.values["targets"]["beat"]["classes"] == [f"class_{n}" for n in range(1, 6)]
    assert "100 lines of 140 values, blanks between them and a label before the values" in draft.found[0]
    info = cleaned(raw, tmp_path / "work").info
    assert sum(info.counts.values()) == 100
    assert info.counts["test"] == 40


def test_files_of_two_forms_are_refused_by_name(tmp_path: Path) -> None:
    raw = ucr(tmp_path / "raw")
    test = raw / "ECG5000_TEST.txt"
    test.write_text("\n".join(";".join(line.split()) for line in test.read_text().splitlines()))
    told = refusal(raw)
    assert "ECG5000_TEST.txt: {'delimiter': ';'}" in told.found


def test_other_beats_beside_a_split_are_named(tmp_path: Path) -> None:
    raw = ucr(tmp_path / "raw")
    (raw / "more.txt").write_text((raw / "ECG5000_TEST.txt").read_text())
    draft = look(raw)
    assert draft.left_out == {"more.txt": "beats, too, in a file whose name says no split"}
    assert any("left out: 1 file of beats" in line for line in draft.found)


def test_where_both_ends_could_hold_the_label_somebody_is_asked_or_told(tmp_path: Path) -> None:
    held = beats(60, 50, 1)
    rows = [f"{n % 3}," + ",".join(f"{v:.4f}" for v in row) + f",{n % 2}" for n, row in enumerate(held)]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    draft = look(tmp_path / "b.csv")
    assert "label" not in draft.values["source"]
    assert any("Where in a line does the label stand? behind the values" in line for line in draft.assumed)


def test_zeros_at_the_end_of_every_beat_are_no_labels(tmp_path: Path) -> None:
    held = beats(60, 50, 1)
    rows = [f"{1 + n % 2}," + ",".join(f"{v:.4f}" for v in row) + ",0.0,0.0" for n, row in enumerate(held)]
    (tmp_path / "b.csv").write_text("\n".join(rows))
    draft = look(tmp_path / "b.csv")
    assert draft.values["source"]["label"] == "first"
    assert not any("does the label stand" in line for line in draft.assumed)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("format: {encoding: utf-16}", "source.format.encoding"),
        ("format: {sheet: a}", "source.format"),
        ("files: {train: a/b.txt}", "source.files"),
        ("files: {train: a.txt, test: a.txt}", "source.files"),
        ("label: middle", "source.label"),
    ],
)
def test_settings_that_lines_cannot_have_are_refused(tmp_path: Path, wrong: str, told: str) -> None:
    spec_of(look(ucr(tmp_path / "raw")), tmp_path / "work")
    task = tmp_path / "work/task.yaml"
    values = yaml.safe_load(task.read_text())
    values["source"] |= yaml.safe_load(wrong)
    task.write_text(yaml.safe_dump(values))
    with pytest.raises(SpecError, match=told):
        load_spec(task)
