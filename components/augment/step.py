"""Offline augmentation. The step writes only what it adds; train reads it beside the cleaned data.

The online policy (`augment.online`) is not used here but in training, as Keras layers; copies follow the same policy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from components.lib.dataset import Dataset, DatasetWriter, rows_per_part
from components.lib.digests import say_unverified
from components.lib.kinds import Array
from components.lib.output import output
from components.lib.progress import progress
from components.lib.spec import Offline, TaskSpec
from components.lib.validate.copies import check_augmented


def augment(dataset: Path, out: Path, spec: TaskSpec) -> None:
    """Write altered copies of training samples until no class is rarer than `offline.balance` × the commonest.

    Args:
        dataset: the cleaned dataset.
        out: the dataset directory to write; without parts when nothing is asked for.
        spec: the task.

    Raises:
        DataError: the dataset was cleaned with other inputs, or with their columns in another order.
        GateError: the copies fail their suite; the page `<out>.failed.html` shows why.
    """
    cleaned = Dataset(dataset)
    say_unverified(cleaned.sums)
    cleaned.require(spec.inputs)
    info = cleaned.info
    policies = {name: spec.policy(name).model_dump(mode="json") for name in spec.inputs}
    work = {"dataset": info.digest, "policies": policies, "offline": spec.augment.offline.model_dump(mode="json")}
    with output(out, work) as partial:
        writer = DatasetWriter(partial)
        target = next((name for name, kind in spec.targets.items() if kind.class_names), None)
        plan = plan_copies(cleaned.samples(), target, spec.augment.offline)
        pieces = _pieces(plan, cleaned)
        for index, piece in enumerate(progress(pieces, "augmenting")):
            if not writer.has_part(index):
                writer.write_part(index, *_copies(piece, cleaned, spec))
        writer.finish(
            task=spec.task, step="augment", parts=len(pieces), arrays=info.arrays, synthetic=info.synthetic,
            targets=info.targets, key_fingerprint=info.key_fingerprint,
            lineage={**info.lineage, "cleaned": info.digest},
        )  # fmt: skip
        if spec.augment.offline.balance:
            outcome = check_augmented(Dataset(partial), cleaned, spec)
            outcome.require(out.with_name(f"{out.name}.failed.html"))
            outcome.write(partial)
    print(f"augmented: {len(plan)} copies" if len(plan) else "augmented: no copies asked for (augment.offline.balance)")


def plan_copies(samples: pd.DataFrame, target: str | None, settings: Offline) -> pd.DataFrame:
    """Which training samples are copied: columns row (position in the dataset), copy (1, 2 …); round after round.

    Args:
        samples: the table.
        target: the column of classes that is balanced; None copies nothing.
        settings: how far the classes are balanced.
    """
    if target is None:
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "copy": pd.Series(dtype="int64")})
    train = samples.index[samples["split"] == "train"]
    classes = samples.loc[train, target]
    counts = classes.value_counts()
    records: list[tuple[int, int]] = []
    for name, count in sorted(counts.items()):
        rows = train[(classes == name).to_numpy()]
        wanted = int(np.ceil(settings.balance * counts.max())) - int(count)
        records += [(int(rows[i % len(rows)]), i // len(rows) + 1) for i in range(max(wanted, 0))]
    return pd.DataFrame(records, columns=["row", "copy"]).sort_values(["row", "copy"], ignore_index=True)


def _pieces(plan: pd.DataFrame, cleaned: Dataset) -> list[pd.DataFrame]:
    size = sum(int(np.prod(a.shape)) * np.dtype(a.dtype).itemsize for a in cleaned.info.arrays.values())
    rows = rows_per_part(size)
    return [plan.iloc[start : start + rows] for start in range(0, len(plan), rows)]


def _copies(piece: pd.DataFrame, cleaned: Dataset, spec: TaskSpec) -> tuple[pd.DataFrame, dict[str, Array]]:
    """Table and arrays of one part of copies."""
    starts = np.concatenate([[0], np.cumsum(cleaned.info.rows)])
    parts = np.searchsorted(starts, piece["row"], side="right") - 1
    places = list(zip(parts, piece["row"] - starts[parts], piece["row"], piece["copy"], strict=True))
    arrays: dict[str, Array] = {}
    for name, kind in spec.inputs.items():
        policy = spec.policy(name)
        arrays[name] = np.stack([
            kind.random_copy(cleaned.parts[part].array(name)[row], policy, _generator(spec, whole, copy))
            for part, row, whole, copy in places
        ])  # fmt: skip
    table = cleaned.samples().iloc[piece["row"]].reset_index(drop=True)
    table["parent_id"] = table["sample_id"]
    table["sample_id"] = [f"{name}-a{copy}" for name, copy in zip(table["sample_id"], piece["copy"], strict=True)]
    for name, kind in spec.inputs.items():
        told = pd.DataFrame([kind.figures(copy) for copy in arrays[name]], index=table.index)
        for figure in told:
            table[f"{name}_{figure}"] = told[figure].astype("float32")
    return table, arrays


def _generator(spec: TaskSpec, row: int, copy: int) -> np.random.Generator:
    """A generator of its own for each copy: the same bytes whatever part it lies in."""
    return np.random.Generator(np.random.PCG64([spec.augment.offline.seed, int(row), int(copy)]))
