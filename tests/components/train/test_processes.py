"""Several processes, and Keras' other back end: what the environment says, and training under JAX for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pandas as pd
import pytest
import yaml
from films import task
from onnx import numpy_helper
from ramps import TINY, ramps
from workspaces import WATCH, Workspace, digests, step_command

from components.lib.errors import ModelError
from components.lib.model_dir import Model
from components.lib.server import free_port
from components.train.epochs import EpochBatches
from components.train.processes import KUBEFLOW, OURS, Place, _Part, place
from components.train.samples import Samples

pytestmark = pytest.mark.xdist_group("tensorflow")
# Python finds no TensorFlow any more, as where it isn't installed.
HIDE_TENSORFLOW = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "tensorflow" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.mark.parametrize("names", [OURS, KUBEFLOW])
def test_the_environment_says_which_process_this_is(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert place() == Place(1, 0)
    for name, value in zip(names, ("3", "2", "host-0.jobs:6666"), strict=True):
        monkeypatch.setenv(name, value)
    assert place() == Place(3, 2, "host-0.jobs:6666")
    assert not place().writes


def test_our_variables_come_before_kubeflows(monkeypatch: pytest.MonkeyPatch) -> None:
    for names, values in ((KUBEFLOW, ("3", "2", "a:1")), (OURS, ("2", "1", "b:1"))):
        for name, value in zip(names, values, strict=True):
            monkeypatch.setenv(name, value)
    assert place() == Place(2, 1, "b:1")


@pytest.mark.parametrize(
    "values",
    [("2", "2", "h:1"), ("2", "0", ""), ("2", "0", "h"), ("0", "0", "h:1"), ("two", "0", "h:1"), ("2", "", "h:1")],
)
def test_an_environment_that_contradicts_itself(values: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(OURS, values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelError) as caught:
        place()
    assert f"MEDPIPE_PROCESSES={values[0]}" in caught.value.found


def test_the_shares_of_all_processes_are_the_batch(tmp_path: Path) -> None:
    batches = EpochBatches(Samples([ramps(tmp_path / "data", {"train": 20})], "train", task(train=TINY)), 0, 8)
    parts = [_Part(batches, range(1, 2), Place(4, index, "h:1")) for index in range(4)]
    shares = [part[0] for part in parts]
    assert [len(share[0]["image"]) for share in shares] == [2] * 4
    for position, name in ((0, "image"), (1, "finding"), (2, "finding")):
        together = np.concatenate([share[position][name] for share in shares])
        np.testing.assert_array_equal(together, batches[1][position][name])


def test_without_tensorflow_nothing_is_trained_that_could_not_be_exported(tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(HIDE_TENSORFLOW, encoding="utf-8")
    data = ramps(tmp_path / "data", {"train": 16, "validation": 8}).path
    settings = task(train=TINY).model_dump(mode="json", by_alias=True, exclude_unset=True)
    (tmp_path / "task.yaml").write_text(json.dumps(settings), encoding="utf-8")
    paths = {"task": tmp_path / "task.yaml", "dataset": data, "augmented": data, "model": tmp_path / "model"}
    words = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(tmp_path / "hidden"), str(root)])
    done = subprocess.run(
        [sys.executable, "-m", "components.train", *words], capture_output=True, text=True, check=False, cwd=root,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 1
    assert "training on the processor in float32" in done.stdout
    assert "found:    no TensorFlow in this environment" in done.stderr
    assert not (tmp_path / "model").exists()


def under_jax(
    tiny: Workspace, folder: Path, processes: int = 1, file: Path | None = None, **more: str
) -> list[tuple[int, str]]:
    """Train on the tiny films by so many processes under JAX; exit status and output of each."""
    command = step_command("train", file or tiny.path / "task.yaml", tiny.path, folder)
    address = f"127.0.0.1:{free_port()}"
    variables = {**os.environ, "KERAS_BACKEND": "jax", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    running = []
    for index in range(processes):
        own = dict(zip(OURS, (str(processes), str(index), address), strict=True)) if processes > 1 else {}
        words = [sys.executable, "-m", *command]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        running.append(subprocess.Popen(words, cwd=tiny.path, env={**variables, **own, **more}, **pipes))
    said = [each.communicate(timeout=280)[0] for each in running]
    return [(each.returncode, text) for each, text in zip(running, said, strict=True)]


def train_under_jax(tiny: Workspace, folder: Path, processes: int = 1, file: Path | None = None) -> Path:
    """The model directory of a training that ends well."""
    ended = under_jax(tiny, folder, processes, file)
    assert [status for status, _ in ended] == [0] * processes, ended
    return folder / "data/model"


def weights(model: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(model / "model.onnx").graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.mark.accept
def test_jax_trains_the_same_net_and_repeats(tiny: Workspace, tmp_path: Path) -> None:
    first = train_under_jax(tiny, tmp_path / "first")
    model, curves = Model(first), pd.read_csv(first / "curves.csv")
    # What JAX found on validation is what the exported file answers.
    assert model.info.fitted["finding"].validation_score == pytest.approx(
        curves["validation_score"][model.info.epochs - 1], abs=1e-6
    )
    assert [each.shape for each in weights(first).values()] == [
        each.shape for each in weights(tiny.path / "data/model").values()
    ]
    assert digests(first) == digests(train_under_jax(tiny, tmp_path / "second"))


@pytest.mark.accept
@pytest.mark.parametrize("model", ["resnet", "attention_cnn", "pretrained"])
def test_every_net_for_pictures_trains_and_is_exported(model: str, tiny: Workspace, tmp_path: Path) -> None:
    backbone = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(64, 64, 3))
    with pytest.warns(DeprecationWarning, match="__array__"):  # Keras asks for arrays as NumPy 1 did
        backbone.save_weights(tmp_path / "mobile.weights.h5")
    more = {"pretrained": {"weights": str(tmp_path / "mobile.weights.h5"), "frozen_epochs": 1}}
    settings = yaml.safe_load((tiny.path / "task.yaml").read_text(encoding="utf-8"))
    settings["train"] = {"model": model, "epochs": 2, "batch_size": 16} | (more if model == "pretrained" else {})
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    made = train_under_jax(tiny, tmp_path / "made", file=tmp_path / "task.yaml")
    found, curves = Model(made).info, pd.read_csv(made / "curves.csv")
    assert found.fitted["finding"].validation_score == pytest.approx(
        curves["validation_score"][found.epochs - 1], abs=1e-5
    )


@pytest.mark.accept
def test_killed_and_run_again_jax_ends_with_the_same_model(tiny: Workspace, tmp_path: Path) -> None:
    whole, here = train_under_jax(tiny, tmp_path / "whole"), tmp_path / "killed"
    for epoch in (1, 2):
        kill_at = f"os.rename:checkpoint.npz:{epoch}"  # of this process: the epoch after what it began with
        ((status, said),) = under_jax(tiny, here, PYTHONPATH=str(WATCH), MEDPIPE_KILL_AT=kill_at)
        assert status == -signal.SIGKILL, said
    ((status, said),) = under_jax(tiny, here)
    assert (status, "resuming after epoch" in said) == (0, True), said
    assert digests(here / "data/model") == digests(whole)


@pytest.mark.accept
def test_two_processes_learn_what_one_learns(tiny: Workspace, tmp_path: Path) -> None:
    one, two = train_under_jax(tiny, tmp_path / "one"), train_under_jax(tiny, tmp_path / "two", 2)
    curves = [pd.read_csv(model / "curves.csv") for model in (one, two)]
    pd.testing.assert_frame_equal(*curves, rtol=1e-4)
    for name, values in weights(one).items():
        np.testing.assert_allclose(weights(two)[name], values, atol=1e-4)
    runs = [path for path in (tmp_path / "two").iterdir() if path.name.startswith("mlflow")]
    assert [path.name for path in runs] == ["mlflow.db"]
