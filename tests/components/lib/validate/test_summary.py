"""The page a person looks at after a gate."""

import pandas as pd

from components.lib.spec import TaskSpec
from components.lib.validate import LeakAudit, apply_policy, audit, check_cleaned, check_ingested


def test_equal_outcomes_give_equal_bytes(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    first, second = (check_ingested(samples, spec, findings).page() for _ in range(2))
    assert first == second


def test_the_verdict_comes_first(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    samples.loc[3, "finding"] = "effusion"
    page = check_ingested(samples, spec, findings).page()
    verdict = page.index("don&#39;t hold: Every known finding is one of normal, pneumonia (failed)")
    assert verdict < page.index("patients shared: 0 (6 / 3 / 3)") < page.index("s03")


def test_plain_sentences_not_the_library_s_names(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    page = check_ingested(samples, spec, findings).page()
    assert "No two samples share a sample_id" in page
    assert "expect_" not in page.lower()


def test_dropped_duplicates_stand_on_the_receipt(samples: pd.DataFrame, spec: TaskSpec) -> None:
    samples.loc[0, "sha256"] = f"{11:064x}"  # that of the last sample, which stands in test
    findings = audit(samples)
    kept, _ = apply_policy(samples, findings, spec.split_rules)
    page = check_ingested(kept, spec, findings).page()
    assert "duplicates across splits: 1 sample in train and test (1 train row)" in page
    assert "dropped to keep the splits apart: train 1" in page


def test_counts_per_split_and_class(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    table = dict(check_ingested(samples, spec, findings).tables)["Samples per split"]
    assert table.to_dict("records")[0] == {
        "split": "train",
        "samples": 6,
        "known patients": 6,
        "finding: normal": 4,
        "finding: pneumonia": 2,
        "finding: unknown": 0,
    }


def test_quality_and_rejected_reasons_of_the_cleaned_set(cleaned: pd.DataFrame, spec: TaskSpec) -> None:
    rejected = pd.DataFrame(
        {
            "sample_id": ["a", "b", "c"],
            "split": "train",
            "reason": ["not a picture", "blank film", "blank film"],
            "place": "",
        }
    )
    cleaned["image_mean"] = range(12)
    outcome = check_cleaned(cleaned, rejected, spec)
    tables = dict(outcome.tables)
    assert tables["Quality figures"].set_index("figure").loc["image_mean", "median"] == 5.5
    assert list(tables["Rejected samples by reason"]["reason"]) == ["blank film", "not a picture"]
    assert "rejected: 3 of 15 samples" in outcome.page()


def test_synthetic_is_called_synthetic(samples: pd.DataFrame, spec: TaskSpec, findings: LeakAudit) -> None:
    source = spec.source.model_copy(update={"synthetic": True})
    assert "Synthetic data" in check_ingested(samples, spec.model_copy(update={"source": source}), findings).page()
    assert "Synthetic data" not in check_ingested(samples, spec, findings).page()
