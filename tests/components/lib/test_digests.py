"""SHA256SUMS of a step's output: what was changed since is refused when it is read, and only then."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from pathlib import Path

import pytest
from evaluations import FINDING, evaluated
from small_datasets import write
from workspaces import TINY_TASK

from components.lib.cli import step_command
from components.lib.dataset import Dataset
from components.lib.digests import SUMS, UNVERIFIED, Sums, say_unverified, write_sums
from components.lib.errors import DataError, MedpipeError, ModelError
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.spec import TaskSpec


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of two parts, as a step leaves it."""
    write(tmp_path / "d")
    write_sums(tmp_path / "d")
    return tmp_path / "d"


def flip(file: Path, at: int = -1) -> None:
    """One bit of a file."""
    content = bytearray(file.read_bytes())
    content[at] ^= 0b100
    file.write_bytes(content)


def test_sha256sum_reads_it_and_hidden_files_are_none_of_it(tmp_path: Path) -> None:
    with output(tmp_path / "out", {"work": 1}) as partial:
        (partial / "Größe; $(x).csv").write_text("1")
        (partial / "deep" / "er").mkdir(parents=True)
        (partial / "deep" / "er" / "b").write_text("2")
        (partial / ".scratch").mkdir()
        (partial / ".scratch" / "c").write_text("3")
    check = ["sha256sum", "--check", "--strict", SUMS]
    done = subprocess.run(check, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK") == 2
    (tmp_path / "out" / "deep" / "er" / "b").write_text("4")
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True, check=False).returncode == 1


def test_a_run_that_was_killed_at_its_end_leaves_no_digests_to_the_next(tmp_path: Path) -> None:
    def die() -> None:
        with output(tmp_path / "out", {}) as partial:
            (partial / "a").write_text("1")
            write_sums(partial)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    with output(tmp_path / "out", {}) as partial:
        (partial / "a").write_text("2")
        Sums(partial, DataError, "").require(partial / "a")
    Sums(tmp_path / "out", DataError, "").require(tmp_path / "out" / "a")


def test_a_flipped_bit_is_refused_when_its_part_is_read(dataset: Path) -> None:
    file = dataset / "part-00001" / "image.npy"
    flip(file)
    opened = Dataset(dataset)
    opened.parts[0].array("image")
    opened.samples()
    with pytest.raises(DataError, match="changed or damaged") as caught:
        opened.parts[1].array("image")
    assert caught.value.where == str(file)
    assert SUMS in caught.value.expected
    with pytest.raises(DataError, match="changed or damaged"):
        Dataset(dataset).select("train", ["image"])


@pytest.mark.parametrize("name", ["dataset.json", "part-00000/samples.parquet", "part-00001/rejected.parquet"])
def test_whatever_is_read_is_compared(dataset: Path, name: str) -> None:
    flip(dataset / name, 10)

    def read() -> None:
        opened = Dataset(dataset)
        opened.samples()
        opened.rejected()

    with pytest.raises(DataError) as caught:
        read()
    assert caught.value.where == str(dataset / name)
    assert "changed or damaged" in caught.value.found


def test_a_file_that_came_in_later_is_refused(dataset: Path) -> None:
    shutil.copy(dataset / "part-00000" / "samples.parquet", dataset / "near_duplicates.parquet")
    with pytest.raises(DataError, match="came in later"):
        Dataset(dataset)


def test_digests_that_are_none(dataset: Path) -> None:
    with (dataset / SUMS).open("a") as file:
        file.write("d41d8cd9  ../elsewhere\n")
    with pytest.raises(DataError, match="another line 8") as caught:
        Dataset(dataset)
    assert caught.value.where == str(dataset / SUMS)


def test_an_old_directory_is_read_and_that_is_said(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say_unverified(Dataset(dataset).sums)
    assert capsys.readouterr().out == ""
    (dataset / SUMS).unlink()
    flip(dataset / "part-00000" / "image.npy")
    opened = Dataset(dataset)
    opened.parts[0].array("image")
    say_unverified(opened.sums)
    assert f"{dataset}: no {SUMS}" in capsys.readouterr().out


def test_unverified_where_the_user_says_so(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(dataset / "part-00000" / "image.npy")
    monkeypatch.setenv(UNVERIFIED, "1")
    Dataset(dataset).parts[0].array("image")


def test_a_file_is_compared_once(dataset: Path) -> None:
    opened = Dataset(dataset)
    opened.parts[0].array("image")
    flip(dataset / "part-00000" / "image.npy")
    opened.parts[0].array("image")  # mapped into memory: nobody can promise more


def test_no_verify_is_an_option_of_what_reads_other_steps_outputs(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def augment(dataset: Path, spec: TaskSpec) -> None:
        Dataset(dataset).parts[0].array("image")

    def phantom(out: Path, spec: TaskSpec) -> None:
        raise AssertionError

    monkeypatch.setenv(UNVERIFIED, "")  # the command sets it; afterwards it is as it was
    flip(dataset / "part-00000" / "image.npy")
    (tmp_path / "task.yaml").write_text(TINY_TASK)
    command = step_command(augment)
    with pytest.raises(DataError):
        command(task=tmp_path / "task.yaml", dataset=dataset)
    assert capsys.readouterr().err == ""
    command(task=tmp_path / "task.yaml", dataset=dataset, no_verify=True)
    assert "goes unnoticed into model and report" in capsys.readouterr().err
    assert "no_verify" in inspect.signature(command).parameters
    assert "no_verify" not in inspect.signature(step_command(phantom)).parameters


def test_the_error_is_the_openers(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    write_sums(tmp_path)
    (tmp_path / "a").write_text("2")
    with pytest.raises(MedpipeError) as caught:
        Sums(tmp_path, MedpipeError, "do this").require(tmp_path / "a")
    assert (type(caught.value), caught.value.todo) == (MedpipeError, "do this")


@pytest.mark.parametrize("name", ["model.json", "model.onnx"])
def test_a_model_that_somebody_changed_is_refused(tmp_path: Path, name: str) -> None:
    model = evaluated(tmp_path, outputs=[0.1, 0.9] * 20, truth=FINDING.classes * 20).network.path
    write_sums(model)
    Model(model)
    content = (model / name).read_bytes()
    (model / name).write_bytes(content + b" ")
    with pytest.raises(ModelError) as caught:
        Model(model)
    assert caught.value.where == str(model / name)
