"""Which column is the patient, where it is called so in another language, or isn't called anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.look import look


def write(path: Path, header: list[str] | None, seed: int) -> Path:
    """A table of 300 rows, two a patient: id, age, sex, a number, an outcome."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"P{i % 150}", draw.integers(20, 90), "mf"[i % 2], round(float(draw.normal(90, 20)), 1), i % 2)
        for i in range(300)
    ]
    lines = [",".join(map(str, row)) for row in ([header] if header else []) + rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name", ["病人", "患者番号", "病历号", "Patienten-Nr.", "PatNr", "N° patient", "ID_paciente", "patient_nbr", "IPP"]
)
def test_a_patient_in_any_language(tmp_path: Path, name: str) -> None:
    draft = look(write(tmp_path / "t.csv", [name, "age", "sex", "creatinine", "died"], seed=len(name)))
    assert draft.values["source"]["columns"]["patient"] == name
    assert "unknown_patients" not in draft.values["split"]


@pytest.mark.parametrize("header", [None, ["代码", "age", "sex", "creatinine", "died"]])
def test_codes_that_come_back_are_assumed_to_be_patients(tmp_path: Path, header: list[str] | None) -> None:
    draft = look(write(tmp_path / "t.csv", header, seed=1))
    column = header[0] if header else "column_1"
    assert draft.values["source"]["columns"]["patient"] == column
    assert any(f"Is {column!r} the patient" in sentence for sentence in draft.assumed)


def test_numbers_under_a_name_in_another_script_are_no_patients(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    lines = ["肌酐,died", *(f"{draw.integers(50, 140)},{i % 2}" for i in range(300))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft = look(tmp_path / "t.csv")
    assert draft.values["inputs"]["row"]["numbers"] == ["肌酐"]
    assert draft.values["split"]["unknown_patients"] == "accept"
