"""The Kubeflow Trainer manifest, held against the published API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from components.lib.cli import run
from pipelines import trainer
from pipelines.workspace import TASKS

TASK = TASKS / "chest_xray_pneumonia.yaml"
NAME = {"type": "string", "minLength": 1, "maxLength": 253}


def strict(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object of these fields and no others, as the cluster's strict field validation has it."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def listed(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


# kubeflow/trainer, pkg/apis/trainer/v1alpha1/trainjob_types.go of version 2.2, for the fields that are used here.
VOLUME = {"oneOf": [strict(["name", kind], name=NAME, **{kind: {"type": "object"}})
                    for kind in ("persistentVolumeClaim", "emptyDir")]}  # fmt: skip
MOUNT = strict(["name", "mountPath"], name=NAME, mountPath={"type": "string", "pattern": "^/"})
POD = strict(
    [], volumes=listed(VOLUME, 128), containers=listed(strict(["name"], name=NAME, volumeMounts=listed(MOUNT, 128)), 64)
)
JOB = strict(["name"], name=NAME, template=strict([], spec=strict([], template=strict([], spec=POD))))
PATCH = strict(
    ["manager"],
    manager=NAME,
    trainingRuntimeSpec=strict([], template=strict([], spec=strict([], replicatedJobs=listed(JOB, 100)))),
)
TRAINER = strict(
    [],
    image={"type": "string", "maxLength": 500},
    command=listed({"type": "string", "maxLength": 65536}, 128),
    env=listed(strict(["name"], name=NAME, value={"type": "string"}), 128),
    numNodes={"type": "integer", "minimum": 1},
    resourcesPerNode=strict([], limits={"type": "object"}, requests={"type": "object"}),
)
TRAIN_JOB = strict(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "trainer.kubeflow.org/v1alpha1"},
    kind={"const": "TrainJob"},
    metadata=strict(["name"], name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}),
    spec=strict(
        ["runtimeRef"],
        runtimeRef=strict(["name"], name=NAME, apiGroup=NAME, kind={"const": "ClusterTrainingRuntime"}),
        trainer=TRAINER,
        runtimePatches=listed(PATCH, 16),
    ),
)


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status of the command, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["trainer", *words])
    with pytest.raises(SystemExit) as ended:
        run(trainer.main)
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_the_manifest_fits_the_api(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = printed(
        monkeypatch, capsys, str(TASK), "--image", "registry/medpipe-python:0.1.0", "--nodes", "3", "--gpus", "1",
        "--tracking-uri", "http://mlflow:5000",
    )  # fmt: skip
    assert status == 0
    assert "# Not run on a cluster" in text
    job = yaml.safe_load(text)
    jsonschema.validate(job, TRAIN_JOB)
    assert job["metadata"]["name"] == "chest-xray-pneumonia-train"
    assert job["spec"]["runtimeRef"]["name"] == "jax-distributed"
    assert job["spec"]["trainer"]["numNodes"] == 3
    assert {"name": "KERAS_BACKEND", "value": "jax"} in job["spec"]["trainer"]["env"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**job, "spec": {**job["spec"], "nodes": 3}}, TRAIN_JOB)


def test_the_pods_run_the_step_as_everybody_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    task = tmp_path / "my films.yaml"
    task.write_text(TASK.read_text(encoding="utf-8"), encoding="utf-8")
    _, text, _ = printed(monkeypatch, capsys, str(task), "--image", "medpipe-python:1", "--nodes", "2")
    *_, line = yaml.safe_load(text)["spec"]["trainer"]["command"]
    assert line == (
        "cd /workspace && exec python -m components.train --task 'my films.yaml' --dataset data/cleaned "
        "--augmented data/augmented --model data/model"
    )


@pytest.mark.parametrize("image", ["medpipe-python", "medpipe-python:latest", "registry:5000/medpipe-python"])
def test_an_image_whose_tag_moves(
    image: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, said = printed(monkeypatch, capsys, str(TASK), "--image", image, "--nodes", "2")
    assert status == 1
    assert "to do:    name the tag" in said
