"""Golden cases: some test samples as a hospital would send them, and what evaluate predicted of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.answers import column_name
from components.lib.dataset import Dataset, read_parquet
from components.lib.digests import Sums
from components.lib.errors import DataError, Unusable
from components.lib.kinds import InputKind
from components.lib.model_dir import ModelInfo
from components.lib.parallel import each_sample
from components.lib.places import Place, readers
from components.lib.readers import Load
from components.lib.spec import TaskSpec
from components.lib.summaries import evenly


@dataclass(frozen=True)
class Cases:
    """N golden cases."""

    sample_ids: list[str]
    bodies: Iterator[bytes]
    """The request about each, JSON of one row, read when its turn comes: a volume is large."""
    figures: pd.DataFrame
    """What evaluate predicted: a row a case, a column for every figure of an answer, under its name there; float64."""
    scales: NDArray[np.float64]
    """By what the differences of each column are divided: 1 for what classes have, which are probabilities. Of a
    number, the largest prediction of its target on the test split, up or down: the network computes in float32, whose
    errors are shares of the numbers it handles, and a prediction near 0 may be a difference of large ones."""


def cases_of(
    raw: Place, dataset: Path, private: Path, evaluation: Path, info: ModelInfo, digest: str, spec: TaskSpec
) -> Cases:
    """Choose `register.golden_cases` samples of the test split, evenly over their order, and find them in the raw data.

    Args:
        raw: the raw data; on this machine or on a server.
        dataset: what clean wrote.
        private: what ingest wrote beside its dataset: the way back to the files.
        evaluation: what evaluate wrote.
        info: of the evaluated model.
        digest: of the dataset that was evaluated.
        spec: the task.

    Raises:
        DataError: the inputs don't belong together; from the iterator, a sample can't be read any more.
        ServerError: the raw data lie on a server that fails.
    """
    data = Dataset(dataset)
    if data.info.digest != digest:
        raise DataError(
            str(dataset),
            expected=f"the dataset that was evaluated, digest {digest[:12]}",
            found=f"another one, {data.info.digest[:12]}",
            todo="dvc repro evaluate",
        )
    predicted = read_parquet(evaluation / "predictions.parquet", ["sample_id", "target", "output"])
    chosen = _chosen(data, info, spec.register_.golden_cases)
    figures, scales = _figures(predicted, chosen, info)
    load = spec.source.opener(raw, spec.inputs)
    bodies = each_sample(partial(_body, load, info.inputs), _places(private, chosen), workers=readers(raw) or 1)
    return Cases(chosen, bodies, figures, scales)


def _chosen(data: Dataset, info: ModelInfo, count: int) -> list[str]:
    """Test samples that a server doesn't refuse: evaluate measures no others."""
    taken: list[str] = []
    for part in data.parts:
        arrays = {name: part.array(name) for name in info.inputs}
        rows = np.flatnonzero(part.samples["split"] == "test").tolist()
        kept = [row for row in rows if all(_taken(info, name, array[row]) for name, array in arrays.items())]
        taken += part.samples["sample_id"].iloc[kept].tolist()
    if not taken:
        raise DataError(
            str(data.path),
            expected="a test sample that the served model would answer, as a golden case",
            found=f"none of {data.info.counts['test']}",
            todo="a server refuses categories that training has rarely: set `unknown_categories: allow` or a lower "
            "`rare` for the input, or join categories",
        )
    return [taken[place] for place in evenly(np.arange(len(taken)), count)]


def _taken(info: ModelInfo, name: str, cleaned: Any) -> bool:
    try:
        info.inputs[name].refuse_unknown(cleaned, info.fitted_inputs[name])
    except Unusable:
        return False
    return True


def _figures(predicted: pd.DataFrame, chosen: list[str], info: ModelInfo) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """`Cases.figures` and `Cases.scales`, from what the network gave when it was evaluated."""
    figures, scales = pd.DataFrame(index=pd.RangeIndex(len(chosen))), []
    for name, kind in info.targets.items():
        outputs = predicted[predicted["target"] == name].set_index("sample_id")["output"]
        lost = [sample_id for sample_id in chosen if sample_id not in outputs.index]
        if lost:
            raise DataError(
                "predictions.parquet",
                expected=f"a prediction of {name} for every test sample",
                found=f"none for {', '.join(lost[:5])}",
                todo="dvc repro evaluate",
            )
        answer = kind.answer(np.stack(outputs.loc[chosen].to_list()), info.fitted[name].decision)
        largest = float(np.abs(np.stack(outputs.to_list())).max()) or 1.0
        for column, values in answer.items():
            if kind.answer_types[column] == "double":
                figures[column_name(info, name, column)] = np.asarray(values, np.float64)
                scales.append(1.0 if kind.class_names else largest)
    return figures, np.array(scales)


def _places(private: Path, chosen: list[str]) -> list[tuple[str, str, int]]:
    """sample_id, file and row of each sample in the raw data."""
    sources = private / "sources.parquet"
    todo = "dvc repro ingest (private data are never pushed)"
    if not sources.is_file():
        expected = "the way back to the raw files, as ingest wrote it: golden cases are asked as they came"
        raise DataError(str(sources), expected=expected, found="no such file", todo=todo)
    Sums(private, DataError, todo).require(sources)
    way = read_parquet(sources, ["sample_id", "file", "row"]).set_index("sample_id")
    lost = [sample_id for sample_id in chosen if sample_id not in way.index]
    if lost:
        found = f"none for {len(lost)} of {len(chosen)}: {', '.join(lost[:5])}"
        raise DataError(str(sources), expected="the file of every golden case", found=found, todo=todo)
    found_there = way.loc[chosen]
    return list(zip(chosen, found_there["file"].tolist(), found_there["row"].astype(int).tolist(), strict=True))


def _body(load: Load, inputs: dict[str, InputKind], place: tuple[str, str, int]) -> bytes:
    """The request about one sample; an error names the sample, never its file."""
    sample_id, file, row = place
    try:
        raw = load(file, row)
        columns = {key: value for name, kind in inputs.items() for key, value in kind.to_request(name, raw).items()}
    except (OSError, Unusable) as error:
        raise DataError(
            f"sample {sample_id}",
            expected="the raw sample that was cleaned, to ask the served model about it",
            found=str(error) if isinstance(error, Unusable) else f"unreadable: {error.strerror}",
            todo="put the raw data back as they were, or dvc repro: it cleans and evaluates those of now",
        ) from None
    split = {"columns": [*columns], "data": [[*columns.values()]]}
    return json.dumps({"dataframe_split": split}, allow_nan=False).encode()
