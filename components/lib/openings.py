"""The test-set log: which models were evaluated on which samples, in the MLflow store, so that all front ends share it.

One tag a set of samples and model, on the experiment of the run that evaluated it; the list of samples (see
`lib.sample_prints`) is an artifact of that run. What counts is the overlap of samples: a film left out, a label that
was corrected, data that grew don't reset the count. Tags of deleted experiments count too. Whoever deletes the store,
deletes the log.

An older log knew a test split by one digest of all; its tags are counted where the digest is the same. Otherwise, and
where a list is gone, nobody knows whether samples were the same: such models are told apart from those that weren't.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException

from components.lib.sample_prints import SamplePrints
from components.lib.tracking import Run

TAG, OLD_TAG, FOLDER = "test_set", "test_split", "test_set_log"
SHORT = 16
"""Characters of a digest that a tag's name holds."""


@dataclass(frozen=True)
class Opening:
    """Samples that a model was evaluated on, and who was evaluated on them before."""

    samples: int
    """How many there are."""
    models: int = 0
    """Other models that were evaluated on some of them before, or at the same moment. This and the next three never
    change for these samples and this model, whoever comes later."""
    seen: int = 0
    """How many of the samples those models were evaluated on."""
    of_patients: int = 0
    """How many of the others are of patients of whom those models were evaluated on other samples."""
    unlisted: int = 0
    """Models of the same experiment whose samples nobody knows any more."""
    models_so_far: int = 1
    """Models that were evaluated on some of these samples so far, this one included."""
    openings: int = 1
    """How often any of them were so far."""

    @property
    def number(self) -> int:
        """Of the model among those evaluated on some of these samples: 1 for the first."""
        return self.models + 1

    @property
    def share(self) -> float:
        """Of the samples that were evaluated before, or whose patients were."""
        return (self.seen + self.of_patients) / max(self.samples, 1)

    def told(self, noun: str) -> str:
        """`620 of these 624 films were evaluated for 3 other models before.`; what nobody knows any more is said, too.

        Args:
            noun: what the samples are called, in the plural.
        """
        these = f"these {self.samples:,} {noun}"
        models = "1 other model" if self.models == 1 else f"{self.models:,} other models"
        told = f"This MLflow store knows of no other model that was evaluated on any of {these} before."
        if self.of_patients:
            told = (
                f"{self.seen + self.of_patients:,} of {these} were evaluated for {models} before, or are of patients "
                f"of whom other {noun} were ({self.of_patients:,})."
            )
        elif self.models:
            which = f"All {these}" if self.seen == self.samples else f"{self.seen:,} of {these}"
            told = f"{which} were evaluated for {models} before."
        if self.unlisted:
            more = "1 model" if self.unlisted == 1 else f"{self.unlisted:,} models"
            told += f" Of {more} of this task nobody knows any more on which {noun}: it may have been these."
        return told


@dataclass(frozen=True)
class _Entry:
    """What the store knows of one model on one set of samples."""

    experiment: str
    set: str
    model: str
    told: dict[str, Any]
    old: bool


def record(run: Run, samples: SamplePrints, model: str, *, old_split: str = "") -> Opening:
    """Write down that a model is evaluated on samples; who was evaluated on them before is fixed by the first time.

    The entry is written before others are counted: of two models at the same moment at least one knows of the other.

    Args:
        run: of the model, or of this evaluation; its experiment keeps the tag, and it keeps the list.
        samples: the samples.
        model: digest of the model.
        old_split: digest of the same samples as the older log has it.
    """
    store, experiment = run.store, str(run.store.get_run(run.id).info.experiment_id)
    own = _Entry(experiment, samples.digest[:SHORT], model[:SHORT], {}, old=False)
    earlier = [each.told for each in _entries(store) if (each.set, each.model, each.old) == (own.set, own.model, False)]
    here = next((told for told in earlier if told.get("run")), None)
    told: dict[str, Any] = {
        "samples": len(samples.samples),
        "run": here["run"] if here else _listed(run, samples, own.set),
        "openings": 1 + max((each["openings"] for each in earlier), default=0),
    }
    before = next((each["before"] for each in earlier if "before" in each), None)
    _write(store, own, told | ({"before": before} if before else {}))
    others = [each for each in _entries(store) if each.model != own.model]
    now = _counted(store, samples, others, experiment, old_split[:SHORT])
    if before is None:
        before = [now.models, now.seen, now.of_patients, now.unlisted]
        _write(store, own, told | {"before": before})
    models, seen, of_patients, unlisted = before
    return Opening(
        len(samples.samples), models, seen, of_patients, unlisted, now.models + 1, now.openings + told["openings"]
    )


def _counted(
    store: MlflowClient, samples: SamplePrints, others: Iterable[_Entry], experiment: str, old_split: str
) -> Opening:
    """Other models on these samples; `openings` are theirs alone."""
    n = len(samples.samples)
    seen, near = np.zeros(n, bool), np.zeros(n, bool)
    models, unlisted, openings = set[str](), set[str](), 0
    lists: dict[str, SamplePrints | None] = {}
    for each in others:
        if each.old:
            same, related = np.full(n, each.set == old_split), np.zeros(n, bool)
            unknown = each.set != old_split
        else:
            if lists.get(each.set) is None:  # of several runs with the same list one may have lost it
                lists[each.set] = _list(store, each)
            found = lists[each.set]
            unknown = found is None
            same, related = (
                (np.zeros(n, bool), np.zeros(n, bool))
                if found is None
                else (samples.seen(found), samples.of_seen_patients(found))
            )
        if same.any() or related.any():
            models.add(each.model)
            openings += int(each.told["openings"])
            seen, near = seen | same, near | related
        elif unknown and each.experiment == experiment:
            unlisted.add(each.model)
    counted = Opening(n, len(models), int(seen.sum()), int((near & ~seen).sum()), len(unlisted - models))
    return replace(counted, openings=openings)


def _entries(store: MlflowClient) -> Iterator[_Entry]:
    """All of the log, over all experiments."""
    token: str | None = ""
    while token is not None:
        page = store.search_experiments(view_type=ViewType.ALL, page_token=token or None)
        for experiment in page:
            yield from _of(experiment)
        token = page.token or None


def _of(experiment: Experiment) -> Iterator[_Entry]:
    for name, text in experiment.tags.items():
        tag, _, rest = name.partition(".")
        if tag in (TAG, OLD_TAG) and rest.count(".") == 1:
            of, model = rest.split(".")
            yield _Entry(str(experiment.experiment_id), of, model, json.loads(text), tag == OLD_TAG)


def _write(store: MlflowClient, entry: _Entry, told: dict[str, Any]) -> None:
    store.set_experiment_tag(entry.experiment, f"{TAG}.{entry.set}.{entry.model}", json.dumps(told))


def _listed(run: Run, samples: SamplePrints, name: str) -> str:
    """Leave the list of samples with a run; returns the run's id."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.bin"
        file.write_bytes(samples.packed())
        run.log_file(file, FOLDER)
    return run.id


def _list(store: MlflowClient, entry: _Entry) -> SamplePrints | None:
    """The list of samples of an entry; None where its run was deleted for good, or the file."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = store.download_artifacts(str(entry.told["run"]), f"{FOLDER}/{entry.set}.bin", folder)
            return SamplePrints.unpacked(Path(path).read_bytes())
    except (MlflowException, OSError, ValueError, KeyError):
        return None
