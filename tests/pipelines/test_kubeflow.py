"""The Kubeflow graph is the table of steps; what is compiled is what a cluster reads."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp.dsl import ClassificationMetrics
from kfp.local.subprocess_task_handler import replace_python_executable
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig, PipelineSpec, PlatformSpec
from workspaces import TINY_TASK

from components.lib.errors import MedpipeError, SpecError
from components.lib.spec import load_spec
from pipelines.kubeflow import FILLED_IN, TASK, arguments, compile_pipeline, plain_python, run_local
from pipelines.kubeflow_steps import COMPONENTS, show_classes, spec_of
from pipelines.steps import PHANTOM, STEPS, steps_of

GOLDEN = Path(__file__).parent / "golden"
RENEW = "if the change is meant: python -m pipelines.kubeflow compile --out tests/pipelines/golden/{}.yaml"
OWN_DATA = TINY_TASK.replace("phantom:", "# phantom:").replace("synthetic: true, public_key: true", "synthetic: true")


def compiled(folder: Path, task: Path = TASK, **options: Any) -> list[Any]:
    """The documents of a compiled pipeline."""
    compile_pipeline(task, folder / "pipeline.yaml", **options)
    return list(yaml.safe_load_all((folder / "pipeline.yaml").read_text(encoding="utf-8")))


def own_data(folder: Path) -> Path:
    """A task file without a phantom."""
    (folder / "task.yaml").write_text(OWN_DATA, encoding="utf-8")
    return folder / "task.yaml"


def strictly(pipeline: Any) -> None:
    """Parse as a cluster does: the graph, and the executors that the graph's own message leaves open."""
    ParseDict(pipeline, PipelineSpec(), ignore_unknown_fields=False)
    ParseDict(pipeline["deploymentSpec"], PipelineDeploymentConfig(), ignore_unknown_fields=False)


def tasks_of(pipeline: Any) -> Any:
    return pipeline["root"]["dag"]["tasks"]


def test_the_committed_pipeline_is_what_is_compiled(tmp_path: Path) -> None:
    name = load_spec(TASK).task
    compile_pipeline(TASK, tmp_path / "pipeline.yaml")
    golden = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "pipeline.yaml").read_text(encoding="utf-8") == golden, RENEW.format(name)


@pytest.mark.parametrize("gpu", [False, True])
def test_compiling_twice_gives_the_same_bytes(tmp_path: Path, gpu: bool) -> None:
    for name in ("one", "two"):
        compile_pipeline(TASK, tmp_path / name, gpu=gpu)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("phantom", [False, True])
def test_it_parses_strictly(tmp_path: Path, gpu: bool, phantom: bool) -> None:
    pipeline, *platforms = compiled(tmp_path, TASK if phantom else own_data(tmp_path), gpu=gpu)
    strictly(pipeline)
    assert len(platforms) == gpu
    for platform in platforms:
        ParseDict(platform, PlatformSpec(), ignore_unknown_fields=False)


@pytest.mark.parametrize(
    "place",
    [(), ("root", "dag", "tasks", "train"), ("deploymentSpec", "executors", "exec-train", "container")],
    ids=lambda place: ".".join(place) or "top",
)
def test_an_unknown_field_is_refused(tmp_path: Path, place: tuple[str, ...]) -> None:
    (pipeline,) = compiled(tmp_path)
    planted = node = copy.deepcopy(pipeline)
    for key in place:
        node = node[key]
    node["planted"] = 1
    with pytest.raises(ParseError, match="planted"):
        strictly(planted)


def test_every_step_has_a_component() -> None:
    assert [*COMPONENTS] == [step.name for step in (PHANTOM, *STEPS)]


@pytest.mark.parametrize("phantom", [False, True])
def test_every_step_is_a_task_of_its_name(tmp_path: Path, phantom: bool) -> None:
    task = TASK if phantom else own_data(tmp_path)
    (pipeline,) = compiled(tmp_path, task)
    steps = [step.name for step in steps_of(load_spec(task))]
    assert {*tasks_of(pipeline)} == {*steps, *([] if phantom else ["importer"])}
    assert all(tasks_of(pipeline)[name]["componentRef"]["name"] == f"comp-{name}" for name in steps)


