"""`make serve`: serve the champion of a workspace's task, and register the workspace's model first if need be.

python -m pipelines.serve [WORKSPACE] [--port 5001] [--workers 1] [--limit NAME=VALUE …]

It is served behind `serving.guard`, which bounds what a request may take.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import mlflow
import typer
from mlflow.exceptions import MlflowException

from components.lib.errors import MedpipeError, ModelError
from components.lib.model_dir import Model
from components.lib.params import named_task
from components.lib.places import place
from components.lib.registry import Registry, fetch, registered_name
from components.lib.server import require_port
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import client, run_of, tracking_uri
from pipelines.old_versions import MODEL_JSON, TASK_JSON, OldVersion, confused
from pipelines.steps import STEPS
from pipelines.workspace import require_fresh
from serving.guard.limits import VARIABLE, limits

REGISTER = next(step for step in STEPS if step.name == "register")


def task_file(workspace: Path = Path()) -> Path:
    """The task file that a workspace names, by default the one in the current directory.

    Raises:
        MedpipeError: this is no workspace.
    """
    params = workspace / "params.yaml"
    if not params.is_file():
        raise MedpipeError(
            str(workspace.absolute()),
            expected="a workspace: a folder with params.yaml and dvc.yaml",
            found="no params.yaml",
            todo="python -m pipelines.new DATA makes one",
        )
    return named_task(workspace)


def workspace_spec() -> TaskSpec:
    """The task of the workspace in the current directory.

    Raises:
        MedpipeError: this is no workspace, or its dvc.yaml is of another version of medpipe.
    """
    spec = load_spec(task_file())
    require_fresh(Path.cwd(), spec)
    return spec


def ensure_registered(spec: TaskSpec) -> tuple[str, str]:
    """Name and version of the workspace's model; registers it where the registry lacks it."""
    folder = Path("data/model")
    model = Model(folder)
    name = registered_name(spec.task, synthetic=model.info.synthetic)
    registry = Registry(run_of(folder, spec), name)
    version = registry.find(model.digest)
    if version is None:
        print(f"the registry lacks this model: {name}, {model.digest[:12]}; registering it")
        paths = {parameter: place(path) for parameter, path in REGISTER.paths(spec.source.path).items()}
        REGISTER.function(**paths, spec=spec)
        version = registry.find(model.digest)
    return name, str(version)


def require_right(name: str, version: str, alias: str) -> None:
    """Refuse a version whose own code takes one column for another.

    Args:
        name: of the registered model.
        version: its number.
        alias: that leads to it.

    Raises:
        ModelError: it does, or may do.
    """
    mlflow.set_tracking_uri(tracking_uri())
    run = client().get_model_version(name, version).run_id
    model = _json_of(f"models:/{name}/{version}/{MODEL_JSON}")
    why = confused(model or {}, _json_of(f"runs:/{run}/{TASK_JSON}"))
    if why:
        raise ModelError(
            f"models:/{name}/{version}",
            expected="a version that keeps the order of its columns",
            found=f"one that {why}",
            todo=OldVersion(name, version, (alias,), why).mend,
        )


def _json_of(address: str) -> dict[str, Any] | None:
    """A JSON file among the artifacts; None where there is none."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder)
            found = json.loads(Path(file).read_text(encoding="utf-8"))
    except (MlflowException, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def guard_command(version: Path, port: int, workers: int, limit: Iterable[str] = ()) -> list[str]:
    """The command line that serves the version in a folder behind the guard, and removes the folder at its end."""
    set_limits = [word for each in limit for word in ("--limit", each)]
    # Without the current folder among the places where Python looks for code.
    return [sys.executable, "-P", "-m", "serving.guard", str(version), "--remove", "--port", str(port),
            "--workers", str(workers), *set_limits]  # fmt: skip


def main(
    workspace: Annotated[Path, typer.Argument()] = Path(),
    port: int = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer, one request at a time each.")] = 1,
    limit: Annotated[list[str] | None, typer.Option(help=f"NAME=VALUE; or in the environment, {VARIABLE}.")] = None,
) -> None:
    """Serve the champion of WORKSPACE's task on loopback, until interrupted."""
    limits(limit or ())
    require_port(port, f"python -m pipelines.serve {workspace} --port {port + 1}")
    os.chdir(workspace)
    spec = workspace_spec()
    name, version = ensure_registered(spec)
    aliases = Registry(run_of(Path("data/model"), spec), name).aliases()
    if "champion" not in aliases:
        raise MedpipeError(
            f"models:/{name}@champion",
            expected="a version that passed its gates",
            found=f"none; version {version} has no alias",
            todo="read the gates in data/evaluation/report.html; make ui shows the registry",
        )
    require_right(name, str(aliases["champion"]), "champion")
    folder = Path(tempfile.mkdtemp(prefix="medpipe-served-"))
    try:
        fetch(f"models:/{name}/{aliases['champion']}", folder)
        print(
            f"serving {name} version {aliases['champion']} (champion) at http://127.0.0.1:{port}/invocations",
            flush=True,
        )
        words = guard_command(folder, port, workers, limit or ())
        os.execv(words[0], words)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
