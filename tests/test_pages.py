"""The report in a real browser, offline: nothing goes wrong, and it fits a screen, a phone and paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import look, needs_chromium, print_pdf
from workspaces import Workspace

pytestmark = [pytest.mark.browser, needs_chromium]

SCREEN, PHONE, PAPER = 1280, 390, 718
"""CSS pixels; A4 less a centimetre of margin on each side is 718."""


@pytest.fixture
def report(tiny: Workspace) -> Path:
    return tiny.path / "data/evaluation/report.html"


@pytest.mark.parametrize(("width", "printed"), [(SCREEN, False), (PHONE, False), (PAPER, True)])
def test_the_report_fits(report: Path, width: int, printed: bool, tmp_path: Path) -> None:
    seen = look(report, tmp_path, width, printed=printed)
    assert seen.console == ()
    assert seen.widest <= width
    assert seen.images > 5
    assert seen.broken == 0
    assert seen.sections > 10


def test_a_fault_on_a_page_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    wide = (
        '<h2>One</h2><p style="width: 900px">wide</p><img src="https://example.org/picture.png"><script>no()</script>'
    )
    page.write_text(f"<!DOCTYPE html><title>Faulty</title>{wide}", encoding="utf-8")
    seen = look(page, tmp_path, PHONE)
    assert seen.widest >= 900
    assert seen.broken == 1
    assert any("no is not defined" in line for line in seen.console)


def test_the_report_prints(report: Path, tmp_path: Path) -> None:
    assert print_pdf(report, tmp_path).startswith(b"%PDF")