def test_every_task_reads_what_the_table_says(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path)
    writer = {place: (step.name, name) for step in (PHANTOM, *STEPS) for name, place in step.outputs.items()}
    for step in STEPS:
        artifacts = tasks_of(pipeline)[step.name]["inputs"]["artifacts"]
        found = {name: source["taskOutputArtifact"] for name, source in artifacts.items()}
        expected = {name: writer[place] for name, place in step.inputs.items()}
        assert {name: (s["producerTask"], s["outputArtifactKey"]) for name, s in found.items()} == expected


def test_only_register_is_never_cached(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path)
    cached = {name: task["cachingOptions"].get("enableCache", False) for name, task in tasks_of(pipeline).items()}
    assert [name for name, yes in cached.items() if not yes] == ["register"]


def test_only_train_asks_for_a_gpu_and_only_when_told(tmp_path: Path) -> None:
    for gpu, expected in ((False, []), (True, ["exec-train"])):
        pipeline, *platforms = compiled(tmp_path, gpu=gpu)
        executors = pipeline["deploymentSpec"]["executors"]
        asking = {name: e["container"]["resources"] for name, e in executors.items() if "resources" in e["container"]}
        assert [*asking] == expected
        assert all(a["accelerator"]["resourceType"] == "nvidia.com/gpu" for a in asking.values())
        assert all(a["accelerator"]["resourceCount"] == "1" for a in asking.values())
        # These three fields only: older clusters refuse what newer ones add.
        shared_memory = {"mountPath": "/dev/shm", "volumeName": "shared-memory", "medium": "Memory"}
        mounted = {"exec-train": {"emptyDirMounts": [shared_memory]}}
        assert [p["platforms"]["kubernetes"]["deploymentSpec"]["executors"] for p in platforms] == [mounted] * gpu


def test_new_data_are_new_work(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path, own_data(tmp_path))
    parameters = tasks_of(pipeline)["ingest"]["inputs"]["parameters"]
    assert parameters["raw_digest"] == {"componentInputParameter": "raw_digest"}
    asked = pipeline["root"]["inputDefinitions"]["parameters"]
    assert {name for name, parameter in asked.items() if "defaultValue" not in parameter} == {"raw", "raw_digest"}

    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.png").write_bytes(b"one")
    before = arguments(OWN_DATA, raw)
    assert before.keys() == asked.keys()
    assert arguments(OWN_DATA, raw) == before
    (raw / "a.png").write_bytes(b"two")
    assert arguments(OWN_DATA, raw)["raw_digest"] != before["raw_digest"]


def test_raw_data_on_a_cluster_are_named_by_uri_and_digest() -> None:
    assert arguments(OWN_DATA, "s3://films", "abc") == {"task": OWN_DATA, "raw": "s3://films", "raw_digest": "abc"}
    with pytest.raises(SpecError, match="minio://"):
        arguments(OWN_DATA, "minio://films")  # what Kubeflow alone can read has a digest that is told


def test_a_task_that_makes_its_data_asks_for_its_text_alone(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path)
    text = TASK.read_text(encoding="utf-8")
    (asked,) = pipeline["root"]["inputDefinitions"]["parameters"].items()
    assert asked == ("task", {"parameterType": "STRING", "isOptional": True, "defaultValue": text})
    assert arguments(text, None) == {"task": text}


@pytest.mark.parametrize("image", ["medpipe:1", "medpipe-python", "medpipe-python:latest", "host:5000/medpipe-python"])
def test_an_image_that_would_mislead_is_refused(tmp_path: Path, image: str) -> None:
    with pytest.raises(MedpipeError, match="name it like medpipe-python:"):
        compile_pipeline(TASK, tmp_path / "pipeline.yaml", image)


