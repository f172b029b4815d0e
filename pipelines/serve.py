"""`make serve`: serve the champion of a workspace's task, and register the workspace's model first if need be.

python -m pipelines.serve [WORKSPACE] [--port 5001] [--workers 1]
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import yaml

from components.lib.errors import MedpipeError
from components.lib.model_dir import Model
from components.lib.places import place
from components.lib.registry import Registry, registered_name
from components.lib.server import command, require_port
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import run_of, tracking_uri
from pipelines.steps import STEPS
from pipelines.workspace import require_fresh

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
    return workspace / str(yaml.safe_load(params.read_text(encoding="utf-8"))["task"])


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


def main(
    workspace: Annotated[Path, typer.Argument()] = Path(),
    port: int = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer; a dead one of several is replaced.")] = 1,
) -> None:
    """Serve the champion of WORKSPACE's task on loopback, until interrupted."""
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
    words = command(f"models:/{name}@champion", port, workers)
    print(f"serving {name} version {aliases['champion']} (champion) at http://127.0.0.1:{port}/invocations", flush=True)
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    os.execv(words[0], words)


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
