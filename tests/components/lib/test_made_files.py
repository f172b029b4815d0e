from __future__ import annotations

from pathlib import Path

import pytest

from components.lib.errors import MedpipeError
from components.lib.made_files import write_or_check


def test_files_are_written_and_then_fresh(tmp_path: Path) -> None:
    made = {tmp_path / "one.md": "eins\n", tmp_path / "two.md": "größer\n"}
    for check in (False, True):
        write_or_check(made, source="numbers", command="python -m count", check=check)
    assert (tmp_path / "two.md").read_text(encoding="utf-8") == "größer\n"


@pytest.mark.parametrize(("text", "found"), [("by hand\n", "something else"), (None, "no such file")])
def test_another_file_is_an_error_that_says_how_to_make_it(tmp_path: Path, text: str | None, found: str) -> None:
    page = tmp_path / "page.md"
    if text:
        page.write_text(text, encoding="utf-8")
    with pytest.raises(MedpipeError) as caught:
        write_or_check({page: "made\n"}, source="numbers", command="python -m count", check=True)
    assert (caught.value.where, caught.value.found, caught.value.todo) == ("page.md", found, "python -m count")
    assert page.exists() == bool(text)
    assert not text or page.read_text(encoding="utf-8") == text
