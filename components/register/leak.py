"""Did a model learn from samples, or patients, of the test split on which it is compared?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.lib.dataset import Dataset
from components.lib.development import developed, read_development
from components.lib.marks import Marked, eight_bytes
from components.lib.model_dir import Model
from components.lib.statistics import Bools


@dataclass(frozen=True)
class Learnt:
    """What a model learnt of N test samples."""

    rows: Bools
    """Those that it was developed on, or whose patient it was (N,)."""
    unknown: str = ""
    """Why it can't be said, or not of all; empty where it can."""


def learnt(model: Model, samples: pd.DataFrame, data: Dataset) -> Learnt:
    """Search test samples for those that a model was developed on, by their content and by their patient.

    Equal rows of a table may be two patients': they count where no patient is known, and only in other data than those
    the model was trained on, whose own split has dealt with them.

    Args:
        model: opened from a folder that holds its development.npy, if it ever had one.
        samples: columns sha256 and patient (null: unknown) of N samples of `data`.
        data: the dataset, with its own train and validation splits.

    Raises:
        ModelError: development.npy isn't the one that model.json speaks of.
    """
    own = data.info.digest in model.info.lineage.values()
    record = model.info.development
    if own:
        seen, key = developed(data.samples()), data.info.key_fingerprint
    elif record is None:
        return Learnt(np.zeros(len(samples), bool), "an earlier version of medpipe trained it, and kept no record")
    else:
        seen, key = read_development(model.path, record), record.key_fingerprint
    patient = samples["patient"].notna().to_numpy()
    unique = all(kind.equal_is_same for kind in model.info.inputs.values())
    counts = np.ones(len(samples), bool) if unique else ~patient & (not own)
    mine = Marked.of(samples, eight_bytes)
    rows = mine.seen(seen) & counts
    if not patient.any():
        return Learnt(rows)
    if key != data.info.key_fingerprint:
        others = "no patient was known then" if key is None else "their pseudonyms are of another key"
        return Learnt(rows, f"its patients can't be compared with those of test: {others}")
    return Learnt(rows | mine.of_seen_patients(seen))
