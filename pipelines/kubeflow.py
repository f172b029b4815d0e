"""The steps as a Kubeflow pipeline: compile it for a cluster, or run the same graph here.

    python -m pipelines.kubeflow compile --task TASK [--gpu]     write work/kubeflow/<task>.yaml
    python -m pipelines.kubeflow run-local --task TASK           run the graph with kfp's local runner

The graph is a plain chain made from the table in pipelines/steps.py. A component is three lines around the plain
function of its step; what it shows in Kubeflow's pages is read from the files that the step wrote. Parameters:

    task         the text of the task file, so that a cluster needs no checkout path; default: the text compiled
    raw          URI of the raw data: s3://, gs:// or minio://, which Kubeflow brings, or https://, which the steps read
                 themselves; here, a path or a URL. A task with a phantom makes its own.
    raw_digest   hash of the raw data: Kubeflow's cache sees the URI alone, and new data are new work

The artifact `private` holds the way back from a sample to a patient's file: use a pipeline root that only those who may
see that can read.
"""
# No `from __future__ import annotations`: kfp reads types, not their names.

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from kfp import dsl
from kfp.dsl import Dataset

from components.lib.cli import run
from components.lib.digests import file_digest
from components.lib.errors import DataError, MedpipeError
from components.lib.places import Place, Remote, place
from components.lib.plain_path import plain_path
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import CHECKOUT
from pipelines.kubeflow_steps import COMPONENTS, MODEL, spec_of
from pipelines.serve import task_file
from pipelines.steps import RAW, steps_of

TASK = CHECKOUT / "pipelines" / "tasks" / "chest_xray_pneumonia.yaml"
WORK = CHECKOUT / "work" / "kubeflow"
IMAGE = "medpipe-python:0.1.0"
MADE = "# Made from pipelines/steps.py and a task file: python -m pipelines.kubeflow compile\n"
# Training pods need more shared memory than the 64 MB a container gets. Written by hand, since kfp-kubernetes adds
# fields that older clusters refuse.
FILLED_IN = ("{{$", "/kfp-workspace")
"""What kfp, here and on a cluster, puts something else in place of, wherever in a value it stands."""
WHERE_SHARED = "/dev/shm"  # nosec B108  # of the pod
SHARED_MEMORY = {"emptyDirMounts": [{"volumeName": "shared-memory", "mountPath": WHERE_SHARED, "medium": "Memory"}]}


def build(text: str, image: str = IMAGE, *, gpu: bool = False, tracking: str | None = None) -> Any:
    """The pipeline of a task, as kfp knows it.

    Args:
        text: the task file's text.
        image: NAME:TAG with medpipe and its environment; the name must contain "python".
        gpu: train asks for one GPU. (As a pipeline parameter clusters up to 2.3 would drop it in silence.)
        tracking: MLflow's address on the cluster; None where the image or the environment names it.

    Raises:
        MedpipeError: an image that the local runner or the cluster's cache would not understand.
        SpecError: the task file is wrong.
    """
    _check_image(image)
    _refuse_filled_in("the task file", text)
    spec = spec_of(text)
    made = dsl.component(base_image=image, packages_to_install=[], install_kfp_package=False)
    components = {name: made(function) for name, function in COMPONENTS.items()}

    def chain(task: str, places: dict[str, Any], further: dict[str, dict[str, Any]]) -> None:
        """One task a step; `places` says which artifact lies where DVC has a path."""
        for step in steps_of(spec):
            inputs = {name: places[place] for name, place in step.inputs.items()}
            job = components[step.name](task=task, **inputs, **further.get(step.name, {}))
            places |= {place: job.outputs[name] for name, place in step.outputs.items()}
            if tracking:
                job.set_env_variable("MLFLOW_TRACKING_URI", tracking)
            if step.name == "register":
                # What it does is outside the pipeline, and may have been undone since.
                job.set_caching_options(False)
            if step.gpu and gpu:
                job.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
                job.platform_config["kubernetes"] = SHARED_MEMORY

    def own(task: str = text) -> None:
        chain(task, {}, {})

    def given(raw: str, raw_digest: str, task: str = text) -> None:
        source = dsl.importer(artifact_uri=raw, artifact_class=Dataset, reimport=False)
        source.set_display_name(RAW)
        chain(task, {RAW: source.output}, {"ingest": {"raw_digest": raw_digest}})

    return dsl.pipeline(name=spec.task.replace("_", "-"))(own if spec.phantom else given)


