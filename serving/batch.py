"""Predictions for a folder of files or a table of rows, without a server: `python -m serving.batch --help`.

A row of the output holds what the served model would answer, or why it can't. Rows go through in parts, on all
processors, and memory doesn't grow with their number. A run that is killed is taken up where it was when the same
command runs again. Nothing of the data goes to MLflow, but short digests of rows that have their labels beside them:
those are counted in the test-set log.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
import yaml
from pydantic import ValidationError

from components.lib.answers import fitted_thresholds, threshold_problem
from components.lib.cli import run
from components.lib.errors import DataError, ModelError
from components.lib.model_dir import AGAIN, Model, ModelInfo
from components.lib.output import collecting
from components.lib.parallel import each_part, threads_per_part
from components.lib.tables import TableForm
from components.lib.yaml_text import TwiceError, read_yaml
from serving.batch_data import FILE, Data, Stock
from serving.batch_labels import count_labelled
from serving.batch_out import Totals, digest_of, earlier, join, place
from serving.batch_part import Job, Piece, predict_part
from serving.batch_table import asked, opened

PREFIX = "models:/"
UNREGISTERED = "unregistered"
"""The model_version of a model directory, as a server says it."""


def main(
    model: Annotated[str, typer.Option(help="models:/NAME@ALIAS, models:/NAME/VERSION, or a model directory.")],
    data: Annotated[Path, typer.Option(help="A folder of files, or a table: CSV in any form, Excel, Parquet.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    column: Annotated[
        str | None, typer.Option(help="Column of the table that holds the input, where it isn't called like it.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="Column of the table that the output has, too; may stand several times.")
    ] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="Instead of the fitted one: 0.3; of several targets TARGET=0.3.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="How the table is written, as source.format says it; else found.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Add where the model looked: PNG in base64.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read what links in DATA lead to, outside of it.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier output of other work.")] = False,
) -> None:
    """Predict the rows of DATA with MODEL and write them to OUT."""
    with tempfile.TemporaryDirectory() as folder:
        network, name = _model(model, Path(folder))
        _require_options(network.info, data, out, column, keep or ())
        batch(
            network, name, data, out, column=column, keep=keep or (), explain=explain, overwrite=overwrite,
            thresholds=_thresholds(threshold or (), network.info), form=_form(form),
            follow_links=follow_links,
        )  # fmt: skip


def batch(
    network: Model, name: str | None, data: Path, out: Path, *, column: str | None = None, keep: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None, explain: bool = False, overwrite: bool = False,
    form: TableForm | None = None, follow_links: bool = False,
) -> Totals:  # fmt: skip
    """Predict every row and write the answers, in the order of the data.

    Args:
        network: the model.
        name: NAME/VERSION of a registered one; None: it is none.
        data: a folder, or a table (.csv, .txt, .xlsx, .parquet …).
        out: the Parquet file to write; an output of the same work that is there stays as it is.
        column: of the table, the one that holds the input, where it isn't called like it.
        keep: columns of the table that the output has, too.
        thresholds: per target name, instead of the fitted one.
        explain: add where the model looked.
        overwrite: replace an earlier output of other work.
        form: how a table is written; None: it is recognised.
        follow_links: read what links in a folder, or beside a table, lead to outside of it.

    Returns:
        how many rows there are, and how many couldn't be used.

    Raises:
        DataError: the data can't be read as a whole, no row could be used, or `out` is something else.
        MedpipeError: the disk is full; finished parts are kept.
    """
    rows = opened(data, network.info, column=column, keep=keep, form=form, follow_links=follow_links)
    work = {
        "model": [network.digest, name], "data": str(data.resolve()), "column": column, "keep": list(keep),
        "thresholds": dict(thresholds or {}), "explain": explain, **({"format": form.settings()} if form else {}),
    }  # fmt: skip
    folder = place(out.absolute(), work)
    job = Job(
        folder / "model", name.rpartition("/")[2] if name else UNREGISTERED, folder,
        rows.folder.absolute(), rows.columns,
        pa.field(rows.key, pa.string() if rows.key == FILE else pa.int64()), tuple(rows.kept), dict(thresholds or {}),
        explain=explain, follow_links=follow_links,
    )  # fmt: skip
    _refuse_equal_names(job.schema(network.info))
    done = earlier(out)
    _refuse_to_replace(out, done, {"work": digest_of(folder)}, overwrite=overwrite)
    print(_opening(network, name))
    with collecting(folder, out):
        stock = rows.take_stock(folder)
        made_from = {"work": digest_of(folder), "data": stock.digest}
        if made_from.items() <= done.items():
            shutil.rmtree(folder)
            totals, told = Totals(done["rows"], done["unusable"], done["reason"]), f"{out} was there already"
        else:
            _refuse_to_replace(out, done, made_from, overwrite=overwrite)
            if counted := count_labelled(network, rows, folder):
                print(counted)
            parts = [job.part(index, digest) for index, digest in enumerate(stock.digests)]
            _predict(job, network, rows, parts, data)
            info = network.info
            about = {"model": name or UNREGISTERED, "digest": network.digest, "task": info.task,
                     "synthetic": info.synthetic}  # fmt: skip
            totals, told = join(folder, parts, job.schema(info), {**made_from, **about}, out), f"wrote {out}"
    print(_closing(totals, stock, network) + told)
    if totals.unusable == totals.rows:
        raise DataError(
            str(data),
            expected="at least one row that can be used",
            found=f"none of {totals.rows:,}; the first: {totals.reason}",
            todo=f"the column error of {out} says why, row by row",
        )
    return totals


def _predict(job: Job, network: Model, rows: Data, parts: Sequence[Path], data: Path) -> None:
    """Work on the parts that are not there yet, in processes."""
    left = [index for index, part in enumerate(parts) if not part.is_file()]
    if len(left) < len(parts):
        print(f"{len(parts) - len(left)} of {len(parts)} parts are finished already")
    if not left:
        return
    # Beside the parts, since every worker of a cluster sees those.
    job.model.mkdir(exist_ok=True)
    for name in ("model.json", "model.onnx"):
        shutil.copyfile(network.path / name, job.model / name)
    work = partial(predict_part, replace(job, threads=threads_per_part(len(left))))
    shared = (job.partial, data.absolute())
    with closing(_pieces(rows, parts, job.partial, set(left))) as pieces:  # also after an error, which would keep it
        each_part(work, pieces, title="predicting", total=len(left), shared=shared)


def _pieces(rows: Data, parts: Sequence[Path], scratch: Path, wanted: set[int]) -> Generator[Piece, None, None]:
    """The parts to do, one at a time: the data are never in memory as a whole."""
    first = 0
    for index, table in enumerate(rows.parts(scratch)):
        if index in wanted:
            yield Piece(parts[index], first, table)
        first += len(table)


def _model(address: str, folder: Path) -> tuple[Model, str | None]:
    """The model, downloaded into a folder where it is a registered version; and NAME/VERSION of that.

    Raises:
        ModelError: there is no such model, or it is of another format than this checkout's.
    """
    if not address.startswith(PREFIX):
        return Model(Path(address)), None
    from components.lib.registry import fetch  # loads MLflow, which takes seconds

    path, name = fetch(address, folder)
    try:
        return Model(path), name
    except ModelError as error:
        # Of a model that can't be right, the checkout that registered it would give no better predictions.
        there = "use the checkout that registered it, or register it again from this one: dvc repro"
        todo = error.todo if error.todo == AGAIN else there
        raise ModelError(f"{PREFIX}{name}", expected=error.expected, found=error.found, todo=todo) from None


def _form(text: str | None) -> TableForm | None:
    """The form of a table from --format, which is YAML as in a task file.

    Raises:
        DataError: it is none.
    """
    if text is None:
        return None
    try:
        return TableForm.model_validate(read_yaml(text))
    except (TwiceError, yaml.YAMLError, ValidationError) as error:
        found = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no YAML"
        raise DataError(
            "--format", expected="settings as source.format of a task file has", found=found,
            todo="for example --format '{delimiter: \";\", decimal: \",\"}'",
        ) from None  # fmt: skip


def _thresholds(words: Sequence[str], info: ModelInfo) -> dict[str, float]:
    """What `--threshold` asks for, by target.

    Raises:
        BadParameter: it is no number from 0 to 1, or of no target that is decided by one.
    """
    there = list(fitted_thresholds(info)) or list(info.targets)
    found = {}
    for word in words:
        name, _, number = word.rpartition("=")
        if not name and len(there) > 1:
            raise typer.BadParameter(f"name the target: {', '.join(f'{each}={word}' for each in there)}")
        try:
            found[name or there[0]] = float(number)
        except ValueError:
            raise typer.BadParameter(f"threshold: expected a number from 0 to 1, found {number[:20]!r}") from None
    problem = threshold_problem(info, found)
    if problem:
        raise typer.BadParameter(problem)
    return found


def _require_options(info: ModelInfo, data: Path, out: Path, column: str | None, keep: Sequence[str]) -> None:
    """Refuse options that don't go together.

    Raises:
        BadParameter: which, and why.
    """
    if out.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"--out: expected a file that ends in .parquet, found {out.name}")
    if out.exists() and data.exists() and out.samefile(data):
        raise typer.BadParameter("--out: it is the very file that --data names; name another")
    if data.is_dir() and (column or keep):
        raise typer.BadParameter("--column and --keep are of tables, and --data is a folder; leave them out")
    needed = sum(asked(info).values())
    if column and needed > 1:
        raise typer.BadParameter(f"--column: the model takes {needed} columns, which keep their own names")


def _refuse_equal_names(schema: pa.Schema) -> None:
    """Refuse to keep a column that is called like one of the answer."""
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(
            "--keep",
            expected="columns with names of their own beside those of the answer",
            found=", ".join(twice),
            todo="rename them in the table, or leave them out and join by the column row",
        )


def _refuse_to_replace(
    out: Path, done: Mapping[str, object], made_from: Mapping[str, object], *, overwrite: bool
) -> None:
    """Refuse to lose an earlier output of other work."""
    if done and not overwrite and not made_from.items() <= done.items():
        raise DataError(
            str(out),
            expected="a file that isn't there yet, or the output of the same data, model, options and code",
            found=f"predictions of other work, by {done.get('model')}",
            todo="name another file with --out, or replace it with --overwrite",
        )


def _opening(network: Model, name: str | None) -> str:
    own = f"{name}, run by the code of this checkout and not by the copy inside the version"
    return f"model {own if name else f'{network.info.task}, {network.digest[:12]}'}"


def _closing(totals: Totals, stock: Stock, network: Model) -> str:
    """What became of the rows, for the last line."""
    told = f"predicted {totals.rows - totals.unusable:,} of {totals.rows:,} rows; "
    if totals.unusable:
        told += f"{totals.unusable:,} could not be used, the column error says why; "
    if stock.others:
        told += f"{stock.others:,} other files were passed over; "
    if network.info.synthetic:
        told += "the model learnt from SYNTHETIC data, its answers say nothing about anybody; "
    return told


if __name__ == "__main__":
    run(main)
