"""MLflow: where its store is, and what a run records. The only tracking import of mlflow.

A run belongs to one model: train opens it and leaves its id in `run.json` beside the model directory; evaluate and
register log into the same run. The model directory itself holds no run id, so that equal work gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import posixpath
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset as LoggedDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from components.lib.dataset import Dataset
from components.lib.faults import store_fault
from components.lib.model_dir import model_digest
from components.lib.output import write_bytes
from components.lib.plain_path import PLAIN, store_uri
from components.lib.provenance import TASK_FILE, machine, task_document
from components.lib.spec import TaskSpec
from components.lib.store_file import keep_private, make_tables, require_unlocked, sqlite_file
from components.lib.yaml_text import read_yaml_file

CHECKOUT = Path(__file__).resolve().parents[2]
# Is the store there? Left to itself MLflow asks a silent server eight times, within four minutes.
PROBE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def home() -> Path:
    """The checkout that keeps the store: this one, or for a copy that `dvc exp run --temp` made, the original."""
    parts = CHECKOUT.parts
    return Path(*parts[: parts.index(".dvc")]) if ".dvc" in parts else CHECKOUT


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the checkout's own SQLite store (what MLflow itself would use from there)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or store_uri(home())


def client() -> MlflowClient:
    """A client of the store.

    Raises:
        MedpipeError: nothing answers there, or another program holds its lock.

    Of several first runs at once one makes the tables of a SQLite store, and the others wait.
    """
    uri = tracking_uri()
    os.environ["MLFLOW_TRACKING_URI"] = uri
    probe = {name: value for name, value in PROBE.items() if name not in os.environ}
    os.environ.update(probe)
    try:
        make_tables(uri)
        keep_private(uri)
        require_unlocked(uri)
        opened = MlflowClient(uri)
        opened.search_experiments(max_results=1)
        return opened
    except (MlflowException, sqlite3.Error) as error:
        raise store_fault(str(error), uri) from None
    finally:
        # Later requests are patient again: a server that restarts must not end a long training.
        for name in probe:
            del os.environ[name]


class Run:
    """One MLflow run, by id; nothing of it lives in global state."""

    def __init__(self, store: MlflowClient, run_id: str) -> None:
        self.store, self.id = store, run_id

    def log_metrics(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Log figures that are numbers; NaN and infinity are left out, since the store has no word for them."""
        now = int(time.time() * 1000)
        known = {mlflow_name(name): float(value) for name, value in figures.items() if math.isfinite(value)}
        self.store.log_batch(self.id, metrics=[Metric(name, value, now, step) for name, value in known.items()])

    def log_directory(self, folder: Path, name: str) -> None:
        """Log every file of a folder as artifacts below `name`."""
        self.store.log_artifacts(self.id, str(folder), name)

    def log_file(self, file: Path, folder: str | None = None) -> None:
        """Log one file."""
        self.store.log_artifact(self.id, str(file), folder)

    def text(self, artifact: str) -> str | None:
        """An artifact's text; None where the run has none of that path, or is gone from the store."""
        folder = artifact.rpartition("/")[0]
        if not _exists(self.store, self.id):
            return None
        if artifact not in {each.path for each in self.store.list_artifacts(self.id, folder or None)}:
            return None
        with tempfile.TemporaryDirectory() as here:
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            return Path(self.store.download_artifacts(self.id, artifact, here)).read_text(encoding="utf-8")

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self.store.log_batch(self.id, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_dataset(self, dataset: Dataset, context: str) -> None:
        """Log which data were used: our digest, counts, and DVC's hash when DVC runs the step."""
        info = dataset.info
        tags = {"mlflow.data.context": context, "digest": info.digest}
        tags |= {"dvc_md5": md5} if (md5 := dvc_hash(dataset.path)) else {}
        logged = LoggedDataset(
            name=f"{info.task}, {info.step}", digest=info.digest[:36], source_type="local",
            source=json.dumps({"uri": dataset.path.name}),
            profile=json.dumps({"counts": info.counts, "patients": info.patients}),
        )  # fmt: skip
        pairs = [InputTag(name, value) for name, value in tags.items()]
        self.store.log_inputs(self.id, [DatasetInput(logged, pairs)])
        self.set_tags(
            {f"data.{context}.{name}": value for name, value in tags.items() if name != "mlflow.data.context"}
        )


@contextmanager
def training_run(spec: TaskSpec, resume: Path) -> Iterator[Run]:
    """Open a run, or go on with the one whose id stands in `resume` (a killed step's); close it as it ended."""
    store = client()
    with _kept_open(store, resume, lambda: new_run(spec, store)) as run:
        yield run


@contextmanager
def child_run(parent: Run, name: str, parameters: Mapping[str, object], resume: Path) -> Iterator[Run]:
    """Open a run nested in another, or go on with the one whose id stands in `resume`; close it as it ended.

    Args:
        parent: a run of the same experiment.
        name: what it is called.
        parameters: what is its own.
        resume: the file that keeps its id.
    """

    def start() -> Run:
        above = parent.store.get_run(parent.id)
        # Which data it learns from: who must be forgotten is looked for by these tags.
        tags = {key: value for key, value in above.data.tags.items() if key.startswith("data.")}
        tags["mlflow.parentRunId"] = parent.id
        created = parent.store.create_run(above.info.experiment_id, tags=tags, run_name=name)
        params = [Param(key, str(value)) for key, value in parameters.items()]
        parent.store.log_batch(created.info.run_id, params=params)
        return Run(parent.store, created.info.run_id)

    with _kept_open(parent.store, resume, start) as run:
        yield run


@contextmanager
def _kept_open(store: MlflowClient, resume: Path, start: Callable[[], Run]) -> Iterator[Run]:
    """The run whose id stands in `resume`, or a new one; one that has ended well before stays as it ended."""
    run = resumed_run(store, resume) if resume.exists() else start()
    ended = store.get_run(run.id).info.status == "FINISHED"
    if not ended:
        store.update_run(run.id, status="RUNNING")
        write_bytes(resume, json.dumps({"run_id": run.id}).encode())
    try:
        yield run
    except BaseException:
        with suppress(MlflowException):  # what ended the training is told, also where the store is why
            store.set_terminated(run.id, "FAILED")
        raise
    if not ended:
        store.set_terminated(run.id, "FINISHED")


def resumed_run(store: MlflowClient, resume: Path) -> Run:
    """The run whose id stands in a file that `training_run` or `child_run` left."""
    return Run(store, json.loads(resume.read_text(encoding="utf-8"))["run_id"])


def new_run(spec: TaskSpec, store: MlflowClient | None = None) -> Run:
    """A new run with the task's parameters and what the code was."""
    store = store or client()
    created = store.create_run(_experiment(store, spec.task), tags=_provenance(), run_name=spec.train.model)
    values = spec.model_dump(mode="json", by_alias=True, exclude={"source": {"path"}, "phantom": True})
    params = [Param(mlflow_name(name), str(value)[:6000]) for name, value in _flat(values)]
    for start in range(0, len(params), 100):
        store.log_batch(created.info.run_id, params=params[start : start + 100])
    store.log_text(created.info.run_id, task_document(spec), TASK_FILE)
    return Run(store, created.info.run_id)


def batch_run(task: str, model: str, rows: str) -> Run:
    """The run that keeps the list of rows that a batch predicted with their labels beside them; the earlier one again.

    Args:
        task: of the model; the run is of its experiment.
        model: digest of the model.
        rows: digest of the rows.
    """
    store = client()
    experiment = _experiment(store, task)
    tags = {"batch": "true", "batch_model": model, "batch_rows": rows}
    same = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    if earlier := store.search_runs([experiment], same, max_results=1):
        return Run(store, earlier[0].info.run_id)
    created = store.create_run(experiment, tags=tags, run_name="batch: labelled rows")
    store.set_terminated(created.info.run_id, "FINISHED")
    return Run(store, created.info.run_id)


def mlflow_name(name: str) -> str:
    """A name as MLflow takes it: letters, digits, `_-. :/` and at most 250 characters. Of another one, such as that of
    a column "Creatinine (µmol/l)", other characters become "_", and a digest keeps it apart from its like."""
    if re.fullmatch(r"[\w\-. :/]{1,250}", name) and posixpath.normpath(name) == name and name[0] not in "./":
        return name
    plain = re.sub(r"[^\w\-. :]|^\.+", "_", name)
    return f"{plain[:240]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def save_run(run: Run, model: Path, latency: Mapping[str, float] | None = None) -> None:
    """Leave the run's id beside the model directory; of runs that gave the same model the first one stays, since
    evaluate, which has nothing to do then, logged into that one.

    Args:
        run: the model's.
        model: the model directory.
        latency: what `latencies` tells; None: what stands there stays.
    """
    earlier = _run_beside(model, run.store)
    if earlier and earlier.id != run.id:
        run.set_tags({"same_model_as": earlier.id})
        return
    measured = latencies(model) if latency is None else dict(latency)
    content = {"run_id": run.id, "model_digest": model_digest(model)} | ({"latency_ms": measured} if measured else {})
    write_bytes(model.parent / "run.json", (json.dumps(content) + "\n").encode())


def latencies(model: Path) -> dict[str, float]:
    """Milliseconds of one answer on the machine that trained, by how a smaller model was made, `full` among them.

    Measured with a clock, hence not in the model, whose bytes equal work must repeat; empty where nobody knows them.
    """
    file = model.parent / "run.json"
    saved = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return dict(saved.get("latency_ms", {})) if saved.get("model_digest") == model_digest(model) else {}


def run_of(model: Path, spec: TaskSpec) -> Run:
    """The run that trained this model; a new one where it isn't known (model pulled, store deleted)."""
    store = client()
    known = _run_beside(model, store)
    if known:
        return known
    run = new_run(spec, store)
    store.set_terminated(run.id, "FINISHED")
    save_run(run, model)
    return run


def _run_beside(model: Path, store: MlflowClient) -> Run | None:
    """The run that run.json names, if it is of this very model and still in the store."""
    file = model.parent / "run.json"
    saved = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if saved.get("model_digest") != model_digest(model) or not _exists(store, saved["run_id"]):
        return None
    return Run(store, saved["run_id"])


def dvc_hash(path: Path) -> str | None:
    """DVC's hash of an output of the workspace in the current directory, or None outside DVC."""
    lock = Path("dvc.lock")
    if not lock.exists():
        return None
    stages = (read_yaml_file(lock) or {}).get("stages", {})
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return next((out.get("md5") for out in outs if Path(out["path"]) == path), None)


def lock_digest() -> str:
    """SHA-256 of the locked dependencies, both variants."""
    texts = [path.read_bytes() for path in sorted((CHECKOUT / "requirements").glob("*.txt"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def _exists(store: MlflowClient, run_id: str) -> bool:
    try:
        return bool(store.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def _experiment(store: MlflowClient, name: str) -> str:
    found = store.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # Beside the database, wherever the command was started; a server knows its own place.
    uri = tracking_uri()
    file = sqlite_file(uri)
    place = file.parent / "mlruns" / name if file is not None else None
    # Of a path MLflow takes `#`, `?` and `%` for signs of a URL; written as one, it may have any.
    plain = place is None or PLAIN.fullmatch(str(place))
    location = place and (str(place) if plain else place.absolute().as_uri())
    return str(store.create_experiment(name, artifact_location=location))


def _provenance() -> dict[str, str]:
    program = Path(sys.argv[0]).resolve()
    program = program.parent if program.name == "__main__.py" else program.with_suffix("")
    inside = program.relative_to(CHECKOUT).parts if program.is_relative_to(CHECKOUT) else (program.name,)
    tags = {"lock": lock_digest(), "mlflow.source.name": f"python -m {'.'.join(inside)}", **machine()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        # dvc.lock changes while DVC runs, and says what was run rather than how.
        changed = bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock"))
        tags |= {"mlflow.source.git.commit": commit, "git_commit": commit, "git_changed": str(changed).lower()}
    return tags


def _git(*arguments: str) -> str:
    """What git says of the checkout; empty when there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
