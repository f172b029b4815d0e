"""Champion and challenger are asked about the same test samples, and held against each other.

What the challenger says was measured by evaluate and lies in predictions.parquet. The champion is downloaded from the
registry, with its graph, its fitted inputs and its own operating point, and answers the same cleaned samples.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from components.lib.dataset import ArrayInfo, Dataset, read_parquet
from components.lib.divisions import divisions
from components.lib.errors import MedpipeError, Unusable
from components.lib.kinds import Array, TargetKind
from components.lib.model_dir import Model, ModelInfo
from components.lib.paired import Difference, differences
from components.lib.positions import apart, reordered
from components.lib.registry import Registry, fetch
from components.lib.settings import Settings
from components.lib.spec import TaskSpec
from components.lib.statistics import Bools
from components.register.golden import TOLERANCE
from components.register.leak import learnt
from components.register.verdict import Overall, Row, overall, rows
from components.register.worst_group import worst_groups

Outputs = Mapping[str, NDArray[np.float32]]


class Comparison(Settings):
    """A model that was just trained, held against the champion of then."""

    champion: str
    """Its version."""
    champion_digest: str
    challenger_digest: str
    dataset_digest: str
    samples: int
    """Test samples that both were asked about."""
    of: int
    """Samples of the test split."""
    margin: float
    margin_assumed: bool
    """Whether the task file leaves the margin to us."""
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out, and what can't be judged, in whole sentences."""
    leaked: int = 0
    """Test samples that one of the two learnt from."""
    unsure: str = ""
    """Why nothing is promoted automatically by it, whatever it says; empty: no reason."""
    refused: str = ""
    """Why the two can't be compared; empty where they can."""
    same: bool = False
    """Whether both gave the same answers on every one of these samples, and decide by them alike."""

    @property
    def overall(self) -> Overall:
        """The verdict on the whole."""
        return "not comparable" if self.refused else overall(self.rows)

    @property
    def may_replace(self) -> bool:
        """Whether `promote: auto` replaces the champion: non-inferior in everything, superior in something."""
        return self.overall == "superior" and not self.unsure


@dataclass(frozen=True)
class _Both:
    """The samples that both models were asked about, and what they said."""

    samples: pd.DataFrame
    champion: Outputs
    challenger: Outputs
    of: int
    """Samples of the test split."""