def test_the_image_is_every_tasks_image(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path, image="host:5000/medpipe-python:1")
    executors = pipeline["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {"host:5000/medpipe-python:1"}


def test_every_task_is_told_where_mlflow_is(tmp_path: Path) -> None:
    (pipeline,) = compiled(tmp_path, tracking="http://mlflow:5000")
    executors = pipeline["deploymentSpec"]["executors"].values()
    named = {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"}
    assert all(executor["container"]["env"] == [named] for executor in executors)


def test_classes_are_shown_as_they_were_found(tmp_path: Path) -> None:
    import pandas as pd

    truth, probability = ["normal", "pneumonia", "normal", "pneumonia"], [0.1, 0.9, 0.6, 0.4]
    called = pd.DataFrame({"actual": truth, "predicted": ["normal", "pneumonia", "pneumonia", "normal"]})
    called.to_csv(tmp_path / "finding_confusion.csv", index=False)
    points = pd.DataFrame({"false_positive_rate": [0, 0, 0.5, 0.5, 1], "true_positive_rate": [0, 0.5, 0.5, 1, 1]})
    points.to_csv(tmp_path / "finding_roc.csv", index=False)
    rows = pd.DataFrame({"target": "finding", "truth": truth, "probability": probability})
    rows.to_parquet(tmp_path / "predictions.parquet")

    shown = ClassificationMetrics()
    show_classes(tmp_path, spec_of(TINY_TASK), shown)
    matrix, curve = shown.metadata["confusionMatrix"], shown.metadata["confidenceMetrics"]
    assert [label["displayName"] for label in matrix["annotationSpecs"]] == ["normal", "pneumonia"]
    assert [row["row"] for row in matrix["rows"]] == [[1, 1], [1, 1]]  # rows: what it is; columns: what was called
    assert [point["confidenceThreshold"] for point in curve] == [1, 0.9, 0.6, 0.4, 0.1]
    assert [point["recall"] for point in curve] == [0, 0.5, 0.5, 1, 1]


def test_a_step_that_fails_here_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "index.csv").write_text("path,patient,finding\nnowhere.png,a,normal\n", encoding="utf-8")
    with pytest.raises(MedpipeError) as caught:
        run_local(own_data(tmp_path), raw, tmp_path / "outputs")
    assert caught.value.where == "step ingest"
    assert "expected: the files that the index names" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["my films;touch PWNED;", "a:b $(touch PWNED)", "python3"])
def test_the_shell_of_the_local_runner_runs_nothing_of_the_path_of_the_interpreter(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environment = tmp_path / name
    environment.symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "executable", str(environment / "bin" / "python"))
    before = os.environ["PATH"]
    script = "_KFP_RUNTIME=true python3 -c 'import sys; print(sys.argv[1:], sys.prefix)' \"$@\""
    with plain_python():
        command = replace_python_executable(["sh", "-ec", script, "source", f"/data/{name}"], sys.executable)
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words, prefix = told.rstrip("\n").split("] ")
    assert words == f"['/data/{name}'"
    assert Path(prefix).samefile(sys.prefix)
    assert [*tmp_path.rglob("PWNED")] == []
    assert (sys.executable, os.environ["PATH"]) == (str(environment / "bin" / "python"), before)


def test_an_interpreter_without_its_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(MedpipeError, match="python3"), plain_python():
        pass


@pytest.mark.parametrize("sign", FILLED_IN)
def test_what_kfp_would_put_something_else_in_place_of_is_refused(tmp_path: Path, sign: str) -> None:
    task = own_data(tmp_path)
    raw, odd = tmp_path / "raw", tmp_path / f"a{sign.replace('/', '')}.pipeline_root}}}}"
    for each in (raw, odd):
        each.mkdir()
        (each / "index.csv").write_text("path,patient,finding\n", encoding="utf-8")
    if sign.startswith("{"):
        with pytest.raises(MedpipeError, match="raw data"):
            run_local(task, odd, tmp_path / "out")
        with pytest.raises(MedpipeError, match="outputs"):
            run_local(task, raw, odd)
    task.write_text(f"{task.read_text(encoding='utf-8')}\n# {sign}", encoding="utf-8")
    with pytest.raises(MedpipeError, match="task file"):
        compile_pipeline(task, tmp_path / "pipeline.yaml")
