"""The training loop: one `fit` call an epoch, the best epoch kept, a checkpoint after each.

A killed run goes on from its last checkpoint and ends with the same bytes: the order of samples and every random layer
are seeded anew for each epoch, and weights, optimizer (averaged weights are its own) and the best epoch so far are
restored.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from components.lib.errors import ModelError
from components.lib.output import write_bytes
from components.lib.progress import progress
from components.lib.spec import TaskSpec
from components.train import models
from components.train.averages import averaged
from components.train.derive import Plan, plan
from components.train.devices import predict, scope
from components.train.epochs import EpochBatches
from components.train.optimizer import optimizer, penalise
from components.train.processes import agreed, fit_epoch
from components.train.samples import Samples

Weights = list[NDArray[Any]]
Losses = Mapping[str, keras.losses.Loss]
LARGEST_PIECE = 1 << 24
"""Numbers of the samples that a net looks at together outside training: 64 MB."""


@dataclass
class State:
    """What a run has learnt so far, beside the weights. Epochs count from 0."""

    epoch: int = 0
    chosen: int = 0
    best_score: float = -np.inf
    curves: list[dict[str, float]] = field(default_factory=list)
    batch_size: int = 0
    epochs: int = 0
    """Batch and most epochs, as decided at the start: the memory of another machine doesn't change them."""


def fit(
    training: keras.Model,
    core: keras.Model,
    samples: Samples,
    validation: Samples,
    checkpoint: Path,
    on_epoch: Callable[[dict[str, float]], None],
    losses: Losses | None = None,
) -> State:
    """Train until the last epoch, or until validation stops improving; leaves the best weights in `core`.

    Args:
        training: the network with augmentation; compiled here.
        core: the network inside it.
        samples: training samples.
        validation: validation samples.
        checkpoint: file to save to and to resume from.
        on_epoch: told the figures of every epoch, restored ones left out. It may raise, to end the training: the
            checkpoint then holds that epoch, and the weights in `core` are of no use.
        losses: by target, on what `training` puts out; None: those of the targets' kinds.

    Raises:
        ModelError: the loss is no number (it names the step and the samples of its batch), a head doesn't fit its
            target, a batch is larger than the data, or learnt weights don't fit.
    """
    spec = samples.spec
    losses = losses or {name: kind.loss(spec.train) for name, kind in spec.targets.items()}
    _refuse_heads(core, samples)
    state, best_weights = _begin(checkpoint, training, core, samples, losses)
    frozen, length = spec.train.frozen_epochs, Plan(state.batch_size, state.epochs)
    steps = len(EpochBatches(samples, 0, length.batch_size))
    with progress(range(steps * length.epochs), "training") as bar:
        bar.update(state.epoch * steps)
        for epoch in range(state.epoch, length.epochs):
            if state.curves and epoch - max(state.chosen, frozen) > spec.train.patience:
                break
            if frozen and epoch == frozen:
                _compile(training, core, spec, steps, length, epoch, losses)
            _reseed(training, spec.train.seed, epoch)
            batches = EpochBatches(samples, epoch, length.batch_size)
            loss = fit_epoch(training, batches, epoch, [Watch(bar, batches, epoch)])
            with averaged(training, batches):
                figures = agreed({"epoch": epoch + 1, "loss": loss, **_validate(core, validation)})
                state.best_score = max(state.best_score, figures["validation_score"])
                if figures["validation_score"] >= state.best_score - spec.train.tolerance:
                    state.chosen, best_weights = epoch, core.get_weights()
            state.epoch = epoch + 1
            state.curves.append(figures)
            bar.set_postfix_str(f"epoch {epoch + 1}, validation {figures['validation_score']:.4f}", refresh=False)
            _save(checkpoint, training, best_weights, state)
            on_epoch(figures)
    core.set_weights(best_weights)
    return state


