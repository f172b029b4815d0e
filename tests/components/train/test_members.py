"""The nets of a model: which there are, what each learns from, and that none is trained twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folded import COUNTS, datasets, spec

from components.lib.errors import DataError
from components.lib.spec import TaskSpec
from components.train.devices import prepare
from components.train.members import Member, Trained, finished, members, train_member
from components.train.samples import Development

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


def development(path: Path, task: TaskSpec, **rows: int) -> Development:
    return Development(*datasets(path, **rows), task)


def train(samples: Development, member: Member, work: Path, die_at: int = 0) -> tuple[Trained, list[float]]:
    """Train a net, or go on; the net and the epochs that were trained now."""
    told: list[float] = []

    def tell(figures: dict[str, float]) -> None:
        told.append(figures["epoch"])
        if figures["epoch"] == die_at:
            raise KeyboardInterrupt

    prepare(samples.spec.train)
    learnt, judged = samples.learnt(member.fold), samples.judged(member.fold)
    return train_member(member, learnt, judged, samples.spec, work, tell), told


def same(one: Trained, other: Trained) -> bool:
    pairs = zip(one.weights, other.weights, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs) and one.curves == other.curves


@pytest.mark.parametrize(
    ("folds", "seeds", "titles"),
    [
        (0, 1, ["seed 5"]),
        (0, 2, ["seed 5", "seed 6"]),
        (2, 2, ["fold 0, seed 5", "fold 0, seed 6", "fold 1, seed 5", "fold 1, seed 6"]),
    ],
)
def test_a_model_has_a_net_for_each_fold_and_seed(folds: int, seeds: int, titles: list[str]) -> None:
    assert [each.title for each in members(spec(folds=folds, seeds=seeds, seed=5))] == titles


def test_a_fold_is_judged_by_nets_that_know_none_of_its_patients(tmp_path: Path) -> None:
    samples = development(tmp_path, spec())
    judged = []
    for fold in (0, 1):
        learnt, own = samples.learnt(fold).table, samples.judged(fold).table
        assert not {*learnt["patient"]} & {*own["patient"]}
        assert learnt["sample_id"].str.endswith("-a1").any()
        assert not own["sample_id"].str.endswith("-a1").any(), "a copy is never judged on"
        judged += [*own["sample_id"]]
    assert sorted(judged) == sorted(f"s{i}" for i in range(COUNTS["train"] + COUNTS["validation"]))


def test_without_folds_validation_stays_unlearnt(tmp_path: Path) -> None:
    samples = development(tmp_path, spec(folds=0))
    assert {*samples.learnt(None).table["split"]} == {"train"}
    assert {*samples.judged(None).table["split"]} == {"validation"}
    assert len(samples.judged(None)) == COUNTS["validation"]


@pytest.mark.parametrize(("there", "found"), [(0, "no folds"), (4, "folds up to 3")])
def test_folds_that_ingest_did_not_make(tmp_path: Path, there: int, found: str) -> None:
    with pytest.raises(DataError) as caught:
        development(tmp_path, spec(), folds=there)
    assert caught.value.found == found
    assert "split.folds: 2" in caught.value.todo


def test_a_fold_without_samples_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        development(tmp_path, spec(folds=3))
    assert caught.value.expected == "samples in fold 2 of splits train and validation"


def test_a_fold_of_which_nothing_is_known_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        development(tmp_path, spec(folds=0), folds=0, unknown=COUNTS["validation"])
    assert (caught.value.where, caught.value.found) == ("target finding, validation", "none of 8")


def test_a_killed_net_goes_on_and_a_finished_one_is_not_trained_again(tmp_path: Path) -> None:
    samples, member = development(tmp_path / "data", spec()), Member(1, 3)
    whole, told = train(samples, member, tmp_path / "whole")
    assert told == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        train(samples, member, tmp_path / "killed", die_at=1)
    assert finished(member, tmp_path / "killed") is None
    resumed, told = train(samples, member, tmp_path / "killed")
    assert told == [2]
    assert same(resumed, whole)
    again, told = train(samples, member, tmp_path / "killed")
    assert told == []
    assert same(again, whole)


def test_the_second_seed_is_the_net_that_this_seed_gives_alone(tmp_path: Path) -> None:
    alone = development(tmp_path / "alone", spec(folds=0, seed=2))
    beside = development(tmp_path / "beside", spec(folds=0, seed=1, seeds=2))
    nets = [train(beside, member, tmp_path / "both")[0] for member in members(beside.spec)]
    assert not same(*nets)
    assert same(nets[1], train(alone, members(alone.spec)[0], tmp_path / "one")[0])


def test_a_finished_net_leaves_plain_arrays(tmp_path: Path) -> None:
    samples, member = development(tmp_path / "data", spec(folds=0)), Member(None, 1)
    trained, _ = train(samples, member, tmp_path)
    left = [path.name for path in member.folder(tmp_path).iterdir()]
    assert left == ["finished.npz"]
    with np.load(member.folder(tmp_path) / "finished.npz", allow_pickle=False) as saved:
        assert {saved[name].dtype.kind for name in saved.files} == {"f", "U"}
    assert trained.validation_score == trained.curves[trained.epochs - 1]["validation_score"]
