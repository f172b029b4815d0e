"""The report's figures equal third-party programs', on one case of each size; docs/statistics.md holds the table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import agreement

PAGE = (Path(__file__).parents[1] / "docs/statistics.md").read_text(encoding="utf-8")


def test_every_figure_agrees_with_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "missing_in_r", lambda: "not asked in the suite")
    monkeypatch.setattr(agreement, "SIZES", (180,))
    found = agreement.measured(1)
    assert {*found} == {name for name in agreement.TOLERANCES if not name[1].startswith(agreement.OF_R)}
    for name, differences in found.items():
        assert differences, name
        assert max(differences) <= agreement.TOLERANCES[name], name


def test_a_figure_that_differs_is_named_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = {name: [0.0, 0.0] for name in agreement.TOLERANCES}
    for wrong, status in (({}, 0), ({("AUC", "pROC"): [0.0, 1e-3]}, 1), ({("AUC", "pROC"): [np.nan]}, 1)):
        monkeypatch.setattr(agreement, "measured", lambda _, wrong=wrong: right | wrong)
        monkeypatch.setattr(agreement, "missing_in_r", lambda: "")
        assert agreement.main(["--cases", "1"]) == status
        said = capsys.readouterr().out.splitlines()[-1]
        assert said.endswith("differ in: AUC (pROC)") is bool(status)


def test_the_page_has_the_command_and_every_row_within_its_tolerance() -> None:
    assert "python -m benchmarks.agreement" in PAGE
    rows = re.findall(r"^\| (.+) \| (.+) \| [\d,]+ \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert {(figure, program) for figure, program, *_ in rows} >= {*agreement.TOLERANCES}
    for figure, program, greatest, tolerance in rows:
        if (figure, program) in agreement.TOLERANCES:
            assert float(greatest) <= float(tolerance) == agreement.TOLERANCES[figure, program]
