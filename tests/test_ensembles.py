"""Several nets as one model, for films, rows and traces: trained, evaluated, served, killed."""

from __future__ import annotations

import json
import shutil
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from reached import run_steps
from workspaces import TINY_ECG, TINY_TABLE, TINY_TASK, WATCH, Workspace, digests, step_command

from components.lib.dataset import Dataset
from components.lib.model_dir import Model, model_digest
from components.lib.spec import TaskSpec, load_spec
from components.phantom.step import phantom

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@dataclass(frozen=True)
class Case:
    """One kind of data: its tiny task, with the folds and seeds that are tried on it."""

    task: str
    folds: int
    seeds: int
    epochs: int = 1

    @property
    def nets(self) -> int:
        return max(self.folds, 1) * self.seeds

    def write(self, file: Path) -> TaskSpec:
        """The task file."""
        values = yaml.safe_load(self.task)
        values["split"]["folds"] = self.folds
        values["train"] |= {"folds": self.folds, "seeds": self.seeds, "epochs": self.epochs}
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return load_spec(file)


CASES = {
    "films": Case(TINY_TASK, folds=2, seeds=1),
    "rows": Case(TINY_TABLE, folds=2, seeds=2, epochs=2),
    "traces": Case(TINY_ECG, folds=0, seeds=2),
}


@dataclass(frozen=True)
class Done:
    """A case, all steps done."""

    case: Case
    spec: TaskSpec
    workspace: Workspace

    @property
    def data(self) -> Path:
        return self.workspace.path / "data"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.workspace.store)

    @property
    def runs(self) -> tuple[Run, list[Run]]:
        """The model's run and those nested in it, in the order of the nets."""
        experiment = self.client.get_experiment_by_name(self.spec.task)
        run_id = json.loads((self.data / "run.json").read_text(encoding="utf-8"))["run_id"]
        every = self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
        nested = [run for run in every if run.data.tags.get("mlflow.parentRunId") == run_id]
        return self.client.get_run(run_id), nested


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without a run. It takes seconds to make: everyone begins with a copy."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="module", params=CASES)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, store: Path) -> Done:
    """Every step from phantom to register, in this process."""
    case = CASES[request.param]
    here = Workspace(tmp_path_factory.mktemp(request.param))
    shutil.copy(store, here.path)
    spec, data, raw = case.write(here.path / "task.yaml"), here.path / "data", here.path / "data/raw"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", here.store)
        phantom(raw, spec)
        run_steps(raw, data, spec)
    return Done(case, spec, here)


def test_model_json_names_every_net(done: Done) -> None:
    info = Model(done.data / "model").info
    assert len(info.members) == done.case.nets
    assert {each.fold for each in info.members} == ({*range(done.case.folds)} or {None})
    assert {each.seed for each in info.members} == {*range(1, done.case.seeds + 1)}
    assert info.cross_validated == bool(done.case.folds)
    curves = pd.read_csv(done.data / "model/curves.csv")
    assert list(curves["member"].unique()) == list(range(1, done.case.nets + 1))
    for number, each in enumerate(info.members, 1):
        kept = curves[(curves["member"] == number) & (curves["epoch"] == each.epochs)]
        assert list(kept["validation_score"]) == [each.validation_score]


def test_every_sample_but_those_of_test_is_judged_once_and_nobody_is_named(done: Done) -> None:
    file = done.data / "model/out_of_fold.parquet"
    assert file.exists() == bool(done.case.folds)
    if not done.case.folds:
        return
    table, samples = pd.read_parquet(file), Dataset(done.data / "cleaned").samples()
    assert list(table) == ["sample_id", "fold", "target", "known", "output"]
    expected = samples.loc[samples["split"] != "test", ["sample_id", "fold"]].sort_values("sample_id")
    found = table[["sample_id", "fold"]].sort_values("sample_id")
    assert expected.to_numpy().tolist() == found.to_numpy().tolist()
    assert np.isfinite(np.stack(table["output"].to_list())).all()


