"""The gate behind augment: every planted fault is caught, names its copies, and stops the step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import SIDE, film, task

from components.augment import augment
from components.augment import step as augment_step
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.digests import write_sums
from components.lib.errors import GateError
from components.lib.kinds.image import Image
from components.lib.spec import TaskSpec
from components.lib.validate import Check, check_augmented

FINDINGS = ["normal"] * 6 + ["pneumonia"] * 2
Spoil = Callable[[pd.DataFrame, np.ndarray[Any, Any]], tuple[pd.DataFrame, np.ndarray[Any, Any]]]


def spec_of(**augmentation: Any) -> TaskSpec:
    return task(augment={"offline": {"balance": 1.0}, **augmentation})


def write(folder: Path, table: pd.DataFrame, pictures: np.ndarray[Any, Any], step: str) -> Dataset:
    folder.mkdir()
    DatasetWriter(folder).write_part(0, table, {"image": pictures})
    info = {"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")}
    DatasetWriter(folder).finish(
        task="chest_test", step=step, parts=1, arrays=info, synthetic=True, targets={}, key_fingerprint=None, lineage={}
    )
    return Dataset(folder)


@pytest.fixture
def cleaned(tmp_path: Path) -> Dataset:
    """Eight films a split, s00 to s07 in train; two of them with pneumonia."""
    kind = Image(kind="image", size=(SIDE, SIDE))
    done = [kind.clean(film(number)) for number in range(24)]
    table = pd.DataFrame({
        "sample_id": [f"s{number:02d}" for number in range(24)],
        "patient": [f"p{number}" for number in range(24)],
        "split": np.repeat(["train", "validation", "test"], 8), "finding": FINDINGS * 3,
    })  # fmt: skip
    quality = pd.DataFrame([each.quality for each in done]).add_prefix("image_")
    return write(tmp_path / "cleaned", table.join(quality), np.stack([each.array for each in done]), "clean")


@pytest.fixture
def added(cleaned: Dataset, tmp_path: Path) -> Dataset:
    """Four sound copies of s06 and s07."""
    augment(cleaned.path, tmp_path / "augmented", spec_of())
    return Dataset(tmp_path / "augmented")


def spoilt(added: Dataset, folder: Path, spoil: Spoil) -> Dataset:
    return write(folder / "spoilt", *spoil(added.samples(), np.array(added.parts[0].array("image"))), "augment")


def put(column: str, value: object, row: int = 1) -> Spoil:
    def spoil(table: pd.DataFrame, pictures: np.ndarray[Any, Any]) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
        values = [value if place == row else old for place, old in enumerate(table[column])]
        return table.assign(**{column: pd.Series(values)}), pictures

    return spoil


def copy_of_test(table: pd.DataFrame, pictures: np.ndarray[Any, Any]) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    pictures[1] = Image(kind="image", size=(SIDE, SIDE)).clean(film(20)).array
    return table, pictures


def without(column: str) -> Spoil:
    return lambda table, pictures: (table.drop(columns=column), pictures)


def failures(added: Dataset, cleaned: Dataset) -> dict[str, Check]:
    return {check.sentence: check for check in check_augmented(added, cleaned, spec_of()).failures}


def test_sound_copies_pass_and_their_figures_are_their_own(added: Dataset, cleaned: Dataset) -> None:
    outcome = check_augmented(added, cleaned, spec_of())
    assert outcome.passed
    assert outcome.receipt == ("copies: 4, of 2 training samples",)
    assert (added.path / "validation.html").read_text(encoding="utf-8") == outcome.page()
    copies, parents = added.samples(), cleaned.samples().set_index("sample_id").loc[added.samples()["parent_id"]]
    assert (copies["image_mean"].to_numpy() != parents["image_mean"].to_numpy()).all()
    assert (copies["image_height"].to_numpy() == parents["image_height"].to_numpy()).all()


TRAIN_ALONE = "Every copy was made from a sample of train, and of no other split"
INHERITED = "Every copy has its parent's patient, split, finding"


@pytest.mark.parametrize(
    ("spoil", "sentence", "found"),
    [
        (put("parent_id", "s12"), TRAIN_ALONE, "1 of validation or test, 0 of no known sample, of 4 copies"),
        (put("parent_id", "s99"), TRAIN_ALONE, "0 of validation or test, 1 of no known sample, of 4 copies"),
        (put("patient", "p1"), INHERITED, "another patient in 1 of 4 copies"),
        (put("finding", "normal"), INHERITED, "another finding in 1 of 4 copies"),
        (put("split", "test"), "Every copy belongs to train", "1 of 4 samples with 'test'"),
        (put("sample_id", "s03"), "No copy has the sample_id of a cleaned sample", "1 copies"),
        (put("image_spread", 1.0), "image_spread lies in 2 to 128 for every sample", "1 of 4 samples with 1"),
        (copy_of_test, "No copy equals a sample of validation or test in image", "1 of 4 copies"),
    ],
)
def test_a_bad_copy_is_named(
    spoil: Spoil, sentence: str, found: str, added: Dataset, cleaned: Dataset, tmp_path: Path
) -> None:
    bad = spoilt(added, tmp_path, spoil)
    check = failures(bad, cleaned)[sentence]
    assert (check.status, check.found) == ("failed", found)
    assert check.sample_ids == (bad.samples()["sample_id"][1],)


def test_classes_that_stay_rare_are_told(added: Dataset, cleaned: Dataset, tmp_path: Path) -> None:
    check = failures(spoilt(added, tmp_path, lambda table, pictures: (table[:1], pictures[:1])), cleaned)
    (sentence,) = check
    assert sentence == "Every class of finding has at least 100% of the commonest one's training samples"
    assert check[sentence].found == "normal 6 and 0 copies, pneumonia 2 and 1 copies"


@pytest.mark.parametrize(
    "array", [np.zeros((4, SIDE, SIDE, 1), np.float32), np.zeros((4, SIDE, SIDE + 1, 1), np.uint8)]
)
def test_arrays_of_another_shape_or_type(array: np.ndarray[Any, Any], added: Dataset, cleaned: Dataset) -> None:
    np.save(added.path / "part-00000" / "image.npy", array)
    write_sums(added.path)
    check = failures(Dataset(added.path), cleaned)[
        "The array image has a row for every copy, in the kind's shape and type"
    ]
    assert check.status == "failed"
    assert check.found == f"{array.shape} {array.dtype}; (4, {SIDE}, {SIDE}, 1) uint8 is asked for"


@pytest.mark.parametrize("column", ["parent_id", "finding", "image_mean"])
def test_a_missing_column_could_not_run(column: str, added: Dataset, cleaned: Dataset, tmp_path: Path) -> None:
    found = failures(spoilt(added, tmp_path, without(column)), cleaned)
    assert {check.status for check in found.values()} == {"could not run"}
    assert f'column "{column}"' in next(iter(found.values())).found


def test_a_blank_copy_stops_the_step_and_leaves_the_page(
    cleaned: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "random_copy", lambda self, cleaned, policy, generator: np.full_like(cleaned, 7))
    with pytest.raises(GateError) as caught:
        augment(cleaned.path, tmp_path / "out", spec_of())
    assert caught.value.where == "augmented dataset of chest_test"
    assert caught.value.found.startswith("4 of 4 samples with 0; sample_ids: s06-a1, s06-a2")
    assert "lower the policy of their input under `augment.online`" in caught.value.todo
    assert (tmp_path / "out.failed.html").is_file()
    assert not (tmp_path / "out").exists()


def test_nothing_made_where_nothing_was_needed_passes(
    cleaned: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment(cleaned.path, tmp_path / "out", task(augment={"offline": {"balance": 0.3}}))
    assert Dataset(tmp_path / "out").parts == []
    monkeypatch.setattr(augment_step, "plan_copies", lambda *_: pd.DataFrame({"row": [], "copy": []}, dtype="int64"))
    with pytest.raises(GateError, match="normal 6 and 0 copies, pneumonia 2 and 0 copies"):
        augment(cleaned.path, tmp_path / "lazy", spec_of())
