"""`promote: auto` with a model that is better: from the raw rows to the alias, served and asked, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from rivals import NAME, aliases, calibrated

from components.register import register

pytestmark = pytest.mark.accept


def test_a_better_model_is_promoted_and_the_way_back_is_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    rivals = calibrated(tmp_path / "data", {"old": 1.35, "good": 2.3})
    for name in ("old", "good"):
        rivals.register(rivals.model(name, tmp_path / name), tmp_path / f"out {name}", promote="auto")
    assert aliases(store) == {"champion": "2"}
    said = capfd.readouterr().out
    assert "registered: rivals version 2, champion after version 1: promote auto" in said
    tags = MlflowClient(store).get_model_version(NAME, "2").tags
    assert (tags["comparison"], tags["comparison.champion"]) == ("superior", "1")
    MlflowClient(store).set_registered_model_alias(NAME, "champion", "1")
    places = (rivals.folder / place for place in ("raw", "cleaned", "private"))
    out = tmp_path / "out good"
    register(*places, tmp_path / "good", out / "evaluation", out / "registered", rivals.task(promote="auto"))
    assert aliases(store)["champion"] == "1"
    assert "already there (champion after version 1" in capfd.readouterr().out
