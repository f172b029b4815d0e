"""Near duplicates: pictures that are the same but for brightness, noise, compression, a resize, a mirror or inversion.

A reduced picture proposes, pixels decide; padding is taken off first. Two pictures are proposed when their reductions
to 12 by 12 correlate by .989; those of copies that the pixels confirmed did so by .990 and more. They are near
duplicates when their pixels correlate by .99 and, since two patients of one build may do so, their fine detail by .8.
Brightness and contrast don't change a correlation; mirrored, upside down and inverted ones are compared as such
(`mirrored`), shifted and cropped ones are aligned first (`displaced`). Copies turned by another angle, or
mirrored and shifted, are not found.

Hashes of bits propose too much: on chest films a difference hash within 4 bits names 2,001 of 4,708.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import Dataset, DatasetWriter
from components.lib.kinds import InputKind
from components.lib.spec import SPLITS, TaskSpec
from components.lib.validate.checks import NEAR, Finding
from components.lib.validate.close_pairs import ROUNDED, close_pairs
from components.lib.validate.displaced import displaced_pairs
from components.lib.validate.mirrored import KINDS, as_kind, correlations, ends, transform
from components.lib.validate.outcome import NAMED_AT_MOST, Check
from components.lib.validate.pictures import AT_ONCE, DETAIL, Floats32, Pictures, Rows, is_picture

REDUCED, PROPOSED = 12, 0.989
SAME = 0.99
"""The correlation from which on two pictures are one."""
SAME_DETAIL = 0.8
"""The least correlation of their Laplacians; .9 loses copies through JPEG of quality 30. Of 2,114 synthetic films eight
pairs of two patients pass both, of 5,856 real ones none."""
MANY = 40_000
DISPLACED = "shifted or cropped"
"""How such pairs are called."""
MOST_PAIRS, SHOWN = 1_000_000, 50
FILE = "near_duplicates.parquet"
"""Inside the cleaned dataset."""


@dataclass(frozen=True)
class NearDuplicates:
    """What was found in one input."""

    name: str
    samples: pd.DataFrame
    """Columns sample_id, split, patient and fold where known, and the targets with classes: one row a picture."""
    pairs: pd.DataFrame
    """Columns first, second (rows of `samples`; the first gives way), correlation and kind, one of `mirrored.KINDS`."""
    complete: bool = True
    """Whether the search came to its end."""

    @cached_property
    def across(self) -> pd.DataFrame:
        """The pairs that stand on two sides of the split, with the columns of both."""
        return self._told[self._told["split"] != self._told["split_2"]]

    @cached_property
    def in_two_folds(self) -> pd.DataFrame:
        """The pairs that stand in two folds of train and validation."""
        if "fold" not in self._told:
            return self._told.iloc[:0]
        apart = self._told["fold"].notna() & self._told["fold_2"].notna() & (self._told["fold"] != self._told["fold_2"])
        return self._told[apart.fillna(False).astype(bool)]

    @cached_property
    def dropped(self) -> pd.Series:
        """sample_id to reason, of what leaves so that no pair stands on two sides: train gives way, test never."""
        if not self.complete:
            return pd.Series(dtype="str")
        to_test = self.across[self.across["split_2"] == "test"]
        gone = set(to_test.loc[to_test["split"] == "validation", "sample_id"])
        kept = self.across[~self.across["sample_id_2"].isin(gone)]
        side = kept.groupby("sample_id")["split_2"].min()  # "test" comes before "validation"; one is enough to say
        return f"{NEAR} a sample in " + side

    @cached_property
    def _told(self) -> pd.DataFrame:
        first = self.samples.iloc[self.pairs["first"]].reset_index(drop=True)
        second = self.samples.iloc[self.pairs["second"]].reset_index(drop=True).add_suffix("_2")
        return pd.concat([first, second, self.pairs[["correlation", "kind"]].reset_index(drop=True)], axis=1)

    @cached_property
    def contradicting(self) -> pd.DataFrame:
        """The pairs whose labels differ, wherever they stand: columns sample_id, split, label and the same with _2."""
        own = {"sample_id", "split", "patient", "fold"}
        found = [
            self._told[known & (self._told[name] != self._told[f"{name}_2"])].rename(
                columns={name: "label", f"{name}_2": "label_2"}
            )
            for name in self.samples.columns if name not in own
            for known in [self._told[name].notna() & self._told[f"{name}_2"].notna()]
        ]  # fmt: skip
        columns = ["sample_id", "split", "label", "sample_id_2", "split_2", "label_2"]
        return pd.concat([pd.DataFrame(columns=columns), *(each[columns] for each in found)], ignore_index=True)

    def finding(self, policy: str) -> Finding:
        """Lines, the table of pairs, and the check where the policy is `fail`."""
        lines = self._lines()
        stays = len(self.across) > 0 and policy != "drop_from_train"
        raised = [line for line in lines if not line.endswith(": 0")] if stays or not self.complete else []
        columns = {"sample_id": "sample", "split": "stands in", "sample_id_2": "like", "split_2": "which stands in"}
        shown = self._told.sort_values(["correlation", "sample_id", "sample_id_2"], ascending=[False, True, True])
        columns |= {"kind": "the other is the same,"}
        table = shown.head(SHOWN)[[*columns, "correlation"]].rename(columns=columns).round({"correlation": 4})
        asked = policy == "fail" or (policy == "drop_from_train" and not self.complete)
        checks = (self._check(),) if asked else ()
        return Finding(tuple(lines), ((f"Near duplicates of {self.name}", table),), checks, tuple(raised))

    def _lines(self) -> list[str]:
        if not self.complete:
            return [f"near duplicates: more than {MOST_PAIRS:,} pairs: the {self.name} inputs are too alike to say"]
        found = self.across.groupby(["split", "split_2"])["sample_id"]
        lines = [
            f"near duplicates across splits: {_count(len(ids), 'pair')} in {one} and {other} "
            f"({_count(ids.nunique(), f'{one} row')})"
            for (one, other), ids in found
        ] or ["near duplicates across splits: 0"]
        told = self._told
        counts = {kind: int((told["kind"] == kind).sum()) for kind in (*KINDS[1:], DISPLACED)}
        lines += [f"near duplicates, {kind}: {_count(number, 'pair')}" for kind, number in counts.items() if number]
        if "fold" in told:
            lines.append(f"near duplicates across folds: {len(self.in_two_folds)}")
        strangers = told["patient"].notna() & told["patient_2"].notna() & (told["patient"] != told["patient_2"])
        inside = int((strangers & (told["split"] == told["split_2"])).sum())
        return lines + ([f"near duplicates of two patients on one side: {inside}"] if inside else [])

    def _check(self) -> Check:
        apart = pd.concat([self.across, self.in_two_folds])
        ids = sorted({*apart["sample_id"], *apart["sample_id_2"]})
        folds = f", {len(self.in_two_folds)} in two folds" if "fold" in self.samples else ""
        return Check(
            f"No near duplicate stands on two sides of the split{' or in two folds' if folds else ''}",
            ("failed" if ids else "passed") if self.complete else "could not run",
            f"{len(self.across)} pairs{folds}",
            "look at the pairs, take the copies out, or set `split.near_duplicates: drop_from_train`",
            tuple(ids[:NAMED_AT_MOST]),
            len(ids),
        )


def search(dataset: Dataset, spec: TaskSpec) -> tuple[list[NearDuplicates], list[str]]:
    """Look for near duplicates in every input of pictures.

    Returns:
        What was found, one an input, and a line for every input in which nothing was looked for.
    """
    found, lines = [], []
    for name, kind in spec.inputs.items():
        if is_picture(kind):
            labelled = [target for target, each in spec.targets.items() if each.class_names]
            found.append(_search(dataset, name, kind, labelled))
        else:
            lines.append(f"near duplicates: not looked for in {kind.noun}")
    return found, lines


def leaving(found: list[NearDuplicates], policy: str) -> pd.Series:
    """sample_id to reason, of what the policy takes out."""
    if policy == "drop_from_train":
        reasons: pd.Series = pd.concat([pd.Series(dtype="str"), *(each.dropped for each in found)])
        return reasons[~reasons.index.duplicated()]
    return pd.Series(dtype="str")


def moved(samples: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """The samples that leave, as rejected ones."""
    leaves = samples.loc[samples["sample_id"].isin(reasons.index), ["sample_id", "split"]]
    return leaves.assign(reason=leaves["sample_id"].map(reasons).astype("str"), place="").astype("str")


def drop(dataset: Dataset, reasons: pd.Series) -> Dataset:
    """Move what leaves from the parts of an unfinished dataset to their rejected samples; returns it, read again.

    A killed run may have done some of the parts: what leaves the others is the same the second time.
    """
    if reasons.empty:
        return dataset
    writer, info = DatasetWriter(dataset.path), dataset.info
    for index, part in enumerate(dataset.parts):
        stay = ~part.samples["sample_id"].isin(reasons.index).to_numpy()
        if stay.all():
            continue
        rejected = pd.concat([part.rejected, moved(part.samples, reasons)], ignore_index=True)
        arrays = {name: part.array(name)[stay] for name in info.arrays}
        writer.write_part(index, part.samples[stay], arrays, rejected)
    writer.finish(
        task=info.task, step=info.step, parts=len(dataset.parts), arrays=info.arrays, synthetic=info.synthetic,
        targets=info.targets, key_fingerprint=info.key_fingerprint, lineage=info.lineage,
    )  # fmt: skip
    return Dataset(dataset.path)


def write(found: list[NearDuplicates], leaving: pd.Series, folder: Path) -> None:
    """Write the pairs that stay in two splits to near_duplicates.parquet, for evaluate; no file where nobody can say.

    Columns sample_id, split, the same with _2, correlation and kind.
    """
    if not found or not all(each.complete for each in found):
        return
    pairs = pd.concat([each.across for each in found])[
        ["sample_id", "split", "sample_id_2", "split_2", "correlation", "kind"]
    ]
    gone = pairs["sample_id"].isin(leaving.index) | pairs["sample_id_2"].isin(leaving.index)
    pairs[~gone].to_parquet(folder / FILE, index=False)


def read(folder: Path) -> pd.DataFrame | None:
    """What `write` wrote; None where there is nothing."""
    file = folder / FILE
    return pd.read_parquet(file) if file.is_file() else None


def _search(dataset: Dataset, name: str, kind: InputKind, labelled: list[str]) -> NearDuplicates:
    table = dataset.samples()
    columns = [c for c in ("sample_id", "split", "patient", "fold", "sha256", *labelled) if c in table]
    samples, pictures = table[columns], Pictures(dataset, name, kind)
    pieces, count = [], 0
    for piece in near_pairs(pictures, samples):
        pieces.append(piece)
        count += len(piece)
        if count > MOST_PAIRS:
            break
    pairs = (
        pd.concat(pieces, ignore_index=True)
        if pieces
        else _pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0), KINDS[0])
    )
    order = samples["split"].map({split: place for place, split in enumerate(SPLITS)}).to_numpy()
    later = order[pairs["first"]] > order[pairs["second"]]
    pairs.loc[later, ["first", "second"]] = pairs.loc[later, ["second", "first"]].to_numpy()
    return NearDuplicates(name, samples.drop(columns="sha256"), pairs, complete=count <= MOST_PAIRS)


def near_pairs(pictures: Pictures, samples: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Pairs of near duplicates that matter, some at a time, so that memory doesn't grow with their number squared.

    Those in two splits or two folds, of two known patients, or with two labels; copies byte by byte are left out, since
    ingest reports them.

    Args:
        pictures: N of them.
        samples: N rows with the columns split, patient, sha256 and, where there are some, fold; any other is a label.

    Yields:
        Columns first, second (rows, ascending), correlation and kind, one of `mirrored.KINDS`.
    """
    codes = {column: pd.factorize(samples[column])[0] for column in samples if column != "sample_id"}
    codes.setdefault("fold", np.full(len(samples), -1))
    vectors = pictures.reduced(REDUCED)
    shape = pictures.shape(REDUCED)
    transforms = transform(vectors, shape)
    known = {(-1, -1)}
    for first, second in close_pairs(transforms, PROPOSED, ends(shape)):
        matters = _matters(codes, first, second)
        if matters.any():
            first, second = first[matters], second[matters]
            told = correlations(transforms, shape, first, second)
            found = _decided(pictures, first, second, told >= PROPOSED - ROUNDED)
            known |= set(zip(found["first"], found["second"], strict=True))
            yield found
    first, second, correlation = displaced_pairs(pictures, partial(_matters, codes))
    new = np.array([pair not in known for pair in zip(first.tolist(), second.tolist(), strict=True)], bool)
    if new.any():
        yield _pairs(first[new], second[new], correlation[new], DISPLACED)


