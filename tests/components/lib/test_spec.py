"""The task file: what is right loads, what is wrong is named by key, with what would be right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.lib.cli import run
from components.lib.errors import SpecError
from components.lib.spec import TaskSpec, load_spec, main
from components.lib.train_settings import Train

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "pipelines" / "tasks" / "chest_xray_pneumonia.yaml"


def write(folder: Path, key: str, value: Any) -> Path:
    """The default task file with one value changed, `key` being its dotted place."""
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    *sections, last = key.split("/")
    place = values
    for section in sections:
        place = place[section]
    place[last] = value
    file = folder / "task.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file


def problem(file: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    return caught.value


def test_the_default_task_loads() -> None:
    spec = load_spec(DEFAULT)
    assert spec.task == "chest_xray_pneumonia"
    assert spec.inputs["image"].shape == (64, 64, 1)
    assert spec.evaluate.gates == {
        "finding.auc": 0.85,
        "finding.calibration_slope": {"overlaps": (0.8, 1.25)},
        "finding.observed_expected": {"overlaps": (0.8, 1.25)},
    }
    assert spec.register_.promote == "manual"


def test_a_null_section_means_its_defaults(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, "train", None)).train == Train()
    assert load_spec(write(tmp_path, "phantom", None)).phantom is None


@pytest.mark.parametrize(
    ("place", "value", "key", "right"),
    [
        ("sorce", {}, "sorce", "source"),
        ("train/epoch", 3, "train.epoch", "epochs"),
        ("train/threshold", {"metod": "youden"}, "train.threshold.metod", "method"),
        ("source/columns", {"patients": "id"}, "source.columns.patients", "patient"),
        ("inputs/image/sise", [64, 64], "inputs.image.sise", "size"),
        ("targets/finding/clases", ["a", "b"], "targets.finding.clases", "classes"),
        ("phantom/faults", {"blnk": 1}, "phantom.faults.blnk", "blank"),
        ("augment/online/image", {"rotaton": 0.1}, "augment.online.image.rotaton", "rotation"),
        ("register/promotion", "auto", "register.promotion", "promote"),
    ],
)
def test_an_unknown_key_names_itself_the_file_and_the_nearest(
    tmp_path: Path, place: str, value: object, key: str, right: str
) -> None:
    file = write(tmp_path, place, value)
    error = problem(file)
    assert error.where == f"{file}, {key}"
    assert error.found == f"unknown key {key.rpartition('.')[2]!r}; nearest: {right}"
    assert right in error.expected.removeprefix("one of ").split(", ")


@pytest.mark.parametrize(
    ("place", "value", "key", "expected", "found"),
    [
        ("train/epochs", "ten", "train.epochs", "valid integer", "ten"),
        ("train/epochs", 2.0, "train.epochs", "valid integer", "2.0"),
        ("train/epochs", 0, "train.epochs", "greater than or equal to 1", "0"),
        ("train/learning_rate", float("inf"), "train.learning_rate", "finite number", "inf"),
        ("train/precision", "float16", "train.precision", "'auto', 'float32' or 'bfloat16'", "float16"),
        (
            "train/model",
            "resnt",
            "train.model",
            "one of attention_cnn, cnn, pretrained, resnet, for an input of kind image",
            "resnt; nearest: resnet",
        ),
        (
            "source/reader",
            "fodler",
            "source.reader",
            "one of archive, beats, ",
            "fodler; nearest: folder",
        ),
        ("evaluate/thumbnails", "yes", "evaluate.thumbnails", "valid boolean", "yes"),
        ("inputs/image/size", [64], "inputs.image.size.1", "Field required", "[64]"),
        ("inputs", {}, "inputs", "at least 1 item", "{}"),
        (
            "targets/finding/kind",
            "binry",
            "targets.finding.kind",
            "one of binary, multiclass, regression",
            "binry; nearest: binary",
        ),
        ("targets/finding/classes", ["a", "a"], "targets.finding.classes", "a stands there twice", "['a', 'a']"),
        ("augment/online/image", {"rotation": 3}, "augment.online.image.rotation", "less than or equal to 0.5", "3"),
        ("augment/online", {"imgae": {}}, "augment.online.imgae", "one of image", "no such input; nearest: image"),
        ("evaluate/gates", {"findin.auc": 0.5}, "evaluate.gates.findin.auc", "finding", "nearest: finding"),
        ("evaluate/gates", {"finding": 0.5}, "evaluate.gates.finding", "TARGET.METRIC", "no such target"),
        (
            "evaluate/gates",
            {"finding.acu": 0.5},
            "evaluate.gates.finding.acu",
            "one of finding.accuracy, finding.precision, ",
            "no such metric; nearest: auc",
        ),
        ("source/synthetic", False, "source.synthetic", "true, since the task has `phantom: chest`", "false"),
        ("source/public_key", False, "source.public_key", "true, since the task has a `phantom:`", "false"),
        ("split", {"validation": 0.5, "test": 0.5}, "split", "leave a share for train", "0.5"),
        ("task", "Chest Film", "task", "match pattern", "Chest Film"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    tmp_path: Path, place: str, value: object, key: str, expected: str, found: str
) -> None:
    error = problem(write(tmp_path, place, value))
    assert error.where.endswith(f"task.yaml, {key}")
    assert expected in error.expected
    assert found in error.found
    assert "correct the value" in error.todo


@pytest.mark.parametrize(
    ("place", "value", "advice"),
    [("train/learning_rate", "1e-3", "1.0e-3"), ("targets/finding/classes", [False, True], "quotes")],
)
def test_what_yaml_reads_otherwise_than_people_is_explained(
    tmp_path: Path, place: str, value: object, advice: str
) -> None:
    assert advice in problem(write(tmp_path, place, value)).todo


def test_several_problems_are_counted(tmp_path: Path) -> None:
    assert problem(write(tmp_path, "train", {"epochs": 0, "width": 0})).found == "0 (and 1 more)"


def test_no_file(tmp_path: Path) -> None:
    error = problem(tmp_path / "none.yaml")
    assert (error.expected, error.found) == ("a readable task file", "No such file or directory")
    assert "--task" in error.todo


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"task: [chest", "line 1"),
        (b"\xff\xfe", "decode"),
        (b"2026-01-01: chest", "datetime.date"),
        (b"- task", "list"),
        (b"", "NoneType"),
        (b"task", "str"),
    ],
)
def test_what_is_no_yaml_mapping(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "task.yaml"
    file.write_bytes(content)
    error = problem(file)
    assert error.where == str(file)
    assert found in error.found


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("task: a\ntrain:\n  epochs: 3\n  width: 8\n  epochs: 30\n", "epochs", (3, 5)),
        ("task: a\nsplit: {seed: 1}\n\nsplit: {seed: 2}\n", "split", (2, 4)),
        ("task: a\naugment: {online: {image: {rotation: 0.1, rotation: 0.2}}}\n", "rotation", (2, 2)),
        ("task: a\nevaluate:\n  gates: {'1': 0.1,\n    1: 0.2}\n", "1", (3, 4)),  # equal once it is a word
    ],
)
def test_a_key_twice_is_named_with_both_lines(tmp_path: Path, text: str, key: str, lines: tuple[int, int]) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(text, encoding="utf-8")
    error = problem(file)
    assert error.where == f"{file}, {key}"
    assert error.found == f"{key!r} in line {lines[0]} and again in line {lines[1]}"


def mapping(folder: Path, targets: dict[str, str]) -> Path:
    """A task on a table, its one target in a column of another name."""
    return table_task(folder, source={"reader": "table", "path": "t.csv", "columns": {"targets": targets}})


def test_a_target_may_have_a_column_of_another_name(tmp_path: Path) -> None:
    columns = load_spec(mapping(tmp_path, {"sugar": "Blood Sugar"})).source.columns
    assert (columns.of("sugar"), columns.of("other")) == ("Blood Sugar", "other")
    assert hash(columns) == hash(columns.model_copy())


@pytest.mark.parametrize(
    ("targets", "source", "expected", "found"),
    [
        ({"suger": "Sugar"}, {}, "one of sugar", "no such target; nearest: sugar"),
        ({"sugar": "patient"}, {}, "a target that isn't the patient", "patient"),
        ({"sugar": "S"}, {"reader": "folder", "path": "f"}, "`source.index`, the table that has the column", "none"),
    ],
)
def test_a_mapping_that_says_nothing_is_refused(
    tmp_path: Path, targets: dict[str, str], source: dict[str, str], expected: str, found: str
) -> None:
    pictures = {"inputs": {"image": {"kind": "image", "size": [8, 8]}}} if source else {}
    told = {"reader": "table", "path": "t.csv", "columns": {"targets": targets}, **source}
    file = table_task(tmp_path, source=told, **pictures)
    error = problem(file)
    assert error.where == f"{file}, source.columns.targets.{next(iter(targets))}"
    assert (error.expected, error.found) == (expected, found)


def test_a_column_that_is_the_target_is_no_input(tmp_path: Path) -> None:
    error = problem(mapping(tmp_path, {"sugar": "bmi"}))
    assert error.where.endswith("targets.sugar")
    assert "a column that inputs.row reads" in error.found


def test_what_yaml_joins_may_repeat_a_key(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    text = table_task(tmp_path).read_text(encoding="utf-8")
    joined = "split: {<<: &s {seed: 1, folds: 2}, seed: 2}\n"
    file.write_text(f"{text}{joined}", encoding="utf-8")
    assert (load_spec(file).split.seed, load_spec(file).split.folds) == (2, 2)


def test_settings_are_frozen() -> None:
    spec = load_spec(DEFAULT)
    with pytest.raises(ValidationError, match="frozen"):
        spec.train.epochs = 3


def test_the_schema_explains_every_key() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "components.lib.spec", "--schema"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    schema = json.loads(done.stdout)
    assert schema == json.loads(json.dumps(TaskSpec.model_json_schema()))
    settings = schema["$defs"]["Train"]["properties"]
    assert settings["batch_size"]["description"].startswith("Samples a step.")
    assert not [name for name, value in settings.items() if "description" not in value]


def test_checking_a_file_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["spec", str(write(tmp_path, "train/epoch", 3))])
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    assert [line.split(":")[0] for line in capsys.readouterr().err.split("\n  ")[1:]] == ["expected", "found", "to do"]


ROW = {"kind": "table", "numbers": ["bmi"]}
SUGAR = {"sugar": {"kind": "regression"}}


def table_task(folder: Path, **sections: Any) -> Path:
    """A task on a table, some sections replaced."""
    healthy = {"task": "t", "source": {"reader": "table", "path": "t.csv"}, "inputs": {"row": ROW}, "targets": SUGAR}
    file = folder / "task.yaml"
    file.write_text(yaml.safe_dump({**healthy, **sections}), encoding="utf-8")
    return file


def test_equal_rows_of_a_table_are_reported_and_equal_films_dropped(tmp_path: Path) -> None:
    assert load_spec(DEFAULT).split_rules.exact_duplicates == "drop_from_train"
    assert load_spec(table_task(tmp_path)).split_rules.exact_duplicates == "report"
    strict = table_task(tmp_path, split={"exact_duplicates": "fail"})
    assert load_spec(strict).split_rules.exact_duplicates == "fail"


@pytest.mark.parametrize(
    ("sections", "key", "said"),
    [
        ({"targets": {"age": {"kind": "regression"}}}, "targets.age", "a column that every dataset has itself"),
        ({"targets": {"bmi": {"kind": "regression"}}}, "targets.bmi", "inputs.row reads"),
        ({"source": {"reader": "folder", "path": "films"}}, "source.reader", "folder"),
        ({"train": {"model": "resnet"}}, "train.model", "resnet"),
        ({"train": {"threshold": {"method": "fixed"}}}, "train.threshold", "a value"),
        ({"train": {"class_weights": "none"}}, "train.class_weights", "a value"),
        ({"train": {"loss": "focal"}}, "train.loss", "a regression target has no use for it"),
        ({"train": {"folds": 5}}, "train.folds", "set split.folds: 5 too; split.folds: 0"),
        ({"train": {"folds": 5}, "split": {"folds": 4}}, "train.folds", "set split.folds: 5 too; split.folds: 4"),
        ({"train": {"folds": 1}}, "train.folds", "0, or 2 and more"),
        ({"augment": {"offline": {"balance": 0.5}}}, "augment.offline.balance", "0.5"),
        ({"inputs": {"row": {**ROW, "ranges": {"bmx": [10, 80]}}}}, "inputs.row", "bmx"),
        ({"inputs": {"row": {"kind": "table"}}}, "inputs.row", "table"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_runs(
    tmp_path: Path, sections: dict[str, Any], key: str, said: str
) -> None:
    error = problem(table_task(tmp_path, **sections))
    assert error.where.endswith(f"task.yaml, {key}")
    assert said in f"{error.expected}; {error.found}"
