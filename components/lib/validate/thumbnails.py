"""Pictures on the page of clean, where they may be shown: suspected labels, and pairs that are nearly one picture."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.lib.dataset import Dataset
from components.lib.page import Section, paragraph, thumbnail
from components.lib.spec import TaskSpec
from components.lib.validate.checks import Finding
from components.lib.validate.near_duplicates import NearDuplicates
from components.lib.validate.pictures import is_picture

MOST = 12
"""Pairs, and suspects, that are shown."""


def may_be_shown(spec: TaskSpec) -> bool:
    """Whether pictures may stand on the page: synthetic ones, public ones, and those that the task file asks for."""
    return spec.source.synthetic or spec.source.public_key or spec.clean.thumbnails


def finding(dataset: Dataset, near: list[NearDuplicates], suspects: pd.DataFrame, spec: TaskSpec) -> Finding:
    """Sections of pictures; one sentence where there are some that may not be shown.

    Args:
        dataset: the cleaned samples.
        near: near duplicates, per input.
        suspects: of `labels.look`.
        spec: the task.
    """
    pairs = {each.name: _most_telling(each) for each in near if each.complete}
    pictures = [name for name, kind in spec.inputs.items() if is_picture(kind)]
    if not pictures or not (len(suspects) or any(map(len, pairs.values()))):
        return Finding(())
    if not may_be_shown(spec):
        text = (
            "Pictures of real patients are not shown. Where they may be, set `clean.thumbnails: true` in the task file."
        )
        return Finding((), sections=(Section("Pictures", (paragraph(text),)),))
    sections = []
    for name, told in pairs.items():
        if len(told):
            shown = _Shown(dataset, name, spec)
            sections.append(Section(f"Near duplicates of {name}, side by side", tuple(shown.pair(row) for row in told)))
    if len(suspects):
        shown = _Shown(dataset, pictures[0], spec)
        blocks = tuple(shown.suspect(row) for row in suspects.head(MOST).to_dict("records"))
        sections.append(Section("Suspected labels, as pictures", blocks))
    return Finding((), sections=tuple(sections))


def _most_telling(near: NearDuplicates) -> list[dict[str, object]]:
    """Pairs with contradicting labels first, then those in two splits, the likest first."""
    across = near.across.sort_values("correlation", ascending=False, kind="stable")
    together = pd.concat([near.contradicting, across]).drop_duplicates(["sample_id", "sample_id_2"])
    return [{str(key): value for key, value in row.items()} for row in together.head(MOST).to_dict("records")]


class _Shown:
    """The pictures of one input, by sample_id."""

    def __init__(self, dataset: Dataset, name: str, spec: TaskSpec) -> None:
        self.kind, self.arrays = spec.inputs[name], [part.array(name) for part in dataset.parts]
        self.starts = np.cumsum([0, *map(len, self.arrays)])
        self.rows = {sample: row for row, sample in enumerate(dataset.samples()["sample_id"])}

    def png(self, sample: object) -> bytes:
        row = self.rows[str(sample)]
        for (start, end), array in zip(pairwise(self.starts), self.arrays, strict=True):
            if start <= row < end:
                return self.kind.picture(array[row - start], None, 1.0)
        raise KeyError(sample)

    def pair(self, row: dict[str, object]) -> Markup:
        drawn = [
            thumbnail(self.png(row[f"sample_id{end}"]), f"Sample {row[f'sample_id{end}']}", _caption(row, end))
            for end in ("", "_2")
        ]
        return Markup('<div class="pair">{}</div>').format(Markup("").join(drawn))

    def suspect(self, row: Mapping[Hashable, object]) -> Markup:
        text = f"{row['sample_id']}, {row['split']}: labelled {row['label']}, looks like {row['suspected']}"
        return thumbnail(self.png(row["sample_id"]), f"Sample {text}", text)


def _caption(row: dict[str, object], end: str) -> str:
    label = row.get(f"label{end}")
    labelled = f", labelled {label}" if isinstance(label, str) else ""
    return f"{row[f'sample_id{end}']}, {row[f'split{end}']}{labelled}"
