"""Which models were judged on which test split: a ledger in the MLflow store, so that all front ends share one.

One tag a test split and model, on the experiment of the run that opened it: the number of the model among those judged
on that split, and how often it was. Tags of deleted experiments count too. With the store the ledger is gone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import ViewType

from components.lib.tracking import Run

TAG = "test_split"
SHORT = 16
"""Characters of a digest that a tag's name holds."""


@dataclass(frozen=True)
class Opening:
    """A test split that was opened for a model."""

    number: int
    """Of the model among those judged on this split, by first opening: 1 for the first. It never changes."""
    models: int
    """How many models were judged on this split so far."""
    openings: int
    """How often the split was opened so far, by any of them."""


def record(run: Run, split: str, model: str) -> Opening:
    """Write down that a test split is opened for a model; a model that was here before keeps its number.

    Two models that are judged at the very same moment may be given one number; their digests then decide who is first.

    Args:
        run: of the model; its experiment keeps the tag.
        split: digest of the test split.
        model: digest of the model.
    """
    held = _ledger(run.store, split)
    own = held.get(model[:SHORT])
    number = own[0] if own else 1 + max((number for number, _ in held.values()), default=0)
    told = json.dumps({"number": number, "openings": 1 + (own[1] if own else 0)})
    experiment = run.store.get_run(run.id).info.experiment_id
    run.store.set_experiment_tag(experiment, f"{TAG}.{split[:SHORT]}.{model[:SHORT]}", told)
    held = _ledger(run.store, split)
    order = sorted(held, key=lambda each: (held[each][0], each))
    return Opening(1 + order.index(model[:SHORT]), len(held), sum(count for _, count in held.values()))


def _ledger(store: MlflowClient, split: str) -> dict[str, tuple[int, int]]:
    """By model: its number and how often it opened the split, over all experiments."""
    found: dict[str, tuple[int, int]] = {}
    token: str | None = ""
    while token is not None:
        page = store.search_experiments(view_type=ViewType.ALL, page_token=token or None)
        for name, told in (
            (n, t) for each in page for n, t in each.tags.items() if n.startswith(f"{TAG}.{split[:SHORT]}.")
        ):
            entry = json.loads(told)
            number, openings = found.get(name.rpartition(".")[2], (entry["number"], 0))
            found[name.rpartition(".")[2]] = (min(number, entry["number"]), openings + entry["openings"])
        token = page.token or None
    return found