def logits(core: keras.Model, samples: Samples) -> dict[str, NDArray[np.float32]]:
    """Logits (N, units) of every target."""
    rows = int(np.clip(LARGEST_PIECE // samples.numbers, 1, 256))
    pieces = [predict(core, samples.inputs(slice(start, start + rows))) for start in range(0, len(samples), rows)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in samples.spec.targets}


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves the progress bar by a step, and stops at the first batch whose loss is no number."""

    def __init__(self, bar: tqdm[int], batches: EpochBatches, epoch: int) -> None:
        super().__init__()
        self._bar, self._batches, self._epoch = bar, batches, epoch
        self._step = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.update()
        self._step += 1  # Keras' own number restarts where the last batch is trained by itself
        # Keras tells the mean over the epoch so far: the first that is no number is this batch's doing.
        loss = (logs or {}).get("loss", np.nan)
        if not np.isfinite(loss):
            raise ModelError(
                f"train, epoch {self._epoch + 1}, step {self._step + 1} of {len(self._batches)}",
                expected="a finite loss",
                found=f"{loss} in the batch of sample_ids {', '.join(self._batches.sample_ids(self._step))}",
                todo="lower train.learning_rate, or set train.precision: float32; if it stays, look at these samples",
            )


def _begin(
    checkpoint: Path, training: keras.Model, core: keras.Model, samples: Samples, losses: Losses
) -> tuple[State, Weights]:
    """The network compiled for its first epoch, or for the last one of an interrupted run, all its weights in place."""
    spec = samples.spec
    kind, name = _architecture(spec)
    if checkpoint.exists():
        return _restore(checkpoint, training, core, samples, losses)
    length = Plan(**agreed(asdict(plan(spec.train, len(samples), core))))
    models.load(core, kind, name, spec.train)
    _compile(training, core, spec, len(EpochBatches(samples, 0, length.batch_size)), length, 0, losses)
    return State(batch_size=length.batch_size, epochs=length.epochs), core.get_weights()


def _compile(
    training: keras.Model, core: keras.Model, spec: TaskSpec, steps: int, length: Plan, epoch: int, losses: Losses
) -> None:
    """Make the network ready for the stretch that an epoch lies in: with its backbone frozen, or all of it."""
    frozen = epoch < spec.train.frozen_epochs
    models.freeze(core, *_architecture(spec), spec.train, frozen=frozen)
    penalise(core, spec.train)
    with scope():
        made = optimizer(spec.train, steps, length.epochs - spec.train.frozen_epochs, frozen=frozen)
        training.compile(optimizer=made, loss=dict(losses))
        made.build(training.trainable_variables)


def _architecture(spec: TaskSpec) -> tuple[str, str]:
    (kind,) = spec.inputs.values()
    return kind.kind, spec.model_name


def _refuse_heads(core: keras.Model, samples: Samples) -> None:
    """Refuse a head that is wider or narrower than what its loss compares it with: Keras might stretch one of them."""
    for name, aims in samples.loss_targets.items():
        head = core.output[name].shape[1:]
        if head != aims.shape[1:]:
            raise ModelError(
                f"train, the head of target {name}",
                expected=f"as many outputs as the target has columns, {aims.shape[1:]}",
                found=f"{head}",
                todo=f"let `units` and `to_loss` of the kind {samples.spec.targets[name].kind} agree, and train afresh",
            )


def _validate(core: keras.Model, validation: Samples) -> dict[str, float]:
    """Mean score and mean log loss over the targets, each over the samples whose target is known."""
    scores, losses = [], []
    for name, values in logits(core, validation).items():
        kind, known = validation.spec.targets[name], validation.known[name]
        truth = validation.targets[name][known]
        scaling = validation.fitted.targets[name]
        scores.append(kind.score(np.asarray(kind.activation(values[known], scaling)), truth))
        aims = validation.loss_targets[name][known]
        losses.append(float(np.mean(kind.loss(validation.spec.train)(aims, values[known]))))
    return {"validation_score": float(np.mean(scores)), "validation_loss": float(np.mean(losses))}


def _reseed(training: keras.Model, seed: int, epoch: int) -> None:
    """Give every random layer a state that follows from seed and epoch alone. Keras saves no seed-generator state."""
    for index, variable in enumerate(_random_states(training)):
        # The second word counts the draws, so epochs stand far apart on it.
        variable.assign(np.array([seed * 1000 + index, epoch << 20], np.uint32))


def _random_states(model: keras.Model) -> list[Any]:
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]


def _save(checkpoint: Path, training: keras.Model, best: Weights, state: State) -> None:
    buffer = io.BytesIO()
    arrays = {f"weight_{i}": w for i, w in enumerate(training.get_weights())}
    arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(training.optimizer.variables)}
    arrays |= {f"best_{i}": w for i, w in enumerate(best)}
    np.savez(buffer, state=json.dumps(asdict(state)), **arrays)
    write_bytes(checkpoint, buffer.getvalue())


def _restore(
    checkpoint: Path, training: keras.Model, core: keras.Model, samples: Samples, losses: Losses
) -> tuple[State, Weights]:
    """The state of an interrupted run, its weights put back."""
    with np.load(checkpoint, allow_pickle=False) as saved:
        state = State(**json.loads(str(saved["state"])))
        steps = len(EpochBatches(samples, 0, state.batch_size))
        _compile(training, core, samples.spec, steps, Plan(state.batch_size, state.epochs), state.epoch - 1, losses)
        training.set_weights([saved[f"weight_{i}"] for i in range(len(training.get_weights()))])
        for i, variable in enumerate(training.optimizer.variables):
            variable.assign(saved[f"optimizer_{i}"])
        best = [saved[f"best_{i}"] for i in range(len(core.get_weights()))]
    print(f"resuming after epoch {state.epoch}")
    return state, best