def test_what_is_served_is_what_evaluate_measured(done: Done) -> None:
    predicted = pd.read_parquet(done.data / "evaluation/predictions.parquet")
    sources = pd.read_parquet(done.data / "private/sources.parquet")
    samples = predicted.merge(sources, on="sample_id", how="left", validate="one_to_one").iloc[:12]
    ((name, kind),), (target,) = done.spec.inputs.items(), done.spec.targets.values()
    load = done.spec.source.opener(done.data / "raw", done.spec.inputs)
    rows = [kind.to_request(name, load(each.file, int(each.row))) for each in samples.itertuples()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
        from serving.model import ServedModel
    model, folder = ServedModel(), SimpleNamespace(artifacts={"model": str(done.data / "model")})
    model.load_context(folder)
    answers = pd.DataFrame(model.predict(folder, pd.DataFrame(rows)))
    column = "prediction" if "prediction" in answers else "probability"
    info = Model(done.data / "model").info
    expected = target.answer(np.stack(samples["output"].to_list()), next(iter(info.fitted.values())).decision)[column]
    np.testing.assert_allclose(answers[column], expected, rtol=1e-5)


def test_the_report_says_how_the_nets_differ(done: Done) -> None:
    report = (done.data / "evaluation/report.html").read_text(encoding="utf-8")
    assert f"Members: {done.case.nets} nets" in report
    assert "Standard deviation" in report
    assert ("Each on the fold" in report) == bool(done.case.folds)


def test_the_run_holds_the_spread_and_a_run_of_every_net(done: Done) -> None:
    run, nested = done.runs
    members = Model(done.data / "model").info.members
    scores = [each.validation_score for each in members]
    assert run.data.metrics["members/validation_score"] == pytest.approx(np.mean(scores))
    assert run.data.metrics["members/validation_score_deviation"] == pytest.approx(np.std(scores, ddof=1))
    assert "loss" not in run.data.metrics
    assert [each.info.status for each in nested] == ["FINISHED"] * done.case.nets
    for own, member in zip(nested, members, strict=True):
        assert own.data.tags["data.training.digest"] == run.data.tags["data.training.digest"]
        assert own.data.params["train.seed"] == str(member.seed)
        assert own.data.params.get("train.fold", "None") == str(member.fold)
        assert len(done.client.get_metric_history(own.info.run_id, "loss")) == done.case.epochs
        assert own.data.metrics["validation_score"] == pytest.approx(member.validation_score)


def test_predictions_of_single_samples_are_not_registered(done: Done) -> None:
    left = {path.name for path in done.workspace.path.rglob("*") if "data" not in path.parts}
    assert "model.onnx" in left
    assert "out_of_fold.parquet" not in left


@pytest.mark.parametrize("done", ["rows"], indirect=True)
@pytest.mark.parametrize(
    "kills",
    [
        ["os.rename:checkpoint.npz:6"],  # two nets finished, in the second epoch of the third
        pytest.param(
            # The second net about to be finished; then, that one finished, in the second epoch of the third.
            ["os.rename:finished.npz:2", "os.rename:checkpoint.npz:2"], marks=pytest.mark.accept,
        ),
    ],
)  # fmt: skip
def test_killed_and_run_again_the_model_is_the_same(done: Done, store: Path, tmp_path: Path, kills: list[str]) -> None:
    shutil.copy(store, tmp_path)
    here, trained = Workspace(tmp_path), done.workspace.path
    command = step_command("train", trained / "task.yaml", trained, tmp_path)
    for kill_at in kills:
        killed = here.run(*command, check=False, PYTHONPATH=str(WATCH), MEDPIPE_KILL_AT=kill_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = sorted(path.parent.name for path in tmp_path.glob("data/.model.partial-*/.scratch/*/finished.npz"))
    assert left == ["fold_0-seed_1", "fold_0-seed_2"]
    again = here.run(*command)
    assert "resuming after epoch 1" in again.stdout
    assert model_digest(tmp_path / "data/model") == model_digest(done.data / "model")
    assert digests(tmp_path / "data/model") == digests(done.data / "model")
