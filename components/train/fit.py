"""The training loop: one `fit` call an epoch, the best epoch kept, a checkpoint after each.

A killed run goes on from its last checkpoint and ends with the same bytes: the order of samples and every random layer
are seeded anew for each epoch, and weights, optimizer and the best epoch so far are restored.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
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
from components.train.epochs import EpochBatches
from components.train.samples import Samples

Weights = list[NDArray[Any]]


@dataclass
class State:
    """What a run has learnt so far, beside the weights. Epochs count from 0."""

    epoch: int = 0
    chosen: int = 0
    best_score: float = -np.inf
    curves: list[dict[str, float]] = field(default_factory=list)


def fit(
    training: keras.Model,
    core: keras.Model,
    samples: Samples,
    validation: Samples,
    checkpoint: Path,
    on_epoch: Callable[[dict[str, float]], None],
) -> State:
    """Train until the last epoch, or until validation stops improving; leaves the best weights in `core`.

    Args:
        training: the network with augmentation; compiled here.
        core: the network inside it.
        samples: training samples.
        validation: validation samples.
        checkpoint: file to save to and to resume from.
        on_epoch: told the figures of every epoch, restored ones left out.

    Raises:
        ModelError: the loss is no number; it names the step and the samples of its batch.
    """
    spec = samples.spec
    steps = len(EpochBatches(samples, 0))
    _compile(training, spec, steps)
    state, best_weights = _restore(checkpoint, training, core)
    bar = progress(range(steps * spec.train.epochs), "training")
    bar.update(state.epoch * steps)
    for epoch in range(state.epoch, spec.train.epochs):
        if state.curves and epoch - state.chosen > spec.train.patience:
            break
        _reseed(training, spec.train.seed, epoch)
        batches = EpochBatches(samples, epoch)
        history = training.fit(batches, epochs=epoch + 1, initial_epoch=epoch, shuffle=False, verbose=0,
                               callbacks=[_Watch(bar, batches, epoch)])  # fmt: skip
        figures = {"epoch": epoch + 1, "loss": float(history.history["loss"][-1]), **_validate(core, validation)}
        state.best_score = max(state.best_score, figures["validation_score"])
        if figures["validation_score"] >= state.best_score - spec.train.tolerance:
            state.chosen, best_weights = epoch, core.get_weights()
        state.epoch = epoch + 1
        state.curves.append(figures)
        bar.set_postfix_str(f"epoch {epoch + 1}, validation {figures['validation_score']:.4f}", refresh=False)
        _save(checkpoint, training, best_weights, state)
        on_epoch(figures)
    bar.close()
    core.set_weights(best_weights)
    return state


def logits(core: keras.Model, samples: Samples) -> dict[str, NDArray[np.float32]]:
    """Logits (N, units) of every target."""
    pieces = [core.predict_on_batch(samples.inputs(slice(start, start + 256))) for start in range(0, len(samples), 256)]
    return {name: np.concatenate([np.asarray(piece[name]) for piece in pieces]) for name in samples.spec.targets}


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves the progress bar by a step, and stops at the first batch whose loss is no number."""

    def __init__(self, bar: tqdm[int], batches: EpochBatches, epoch: int) -> None:
        super().__init__()
        self._bar, self._batches, self._epoch = bar, batches, epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.update()
        # Keras tells the mean over the epoch so far: the first that is no number is this batch's doing.
        loss = (logs or {}).get("loss", np.nan)
        if not np.isfinite(loss):
            raise ModelError(
                f"train, epoch {self._epoch + 1}, step {batch + 1} of {len(self._batches)}",
                expected="a finite loss",
                found=f"{loss} in the batch of sample_ids {', '.join(self._batches.sample_ids(batch))}",
                todo="lower train.learning_rate, or set train.precision: float32; if it stays, look at these samples",
            )


def _compile(training: keras.Model, spec: TaskSpec, steps: int) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(spec.train.learning_rate, steps * spec.train.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=spec.train.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    losses = {name: kind.loss(spec.train) for name, kind in spec.targets.items()}
    training.compile(optimizer=optimizer, loss=losses)
    optimizer.build(training.trainable_variables)


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


def _restore(checkpoint: Path, training: keras.Model, core: keras.Model) -> tuple[State, Weights]:
    """The state of an interrupted run, its weights put back; or a fresh one."""
    if not checkpoint.exists():
        return State(), core.get_weights()
    with np.load(checkpoint, allow_pickle=False) as saved:
        state = State(**json.loads(str(saved["state"])))
        training.set_weights([saved[f"weight_{i}"] for i in range(len(training.get_weights()))])
        for i, variable in enumerate(training.optimizer.variables):
            variable.assign(saved[f"optimizer_{i}"])
        best = [saved[f"best_{i}"] for i in range(len(core.get_weights()))]
    print(f"resuming after epoch {state.epoch}")
    return state, best