def _check_image(image: str) -> None:
    name, _, tag = image.rpartition("/")[2].partition(":")
    wrong = None
    if "python" not in image:
        wrong = "a name with 'python' in it: kfp's local runner looks for it"
    elif not name or tag in ("", "latest"):
        wrong = "NAME:TAG, the tag one that never moves: Kubeflow's cache knows code by the image's name alone"
    if wrong:
        raise MedpipeError(f"--image {image}", expected=wrong, found=image, todo=f"name it like {IMAGE}")


def arguments(text: str, raw: Place | str | None, digest: str | None = None) -> dict[str, str]:
    """What a run of the pipeline is given.

    Args:
        text: the task file's text.
        raw: path or URI of the raw data; not used where the task makes its own.
        digest: hash of the raw data; None takes it from the files at `raw`, or from what their server says of them.

    Raises:
        DataError: no raw data there.
        SpecError: a URI that only Kubeflow reads; its digest must be given.
        MedpipeError: a path of which kfp would make another.
    """
    if spec_of(text).phantom:
        return {"task": text}
    _refuse_filled_in("the path of the raw data", str(raw))
    return {"task": text, "raw": str(raw), "raw_digest": digest or raw_digest(place(str(raw)), spec_of(text))}


def raw_digest(raw: Place, spec: TaskSpec | None = None) -> str:
    """SHA-256 over the names and contents of a file or of all files of a folder; on a server, over their versions.

    Args:
        raw: the raw data.
        spec: the task, whose index stands for the files on a web server.

    Raises:
        DataError: there are none.
    """
    if isinstance(raw, Remote):
        beside = spec.source.beside if spec else None
        return hashlib.sha256("\n".join(raw.versions(beside)).encode()).hexdigest()
    files = [raw] if raw.is_file() else sorted(path for path in raw.rglob("*") if path.is_file())
    if not files:
        raise DataError(str(raw), expected="raw data: a file, or a folder with files", found="nothing there",
                        todo="name them with --raw, or set source.path in the task file")  # fmt: skip
    lines = [f"{path.relative_to(raw).as_posix()}:{file_digest(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# The two commands.


def compile_pipeline(
    task: Path, out: Path, image: str = IMAGE, *, gpu: bool = False, tracking: str | None = None
) -> None:
    """Write the pipeline of a task file as YAML: equal input, equal bytes. The rest is told at `build`.

    Raises:
        MedpipeError: task file or image is wrong.
    """
    from google.protobuf.json_format import MessageToDict

    load_spec(task)  # its errors name the file
    pipeline = build(task.read_text(encoding="utf-8"), image, gpu=gpu, tracking=tracking)
    # kfp's own writer puts defaults into a comment at the top, where a text of several lines breaks out of it.
    documents = [MessageToDict(pipeline.pipeline_spec), MessageToDict(pipeline.platform_spec)]
    text = yaml.safe_dump_all([document for document in documents if document], sort_keys=True, width=120)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(MADE + text, encoding="utf-8")


def run_local(task: Path, raw: Place | None, root: Path) -> dict[str, Path]:
    """Run the graph of a task here, each step in a process of its own, with kfp's local runner.

    Args:
        task: the task file.
        raw: the raw data; not used where the task makes its own (phantom).
        root: folder for the outputs of this and other runs.

    Returns:
        every output by the name it has in DVC (raw, ingested, private, cleaned, augmented, model, evaluation,
        registered), and its directory.

    Raises:
        MedpipeError: a step failed; what it said was printed.
        DataError: there are no raw data.
    """
    from kfp import local

    spec, text = load_spec(task), task.read_text(encoding="utf-8")
    given = arguments(text, raw.resolve() if isinstance(raw, Path) else raw)
    _refuse_filled_in("the folder for the outputs", str(root))
    pipeline = build(text)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = {*root.iterdir()}
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), enable_caching=False)
    try:
        with plain_python():
            pipeline(**given)
        (run,) = {*root.iterdir()} - before
    except RuntimeError as error:
        failed = re.search(r"Inner task failed: \W*(?:\d+m)?'([\w-]+)'", str(error))
        if failed is None:
            raise
        raise MedpipeError(
            f"step {failed[1]}",
            expected="a step that ends well",
            found="it failed; what it said stands above",
            todo=f"mend what it names, and run again; what the steps left lies in {_shown(root)}",
        ) from None
    return {
        Path(place).name: run / step.name / (f"{name}/{MODEL}" if name == MODEL else name)
        for step in steps_of(spec)
        for name, place in step.outputs.items()
    }


