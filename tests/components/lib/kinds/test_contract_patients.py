"""What every target kind must keep where a patient has several samples."""

from __future__ import annotations

import numpy as np
import pytest
from kind_examples import TARGETS, Target, one_line, target_of

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process


@pytest.fixture(params=[(name, at) for name, examples in TARGETS.items() for at in range(len(examples))], ids=str)
def target(request: pytest.FixtureRequest) -> Target:
    return target_of(*request.param)


def test_intervals_count_patients_and_figures_stay(target: Target) -> None:
    (output, encoded), kind = target.served, target.kind
    plain = kind.metrics(output, encoded, target.decision)
    patients = np.arange(len(encoded)) // 2
    found = kind.metrics(output, encoded, target.decision, patients)
    assert {name: each.value for name, each in found.items()} == {name: each.value for name, each in plain.items()}
    drawn = [name for name, each in found.items() if "patient" in each.method]
    assert {*kind.comparable, kind.chance[0]} <= {*drawn}
    assert all(each.low <= each.value <= each.high for each in found.values() if each.known)
    truth, has_one = kind.of_patients(encoded, patients)
    assert truth.shape[1:] == encoded.shape[1:]
    assert len(truth) == len(has_one) == patients.max() + 1
    assert one_line(kind.patient_rule)
    assert kind.difference(output, output, encoded, patients).value == 0
