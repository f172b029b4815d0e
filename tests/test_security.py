"""The table of attacks, and the page of threats whose every guard names a test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import security
from benchmarks.attacks import Attack

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def breaks_off(folder: Path) -> Iterator[Attack]:
    """Two attacks: one is held off, the other ends in an error inside; then the group itself ends in one."""
    assert list(folder.iterdir()) == []
    yield Attack.tried("a | b", "no\nroom", lambda: ("refused", True))
    yield Attack.tried("a bomb", "1 s", lambda: (str(1 / 0), True))
    raise OSError("the disk is full")


def test_what_breaks_off_is_a_row_that_did_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(security, "found_groups", lambda: {"odd": breaks_off, "even": lambda _: iter([])})
    assert security.main([]) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        r"| a \| b | no room | refused | yes |",
        "| a bomb | 1 s | ZeroDivisionError: division by zero | **no** |",
        "| odd: what was left of the group | carried out | OSError: the disk is full | **no** |",
        "1 of 3 attacks held off",
    ]


def test_the_exit_status_is_0_only_where_something_was_held_off(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [Attack("a", "b", "c", held=True)]
    monkeypatch.setattr(security, "found_groups", lambda: {"some": lambda _: iter(held), "none": lambda _: iter([])})
    assert (security.main(["some"]), security.main(["none"]), security.main([])) == (0, 1, 0)
    with pytest.raises(SystemExit, match="of some, none"):
        security.main(["other"])


def test_what_a_group_sets_is_not_there_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def sets(folder: Path) -> Iterator[Attack]:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/gone.db"
        yield Attack("a", "b", "c", held=True)

    def asks(folder: Path) -> Iterator[Attack]:
        found = os.environ["MLFLOW_TRACKING_URI"]
        yield Attack("a", "b", found, held=found == "sqlite:///before.db")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///before.db")
    assert [each.held for each in security.carried_out({"sets": sets, "asks": asks})] == [True, True]


def test_every_group_that_is_there_yields_attacks_lazily(tmp_path: Path) -> None:
    for name, attacks in security.found_groups().items():
        assert isinstance(attacks(tmp_path / name), Iterator)


def test_every_threat_has_its_letter_and_names_its_test() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (?!threat |-)", line)]
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 3, row
        assert re.match(r"[STRIDE](, [STRIDE])*: ", row[0]), row
        assert row[2] == "–" or re.search(r"\]\(\.\./(tests|benchmarks)/", row[2]), row
