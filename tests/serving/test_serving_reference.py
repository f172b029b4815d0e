"""docs/serving.md says what the kinds say today; its examples are run where servers of their kinds run."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspaces import TINY_ECG, TINY_TABLE, TINY_TASK

from components.lib.answers import answer_columns
from components.lib.errors import MedpipeError
from components.lib.kinds import INPUT_KINDS, TARGET_KINDS
from components.lib.model_dir import ModelInfo
from components.lib.spec import load_spec
from serving import reference
from serving.reference import COMMON, example, kind_name, main, page
from serving.reference_data import NAMES


@pytest.fixture(scope="module")
def text() -> str:
    return page()


def test_the_committed_page_is_fresh() -> None:
    main(check=True)


def test_every_kind_is_there_with_each_of_its_columns(text: str) -> None:
    for kind in INPUT_KINDS:
        columns = example(kind).request_columns(NAMES[kind_name(kind)])  # type: ignore[attr-defined]
        assert [each.name for each in columns if f"| `{each.name}` | {each.type} |" not in text] == []
    for kind in TARGET_KINDS:
        types = example(kind).answer_types  # type: ignore[attr-defined]
        assert [name for name, told in types.items() if f"| `{name}` | {told} |" not in text] == []
    assert [line for line in text.splitlines() if line.startswith("| `") and line.endswith("| |")] == []
    assert "\n@" not in text


def test_the_columns_of_every_target_are_those_of_an_answer() -> None:
    info = ModelInfo.model_construct(targets={"finding": next(example(each) for each in TARGET_KINDS)})
    assert [*COMMON][:3] == [*answer_columns(info, explain=True)][-3:]


@pytest.mark.parametrize("task", [TINY_TASK, TINY_TABLE, TINY_ECG])
def test_the_examples_are_of_the_models_that_answer_them(task: str, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(task, encoding="utf-8")
    ((name, kind),) = load_spec(tmp_path / "task.yaml").inputs.items()
    assert name == NAMES[kind.kind]
    assert kind.request_columns(name) == example(type(kind)).request_columns(name)  # type: ignore[attr-defined]


def test_a_kind_without_a_section_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Nothing\n", encoding="utf-8")
    monkeypatch.setattr(reference, "TEMPLATE", tmp_path / "page.md")
    with pytest.raises(MedpipeError, match="a line @"):
        page()
