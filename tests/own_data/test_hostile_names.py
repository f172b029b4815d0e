"""Names that would be HTML, Markdown, formulas or a terminal's commands: in no output they are more than text."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hostile import FORMULA, PICTURE, SCRIPT, TABLE, TERMINAL, TURNED, Tags, formulas, odd_signs, rendered
from mlflow import MlflowClient
from reached import Done, reach

from components.lib.cli import run

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]

CLASSES = (SCRIPT, FORMULA, f"{PICTURE} {TURNED}")
NUMBERS = ("@SUM(1+1)", f"<img src=x onerror=alert(2)> {TERMINAL}")
WORDS = ("-2+3|x", TABLE.replace("\n", " "))
SITES = ("=cmd|' /C calc'!A0", "<b>north</b>", "sou\u202eth")
SAID = {name: f"{name} {SCRIPT} {PICTURE} | {TERMINAL}\n\n# {TURNED}" for name in (
    "intended_use", "users", "not_for", "population", "reference_standard", "contact", "ethics", "funding",
)}  # fmt: skip


def task_and_table() -> tuple[dict[str, Any], pd.DataFrame]:
    generator = np.random.default_rng(11)
    count = 420
    table = pd.DataFrame({"patient": [f"P{row:04d}" for row in range(count)]})
    for name in NUMBERS:
        table[name] = generator.normal(size=count).round(3)
    for name in WORDS:
        table[name] = generator.choice(["=1+1", "<i>", "z"], count)
    table["site"] = generator.choice(SITES, count)
    label = np.digitize(table[NUMBERS[0]], [-0.5, 0.5])
    table["stage"] = np.where(
        generator.random(count) < 0.08, generator.choice(CLASSES, count), np.array(CLASSES)[label]
    )
    table["ill"] = np.where(label == 0, *CLASSES[:2])
    task = {
        "task": "hostile", "assumed": [f"{SCRIPT} {PICTURE} {TERMINAL}"],
        "source": {"reader": "table", "path": "data/raw", "file": "ward.csv", "public_key": True,
                   "columns": {"sex": None, "age": None}},
        "inputs": {"record": {"kind": "table", "numbers": [*NUMBERS], "categories": dict.fromkeys(WORDS)}},
        "targets": {
            "ill": {"kind": "binary", "classes": [*CLASSES[:2]]},
            "stage": {"kind": "multiclass", "classes": [*CLASSES]},
        },
        "split": {"validation": 0.25, "test": 0.25}, "clean": {"suspects": 50}, "augment": None, "register": None,
        "train": {"model": "mlp", "width": 8, "epochs": 4, "batch_size": 16, "learning_rate": 0.02},
        "evaluate": {"gates": {"ill.accuracy": 0.01}, "card": SAID},
    }  # fmt: skip
    return task, table


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, str]:
    """Every step of the task, as a command runs them, and what they print."""
    folder, reached = tmp_path_factory.mktemp("hostile"), list[Done]()
    task, table = task_and_table()

    def steps() -> None:
        reached.append(reach(folder, task, table))

    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["steps"])
        with pytest.raises(SystemExit):
            run(steps)
    return reached[0], printed.getvalue()


def written(done: Done, suffix: str) -> dict[str, str]:
    """The files of that kind that the steps wrote, and their text."""
    files = [file for file in done.data.rglob(f"*{suffix}") if "raw" not in file.parts]
    return {str(file.relative_to(done.data)): file.read_bytes().decode("utf-8") for file in files}


def test_pages_show_names_as_text_and_fetch_nothing(done: tuple[Done, str]) -> None:
    pages = written(done[0], ".html")
    assert {"evaluation/report.html", "ingested/validation.html", "cleaned/validation.html"} <= {*pages}
    for name, html in pages.items():
        tags = Tags(html)
        assert not {"script", "b", "i", "iframe", "!--"} & {*tags.found}, name
        assert all(address.startswith(("#", "data:image/png")) for address in tags.addresses), name
        assert odd_signs(html) == set(), name
    assert SCRIPT in "".join(Tags(pages["evaluation/report.html"]).text)


def test_markdown_shows_names_as_text(done: tuple[Done, str]) -> None:
    cards = written(done[0], ".md")
    client = MlflowClient(done[0].workspace.store)
    for version in client.search_model_versions("name='hostile'"):
        cards[f"version {version.version}"] = version.description
    for experiment in client.search_experiments():
        for found in client.search_runs([experiment.experiment_id]):
            cards[f"run {found.info.run_id}"] = found.data.tags.get("mlflow.note.content", "")
    assert len([text for text in cards.values() if SCRIPT.replace("<", "&lt;") in text]) >= 3
    for name, text in cards.items():
        page = rendered(text)
        assert not {"script", "img", "a", "b", "i", "!--", "blockquote"} & {*page.found}, name
        assert page.found["h1"] <= 1, name
        assert page.addresses == [], name
        assert odd_signs(text) == set(), name
    assert SCRIPT in "".join(rendered(cards["evaluation/model_card.md"]).text)


def test_tables_hold_no_formula(done: tuple[Done, str]) -> None:
    tables = written(done[0], ".csv")
    assert any("'=HYPERLINK" in text for text in tables.values())
    assert "cleaned/suspects.csv" in tables
    for name, text in tables.items():
        assert formulas(text) == [], name
        assert odd_signs(text) == set(), name


def test_kubeflow_finds_the_classes_of_a_written_table(done: tuple[Done, str]) -> None:
    from kfp.dsl import ClassificationMetrics

    from pipelines.kubeflow_steps import show_classes

    shown = ClassificationMetrics()
    show_classes(done[0].data / "evaluation", done[0].spec, shown)
    rows = [row["row"] for row in shown.metadata["confusionMatrix"]["rows"]]
    predicted = pd.read_parquet(done[0].data / "evaluation/predictions.parquet")
    assert sum(map(sum, rows)) == len(predicted[(predicted["target"] == "ill") & predicted["truth"].notna()])


def test_files_for_programs_are_plain(done: tuple[Done, str]) -> None:
    for name, text in written(done[0], ".json").items():
        assert odd_signs(text) == set(), name
        json.loads(text)


def test_what_is_printed_commands_no_terminal(done: tuple[Done, str]) -> None:
    assert "registered: hostile version 1" in done[1]
    assert "\\x1b[31m" in done[1]
    assert odd_signs(done[1]) == set()


def test_no_name_of_a_file_is_a_name_from_the_data(done: tuple[Done, str]) -> None:
    for path in (path for path in done[0].data.rglob("*") if path != Path("raw")):
        assert not any(sign in path.name for sign in "<>=|@\u202e\x1b!*?"), path.name