def compare(
    registry: Registry, champion: str, model: Model, dataset: Dataset, evaluation: Path, spec: TaskSpec
) -> Comparison:
    """Hold a model against a registered version on the test split of a dataset.

    Args:
        registry: of both.
        champion: the version.
        model: the challenger.
        dataset: what evaluate measured the challenger on.
        evaluation: what evaluate wrote: predictions.parquet.
        spec: the task of the challenger.
    """
    settings = spec.register_
    digest = registry.tags(champion).get("model_digest", "")
    nothing = Comparison(
        champion=champion, champion_digest=digest, challenger_digest=model.digest, dataset_digest=dataset.info.digest,
        samples=0, of=0, margin=settings.margin, margin_assumed="margin" not in settings.model_fields_set,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        try:
            path, _ = fetch(f"models:/{registry.name}/{champion}", Path(folder))
            other = Model(path)
        except (MedpipeError, MlflowException) as error:
            found = error.found if isinstance(error, MedpipeError) else "the registry can't give its files"
            return nothing.model_copy(update={"refused": f"it can't be opened: {found}"})
        refused = not_comparable(other.info, model.info, dataset)
        if refused:
            return nothing.model_copy(update={"refused": refused})
        both = _ask(other, model.info, dataset, evaluation)
        kept, notes, leaked, unsure = _unlearnt(both, other, model, dataset)
    measured, few, same = _measured(both, kept, other.info, model.info, spec)
    compared = {
        "samples": int(kept.sum()), "of": both.of, "rows": rows(measured, settings.margin),
        "notes": (*notes, *few), "leaked": leaked, "unsure": unsure, "same": same,
    }  # fmt: skip
    return nothing.model_copy(update=compared)


def not_comparable(champion: ModelInfo, challenger: ModelInfo, dataset: Dataset) -> str:
    """Why a champion can't answer the samples of a dataset as the challenger does; empty where it can.

    Inputs must be the same setting by setting, since cleaning depends on them. Of a target its meaning must be the
    same: kind, classes in their order, unit; spellings of raw labels and the way of calibration may differ.
    """
    if others := apart(champion.inputs, challenger.inputs):
        again = " in another order" if reordered(champion.inputs, challenger.inputs) else ""
        return f"its inputs are others{again}: {', '.join(f'inputs.{each}' for each in others)}"
    if [*champion.targets] != [*challenger.targets]:
        return f"its targets are {', '.join(champion.targets)}, the challenger's {', '.join(challenger.targets)}"
    for name, kind in champion.targets.items():
        was, is_now = _meaning(kind), _meaning(challenger.targets[name])
        if was != is_now:
            return f"its target {name} is {was}, the challenger's {is_now}"
    for name, given in champion.inputs.items():
        if dataset.info.arrays.get(name) != ArrayInfo.of(given):
            return f"the cleaned samples aren't what its input {name} takes"
    return ""


def _meaning(kind: TargetKind) -> str:
    """What a target's output means, in words."""
    unit = getattr(kind, "unit", None)
    return f"{kind.kind} ({', '.join(kind.class_names) or unit or 'no unit'})"


def _ask(champion: Model, challenger: ModelInfo, dataset: Dataset, evaluation: Path) -> _Both:
    """What both say of the test samples that neither's server refuses."""
    predicted = read_parquet(evaluation / "predictions.parquet", ["sample_id", "target", "output"])
    held = {name: table.set_index("sample_id")["output"] for name, table in predicted.groupby("target")}
    measured = held[next(iter(challenger.targets))].index
    answers: dict[str, list[NDArray[np.float32]]] = {name: [] for name in champion.info.targets}
    frames, of = [], 0
    for part in dataset.parts:
        test = np.flatnonzero((part.samples["split"] == "test").to_numpy())
        of += len(test)
        test = test[part.samples["sample_id"].iloc[test].isin(measured).to_numpy()]
        arrays = {name: part.array(name)[test] for name in champion.info.inputs}
        served = ~_refused(champion.info, arrays, len(test))
        if not served.any():
            continue
        said = champion.predict({name: array[served] for name, array in arrays.items()})
        frames.append(part.samples.iloc[test[served]])
        for name in answers:
            answers[name].append(said[name])
    samples = pd.concat(frames, ignore_index=True) if frames else dataset.parts[0].samples.iloc[:0]
    ids = samples["sample_id"]
    theirs = {name: np.concatenate(each) if each else np.empty((0, 1), np.float32) for name, each in answers.items()}
    own = {name: np.stack(held[name].loc[ids].to_list()) if len(ids) else theirs[name] for name in theirs}
    return _Both(samples, theirs, own, of)


def _refused(info: ModelInfo, arrays: Mapping[str, Array], count: int) -> Bools:
    """Samples (N,) that a server of the model refuses: a category that its training has rarely or never."""
    refused = np.zeros(count, bool)
    for name, kind in info.inputs.items():
        fitted = info.fitted_inputs[name]
        for unknown in kind.unknown_categories_of(arrays[name], fitted).values():
            for row in np.flatnonzero(unknown & ~refused).tolist():
                try:
                    kind.refuse_unknown(arrays[name][row], fitted)
                except Unusable:
                    refused[row] = True
    return refused


def _unlearnt(both: _Both, champion: Model, challenger: Model, data: Dataset) -> tuple[Bools, list[str], int, str]:
    """Samples (N,) that neither learnt from; what to say of the others; their number; what isn't known."""
    notes, unsure, leaked = [], [], np.zeros(len(both.samples), bool)
    if len(both.samples) < both.of:
        notes.append(f"A server of one of the two refuses {both.of - len(both.samples):,} of {both.of:,} test samples: "
                     "left out.")  # fmt: skip
    for which, model in (("champion", champion), ("challenger", challenger)):
        found = learnt(model, both.samples, data)
        leaked |= found.rows
        if found.rows.any():
            notes.append(
                f"Leak: the {which} was developed on {int(found.rows.sum()):,} of these {len(both.samples):,} test "
                "samples, or on other samples of their patients. They are left out."
            )
        if found.unknown:
            unsure.append(f"whether the {which} learnt from test samples isn't known: {found.unknown}")
    return ~leaked, notes, int(leaked.sum()), "; ".join(unsure)


def _measured(
    both: _Both, kept: Bools, champion: ModelInfo, challenger: ModelInfo, spec: TaskSpec
) -> tuple[dict[tuple[str, str], Difference], list[str], bool]:
    """Every measure of every target; what is to be said where there is none; whether both answer alike throughout."""
    samples = both.samples[kept].reset_index(drop=True)
    every_alike = len(samples) > 0
    found: dict[tuple[str, str], Difference] = {}
    notes: list[str] = []
    for name, kind in challenger.targets.items():
        encoded, known = kind.encode(samples[name])
        decisions = [info.fitted[name].decision for info in (champion, challenger)]
        whole = [outputs[name][kept] for outputs in (both.champion, both.challenger)]
        alike = decisions[0] == decisions[1] and _alike(*whole, probabilities=bool(kind.class_names))
        every_alike &= alike
        answers = [output[known] for output in whole]
        one, other = (
            kind.paired_measures(output, encoded[known], decision, decisions[0])
            for output, decision in zip(answers, decisions, strict=True)
        )
        if not one:
            notes.append(f"{name}: {int(known.sum()):,} samples whose truth is known say too little to compare by.")
            continue
        deciding = next(iter(one.items()))
        table = samples[known].reset_index(drop=True)
        every = divisions(table, np.full(len(table), True), challenger.inputs, spec.evaluate.age_bands)
        groups, few = worst_groups(kind, deciding, table, every, answers, encoded[known], decisions)
        notes += [f"{name}: {few}"] if few else []
        patients = _patients(samples["patient"][known])
        held = differences({**one, **groups[0]}, {**other, **groups[1]}, patients)
        found |= {(name, measure): each.of_equals() if alike else each for measure, each in held.items()}
    return found, notes, every_alike


def _alike(one: NDArray[np.float32], other: NDArray[np.float32], *, probabilities: bool) -> bool:
    """Whether two models' answers (N, units) are the same: a graph that is run again may differ in its last bits."""
    scale = 1.0 if probabilities else float(np.abs(one).max(initial=0))
    return bool(np.all(np.abs(one - other) <= TOLERANCE * scale))


def _patients(column: pd.Series) -> NDArray[np.intp]:
    """Equal numbers for samples of one patient (N,); who is unknown is another patient in each sample."""
    numbers = pd.factorize(column)[0]
    unknown = numbers < 0
    numbers[unknown] = numbers.max(initial=-1) + 1 + np.arange(int(unknown.sum()))
    return numbers.astype(np.intp)
