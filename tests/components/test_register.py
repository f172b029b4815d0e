"""Which alias a version earns. The store is a real one; models are the tiny one with another number in model.json."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from searching import written
from workspaces import Workspace

from components.lib import registry
from components.lib.digests import write_sums
from components.lib.errors import DataError, MedpipeError, ModelError
from components.lib.model_dir import model_digest
from components.lib.registry import fetch
from components.lib.spec import TaskSpec, load_spec
from components.register import register

NAME = "tiny_synthetic"


class Case:
    """A copy of the tiny workspace's model and store; every call of `register` is one of the step."""

    def __init__(self, tiny: Workspace, folder: Path) -> None:
        self.folder, self.store = folder, f"sqlite:///{folder}/mlflow.db"
        self.raw, self.private = tiny.path / "data/raw", tiny.path / "data/private"
        self.cleaned = tiny.path / "data/cleaned"
        shutil.copy(tiny.path / "mlflow.db", folder)
        for place in ("model", "evaluation"):
            shutil.copytree(tiny.path / "data" / place, folder / place)
        self.client = MlflowClient(self.store)

    def another_model(self, epochs: int, *, passed: bool = True) -> None:
        """Turn the copy into another model, with an evaluation of its own."""
        file = self.folder / "model/model.json"
        file.write_text(re.sub(r'"epochs": \d+', f'"epochs": {epochs}', file.read_text()), encoding="utf-8")
        write_sums(file.parent)
        self.verdict(model_digest=model_digest(self.folder / "model"), passed=passed)

    def verdict(self, **values: object) -> None:
        """Change evaluation.json."""
        file = self.folder / "evaluation/evaluation.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values), encoding="utf-8")
        write_sums(file.parent)

    def predicted(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change what evaluate predicted."""
        file = self.folder / "evaluation/predictions.parquet"
        table = pd.read_parquet(file)
        table.assign(output=[change(output) for output in table["output"]]).to_parquet(file, index=False)
        write_sums(file.parent)

    def without_a_way_back(self) -> None:
        """Take away what only golden cases need: who asks no server doesn't miss it."""
        self.raw, self.private = self.folder / "no raw data", self.folder / "no private folder"

    def register(self, spec: TaskSpec) -> dict[str, str]:
        """Run the step; alias to version afterwards."""
        places = (self.folder / name for name in ("model", "evaluation", "registered"))
        register(self.raw, self.cleaned, self.private, *places, spec)
        aliases = self.client.get_registered_model(NAME).aliases
        return {alias: str(version) for alias, version in aliases.items()}

    def tags(self, version: str) -> dict[str, str]:
        """Of a version."""
        return dict(self.client.get_model_version(NAME, version).tags)

    @property
    def receipt(self) -> dict[str, Any]:
        """What the step wrote."""
        told: dict[str, Any] = json.loads((self.folder / "registered/receipt.json").read_text())
        return told


@pytest.fixture
def case(tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return Case(tiny, tmp_path)


@pytest.fixture
def spec(tiny: Workspace) -> TaskSpec:
    return load_spec(tiny.path / "task.yaml")


def with_settings(spec: TaskSpec, **settings: object) -> TaskSpec:
    return spec.model_copy(update={"register_": spec.register_.model_copy(update=settings)})


def test_a_passing_model_beside_a_champion_is_challenger_and_a_person_decides(case: Case, spec: TaskSpec) -> None:
    case.another_model(98)
    assert case.register(spec) == {"champion": "1", "challenger": "2"}
    case.client.set_registered_model_alias(NAME, "champion", "2")
    case.client.delete_registered_model_alias(NAME, "challenger")
    case.without_a_way_back()
    assert case.register(spec) == {"champion": "2"}


def test_a_failing_model_has_no_alias_and_a_tag_that_says_why(case: Case, spec: TaskSpec) -> None:
    case.another_model(97, passed=False)
    assert case.register(spec) == {"champion": "1"}
    assert "finding.accuracy" in case.tags("2")["gates_failed"]
    assert "golden_failed" not in case.tags("2")


def test_promote_auto_leaves_a_champion_that_is_as_good(
    case: Case, spec: TaskSpec, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case.another_model(96)
    file = case.folder / "evaluation/model_card.md"
    text = file.read_text(encoding="utf-8")
    settings = with_settings(spec, promote="auto", golden_cases=5)
    assert case.register(settings) == {"champion": "1", "challenger": "2"}
    said = capfd.readouterr().out
    assert "golden cases: 5 answered as measured" in said
    assert "compared with version 1 on " in said
    assert case.tags("2")["golden_cases"] == "5"
    # The card with the comparison in it is the description, and goes into the version.
    described = case.client.get_model_version(NAME, "2").description
    address, _ = fetch(f"models:/{NAME}/2", tmp_path / "fetched")
    whole = (address.parent / "model_card.md").read_text(encoding="utf-8")
    assert whole.startswith(described.partition("\n\n… the whole card")[0])
    assert len(described) <= 5000
    before, title, after = whole.partition("## Compared with the champion\n")
    assert title
    assert text == before + after[after.index("\n## ") + 1 :]
    file.write_text("# Said later\n", encoding="utf-8")
    write_sums(file.parent)
    case.register(spec)
    later = case.client.get_model_version(NAME, "2").description
    assert later.startswith("# Said later\n")
    assert "## Compared with the champion\n" in later


def test_a_version_of_an_experiment_earns_its_alias_when_it_is_registered_for_good(
    case: Case, spec: TaskSpec, tiny: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.another_model(94)
    case.without_a_way_back()
    monkeypatch.setenv("DVC_EXP_NAME", "bold-try")
    assert case.register(spec) == {"champion": "1"}
    assert "golden_cases" not in case.tags("2")
    monkeypatch.delenv("DVC_EXP_NAME")
    with pytest.raises(DataError, match="dvc repro ingest"):
        case.register(spec)
    case.raw, case.private = tiny.path / "data/raw", tiny.path / "data/private"
    assert case.register(spec) == {"champion": "1", "challenger": "2"}


def test_an_evaluation_of_another_model_is_refused(case: Case, spec: TaskSpec) -> None:
    case.verdict(model_digest="0" * 64)
    with pytest.raises(DataError, match="dvc repro evaluate"):
        case.register(spec)


@pytest.mark.parametrize(
    ("name", "pattern", "other"),
    [
        ("model/model.json", r'("threshold": )[\d.]+', r"\g<1>0.99"),
        ("evaluation/evaluation.json", r'("passed": )\w+', r"\g<1>1"),
        ("evaluation/model_card.md", r"^# ", "# Approved: "),
    ],
)
def test_what_a_hand_changed_is_refused(case: Case, spec: TaskSpec, name: str, pattern: str, other: str) -> None:
    file = case.folder / name
    changed, count = re.subn(pattern, other, file.read_text(), count=1)
    assert count == 1
    file.write_text(changed)
    with pytest.raises(MedpipeError, match="changed or damaged") as caught:
        case.register(spec)
    assert caught.value.where == str(file)
    assert len(case.client.search_model_versions(f"name='{NAME}'")) == 1


def test_an_evaluation_of_another_dataset_is_refused(case: Case, spec: TaskSpec) -> None:
    case.another_model(92)
    case.verdict(dataset_digest="0" * 64)
    with pytest.raises(DataError, match=r"expected: the dataset that was evaluated, digest 0{12}"):
        case.register(spec)
    assert len(case.client.search_model_versions(f"name='{NAME}'")) == 1


def test_the_receipt_is_the_same_in_every_store(case: Case, spec: TaskSpec, tiny: Workspace) -> None:
    case.register(spec)
    receipt = (case.folder / "registered/receipt.json").read_bytes()
    assert receipt == (tiny.path / "data/registered/receipt.json").read_bytes()


def test_an_evaluation_without_a_card_is_refused(case: Case, spec: TaskSpec) -> None:
    (case.folder / "evaluation/model_card.md").unlink()
    with pytest.raises(DataError, match="dvc repro evaluate"):
        case.register(spec)


# Golden cases.


def test_the_first_to_pass_has_answered_and_its_latency_is_known(tiny: Workspace) -> None:
    client = MlflowClient(tiny.store)
    version = client.get_model_version_by_alias(NAME, "champion")
    assert version.tags["golden_cases"] == "20"
    assert 0 <= float(version.tags["golden_largest_difference"]) <= 1e-6
    assert 0 < float(version.tags["latency_p50_ms"]) <= float(version.tags["latency_p95_ms"])
    metrics = client.get_run(version.run_id).data.metrics
    for name in ("golden_cases", "latency_p50_ms", "latency_p95_ms", "golden_largest_difference"):
        assert metrics[name] == pytest.approx(float(version.tags[name]), rel=0.06), name


def test_nothing_of_a_raw_file_is_told(tiny: Workspace) -> None:
    names = [file.stem.encode() for file in (tiny.path / "data/raw").rglob("*.png")]
    version = MlflowClient(tiny.store).get_model_version(NAME, "1")
    told = [str(version.tags).encode(), *(text for _, text in written(tiny.path / "data/registered"))]
    assert names
    assert not [name for name in names if any(name in text for text in told)]


def test_a_version_that_answers_otherwise_has_no_alias(
    case: Case, spec: TaskSpec, capfd: pytest.CaptureFixture[str]
) -> None:
    case.another_model(91)
    case.predicted(lambda output: output + np.float32(2e-6))
    assert case.register(with_settings(spec, golden_cases=7)) == {"champion": "1"}
    tags, said = case.tags("2"), capfd.readouterr().out
    told = r"7 of 7 golden cases differ; the largest difference is (1\.9|2|2\.1)e-06, allowed is 1e-06"
    assert re.fullmatch(told, tags["golden_failed"])
    assert re.search(f"{told}; sample_ids: [0-9a-f]{{16}}, ", said)
    assert "no alias: the served model answers otherwise than evaluate measured" in said
    assert case.receipt["passed"] is False
    first = (case.folder / "registered/receipt.json").read_bytes()
    case.without_a_way_back()
    assert case.register(spec) == {"champion": "1"}
    assert (case.folder / "registered/receipt.json").read_bytes() == first


def spoil(monkeypatch: pytest.MonkeyPatch, place: str, lines: str) -> None:
    """Add lines to a file of the code that goes into versions."""
    copied = registry._serving_code

    def spoilt(folder: Path) -> Path:
        package: Path = copied(folder)
        with (package / place).open("a", encoding="utf-8") as file:
            file.write(lines)
        return package

    monkeypatch.setattr(registry, "_serving_code", spoilt)


def test_a_version_whose_own_code_cleans_otherwise_has_no_alias(
    case: Case, spec: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    brighter = """
_clean = Image.clean
def _brighter(self, raw):
    cleaned = _clean(self, raw)
    return type(cleaned)(cleaned.array // 2 + 100, cleaned.quality)
Image.clean = _brighter
"""
    spoil(monkeypatch, "lib/kinds/image.py", brighter)
    case.another_model(90)
    assert case.register(spec) == {"champion": "1"}
    assert re.match(r"\d+ of 20 golden cases differ; the largest difference is 0\.", case.tags("2")["golden_failed"])
    assert case.receipt["passed"] is False


def test_a_version_that_can_not_be_served_is_an_error_and_asked_again(
    case: Case, spec: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "lib/model_dir.py", "raise RuntimeError('broken on purpose')\n")
    case.another_model(89)
    with pytest.raises(ModelError, match=r"found: (.|\n)*broken on purpose(.|\n)*mlflow models serve"):
        case.register(spec)
    assert "decision" not in case.tags("2")
    assert not (case.folder / "registered").exists()
