"""What nobody was asked about is written into the task file, and stands first in the report and in the model card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from evaluations import evaluated
from films import lay
from looks import spec_of

from components.evaluate.card import card
from components.evaluate.findings import find
from components.evaluate.report import report
from components.lib import markdown
from components.lib.errors import SpecError
from components.lib.spec import load_spec
from pipelines.look import Questions, look, task_text
from pipelines.steps import stages_of

SENTENCE = "Which class is the finding? effusion, its name says <so>"


def unclear(folder: Path) -> Path:
    return lay(folder, *(f"{name}/{n}.png" for name in ("cardiomegaly", "effusion") for n in range(20)))


def test_an_assumption_is_a_key_at_the_top_of_the_task_file(tmp_path: Path) -> None:
    draft = look(unclear(tmp_path / "films"))
    text = task_text("heart", draft)
    assert [*yaml.safe_load(text)][:2] == ["task", "assumed"]
    spec = spec_of(draft, tmp_path / "work")
    assert spec.assumed == tuple(each.removeprefix("assumed: ") for each in draft.assumed)
    assert any(each.startswith("Which class is the finding") for each in spec.assumed)


def test_nothing_is_assumed_of_what_the_data_say(tmp_path: Path) -> None:
    draft = look(lay(tmp_path / "films", *(f"{name}/{n}.png" for name in ("normal", "effusion") for n in range(60))))
    assert not [each for each in draft.assumed if "class" in each]
    # Of a finding that turns out to be rare, training will assume how its threshold is set.
    draft.assumed = []
    line = next(each for each in task_text("chest", draft).splitlines() if each.startswith("assumed: []"))
    assert line.endswith("none so far. Training may add some, and prints them.")


def test_an_end_of_input_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    questions = Questions(ask=True)
    assert questions.choose("Which?", ["a", "b"], "b", "it is last") == "b"
    assert questions.assumed == ["assumed: Which? b (it is last)"]


def test_only_the_evaluation_depends_on_the_wording(tmp_path: Path) -> None:
    stages = stages_of(spec_of(look(unclear(tmp_path / "films")), tmp_path / "work"))
    watching = {name for name, stage in stages.items() if "assumed" in stage["params"][0]["${task}"]}
    assert watching == {"evaluate"}


def test_report_and_card_say_it_before_any_metric(tmp_path: Path) -> None:
    found = evaluated(tmp_path, outputs=[0.2, 0.8] * 20, truth=["normal", "pneumonia"] * 20)
    found = replace(found, spec=found.spec.model_copy(update={"assumed": (SENTENCE,)}))
    findings = find(found, None)
    page, text = report(findings), card(found, findings.facts)
    assert 0 < page.index("its name says &lt;so&gt;") < page.rindex("Verdict")
    assert 0 < text.index(markdown.text(SENTENCE)) < text.index("## Intended use")


@pytest.mark.parametrize("wrong", ["a sentence", [""], [1]])
def test_a_task_file_takes_a_list_of_sentences(tmp_path: Path, wrong: object) -> None:
    spec_of(look(unclear(tmp_path / "films")), tmp_path / "work")
    task = tmp_path / "work" / "task.yaml"
    values = yaml.safe_load(task.read_text(encoding="utf-8")) | {"assumed": wrong}
    task.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(SpecError, match="assumed"):
        load_spec(task)
