"""Tables that a spreadsheet opens: no text is a formula, numbers stay numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile import ITEMS, formulas, odd_signs
from hypothesis import given
from hypothesis import strategies as st

from components.lib.csv_file import cell, write_csv

SIGNS = st.text(st.sampled_from("=+-@|;'\t\r\n 1a,\"＝"), max_size=9)
TEXTS = st.one_of(st.sampled_from(ITEMS), st.text(max_size=20), SIGNS)


@given(names=st.lists(TEXTS, min_size=1, max_size=3, unique=True), texts=st.lists(TEXTS, max_size=6))
def test_no_text_is_a_formula(tmp_path_factory: pytest.TempPathFactory, names: list[str], texts: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "table.csv"
    frame = pd.DataFrame([texts] * len(names)).T.astype("object")
    frame.columns = pd.Index(names[: frame.shape[1]])
    write_csv(frame, file)
    written = file.read_bytes().decode("utf-8")
    assert formulas(written) == []
    assert odd_signs(written) == set()
    assert not re.search("<[a-z/!?]", written, re.IGNORECASE)
    assert written.count("\n") == len(frame) + 1


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [-1.5, 2.0, np.nan], "b": [-3, 4, 5], "c": [True, False, True], "d": ["-1.5", None, "+2"]}
    )
    write_csv(frame, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "a,b,c,d\n-1.5,-3,True,-1.5\n2.0,4,False,\n,5,True,+2\n"
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "table.csv"), frame.assign(d=[-1.5, np.nan, 2.0]), check_dtype=False
    )


@given(one=st.text(st.sampled_from("'=+a"), max_size=5), other=st.text(st.sampled_from("'=+a"), max_size=5))
def test_two_texts_stay_two(one: str, other: str) -> None:
    assert (cell(one) == cell(other)) == (one == other)


@pytest.mark.parametrize("kind", ["str", "string", "category", "object"])
def test_every_column_of_text_is_written_so(tmp_path: Path, kind: str) -> None:
    write_csv(pd.DataFrame({"a": pd.Series(["=1+1", "x"], dtype=kind)}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "a\n'=1+1\nx\n"


def test_a_page_of_dvc_shows_classes_as_text(tmp_path: Path) -> None:
    """It takes DVC's own command some seconds: what it makes of a cell is its own affair."""
    name = "</script><script>alert(1)</script>"
    write_csv(pd.DataFrame({"actual": [name, "<5 mm"], "predicted": ["<5 mm", "<5 mm"]}), tmp_path / "calls.csv")
    plots = "plots:\n- calls.csv: {x: actual, y: predicted, template: confusion}\n"
    (tmp_path / "dvc.yaml").write_text(plots, encoding="utf-8")
    for words in (["init", "--no-scm", "-q"], ["plots", "show"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True, capture_output=True)
    page = (tmp_path / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<5 mm" in page


def test_nothing_else_writes_tables_for_spreadsheets() -> None:
    root, others = Path(__file__).parents[3], set()
    for file in (path for folder in ("components", "pipelines", "serving") for path in (root / folder).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if re.search(r"\.to_csv\(|csv\.(Dict)?[wW]riter\(|\.to_excel\(|write_csv\(.*pyarrow", text):
            others.add(file.relative_to(root).as_posix())
    # The raw data of phantoms are read again as they are; ingest makes a digest of text.
    raw = {f"components/phantom/{name}.py" for name in ("chest", "diabetes", "ecg")}
    assert others == {"components/lib/csv_file.py", "components/ingest/step.py", *raw}