def _matters(codes: Mapping[Hashable, NDArray[np.signedinteger]], first: Rows, second: Rows) -> NDArray[np.bool_]:
    """Which pairs (n,) are in two splits or folds, of two known patients, or of two labels, and no equal files."""
    matters = codes["split"][first] != codes["split"][second]
    for column in codes.keys() - {"split", "sha256"}:
        one, two = codes[column][first], codes[column][second]
        matters |= (one != two) & (one >= 0) & (two >= 0)
    return np.asarray(matters & (codes["sha256"][first] != codes["sha256"][second]))


def _decided(pictures: Pictures, first: Rows, second: Rows, proposed: NDArray[np.bool_]) -> pd.DataFrame:
    """The proposed pairs (n,) that are one picture in one of the kinds (n, 8); of several the simplest."""
    found, left = [], np.ones(len(first), bool)
    for kind in range(len(KINDS)):
        asked = np.flatnonzero(left & proposed[:, kind])
        if not len(asked):
            continue
        one, two = first[asked], second[asked]
        correlation = _correlation(lambda rows: pictures.standardised(rows, DETAIL), pictures, one, two, kind)
        same = correlation >= SAME
        asked, one, two, correlation = asked[same], one[same], two[same], correlation[same]
        fine = _correlation(pictures.detail, pictures, one, two, kind) >= SAME_DETAIL
        left[asked[fine]] = False
        found.append(_pairs(one[fine], two[fine], correlation[fine], KINDS[kind]))
    return pd.concat(found, ignore_index=True) if found else _pairs(first[:0], second[:0], np.zeros(0), KINDS[0])


def _correlation(
    read: Callable[[Rows], Floats32], pictures: Pictures, first: Rows, second: Rows, kind: int
) -> Floats32:  # fmt: skip
    """Of the pictures of each pair (n,), as `read` standardises them; the second one as the kind shows it."""
    (left, at_left), (right, at_right) = (np.unique(rows, return_inverse=True) for rows in (first, second))
    ones, others = read(left), as_kind(read(right), pictures.shape(DETAIL), kind)
    if len(first) > MANY:  # then one product of matrices costs less than gathering the pairs
        together: Floats32 = (ones @ others.T)[at_left, at_right]
        return together
    pieces = [slice(at, at + AT_ONCE) for at in range(0, len(first), AT_ONCE)]
    told = [(ones[at_left[piece]] * others[at_right[piece]]).sum(axis=1) for piece in pieces]
    return np.concatenate([np.zeros(0, np.float32), *told])


def _pairs(first: Rows, second: Rows, correlation: NDArray[np.floating], kind: str) -> pd.DataFrame:
    told = pd.Series([kind] * len(first), dtype="str")
    return pd.DataFrame(
        {"first": first, "second": second, "correlation": correlation.astype(np.float64), "kind": told}
    )  # fmt: skip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
