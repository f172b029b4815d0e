"""Outputs appear whole or not at all, and interrupted work is taken up by equal work alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import components.lib.output as module
from components.lib.digests import SUMS
from components.lib.output import output, scratch, write_bytes

WORK = {"seed": 1}


def killed(out: Path, work: dict[str, object] = WORK) -> Path:
    """What a step that dies halfway leaves: the partial directory with one file."""
    left: list[Path] = []

    def die() -> None:
        with output(out, work) as partial:
            left.append(partial)
            (partial / "half").write_text("done")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    return left[0]


def names(folder: Path) -> list[str]:
    """What lies in a folder; the digests of an output apart, which tests/components/lib/test_digests.py is about."""
    return sorted(path.name for path in folder.iterdir() if path.name != SUMS)


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "data" / "cleaned"
    with output(out, WORK) as partial:
        (partial / "file").write_text("text")
        assert not out.exists()
        assert partial.parent == out.parent
    assert names(tmp_path / "data") == ["cleaned"]
    assert (out / "file").read_text() == "text"


def test_a_killed_step_leaves_the_partial_directory_alone(tmp_path: Path) -> None:
    partial = killed(tmp_path / "out")
    assert names(tmp_path) == [partial.name]
    assert partial.name.startswith(".out.partial-")


def test_equal_work_goes_on_where_it_stopped(tmp_path: Path) -> None:
    killed(tmp_path / "out")
    with output(tmp_path / "out", dict(WORK)) as partial:
        assert names(partial) == ["half"]
    assert names(tmp_path / "out") == ["half"]


def test_other_work_starts_afresh_and_removes_what_was_left(tmp_path: Path) -> None:
    left = killed(tmp_path / "out")
    with output(tmp_path / "out", {"seed": 2}) as partial:
        assert names(partial) == []
        assert not left.exists()
    assert names(tmp_path) == ["out"]


def test_another_output_beside_it_keeps_its_work(tmp_path: Path) -> None:
    left = killed(tmp_path / "out2")
    with output(tmp_path / "out", WORK):
        pass
    assert left.exists()


def test_changed_code_starts_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed(tmp_path / "out")
    monkeypatch.setattr(module, "code_digest", lambda: "another")
    with output(tmp_path / "out", WORK) as partial:
        assert partial.name != left.name
        assert names(partial) == []


def test_what_stood_there_stays_until_it_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    killed(out)
    assert names(out) == ["old"]
    with output(out, {"seed": 2}) as partial:
        (partial / "new").write_text("new")
    assert names(out) == ["new"]


def test_scratch_is_kept_for_a_rerun_and_removed_at_the_end(tmp_path: Path) -> None:
    def checkpoint() -> None:
        with output(tmp_path / "out", WORK) as partial:
            (scratch(partial) / "checkpoint").write_text("epoch 3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoint()
    with output(tmp_path / "out", WORK) as partial:
        assert (scratch(partial) / "checkpoint").read_text() == "epoch 3"
    assert names(tmp_path / "out") == []


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "run.json", b"first")
    write_bytes(tmp_path / "run.json", b"second")
    assert names(tmp_path) == ["run.json"]
    assert (tmp_path / "run.json").read_bytes() == b"second"
