"""Two data sets under one task name: never silently versions of one registered model."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from films import encoded
from mlflow import MlflowClient
from reached import run_steps
from workspaces import Workspace

from components.lib.errors import DataError
from components.lib.marks import share_samples, sketch
from components.lib.same_data import PLACE, SKETCH, identity, require_same_data
from components.lib.spec import TaskSpec, load_spec
from pipelines.look import Questions
from pipelines.new import create


def digests(count: int, start: int = 0) -> pd.Series:
    draw = random.Random(start)
    return pd.Series([f"{draw.getrandbits(256):064x}" for _ in range(count)])


def told(values: pd.Series) -> str:
    return sketch(values).tobytes().hex()


@pytest.mark.parametrize(("kept", "new"), [(1.0, 0), (1.0, 3000), (0.5, 400), (0.3, 800)])
def test_data_that_grew_or_shrank_share_samples_with_what_they_were(kept: float, new: int) -> None:
    before = digests(1000)
    after = pd.concat([before.sample(frac=kept, random_state=1), digests(new, 7)])
    assert share_samples(told(before), told(after))
    assert told(before) == told(before.sample(frac=1, random_state=2))


def test_of_other_data_none_pass_for_the_same() -> None:
    found = [told(digests(draw, 1000 + draw)) for draw in range(30, 90)]
    assert not any(share_samples(one, other) for n, one in enumerate(found) for other in found[:n])


def test_two_hundred_thousand_samples_are_sketched_at_once() -> None:
    assert sketch(digests(2)).dtype == np.uint8
    assert sketch(digests(0)).shape == (256,)


@dataclass
class Fake:
    """A dataset as far as its identity needs one: its table, and whether a program made it."""

    digests: pd.Series
    synthetic: bool = False

    @property
    def info(self) -> Fake:
        return self

    def samples(self) -> pd.DataFrame:
        return pd.DataFrame({"sha256": self.digests})


def spec_at(path: Path, **sections: Any) -> TaskSpec:
    from films import task

    return task(source={"reader": "folder", "path": str(path), "index": "index.csv"}, **sections)


@pytest.fixture
def store(tiny: Workspace, tmp_path: Path) -> MlflowClient:
    """A store with tables; making them takes seconds."""
    shutil.copy(tiny.path / "mlflow.db", tmp_path)
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_version_of_other_data_is_refused_unless_the_task_file_says_so(
    store: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first: Any = Fake(digests(200))
    spec = spec_at(tmp_path / "A/films")
    require_same_data(store, first, spec)
    store.create_registered_model("chest_test")
    store.create_model_version("chest_test", "file:///nowhere", tags={"model_digest": "old"})
    require_same_data(store, first, spec)
    assert "that don't say what data they are of" in capsys.readouterr().out
    store.create_model_version("chest_test", "file:///nowhere", tags=identity(first, spec))

    grown: Any = Fake(pd.concat([first.digests, digests(150, 3)]))
    replaced: Any = Fake(digests(80, 4))
    require_same_data(store, grown, spec)
    require_same_data(store, replaced, spec)  # lie where the first ones lay
    require_same_data(store, grown, spec_at(tmp_path / "moved/films"))
    with pytest.raises(DataError) as caught:
        require_same_data(store, replaced, spec_at(tmp_path / "B/films"))
    assert "chest_test" in caught.value.where
    assert "version 2" in caught.value.expected
    assert "--name" in caught.value.todo
    assert "other_data: accept" in caught.value.todo
    require_same_data(store, replaced, spec_at(tmp_path / "B/films", register={"other_data": "accept"}))
    require_same_data(store, Fake(replaced.digests, synthetic=True), spec_at(tmp_path / "B/films"))  # type: ignore[arg-type]


def test_tags_of_a_version_hold_no_path_and_no_digest_of_a_sample(tmp_path: Path) -> None:
    data: Any = Fake(digests(50))
    tags = identity(data, spec_at(tmp_path / "Meier_Anna"))
    assert len(tags[SKETCH]) == 512
    assert len(tags[PLACE]) == 8
    assert not any(digest[:8] in tags[SKETCH] for digest in data.digests)


def films(folder: Path, shift: int) -> Path:
    """Bright and dark films; another shift, other films."""
    draw = np.random.default_rng(shift)
    for name, level in (("sick", 150), ("well", 60)):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            pixels = draw.integers(level, level + 60, (24, 24), dtype=np.uint8)
            (folder / name / f"{number}.png").write_bytes(encoded(pixels))
    return folder


@pytest.mark.accept
@pytest.mark.xdist_group("tensorflow")
def test_two_workspaces_of_one_name_on_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    specs = {}
    for place in "AB":
        create(films(tmp_path / place / "films", ord(place)), tmp_path / f"ws{place}", "films", Questions())
        task = tmp_path / f"ws{place}/task.yaml"
        values = yaml.safe_load(task.read_text(encoding="utf-8"))
        values["train"] = {"model": "cnn", "width": 4, "epochs": 1}
        task.write_text(yaml.safe_dump(values), encoding="utf-8")
        specs[place] = load_spec(task)
    run_steps(tmp_path / "A/films", tmp_path / "wsA/data", specs["A"])
    with pytest.raises(DataError, match="data that share no samples with it and lie elsewhere"):
        run_steps(tmp_path / "B/films", tmp_path / "wsB/data", specs["B"])
    assert (tmp_path / "wsB/data/cleaned/dataset.json").is_file()
    assert not (tmp_path / "wsB/data/model").exists()
    client = MlflowClient(uri, uri)
    assert len(client.search_model_versions("name='films'")) == 1
