"""What the pages for beginners say is done as it stands there, from the first command to the answer of the server."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from walkthrough import Walkthrough, require_told

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1500)]


@pytest.mark.parametrize(
    ("page", "printed", "holds"),
    [
        ("epoch 3, AUC 0.974", "epoch 3, AUC 0.91", True),
        ("epoch 3, AUC 0.974", "epoch 3, AUC 0.81", False),
        ("1,200 samples", "1,300 samples", True),
        ("1,200 samples", "1,400 samples", False),
        ("one\n…\ntwo", "one\nbetween\ntwo", True),
        ("one\ntwo", "two\none", False),
        ("error 1.21;\nridge 1.2", "error 1.21; ridge 1.2", True),
        ("took … ms, rows 5", "took 27 ms, rows 5", True),
        ("took … ms, rows 5", "took 27 ms, rows 9", False),
        ("took … ms", "took 27 s", False),
    ],
)
def test_words_are_compared_and_numbers_about(page: str, printed: str, holds: bool) -> None:
    try:
        require_told(page, printed)
    except AssertionError:
        assert not holds
    else:
        assert holds


def test_a_task_from_nothing(tmp_path: Path) -> None:
    page = Walkthrough("new-task.md", tmp_path)
    page.typed("python -m components.lib.pseudonyms")
    page.run("mkdir -p ~/ward")
    task = page.save("stay.yaml", "task: length_of_stay")
    written = task.read_text(encoding="utf-8")
    page.run("python -m components.lib.spec stay.yaml")
    for wrong, command, output in (
        (written.replace("numbers:", "number:"), "python -m components.lib.spec stay.yaml", "SpecError"),
        (written.replace("creatinine", "kreatinin"),
         "python -m components.ingest --task stay.yaml --raw stays.csv --dataset d --private p", "DataError"),
    ):  # fmt: skip
        task.write_text(wrong, encoding="utf-8")
        require_told(page.block(output).replace("stays.csv", "…stays.csv"), page.typed(command, status=1))
    task.write_text(written, encoding="utf-8")

    page.run("python -m pipelines.new --task stay.yaml")
    rejected = page.block("reason ").splitlines()[1].split("   ")[0]
    assert rejected in (page.here / "data/cleaned/validation.html").read_text(encoding="utf-8")
    report = (page.here / "data/evaluation/report.html").read_text(encoding="utf-8")
    quoted = re.findall(r"(?<!\*)\*((?:On average|Of 100|The network)[^*]*)\*", page.text)
    assert len(quoted) == 3
    told = html.unescape(re.sub("<[^>]*>", "\n", report))
    for sentence in quoted:
        require_told(f"…{' '.join(sentence.split())}…", told)

    page.typed("cd ..")
    changed = page.block("task: readmission")
    head, targets = changed.split("…\n")
    start = written.index("targets:")
    other = head + written[written.index("\n") + 1 : start] + targets + written[written.index("\n\n", start) :]
    (page.here / "readmission.yaml").write_text(other, encoding="utf-8")
    page.run("python -m components.lib.spec readmission.yaml", status=1)
    (page.here / "readmission.yaml").write_text(other.replace("[no, yes]", '["no", "yes"]'), encoding="utf-8")
    page.run("python -m pipelines.new --task readmission.yaml")

    page.typed("cd ../stay && sed -i 's/^evaluate: null/evaluate: {gates: {days.r2: 0.6}}/' task.yaml")
    require_told(page.block("gate FAILED"), page.typed("dvc repro"))

    with page.serving() as port:
        page.ask(port)


def test_a_new_kind_reader_and_architecture(tmp_path: Path) -> None:
    page = Walkthrough("new-kind.md", tmp_path)
    parts = {
        "components/train/models/table/linear.py": '"""No hidden layer',
        "components/lib/readers/json_lines.py": '"""JSON lines',
        "components/lib/kinds/count.py": '"""A number of events',
    }
    for name, beginning in parts.items():
        assert f"`{name}`" in page.text
        page.save(name, beginning, page.checkout)
    contract = "python -m pytest -n 0 tests/components/lib/kinds/test_contract.py"
    require_told(page.block("E  "), page.typed(contract, status=1))
    examples = page.checkout / "tests/kind_examples.py"
    entry, function = page.block('    "count": ['), page.block("def counts")
    text = examples.read_text(encoding="utf-8")
    (begins,) = [line for line in text.splitlines(keepends=True) if line.startswith("TARGETS")]
    examples.write_text(text.replace(begins, f"{function}\n\n{begins}{entry}"), encoding="utf-8")
    page.run("python -m pytest -n 0", expect=False)
    data = page.checkout / "serving/reference_data.py"
    text = data.read_text(encoding="utf-8")
    (begins,) = [line for line in text.splitlines(keepends=True) if line.startswith("TARGETS")]
    assert '"count": {"unit": "falls"}' in page.text
    data.write_text(text.replace(begins, f'{begins}    "count": {{"unit": "falls"}},\n'), encoding="utf-8")
    page.typed("python -m serving.reference && python -m serving.reference --check")

    page.typed("python -m components.lib.pseudonyms")
    page.run("mkdir -p ~/falls", expect=False)
    page.save("falls.yaml", "task: falls")
    page.run("python -m components.lib.spec falls.yaml")
    with page.serving() as port:
        page.ask(port)

    for name, beginning in {
        "components/lib/phantoms/falls.py": '"""Settings of the falls phantom',
        "components/phantom/falls.py": '"""A nursing home',
    }.items():
        assert f"`{name}`" in page.text
        page.save(name, beginning, page.checkout)
    page.typed("cd ..")
    task = (page.here / "falls.yaml").read_text(encoding="utf-8")
    text = page.block("task: home") + task.split("\n", 2)[2]
    (page.here / "home.yaml").write_text(text, encoding="utf-8")
    page.run("python -m components.phantom")


def test_the_tutorial(tmp_path: Path) -> None:
    page = Walkthrough("tutorial.md", tmp_path)
    page.run("python -m components.phantom", expect=False)
    page.run("python -m components.lib.pseudonyms")
    page.run("python -m pipelines.new ~/films")
    page.run("python -m components.lib.spec work/films/task.yaml", expect=False)
    page.run("cd work/films")
    for file in ("ingested/validation.html", "cleaned/validation.html", "evaluation/report.html"):
        assert f"`data/{file}`" in page.text
        assert (page.here / "data" / file).is_file()
    page.typed("cd ../..")
    with page.serving() as port:
        command = page.ask(port)
        assert "the film `0004-1.png` is such a one" in page.text
        (doubtful,) = json.loads(page.typed(command.replace("0001-1", "0004-1")))["predictions"]
        assert (doubtful["abstain"], doubtful["prediction_set"]) == (True, "")
    task = page.checkout / "work/films/task.yaml"
    text = task.read_text(encoding="utf-8")
    epochs, gates = page.block("  epochs:").splitlines()
    task.write_text(re.sub(r"  epochs: .*", epochs, text).replace("evaluate: null", gates), encoding="utf-8")
    printed = page.typed("cd work/films && dvc repro")
    assert "Stage 'clean' didn't change" in printed
    assert "challenger" in printed
    page.run("python -c", expect=False)
    store = MlflowClient(f"sqlite:///{page.checkout}/mlflow.db")
    assert store.get_model_version_by_alias("films", "champion").version == 2
