"""Which alias a version earns. The store is a real one; models are the tiny one with another number in model.json."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from workspaces import Workspace

from components.lib.errors import DataError
from components.lib.model_dir import model_digest
from components.lib.registry import fetch
from components.lib.spec import TaskSpec, load_spec
from components.register import register

NAME = "tiny_synthetic"


class Case:
    """A copy of the tiny workspace's model and store; every call of `register` is one of the step."""

    def __init__(self, tiny: Workspace, folder: Path) -> None:
        self.folder, self.store = folder, f"sqlite:///{folder}/mlflow.db"
        shutil.copy(tiny.path / "mlflow.db", folder)
        for place in ("model", "evaluation"):
            shutil.copytree(tiny.path / "data" / place, folder / place)
        self.client = MlflowClient(self.store)

    def another_model(self, epochs: int, *, passed: bool = True) -> None:
        """Turn the copy into another model, with an evaluation of its own."""
        file = self.folder / "model/model.json"
        file.write_text(re.sub(r'"epochs": \d+', f'"epochs": {epochs}', file.read_text()), encoding="utf-8")
        self.verdict(model_digest=model_digest(self.folder / "model"), passed=passed)

    def verdict(self, **values: object) -> None:
        """Change evaluation.json."""
        file = self.folder / "evaluation/evaluation.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values), encoding="utf-8")

    def register(self, spec: TaskSpec) -> dict[str, str]:
        """Run the step; alias to version afterwards."""
        register(self.folder / "model", self.folder / "evaluation", self.folder / "registered", spec)
        aliases = self.client.get_registered_model(NAME).aliases
        return {alias: str(version) for alias, version in aliases.items()}


@pytest.fixture
def case(tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return Case(tiny, tmp_path)


@pytest.fixture
def spec(tiny: Workspace) -> TaskSpec:
    return load_spec(tiny.path / "task.yaml")


def test_a_passing_model_beside_a_champion_is_challenger(case: Case, spec: TaskSpec) -> None:
    case.another_model(98)
    assert case.register(spec) == {"champion": "1", "challenger": "2"}


def test_a_failing_model_has_no_alias_and_a_tag_that_says_why(case: Case, spec: TaskSpec) -> None:
    case.another_model(97, passed=False)
    assert case.register(spec) == {"champion": "1"}
    assert "finding.accuracy" in case.client.get_model_version(NAME, "2").tags["gates_failed"]


def test_promote_auto_makes_a_passing_model_champion(case: Case, spec: TaskSpec) -> None:
    case.another_model(96)
    auto = spec.model_copy(update={"register_": spec.register_.model_copy(update={"promote": "auto"})})
    assert case.register(auto) == {"champion": "2"}


def test_an_alias_a_person_moved_stays_where_it_is(case: Case, spec: TaskSpec) -> None:
    case.another_model(95)
    case.register(spec)
    case.client.set_registered_model_alias(NAME, "champion", "2")
    case.client.delete_registered_model_alias(NAME, "challenger")
    assert case.register(spec) == {"champion": "2"}


def test_a_version_of_an_experiment_earns_its_alias_when_it_is_registered_for_good(
    case: Case, spec: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.another_model(94)
    monkeypatch.setenv("DVC_EXP_NAME", "bold-try")
    assert case.register(spec) == {"champion": "1"}
    monkeypatch.delenv("DVC_EXP_NAME")
    assert case.register(spec) == {"champion": "1", "challenger": "2"}


def test_an_evaluation_of_another_model_is_refused(case: Case, spec: TaskSpec) -> None:
    case.verdict(model_digest="0" * 64)
    with pytest.raises(DataError, match="dvc repro evaluate"):
        case.register(spec)


def test_the_receipt_is_the_same_in_every_store(case: Case, spec: TaskSpec, tiny: Workspace) -> None:
    case.register(spec)
    receipt = (case.folder / "registered/receipt.json").read_bytes()
    assert receipt == (tiny.path / "data/registered/receipt.json").read_bytes()


def test_the_card_is_the_description_and_goes_into_the_version(case: Case, spec: TaskSpec, tmp_path: Path) -> None:
    case.another_model(93)
    file = case.folder / "evaluation/model_card.md"
    text = file.read_text(encoding="utf-8")
    case.register(spec)
    described = case.client.get_model_version(NAME, "2").description
    assert text.startswith(described.partition("\n\n… the whole card")[0])
    assert len(described) <= 5000
    address, _ = fetch(f"models:/{NAME}/2", tmp_path / "fetched")
    assert (address.parent / "model_card.md").read_text(encoding="utf-8") == text
    file.write_text("# Said later\n", encoding="utf-8")
    case.register(spec)
    assert case.client.get_model_version(NAME, "2").description == "# Said later\n"


def test_an_evaluation_without_a_card_is_refused(case: Case, spec: TaskSpec) -> None:
    (case.folder / "evaluation/model_card.md").unlink()
    with pytest.raises(DataError, match="dvc repro evaluate"):
        case.register(spec)
