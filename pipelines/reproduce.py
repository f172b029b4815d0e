"""`make reproduce MODEL=name/version`: train a registered version again from what it was made from, and compare.

    python -m pipelines.reproduce NAME/VERSION [--workspace DIR] [--keep DIR]

What it was made from is read from its run in MLflow: the commit, the locked packages, the task, and DVC's hashes of
the cleaned and augmented data, which come from the workspace's cache or remote. Nothing in checkout or workspace is
touched: the code is checked out, and the training runs, in a folder of its own. It ends with exit status 0 when the
new model's digest is the registered one's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from components.lib.errors import MedpipeError
from components.lib.model_dir import model_digest
from components.lib.plain_path import plain_path, store_uri
from components.lib.provenance import TASK_FILE, machine
from components.lib.registry import fetch
from components.lib.tracking import CHECKOUT, client, lock_digest
from pipelines.workspace import dvc

DATASETS = {"training": "dataset", "augmented": "augmented"}
"""What a run calls the data that it was given, and the option of the train step that takes them."""


@dataclass(frozen=True)
class Made:
    """What a version was made from, and the digest that it has."""

    model: str
    digest: str
    commit: str
    lock: str
    task: str
    hashes: dict[str, str]
    """DVC's hash of each of the train step's datasets."""
    machine: dict[str, str]


def main(
    model: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="A registered version.")],
    workspace: Annotated[Path, typer.Option(help="Whose DVC cache and remote have the data.")] = Path(),
    keep: Annotated[Path | None, typer.Option(help="Work in this new folder, and leave it.")] = None,
) -> None:
    """Train NAME/VERSION again from what it was made from, and say whether it becomes the same model."""
    made = made_from(client(), model)
    with tempfile.TemporaryDirectory() as registered:
        fetch(f"models:/{model}", Path(registered))  # what is in the store must be what was registered
    print(f"{made.model}: commit {made.commit[:12]}, model digest {made.digest[:12]}")
    with _folder(keep) as folder, code_of(made, folder / "code") as code:
        get_data(made, workspace, folder)
        (folder / "task.yaml").write_text(made.task, encoding="utf-8")
        _train(python_for(made, code), code, folder)
        _compare(made, model_digest(folder / "model"))


def made_from(store: MlflowClient, model: str) -> Made:
    """What a registered version was made from.

    Raises:
        MedpipeError: there is no such version, or its run doesn't say everything.
    """
    name, _, version = model.partition("/")
    try:
        registered = store.get_model_version(name, version)
        run = store.get_run(registered.run_id)
    except MlflowException:
        raise MedpipeError(
            model, expected="NAME/VERSION of a registered model whose run is in the store",
            found=f"no such version among {_versions(store, name)}", todo="make ui shows the registry",
        ) from None  # fmt: skip
    tags = run.data.tags
    if tags.get("git_changed") == "true":
        raise MedpipeError(
            model, expected="a version made from committed code",
            found=f"code that differed from commit {tags['git_commit'][:12]}",
            todo="commit the code and train again: what was not committed can't be checked out",
        )  # fmt: skip
    wanted = {"git_commit", "lock", *(f"data.{context}.dvc_md5" for context in DATASETS)}
    absent = sorted(wanted - {*tags})
    files = {each.path for each in store.list_artifacts(run.info.run_id)}
    absent += [TASK_FILE] if TASK_FILE not in files else []
    if absent:
        raise MedpipeError(
            model, expected="a run that recorded what it was made from", found=f"no {', '.join(absent)}",
            todo="train and register it with dvc repro, from a git checkout of this version of medpipe or a later one",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        task = Path(store.download_artifacts(run.info.run_id, TASK_FILE, folder)).read_text(encoding="utf-8")
    return Made(
        model, registered.tags["model_digest"], tags["git_commit"], tags["lock"], task,
        {option: tags[f"data.{context}.dvc_md5"] for context, option in DATASETS.items()},
        {name: tags.get(name, "unknown") for name in machine()},
    )  # fmt: skip


@contextmanager
def code_of(made: Made, place: Path) -> Iterator[Path]:
    """The commit's code, checked out beside everything; git forgets it again at the end.

    Raises:
        MedpipeError: the checkout doesn't have that commit.
    """
    done = _git("worktree", "add", "--quiet", "--detach", str(place), made.commit)
    if done.returncode:
        raise MedpipeError(
            f"commit {made.commit[:12]}", expected="a commit of this checkout", found=done.stderr.strip()[:200],
            todo="git fetch, or run this in the checkout that the model was trained in",
        )  # fmt: skip
    try:
        yield place
    finally:
        _git("worktree", "remove", "--force", str(place))


def python_for(made: Made, code: Path) -> str:
    """The interpreter with the packages that the version was trained with: this one where the lock is the same."""
    if lock_digest() == made.lock:
        return sys.executable
    print("its packages were others: setting them up, a few minutes")
    if subprocess.run(["make", "-C", str(code), "setup"], check=False).returncode:
        raise MedpipeError(
            "make setup", expected="the packages of that commit", found="a failure, see above",
            todo="mend what it names and run the same command again",
        )  # fmt: skip
    return str(code / ".venv" / "bin" / "python")


def get_data(made: Made, workspace: Path, folder: Path) -> None:
    """Check the data out by their hashes, from the workspace's cache or its remote.

    Raises:
        MedpipeError: neither has them.
    """
    dvc("init", "--no-scm", "--quiet", cwd=folder)
    for name in ("config", "config.local"):
        theirs = workspace / ".dvc" / name
        if theirs.is_file():
            shutil.copy(theirs, folder / ".dvc" / name)
    # Plain paths: DVC takes braces in them for places to fill in, and its configuration holds not every quote.
    cache = plain_path(workspace / dvc("cache", "dir", cwd=workspace.absolute()).stdout.removesuffix("\n"))
    dvc("config", "--local", "cache.dir", str(cache), cwd=folder)
    dvc("config", "--local", "core.site_cache_dir", str(plain_path(folder / ".dvc") / "private"), cwd=folder)
    for name, md5 in made.hashes.items():
        document = {"outs": [{"md5": md5, "hash": "md5", "path": name}]}
        (folder / f"{name}.dvc").write_text(yaml.safe_dump(document), encoding="utf-8")
        if not any(_there(how, f"{name}.dvc", folder) for how in ("checkout", "pull")):
            raise MedpipeError(
                f"the data of {made.model}", expected=f"{md5} in the cache of {workspace} or its remote",
                found="neither has them", todo="name the workspace that it was trained in: --workspace DIR",
            )  # fmt: skip


def _there(how: str, file: str, folder: Path) -> bool:
    """Whether `dvc checkout` or `dvc pull` brings the data of a .dvc file."""
    try:
        dvc(how, "--quiet", file, cwd=folder)
    except MedpipeError:
        return False
    return True


def _train(python: str, code: Path, folder: Path) -> None:
    """The train step of that commit, with a store of its own."""
    words = [word for option in DATASETS.values() for word in (f"--{option}", str(folder / option))]
    command = [python, "-m", "components.train", "--task", str(folder / "task.yaml"), *words]
    environment = {**os.environ, "PYTHONPATH": str(code), "MLFLOW_TRACKING_URI": store_uri(folder)}
    done = subprocess.run([*command, "--model", str(folder / "model")], cwd=folder, env=environment, check=False)
    if done.returncode:
        raise MedpipeError(
            "components.train", expected="a model", found="a failure, see above", todo="mend what it names, then again"
        )


def _compare(made: Made, digest: str) -> None:
    """Say that the digests are equal.

    Raises:
        MedpipeError: they differ; with the machines, if those do too.
    """
    if digest == made.digest:
        print(f"reproduced: {made.model} is {digest}, from commit, data and task alone")
        return
    here = machine()
    other = [f"{name.partition('.')[2]} {made.machine[name]}, here {here[name]}" for name in here]
    same = made.machine == here
    raise MedpipeError(
        made.model, expected=f"model digest {made.digest[:12]}", found=f"{digest[:12]}",
        todo="equal bytes are promised on one kind of machine; look at what was logged with the run"
        if same else f"run it on such a machine: {'; '.join(other)}",
    )  # fmt: skip


def _versions(store: MlflowClient, name: str) -> str:
    found = sorted(int(each.version) for each in store.search_model_versions(f"name='{name}'"))
    if found:
        return ", ".join(f"{name}/{version}" for version in found)
    return ", ".join(sorted(each.name for each in store.search_registered_models())) or "none at all"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A folder to work in: one that is removed again, or a new one of the user's."""
    if keep is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    if keep.exists():
        raise MedpipeError(
            str(keep), expected="a folder that isn't there yet", found="one that is", todo="another name"
        )
    keep.mkdir(mode=0o700, parents=True)
    yield keep.resolve()


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
