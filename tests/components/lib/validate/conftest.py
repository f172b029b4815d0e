"""One small task and one sound table of it, for tests to spoil."""

import json

import pandas as pd
import pytest

from components.lib.spec import TaskSpec
from components.lib.validate import LeakAudit, audit

TASK = {
    "task": "chest_film",
    "source": {"reader": "folder", "path": "raw"},
    "inputs": {"image": {"kind": "image", "size": [8, 8]}},
    "targets": {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}},
}


@pytest.fixture
def spec() -> TaskSpec:
    return TaskSpec.model_validate_json(json.dumps(TASK))


@pytest.fixture
def samples() -> pd.DataFrame:
    """Twelve samples, s00 to s11: six in train, three in validation, three in test; each of its own patient."""
    rows = range(12)
    return pd.DataFrame(
        {
            "sample_id": [f"s{row:02d}" for row in rows],
            "patient": [f"patient{row}" for row in rows],
            "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
            "sha256": [f"{row:064x}" for row in rows],
            "finding": ["normal", "pneumonia", "normal"] * 4,
        }
    )


@pytest.fixture
def cleaned(samples: pd.DataFrame, spec: TaskSpec) -> pd.DataFrame:
    """The same samples with every quality figure in the middle of its range."""
    ranges = spec.inputs["image"].quality_ranges
    return samples.assign(**{f"image_{figure}": (low + high) / 2 for figure, (low, high) in ranges.items()})


@pytest.fixture
def rejected() -> pd.DataFrame:
    """Nothing was left out."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in ("sample_id", "split", "reason", "place")})


@pytest.fixture
def findings(samples: pd.DataFrame) -> LeakAudit:
    return audit(samples)
