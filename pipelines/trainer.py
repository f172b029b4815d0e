"""The Kubeflow Trainer manifest that starts train on several machines of a cluster.

    python -m pipelines.trainer TASK --image IMAGE --nodes N     print it; kubectl create -f - takes it

A TrainJob of Kubeflow Trainer 2.2 (trainer.kubeflow.org/v1alpha1) on its runtime `jax-distributed`: so many pods run
the same step, each feeds its share of every batch, the first writes the model. The workspace lies on a volume that all
pods see, with the cleaned and augmented data in it: clean and augment come before.

No cluster has run what this prints: its fields are held against the published API, and the training it starts was run
as two processes of one machine.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from components.lib.cli import run
from components.lib.errors import MedpipeError
from components.lib.shell_words import quoted
from components.lib.spec import load_spec
from pipelines.steps import STEPS

API = "trainer.kubeflow.org/v1alpha1"
RUNTIME = "jax-distributed"
# The names that the runtime gives the job of the pods and their container.
JOB = CONTAINER = "node"
HOME = "/workspace"
WHERE_SHARED = "/dev/shm"  # nosec B108  # of the pod
MADE = """\
# Made by: python -m pipelines.trainer
# Not run on a cluster: held against the API of Kubeflow Trainer 2.2; two processes of one machine ran the training.
# Before: the workspace on the volume, with data/cleaned and data/augmented (dvc repro augment).
"""


def train_job(
    name: str, task: str, image: str, nodes: int, *, volume: str, gpus: int = 0, tracking: str | None = None
) -> dict[str, Any]:
    """The TrainJob.

    Args:
        name: of the task.
        task: the task file's path inside the workspace.
        image: NAME:TAG with medpipe, JAX and TensorFlow (which exports the model).
        nodes: pods, each a process of the training.
        volume: PersistentVolumeClaim of the workspace, mounted by all pods (ReadWriteMany).
        gpus: a pod.
        tracking: MLflow's address on the cluster; None where the image names it.
    """
    (step,) = (step for step in STEPS if step.name == "train")
    words = step.command(task, raw="")
    variables = {"KERAS_BACKEND": "jax", **({"MLFLOW_TRACKING_URI": tracking} if tracking else {})}
    trainer: dict[str, Any] = {
        "numNodes": nodes,
        "image": image,
        "command": ["/bin/sh", "-c", f"cd {HOME} && exec {_literal(' '.join(map(quoted, words)))}"],
        "env": [{"name": key, "value": _literal(value)} for key, value in variables.items()],
    }
    if gpus:
        trainer["resourcesPerNode"] = {"limits": {"nvidia.com/gpu": gpus}}
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": {"name": f"{name.replace('_', '-')}-train"},
        "spec": {
            "runtimeRef": {"apiGroup": API.split("/")[0], "kind": "ClusterTrainingRuntime", "name": RUNTIME},
            "trainer": trainer,
            "runtimePatches": [{"manager": "medpipe/trainer", "trainingRuntimeSpec": _volumes(volume)}],
        },
    }


def _literal(text: str) -> str:
    """A text of a pod in which Kubernetes puts no variable in place of `$(NAME)`."""
    return text.replace("$", "$$")


def _volumes(claim: str) -> dict[str, Any]:
    """The part of the pods that a TrainJob's own fields don't reach: the workspace, and shared memory beyond 64 MB."""
    volumes = [
        {"name": "workspace", "persistentVolumeClaim": {"claimName": claim}},
        {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
    ]
    mounts = [{"name": "workspace", "mountPath": HOME}, {"name": "shared-memory", "mountPath": WHERE_SHARED}]
    pod = {"volumes": volumes, "containers": [{"name": CONTAINER, "volumeMounts": mounts}]}
    job = {"name": JOB, "template": {"spec": {"template": {"spec": pod}}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}


def main(
    task: Annotated[Path, typer.Argument(help="The task file.")],
    image: Annotated[str, typer.Option(help="NAME:TAG with medpipe, JAX and TensorFlow; a tag that never moves.")],
    nodes: Annotated[int, typer.Option(min=1, help="Machines, each one process.")],
    volume: Annotated[str, typer.Option(help="The PersistentVolumeClaim with the workspace.")] = "medpipe-workspace",
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each machine.")] = 0,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow's address on the cluster, without passwords.")
    ] = None,
) -> None:
    """Print the TrainJob of a task as YAML."""
    spec = load_spec(task)
    job = train_job(spec.task, task.name, image, nodes, volume=volume, gpus=gpus, tracking=tracking_uri)
    _check(image, job["metadata"]["name"])
    print(MADE + yaml.safe_dump(job, sort_keys=False, width=120), end="")


def _check(image: str, name: str) -> None:
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        raise MedpipeError(
            f"--image {image}", expected="NAME:TAG, the tag one that never moves", found=image, todo="name the tag"
        )
    if len(name) > 63 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise MedpipeError(
            name,
            expected="a name of at most 63 of the characters a-z, 0-9 and -, the first a letter",
            found=f"{len(name)} characters",
            todo="rename `task:` in the task file",
        )


if __name__ == "__main__":
    run(main)
