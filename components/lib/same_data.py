"""Whether a new version of a registered model is of the data that its earlier versions are of.

Two data sets given one task name would else become versions of one model, and one's champion would answer for the
other. Data that grew share samples with what they were; data that were replaced where they lie have the same place.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from mlflow import MlflowClient

from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.marks import share_samples, sketch
from components.lib.places import is_remote, place
from components.lib.registry import registered_name
from components.lib.spec import TaskSpec

SKETCH, PLACE = "data_sketch", "data_place"
"""Tags of a version."""


def identity(dataset: Dataset, spec: TaskSpec) -> dict[str, str]:
    """What a version keeps of its data as tags: a sketch of the samples, and where they lie.

    The place is 32 bits of a digest of machine and path.

    Args:
        dataset: cleaned.
        spec: the task.
    """
    path = spec.source.path
    where = path if is_remote(path) else f"{_machine()}\n{place(path).resolve()}"
    told = f"{where}\n{getattr(spec.source, 'file', None)}"
    return {SKETCH: sketch(dataset.samples()["sha256"]).tobytes().hex(), PLACE: _digest(told)}


def require_same_data(store: MlflowClient, dataset: Dataset, spec: TaskSpec) -> None:
    """Refuse data that share nothing with those of the earlier versions; say so where that can't be known.

    Nothing is asked of samples that a program made, nor where the task file has `register: {other_data: accept}`.

    Args:
        store: of the registry.
        dataset: cleaned.
        spec: the task.

    Raises:
        DataError: the registered model of this name is of other data.
    """
    if dataset.info.synthetic or spec.register_.other_data == "accept":
        return
    name = registered_name(spec.task, synthetic=False)
    versions = store.search_model_versions(f"name='{name}'")
    mine = identity(dataset, spec)
    told = [version for version in versions if SKETCH in version.tags]
    if any(_same(mine, version.tags) for version in told):
        return
    if told:
        numbers = sorted(int(version.version) for version in told)
        raise DataError(
            f"{name}, in the model registry",
            expected=f"versions of the data that version {numbers[-1]} was trained on",
            found="data that share no samples with it and lie elsewhere",
            todo="give this task a name of its own: `task:` in the task file, or python -m pipelines.new DATA --name "
            "NAME; where these data are to take the others' place, write register: {other_data: accept}",
        )
    if versions:
        print(f"{name} has {len(versions)} versions that don't say what data they are of: if of other data than these, "
              "give this task another name")  # fmt: skip


def _same(mine: dict[str, str], tags: dict[str, str]) -> bool:
    return mine[PLACE] == tags.get(PLACE) or share_samples(mine[SKETCH], tags[SKETCH])


def _machine() -> str:
    """What tells this machine from others, on which the same path may lead to other data."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