@contextmanager
def plain_python() -> Iterator[None]:
    """Let kfp's local runner call this interpreter by the name python3, whatever folder it is in.

    It puts the interpreter's path, without quotes, into a shell's script, where a blank ends it and what follows a
    semicolon is run; and into each value where the word python3 stands, as in a folder's name.

    Raises:
        MedpipeError: beside the interpreter is no python3.
    """
    here, path = Path(sys.executable), os.environ.get("PATH", os.defpath)
    programs = plain_path(here.parent.parent, os.pathsep) / here.parent.name
    if not (programs / "python3").exists() or not here.samefile(programs / "python3"):
        raise MedpipeError(
            str(here), expected="a Python that beside it is called python3, too", found="none of that name",
            todo="run it with the environment that make setup makes",
        )  # fmt: skip
    sys.executable, os.environ["PATH"] = "python3", f"{programs}{os.pathsep}{path}"
    try:
        yield
    finally:
        sys.executable, os.environ["PATH"] = str(here), path


def _refuse_filled_in(what: str, text: str) -> None:
    """Refuse what kfp would change in silence."""
    found = [sign for sign in FILLED_IN if sign in text]
    if found:
        raise MedpipeError(
            what, expected="no words that Kubeflow puts something else in place of", found=" and ".join(found),
            todo="rename the folder, or what the task file calls so",
        )  # fmt: skip


def _shown(path: Path) -> str:
    return os.path.relpath(path)


Task = Annotated[Path, typer.Option(help="The task file.")]


def compile_command(
    task: Task = TASK,
    out: Annotated[Path | None, typer.Option(help="Default: work/kubeflow/<task>.yaml.")] = None,
    image: Annotated[str, typer.Option(help="NAME:TAG, with 'python' in the name and a tag that never moves.")] = IMAGE,
    gpu: Annotated[bool, typer.Option("--gpu", help="Train asks for one GPU.")] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow's address on the cluster, without passwords.")
    ] = None,
) -> None:
    """Write the pipeline as YAML for a Kubeflow cluster."""
    out = out or WORK / f"{load_spec(task).task}.yaml"
    compile_pipeline(task, out, image, gpu=gpu, tracking=tracking_uri)
    print(f"wrote {_shown(out)}")
    if not tracking_uri:
        print(
            "no --tracking-uri: the image must set MLFLOW_TRACKING_URI, or runs and versions end with their containers"
        )


def run_local_command(
    task: Annotated[Path | None, typer.Option(help="The task file; default: the workspace's.")] = None,
    workspace: Annotated[Path, typer.Option(help="Where params.yaml lies, and source.path starts.")] = CHECKOUT,
    raw: Annotated[str, typer.Option(help="The raw data, a path or a URL; default: the task's source.path.")] = "",
    root: Annotated[Path | None, typer.Option(help="Where outputs go; default: work/kubeflow/<task>.")] = None,
) -> None:
    """Run the same graph on this machine."""
    task = task or task_file(workspace)
    spec = load_spec(task)
    if raw and spec.phantom:
        raise MedpipeError(
            f"--raw {raw}",
            expected="no raw data: the task makes its own",
            found=f"`phantom:` in {_shown(task)}",
            todo="leave --raw out, or take `phantom:` out of the task file",
        )
    given = place(raw) if raw else place(spec.source.path, workspace)
    outputs = run_local(task, given, root or WORK / spec.task)
    print("\n".join(f"{name:<10} {_shown(folder)}" for name, folder in outputs.items()))


if __name__ == "__main__":
    run(compile=compile_command, run_local=run_local_command)
