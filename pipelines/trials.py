"""The trials of `make tune`: each one training of the first net of a task under other settings."""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path

import optuna

from components.lib.dataset import Dataset
from components.lib.output import code_digest
from components.lib.spec import TaskSpec
from components.lib.tracking import Run, child_run
from components.train.devices import forget_networks, prepare
from components.train.members import Trained, members, train_member
from components.train.memory import memory_errors
from components.train.samples import Development
from pipelines.space import Space, Value, drawn, rounded, value_of, with_values
from pipelines.study import OWN


class Trials:
    """What a study's trainings have in common.

    Args:
        spec: the task.
        space: what is tried.
        folder: where the study keeps its files.
    """

    def __init__(self, spec: TaskSpec, space: Space, folder: Path) -> None:
        self.spec, self.space = spec, space
        cleaned, copies = Dataset(Path("data/cleaned")), Dataset(Path("data/augmented"))
        self._development = Development(cleaned, copies, spec)
        whole = {
            "data": [cleaned.info.digest, copies.info.digest], "code": code_digest(),
            "task": spec.model_dump(mode="json", include={"inputs", "targets", "augment", "train"}),
            "space": {key: place.model_dump() for key, place in space.items()}, "seed": spec.tune.seed,
        }  # fmt: skip
        text = json.dumps(whole, default=str)  # in order: columns of a table in another order are another task
        self.name = f"{spec.task}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        self.folder = folder / self.name
        self.folder.mkdir(exist_ok=True)

    @property
    def own(self) -> dict[str, Value]:
        """The task's own values."""
        return {key: value_of(self.spec, key) for key in self.space}

    def one(self, study: optuna.Study, parent: Run) -> None:
        """Run one trial, and tell the study."""
        trial = study.ask()
        values = drawn(trial, self.space)
        if values == rounded(self.own):
            values = self.own
            trial.set_user_attr(OWN, True)
        spec = with_values(self.spec, values)
        # By its values: a trial that was killed comes back under another number, and goes on from its last epoch.
        place = self.folder / hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
        place.mkdir(exist_ok=True)
        with child_run(parent, f"trial {trial.number + 1}", values, place / "run.json") as run:
            try:
                trained = self._train(spec, trial, place, run)
            except optuna.TrialPruned:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                told = "ended early"
            else:
                study.tell(trial, trained.validation_score)
                run.log_metrics({"score": trained.validation_score})
                told = f"validation score {trained.validation_score:.4f}, epoch {trained.epochs}"
            run.set_tags({"trial": told})
        best = study.best_trial
        print(f"trial {trial.number + 1}: {told} (best {best.value:.4f}, trial {best.number + 1})", flush=True)
        forget_networks()
        gc.collect()

    def _train(self, spec: TaskSpec, trial: optuna.Trial, place: Path, run: Run) -> Trained:
        def on_epoch(figures: dict[str, float]) -> None:
            epoch = int(figures["epoch"])
            run.log_metrics(figures, epoch)
            trial.report(figures["validation_score"], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        member, development = members(spec)[0], self._development
        learnt, judged = development.learnt(member.fold).under(spec), development.judged(member.fold).under(spec)
        with memory_errors(spec):
            prepare(spec.train)
            return train_member(member, learnt, judged, spec, place, on_epoch)
