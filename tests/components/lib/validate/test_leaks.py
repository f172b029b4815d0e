"""The leak audit, its receipt and the policies."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lib.errors import GateError
from components.lib.spec import Split
from components.lib.validate import apply_policy, audit, receipt

ROOT = Path(__file__).parents[4]
REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", ROOT.parent / "shared" / "data")) / "pneumoniamnist_assembled.npz"


def table(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    """A samples table from (split, image, patient)."""
    return pd.DataFrame(
        {
            "sample_id": [f"s{place}" for place in range(len(rows))],
            "split": pd.Series([row[0] for row in rows], dtype="str"),
            "sha256": pd.Series([row[1] for row in rows], dtype="str"),
            "patient": pd.Series([row[2] for row in rows], dtype="str"),
        }
    )


def policy(**settings: Any) -> Split:
    return Split(**{"shared_patients": "report", "exact_duplicates": "report", **settings})


def test_receipt_of_separate_patients() -> None:
    rows = table(("train", "a", "x"), ("train", "b", "x"), ("validation", "c", "y"), ("test", "d", "z"))
    assert receipt(audit(rows)) == [
        "patients shared: 0 (1 / 1 / 1)",
        "duplicates across splits: 0",
        "repeats inside: train 0, validation 0, test 0",
    ]


def test_receipt_when_no_patient_is_known() -> None:
    rows = table(("train", "a", None), ("test", "b", None))
    assert receipt(audit(rows))[0] == "patients unknown: overlap can't be excluded"


def test_receipt_when_some_patients_are_known() -> None:
    rows = table(("train", "a", "x"), ("validation", "b", "x"), ("test", "c", None))
    assert receipt(audit(rows))[0] == (
        "patients shared: 1 (1 / 1 / 0); unknown in 1 of 3 samples: overlap can't be excluded there"
    )


def test_receipt_of_duplicates_and_repeats() -> None:
    rows = table(
        ("train", "a", None),
        ("train", "a", None),
        ("validation", "a", None),
        ("validation", "b", None),
        ("test", "b", None),
    )
    assert receipt(audit(rows))[1:] == [
        "duplicates across splits: 1 sample in train and validation (2 train rows)",
        "duplicates across splits: 1 sample in validation and test (1 validation row)",
        "repeats inside: train 1, validation 0, test 0",
    ]


def test_receipt_of_time_order_says_who_came_again() -> None:
    rows = table(*[(side, f"{side}{i}", f"{side}{i}") for side in ("train", "validation", "test") for i in range(2)])
    days = pd.to_datetime(
        pd.Series(["2024-01-01", "2024-05-09", "2024-02-01", "2024-02-02", "2024-03-01", "2024-03-02"])
    )
    first = days.where(days.index != 1, pd.Timestamp("2024-01-02"))
    kept = audit(rows, pd.DataFrame({"taken": days, "first": first}))
    assert receipt(kept)[-1] == (
        "time order of first samples: train, validation, test; later samples of earlier patients: train 1"
    )
    torn = audit(rows, pd.DataFrame({"taken": days, "first": days}))
    assert receipt(torn)[-1].startswith("time order of first samples: NOT kept; ")


def test_missing_digests_are_no_duplicates() -> None:
    rows = table(("train", "a", None), ("test", "b", None)).assign(sha256=pd.Series([None, None], dtype="str"))
    assert audit(rows).duplicates == ()


def test_dropping_keeps_test_whole() -> None:
    rows = table(
        ("train", "a", None),
        ("train", "b", None),
        ("validation", "b", None),
        ("validation", "c", None),
        ("test", "c", None),
        ("train", "d", None),
    )
    kept, dropped = apply_policy(rows, audit(rows), policy(exact_duplicates="drop_from_train"))
    assert list(kept["sample_id"]) == ["s0", "s2", "s4", "s5"]
    assert dropped.to_dict("records") == [
        {"sample_id": "s1", "split": "train", "reason": "its exact duplicate stands in validation", "place": ""},
        {"sample_id": "s3", "split": "validation", "reason": "its exact duplicate stands in test", "place": ""},
    ]


def test_dropping_shared_patients() -> None:
    rows = table(("train", "a", "x"), ("train", "b", "y"), ("test", "c", "x"))
    kept, dropped = apply_policy(rows, audit(rows), policy(shared_patients="drop_from_train"))
    assert list(kept["sample_id"]) == ["s1", "s2"]
    assert list(dropped["reason"]) == ["its patient also stands in test"]


def test_reporting_drops_nothing() -> None:
    rows = table(("train", "a", "x"), ("test", "a", "x"))
    kept, dropped = apply_policy(rows, audit(rows), policy())
    assert len(kept) == 2
    assert dropped.empty
    assert list(dropped.columns) == ["sample_id", "split", "reason", "place"]


def test_fail_on_a_shared_patient_names_its_samples() -> None:
    rows = table(("train", "a", "x"), ("test", "b", "x"), ("test", "c", "y"))
    with pytest.raises(GateError, match="sample_ids: s0, s1") as caught:
        apply_policy(rows, audit(rows), policy(shared_patients="fail"))
    assert "split.shared_patients: drop_from_train" in caught.value.todo
    assert "s2" not in caught.value.found


def test_fail_on_duplicates_names_ten_and_counts_the_rest() -> None:
    rows = table(*[("train", "a", None)] * 11, ("validation", "a", None))
    with pytest.raises(GateError, match=r"1 sample in train and validation \(11 train rows\).* and 2 more"):
        apply_policy(rows, audit(rows), policy(exact_duplicates="fail"))


some_rows = st.lists(
    st.tuples(
        st.sampled_from(["train", "validation", "test"]),
        st.sampled_from("abcdef"),
        st.sampled_from(["x", "y", "z", None]),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=50)  # how long one table takes depends on who else uses the machine
@given(some_rows)
def test_dropping_leaves_no_duplicate_across_splits(rows: list[tuple[str, str, str | None]]) -> None:
    before = table(*rows)
    kept, dropped = apply_policy(before, audit(before), policy(exact_duplicates="drop_from_train"))
    assert audit(kept).duplicates == ()
    assert sorted([*kept["sample_id"], *dropped["sample_id"]]) == sorted(before["sample_id"])


@settings(deadline=None, max_examples=50)  # how long one table takes depends on who else uses the machine
@given(some_rows)
def test_no_policy_touches_test(rows: list[tuple[str, str, str | None]]) -> None:
    before = table(*rows)
    both = policy(shared_patients="drop_from_train", exact_duplicates="drop_from_train")
    kept, dropped = apply_policy(before, audit(before), both)
    assert "test" not in set(dropped["split"])
    assert audit(kept).shared_patients == 0


@pytest.mark.skipif(not REAL.exists(), reason=f"real data are not there: {REAL.name}; set MEDPIPE_REAL_DATA")
def test_finds_the_eight_films_in_train_and_validation() -> None:
    rows = []
    with np.load(REAL, allow_pickle=False) as arrays:
        for split, prefix in (("train", "train"), ("validation", "val"), ("test", "test")):
            rows += [(split, hashlib.sha256(film.tobytes()).hexdigest(), None) for film in arrays[f"{prefix}_images"]]
    films = table(*rows)
    findings = audit(films)
    assert receipt(findings) == [
        "patients unknown: overlap can't be excluded",
        "duplicates across splits: 8 samples in train and validation (10 train rows)",
        "repeats inside: train 18, validation 0, test 3",
    ]
    kept, dropped = apply_policy(films, findings, policy(exact_duplicates="drop_from_train"))
    assert (len(films), len(kept), len(dropped)) == (5856, 5846, 10)
