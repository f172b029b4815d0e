"""The nets of one model, and training one of them: killed, it goes on; finished, it isn't done again.

A model has a net for each seed, and with cross-validation for each fold and seed. What a finished net leaves are plain
arrays in `finished.npz`, so that another process, under another back end of Keras, can put the model together.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from components.lib.output import write_bytes
from components.lib.spec import TaskSpec
from components.train.devices import scope, share_statistics
from components.train.distil import frozen, losses
from components.train.fit import Weights, fit
from components.train.network import build_core, build_training
from components.train.samples import Samples


@dataclass(frozen=True)
class Member:
    """One net of a model: the fold it is judged on (None: the validation split), and its seed."""

    fold: int | None
    seed: int
    student: bool = False
    """Whether it learns from the others what they say."""

    @property
    def title(self) -> str:
        """`fold 1, seed 3`."""
        if self.student:
            return f"student, seed {self.seed}"
        return f"seed {self.seed}" if self.fold is None else f"fold {self.fold}, seed {self.seed}"

    def folder(self, work: Path) -> Path:
        """Its own place in the scratch folder."""
        return work / self.title.replace(", ", "-").replace(" ", "_")


@dataclass(frozen=True)
class Trained:
    """A net that is trained."""

    member: Member
    weights: Weights
    """Of the network's core, float32, those of the epoch that was kept."""
    chosen: int
    """That epoch, from 0."""
    curves: list[dict[str, float]]
    """Figures of every epoch."""
    precision: str
    """What it was trained in."""
    batch_size: int = 0
    most_epochs: int = 0
    """Those that were decided at the start; 0: not known."""

    @property
    def epochs(self) -> int:
        """How many epochs it learnt."""
        return self.chosen + 1

    @property
    def validation_score(self) -> float:
        """Score of the epoch that was kept, on the samples the net is judged on."""
        return self.curves[self.chosen]["validation_score"]


def members(spec: TaskSpec) -> tuple[Member, ...]:
    """The nets of the task's model, in the order in which they are trained."""
    settings = spec.train
    folds = range(settings.folds) if settings.folds else (None,)
    return tuple(Member(fold, settings.seed + number) for fold in folds for number in range(settings.seeds))


def student(spec: TaskSpec) -> Member | None:
    """The net that learns to answer as the mean of all others, with a seed that none of them has; None: there is none.

    It learns from train, with folds too, and is judged on validation."""
    settings = spec.train
    return Member(None, settings.seed + settings.seeds, student=True) if settings.distil else None


def finished(member: Member, work: Path) -> Trained | None:
    """The net, if an interrupted run of the same work finished it."""
    file = member.folder(work) / "finished.npz"
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as saved:
        facts = json.loads(str(saved["facts"]))
        weights = [saved[f"weight_{index}"] for index in range(len(saved.files) - 1)]
    return Trained(member, weights, **facts)


def train_member(
    member: Member,
    samples: Samples,
    validation: Samples,
    spec: TaskSpec,
    work: Path,
    on_epoch: Callable[[dict[str, float]], None],
    teachers: Sequence[Trained] = (),
) -> Trained:
    """Train one net, or go on where a killed run of the same work left it. `devices.prepare` comes first.

    Args:
        member: which one.
        samples: what it learns from.
        validation: what it is judged on: early stopping goes by it.
        spec: the task; of its `train:` section `seed` is the member's.
        work: the scratch folder.
        on_epoch: told the figures of every epoch that is trained now. It may raise, to end the training: the
            checkpoint stays.
        teachers: the nets that a student learns from.

    Raises:
        ModelError: the loss is no number.
    """
    done = finished(member, work)
    if done:
        return done
    folder = member.folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    own = spec.model_copy(update={"train": spec.train.model_copy(update={"seed": member.seed})})
    keras.utils.set_random_seed(member.seed)
    precision = "bfloat16" if keras.config.dtype_policy().compute_dtype == "bfloat16" else "float32"
    with scope():
        core = build_core(own, samples.fitted)
        taught_by = frozen([each.weights for each in teachers], own, samples.fitted)
        training = build_training(core, own, samples.fitted, taught_by)
        share_statistics(training)
    aims = losses(own) if teachers else None
    # Outside of it: of several copies each would take its share of the validation loss.
    state = fit(training, core, samples.under(own), validation.under(own), folder / "checkpoint.npz", on_epoch, aims)
    length = (state.batch_size, state.epochs)
    facts = {"chosen": state.chosen, "curves": state.curves, "precision": precision}
    _save(folder, core.get_weights(), {**facts, "batch_size": length[0], "most_epochs": length[1]})
    return Trained(member, core.get_weights(), state.chosen, state.curves, precision, *length)


def _save(folder: Path, weights: Weights, facts: dict[str, object]) -> None:
    """Leave the net complete or not at all; its checkpoint has done its work then."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"weight_{index}": np.asarray(each) for index, each in enumerate(weights)}
    np.savez(buffer, facts=json.dumps(facts), **arrays)
    write_bytes(folder / "finished.npz", buffer.getvalue())
    (folder / "checkpoint.npz").unlink()
