"""The study of `make tune`: which trials there were, in a file that outlives a kill."""

from __future__ import annotations

from pathlib import Path

import optuna

from components.lib.tune_settings import Tune
from pipelines.space import Value

DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
OWN = "own"
"""Marks the trial that has the task's own settings."""
WARM_UP_EPOCHS = 3
"""No trial is ended early before: first epochs say little."""


def open_study(name: str, own: dict[str, Value], settings: Tune, folder: Path) -> optuna.Study:
    """The study of this name: a new one whose first trial has the task's own settings, or the interrupted one.

    Args:
        name: it stands for the data, the code, the task and the space.
        own: the task's own values.
        settings: of the search.
        folder: where the file is that studies are kept in.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = folder / "studies.db"
    study = optuna.create_study(
        study_name=name, storage=f"sqlite:///{file}", direction="maximize", load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=settings.random, n_warmup_steps=WARM_UP_EPOCHS),
    )  # fmt: skip
    # By how far the study is: a sampler that starts anew with one seed would draw the same again.
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=settings.random, seed=settings.seed + len(study.trials))
    if not study.trials:
        study.enqueue_trial(own)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # whoever ran it was killed
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params or own)
    return study


def own_trial(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The finished trial with the task's own settings."""
    return next(each for each in study.get_trials(states=DONE) if each.user_attrs.get(OWN))


def unfinished(study: optuna.Study, wanted: int) -> int:
    """How many trials are left to do."""
    return max(0, wanted - len(study.get_trials(states=DONE)))
