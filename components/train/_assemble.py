"""Putting a model together in a process of its own, under TensorFlow: the other back end can't export to ONNX.

The step starts it with a request on standard input; what it writes is what `components.train.step.assemble` writes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from components.lib.errors import ModelError
from components.lib.model_dir import ModelInfo, read_model_json
from components.lib.spec import TaskSpec


def require_tensorflow() -> None:
    """Asked before training under another back end.

    Raises:
        ModelError: TensorFlow isn't installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelError(
            f"train, KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')}",
            expected="TensorFlow beside the other back end: it exports the trained nets to model.onnx",
            found="no TensorFlow in this environment",
            todo="install requirements/cpu.txt",
        )


def assemble_under_tensorflow(dataset: Path, augmented: Path, partial: Path, spec: TaskSpec) -> ModelInfo:
    """The model directory's files, made by a child process from the nets that are finished in its scratch folder.

    Raises:
        ModelError: the child failed; what it said was printed.
    """
    paths = {"dataset": dataset, "augmented": augmented, "partial": partial}
    request = {name: str(path.absolute()) for name, path in paths.items()}
    # Only what the task file says: some defaults may not be said aloud.
    request["spec"] = spec.model_dump_json(by_alias=True, exclude_unset=True)
    root = str(Path(__file__).parents[2])
    # On the processor: the GPU is still this process's.
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}  # fmt: skip
    for name in [name for name in environment if name.startswith(("MEDPIPE_PROCESS", "MEDPIPE_COORDINATOR", "JAX_"))]:
        del environment[name]
    command = [sys.executable, "-m", "components.train._assemble"]
    done = subprocess.run(command, input=json.dumps(request), text=True, env=environment, check=False)
    if done.returncode:
        raise ModelError(
            "train, export under TensorFlow",
            expected="a child process that puts the trained nets together",
            found=f"it ended with status {done.returncode}; what it said stands above",
            todo="mend what it names and run the same command again: trained nets are kept",
        )
    return read_model_json(partial / "model.json")


def main() -> None:
    """Read the request and write the files.

    Raises:
        ModelError: a net isn't finished.
    """
    from components.lib.dataset import Dataset
    from components.lib.output import scratch
    from components.train.members import finished, members, student
    from components.train.network import learnt_sources
    from components.train.samples import Development
    from components.train.step import assemble

    request = json.load(sys.stdin)
    spec = TaskSpec.model_validate_json(request["spec"])
    cleaned, copies, partial = (
        Dataset(Path(request["dataset"])),
        Dataset(Path(request["augmented"])),
        request["partial"],
    )
    work = scratch(Path(partial))
    trained = [net for member in members(spec) if (net := finished(member, work))]
    taught = student(spec)
    lineage = {"cleaned": cleaned.info.digest, "augmented": copies.info.digest, **learnt_sources(spec)}
    own = finished(taught, work) if taught else None
    assemble(trained, own, Development(cleaned, copies, spec), lineage, Path(partial))


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
