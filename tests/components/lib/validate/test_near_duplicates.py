"""Near duplicates: altered copies are found, other films aren't, and what was asked for happens to them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from films import encoded, patients, task, write_films
from numpy.typing import NDArray

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.errors import GateError
from components.lib.spec import TaskSpec
from components.lib.validate import close_pairs, displaced, mirrored, near_duplicates
from components.lib.validate.near_duplicates import search

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "pneumoniamnist_assembled.npz"
SIDE = 32
SPLITS = ("train", "validation", "test")
Picture = NDArray[np.uint8]


def smooth(number: int, side: int = SIDE) -> Picture:
    """A picture with large and fine structure; another number, another picture."""
    generator = np.random.default_rng(number)
    layers = [cv2.resize(generator.normal(0, 1, (k, k)), (side, side), interpolation=cv2.INTER_CUBIC) for k in (4, 16)]
    return np.clip(128 + 45 * layers[0] + 12 * layers[1], 1, 255).astype(np.uint8)


def darker(picture: Picture) -> Picture:
    return cv2.convertScaleAbs(picture, alpha=0.8, beta=5)


def jpeg(picture: Picture) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(encoded(picture, ".jpg"), np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def resized(picture: Picture) -> Picture:
    large = cv2.resize(picture, (3 * SIDE, 3 * SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def padded(picture: Picture) -> Picture:
    return cv2.copyMakeBorder(cv2.resize(picture, (SIDE, SIDE - 8)), 4, 4, 0, 0, cv2.BORDER_CONSTANT)


def dataset_of(folder: Path, pictures: list[Picture], **columns: Any) -> Dataset:
    """A cleaned dataset of these pictures."""
    count, (high, side) = len(pictures), pictures[0].shape
    ids = [f"s{i:04d}" for i in range(count)]
    table = pd.DataFrame({"sample_id": ids, "patient": ids, "sha256": ids, **columns})
    writer = DatasetWriter(folder)
    folder.mkdir(exist_ok=True)
    writer.write_part(0, table, {"image": np.stack(pictures)[..., None]})
    info = {"image": ArrayInfo(shape=(high, side, 1), dtype="uint8", kind="image")}
    writer.finish(
        task="t", step="clean", parts=1, arrays=info, synthetic=True, targets={}, key_fingerprint=None, lineage={}
    )
    return Dataset(folder)


def spec_of(side: int = SIDE, **sections: Any) -> TaskSpec:
    return task(inputs={"image": {"kind": "image", "size": [side, side]}}, **sections)


@pytest.mark.parametrize("alter", [darker, jpeg, resized, padded])
def test_altered_copies_are_found_and_no_others(tmp_path: Path, alter: Callable[[Picture], Picture]) -> None:
    originals = [smooth(i) for i in range(60)]
    copies = [alter(picture) for picture in originals[:20]]
    splits = ["train"] * 40 + ["test"] * 20 + ["validation"] * 20
    ((found,), _) = search(dataset_of(tmp_path / "d", originals + copies, split=splits), spec_of())
    assert sorted(zip(found.pairs["first"], found.pairs["second"], strict=True)) == [(i, 60 + i) for i in range(20)]
    assert found.finding("report").lines == (
        "near duplicates across splits: 20 pairs in train and validation (20 train rows)",
    )


@pytest.mark.parametrize("high", [SIDE, 20, 9])  # below 12 pixels nothing is reduced
def test_mirrored_and_inverted_copies_are_found_and_named(tmp_path: Path, high: int) -> None:
    originals = [smooth(i)[:high] for i in range(48)]
    chance = np.random.default_rng(high)
    kinds = [*chance.permutation([*range(1, 8)] * 2)]
    copies = []
    for picture, kind in zip(originals, kinds, strict=False):
        turned = picture[:: -1 if kind & 2 else 1, :: -1 if kind & 1 else 1]
        copies.append(darker(np.ascontiguousarray(256 - turned.astype(int) if kind & 4 else turned).astype(np.uint8)))
    splits = ["train"] * 48 + ["test"] * len(copies)
    dataset = dataset_of(tmp_path / "d", originals + copies, split=splits)
    spec = task(inputs={"image": {"kind": "image", "size": [high, SIDE]}})
    ((found,), _) = search(dataset, spec)
    told = found.pairs.sort_values("first")
    assert list(zip(told["first"], told["second"], strict=True)) == [(i, 48 + i) for i in range(len(copies))]
    assert list(told["kind"]) == [mirrored.KINDS[kind] for kind in kinds]
    finding = found.finding("report")
    assert "near duplicates, mirrored left to right: 2 pairs" in finding.lines
    assert {*finding.tables[0][1]["the other is the same,"]} == {*mirrored.KINDS[1:]}
    assert {*found.dropped.index} == {f"s{i:04d}" for i in range(len(copies))}
    near_duplicates.write([found], pd.Series(dtype="str"), tmp_path)
    written = near_duplicates.read(tmp_path)
    assert written is not None
    assert {*written["kind"]} == {*mirrored.KINDS[1:]}


def cropped(picture: Picture, left: int, top: int, right: int, bottom: int) -> Picture:
    high, wide = picture.shape
    inner = picture[top : high - bottom, left : wide - right]
    return np.asarray(cv2.resize(inner, (wide, high), interpolation=cv2.INTER_LINEAR), np.uint8)


def test_shifted_and_cropped_copies_are_found_and_named(tmp_path: Path) -> None:
    chance, originals = np.random.default_rng(0), [smooth(i, 64) for i in range(60)]
    wide = [cv2.copyMakeBorder(picture, 8, 8, 8, 8, cv2.BORDER_REFLECT) for picture in originals[:12]]
    copies = [darker(np.roll(each, chance.choice([-8, -3, 4, 5], 2), (0, 1))[8:-8, 8:-8]) for each in wide]
    copies += [cropped(each, *chance.permutation([4, 4, 4, 4])) for each in originals[12:24]]
    copies += [cropped(each, *chance.permutation([0, 0, 0, 8])) for each in originals[24:36]]
    copies += [cropped(each, *chance.integers(1, 6, 4)) for each in originals[36:48]]
    splits = ["train"] * 60 + ["test"] * 48
    ((found,), _) = search(dataset_of(tmp_path / "d", originals + copies, split=splits), spec_of(64))
    assert {*found.pairs["kind"]} == {near_duplicates.DISPLACED}
    pairs = {*zip(found.pairs["first"], found.pairs["second"], strict=True)}
    assert pairs <= {(i, 60 + i) for i in range(48)}
    for start in (0, 12, 24, 36):
        assert len(pairs & {(i, 60 + i) for i in range(start, start + 12)}) >= 11, start


def test_shifted_pictures_of_one_patient_on_one_side_do_not_hide_the_copy(tmp_path: Path) -> None:
    wide = cv2.copyMakeBorder(smooth(0, 64), 8, 8, 8, 8, cv2.BORDER_REFLECT)
    moved = [wide[8 + k : 72 + k, 8 - k : 72 - k] for k in range(-8, 8)]  # more than are tried for one picture
    columns = {"split": ["train"] * 15 + ["test"], "patient": ["a"] * 15 + ["b"]}
    ((found,), _) = search(dataset_of(tmp_path / "d", moved, **columns), spec_of(64))
    assert len(found.pairs) >= 4
    assert {*found.pairs["second"]} == {15}


def test_when_more_pairs_are_proposed_than_are_tried_the_likeliest_are(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.array([0, 0, 1, 2, 4]), np.array([9, 8, 8, 7, 3])
    votes, flat = np.array([2, 5, 3, 4, 2]), np.ones(5, np.float32)
    proposed = displaced.Proposed(first, second, flat, flat, flat, votes, flat)
    monkeypatch.setattr(displaced, "MOST_TRIED", 3)
    tried = displaced._likeliest(proposed)
    assert sorted(zip(tried.first.tolist(), tried.second.tolist(), strict=True)) == [(0, 8), (1, 8), (2, 7)]


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [smooth(i % 30) if i < 30 else darker(smooth(i % 30)) for i in range(60)]
    dataset = dataset_of(tmp_path / "d", pictures, split=["train"] * 30 + ["test"] * 30)
    ((whole,), _) = search(dataset, spec_of())
    monkeypatch.setattr(close_pairs, "GROUP", 7)
    monkeypatch.setattr(close_pairs, "TILE", 2)
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 5)
    monkeypatch.setattr(near_duplicates, "MANY", 2)
    ((blocks,), _) = search(dataset, spec_of())
    order = ["first", "second"]
    left, right = (each.pairs.sort_values(order).reset_index(drop=True) for each in (whole, blocks))
    pd.testing.assert_frame_equal(left, right, rtol=0, atol=1e-5)
    assert len(left) == 30


def test_what_is_told_of_folds_patients_and_exact_copies(tmp_path: Path) -> None:
    pictures = [smooth(0), darker(smooth(0)), smooth(1), darker(smooth(1)), smooth(2), smooth(2), smooth(3), smooth(3)]
    columns = {
        "split": ["train"] * 8,
        "fold": pd.array([0, 1, 0, 0, 0, 1, 1, 1], "Int8"),  # across folds; two patients; one file twice; one patient
        "patient": ["a", None, "b", "c", "d", "e", "f", "f"],
        "sha256": ["0", "1", "2", "3", "same", "same", "6", "7"],
    }
    ((found,), _) = search(dataset_of(tmp_path / "d", pictures, **columns), spec_of())
    assert found.finding("report").lines == (
        "near duplicates across splits: 0",
        "near duplicates across folds: 1",
        "near duplicates of two patients on one side: 1",
    )
    (check,) = found.finding("fail").checks
    assert check.status == "failed"
    assert check.found_with_ids == "0 pairs, 1 in two folds; sample_ids: s0000, s0001"


def test_dropping_leaves_test_whole_and_only_what_must_go(tmp_path: Path) -> None:
    # 0-2: in all three splits; 3 is like 4, which leaves validation since it is like 5 in test, and so may stay.
    pictures = [smooth(0), darker(smooth(0)), jpeg(smooth(0)), smooth(1), smooth(2), darker(smooth(2))]
    splits = ["train", "validation", "test", "train", "validation", "test"]
    ((found,), _) = search(dataset_of(tmp_path / "d", pictures, split=splits), spec_of())
    assert found.dropped.to_dict() == {
        "s0000": "near duplicate of a sample in test",
        "s0001": "near duplicate of a sample in test",
        "s0004": "near duplicate of a sample in test",
    }


def test_too_many_pairs_are_told_and_nothing_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "MOST_PAIRS", 10)
    same = [darker(smooth(0)) for _ in range(12)]
    ((found,), _) = search(dataset_of(tmp_path / "d", same, split=["train", "test"] * 6), spec_of())
    assert found.dropped.empty
    assert "more than 10 pairs" in found.finding("report").lines[0]
    assert found.finding("drop_from_train").checks[0].status == "could not run"


def test_rows_of_a_table_are_not_looked_at(tmp_path: Path) -> None:
    row = {"kind": "table", "numbers": ["bmi"]}
    spec = task(source={"reader": "table", "path": "t.csv"}, inputs={"row": row}, targets={"y": {"kind": "regression"}})
    dataset = dataset_of(tmp_path / "d", [smooth(0)], split=["train"])
    assert search(dataset, spec) == ([], ["near duplicates: not looked for in rows"])


def cleaned(folder: Path, policy: str, parts: int = 2048) -> Dataset:
    """A run over 24 patients, of whom three of train have a darker copy in test and one in validation."""
    source = {"reader": "folder", "path": "raw", "index": "index.csv", "columns": {"split": "split"}}
    spec = spec_of(source=source, split={"method": "given", "near_duplicates": policy})
    rows = [{**row, "split": SPLITS[i // 16]} for i, row in enumerate(patients(24))]
    pictures = [smooth(i) for i in range(48)]
    for copy, original in ((32, 0), (33, 1), (34, 2), (16, 3)):
        pictures[copy] = darker(pictures[original])
    films = {row["path"]: encoded(picture) for row, picture in zip(rows, pictures, strict=True)}
    if not (folder / "ingested").exists():
        raw = write_films(folder / "raw", rows, films=films)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.ingest.step.rows_per_part", lambda size: parts)
            ingest(raw, folder / "ingested", folder / "private", spec)
    clean(folder / "raw", folder / "ingested", folder / "private", folder / "cleaned", spec)
    return Dataset(folder / "cleaned")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def test_reported_pairs_stand_on_the_receipt_and_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = cleaned(tmp_path, "report")
    out = capsys.readouterr().out
    assert "near duplicates across splits: 3 pairs in train and test (3 train rows)" in out
    assert "near duplicates across splits: 1 pair in train and validation (1 train row)" in out
    assert len(dataset.samples()) == 48
    outcome = json.loads((tmp_path / "cleaned" / "validation.json").read_text(encoding="utf-8"))
    assert set(out.splitlines()[-3:]) <= set(outcome["receipt"])
    assert "Near duplicates of image" in (tmp_path / "cleaned" / "validation.html").read_text(encoding="utf-8")


def test_dropped_ones_leave_table_and_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = cleaned(tmp_path, "drop_from_train", parts=20)
    assert dataset.info.counts == {"train": 12, "validation": 16, "test": 16}
    assert dataset.info.rows == (16, 20, 8)
    assert [len(part.array("image")) for part in dataset.parts] == [16, 20, 8]
    reasons = dataset.rejected()["reason"].value_counts().to_dict()
    test, validation = (f"near duplicate of a sample in {split}" for split in ("test", "validation"))
    assert reasons == {test: 3, validation: 1}
    assert "cleaned: 44 samples, rejected: 4" in capsys.readouterr().out
    means = dataset.parts[0].array("image").mean(axis=(1, 2, 3))
    assert np.allclose(dataset.parts[0].samples["image_mean"], means)


def test_a_killed_run_drops_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cleaned(tmp_path / "whole", "drop_from_train", parts=3).info
    write, calls = DatasetWriter.write_part, []

    def die(writer: DatasetWriter, *arguments: Any) -> None:
        calls.append(1)
        if len(calls) > 17:  # 16 parts were cleaned; of the two that lose rows the first is written
            raise KeyboardInterrupt
        write(writer, *arguments)

    (tmp_path / "killed").mkdir()
    ingested = tmp_path / "killed"
    for name in ("raw", "ingested", "private"):
        (ingested / name).symlink_to(tmp_path / "whole" / name)
    with monkeypatch.context() as patch:
        patch.setattr("components.lib.parallel.cores", lambda: 1)
        patch.setattr(DatasetWriter, "write_part", die)
        with pytest.raises(KeyboardInterrupt):
            cleaned(ingested, "drop_from_train")
    assert cleaned(ingested, "drop_from_train").info == whole
    reported = cleaned(ingested, "report")  # what another policy dropped is there again
    assert sum(reported.info.rows) > sum(whole.rows)
    assert not reported.rejected()["reason"].str.startswith("near duplicate").any()


def test_fail_stops_the_run_and_names_them(tmp_path: Path) -> None:
    with pytest.raises(GateError) as caught:
        cleaned(tmp_path, "fail")
    assert caught.value.expected == "No near duplicate stands on two sides of the split"
    assert caught.value.found.startswith("4 pairs; sample_ids: ")
    assert not (tmp_path / "cleaned").exists()


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_ten_pairs_of_the_real_set(tmp_path: Path) -> None:
    """Those, and no others: each is a copy byte by byte, so that ingest has dropped it before."""
    with np.load(REAL, allow_pickle=False) as arrays:
        names = zip(SPLITS, ("train", "val", "test"), strict=True)
        films = {split: arrays[f"{prefix}_images"] for split, prefix in names}
    splits = [split for split, pictures in films.items() for _ in pictures]
    pictures = [picture for split in films.values() for picture in split]
    ((found,), _) = search(dataset_of(tmp_path / "d", pictures, split=splits, patient=None), spec_of(28))
    assert found.finding("report").lines == (
        "near duplicates across splits: 10 pairs in train and validation (10 train rows)",
    )
    pairs = zip(found.pairs["first"], found.pairs["second"], strict=True)
    assert all(np.array_equal(pictures[one], pictures[other]) for one, other in pairs)
