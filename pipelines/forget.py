"""Forget a patient: find every version of the data that holds them and every model that learned from it, and remove it.

    python -m pipelines.forget PATIENT [WORKSPACE] [--yes] [--keep-raw]
    python -m pipelines.forget - [WORKSPACE]       asks for the patient, or reads one line from standard input

A command line stays in the shell's history and in the list of processes: `-` keeps the patient's id out of both.

PATIENT is the id as the raw data have it. Without --yes, or a `y` at the terminal, it only lists. Raw data are never
touched: take the patient out of them first, or the next `dvc repro` brings them back.
"""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from components.lib.dataset import read_parquet
from components.lib.errors import DataError, MedpipeError
from pipelines import trained
from pipelines.doctor import CHECKOUT, cache_folder
from pipelines.kept import running
from pipelines.patient import Survey, date_of, listing, not_touched, survey


def remove(found: Survey) -> dict[str, Any]:
    """Remove all of it; returns the receipt."""
    told = _receipt(found)
    trained.delete(found.going)
    going = {id(folder) for folder in found.going}
    keep = {path for folder in found.everything if id(folder) not in going for path in folder.files.values()}
    cache = cache_folder(found.workspace)
    for folder in found.going:
        if folder.kind == "workspace" and folder.place:
            shutil.rmtree(folder.place) if folder.place.is_dir() else folder.place.unlink()
        elif folder.kind in ("cache", "object") and folder.place:
            for path in {folder.place, *folder.files.values()} - keep:
                path.unlink(missing_ok=True)
    gone = {folder.name.encode() for folder in found.going if folder.kind == "cache"}
    for path in [path for path in (cache / "runs").rglob("*") if path.is_file()]:
        text = path.read_bytes()  # DVC's memory of which run gave which output
        if any(name in text for name in gone):
            path.unlink()
    if any(folder.kind == "run" for folder in found.going):
        (found.workspace / "data" / "run.json").unlink(missing_ok=True)
    for file in found.private:
        table = read_parquet(file)
        _replace(file, table[~table["sample_id"].isin(found.ids)])
    _drop_file_names(found.workspace)
    return told


def _replace(file: Path, table: pd.DataFrame) -> None:
    work = file.with_name(f".{file.name}.tmp")
    table.to_parquet(work, index=False)
    work.replace(file)


def _receipt(found: Survey) -> dict[str, Any]:
    removed = [
        {"what": folder.kind, "name": folder.name, "step": folder.step or None, "digest": folder.own,
         "date": date_of(folder) or None, "samples": folder.samples}
        for folder in found.going
    ]  # fmt: skip
    return {
        "forgotten": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"), "pseudonym_begins": found.code[:8],
        "key_fingerprint": found.key, "task": found.spec.task, "samples": len(found.ids),
        "counts": dict(Counter(folder.kind for folder in found.going)), "private_rows": sum(found.private.values()),
        "removed": removed, "raw_holds": found.raw or None, "champions": found.champions,
        "versions_left": found.versions_left,
        "not_touched": not_touched(found),
    }  # fmt: skip


def _drop_file_names(workspace: Path) -> None:
    """Remove DVC's memory of file hashes: it knows the names of all raw files there ever were, and is made again."""
    ask = "from dvc.repo import Repo; print(Repo().site_cache_dir)"
    done = subprocess.run([sys.executable, "-c", ask], cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        for name in ("hashes", "index"):
            shutil.rmtree(Path(done.stdout.strip()) / name, ignore_errors=True)


def _earlier(found: Survey) -> list[str]:
    """Days on which this patient was forgotten here."""
    receipts = (json.loads(file.read_text(encoding="utf-8")) for file in _receipts(found.workspace))
    return [told["forgotten"] for told in receipts if told["pseudonym_begins"] in {code[:8] for code in found.codes}]


def _receipts(workspace: Path) -> Iterator[Path]:
    return iter(sorted((workspace / "data").glob("forgotten-*.json")))


def _write(told: dict[str, Any], workspace: Path) -> Path:
    """The receipt as a file of its own in data/, where no step removes it."""
    name = f"forgotten-{datetime.now(UTC):%Y-%m-%d}"
    taken = {file.stem for file in _receipts(workspace)}
    free = next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)
    file = workspace / "data" / f"{free}.json"
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _asked(patient: str) -> str:
    """The patient's id; for `-` typed unseen, or a line of standard input."""
    if patient == "-":
        patient = getpass.getpass("patient: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not patient.strip():
        raise DataError("patient", expected="an id as the raw data have it", found="nothing", todo="name a patient")
    return patient.strip()


def _nothing(found: Survey) -> None:
    """Say that nothing here holds the patient, who was forgotten before; or refuse one whom nobody knows."""
    earlier = _earlier(found)
    if not earlier:
        raise DataError(
            "patient",
            expected=f"a patient of a dataset in {found.workspace}, under the key with fingerprint {found.key}",
            found="no dataset here holds this patient" + (f"; {found.raw}" if found.raw else ""),
            todo="give the id as the raw data have it (with DICOM ISSUER\\ID where an issuer is known, with "
            "source.patient_from what its group takes from the path)",
        )  # fmt: skip
    print(f"nothing is left of patient {found.code[:8]}…: forgotten {', '.join(earlier)}")
    if found.raw:
        print(f"but {found.raw}: the next dvc repro brings them back")


def main(
    patient: Annotated[str, typer.Argument(help="As the raw data have it; - asks, and stays out of the history.")],
    workspace: Annotated[Path, typer.Argument(help="Default: the checkout.")] = CHECKOUT,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
    keep_raw: Annotated[bool, typer.Option("--keep-raw", help="Go on though the raw data hold the patient.")] = False,
) -> None:
    """List what holds a patient and which models learned from it, and remove it after asking."""
    workspace, patient = workspace.resolve(), _asked(patient)
    found = survey(workspace, patient)
    if found.empty:
        _nothing(found)
        return
    print(listing(found))
    if not yes and not sys.stdin.isatty():
        print("nothing was removed: --yes removes it")
        return
    if found.raw and not keep_raw:
        raise MedpipeError(
            found.spec.source.path, expected="raw data without the patient", found=found.raw,
            todo="take the patient's files and rows out of the raw data; or add --keep-raw, and know that the next "
            "dvc repro brings them back",
        )  # fmt: skip
    if not yes and not typer.confirm("remove all of it?"):
        return
    if busy := running(workspace):
        raise MedpipeError(str(workspace), expected="a workspace at rest", found=busy, todo="wait, then try again")
    told = remove(found)
    left = survey(workspace, patient, frozenset(found.ids))
    if not left.empty:
        raise MedpipeError(
            str(workspace), expected="nothing left of the patient", found=listing(left), todo="run it again"
        )
    print(_told(told, _write(told, workspace)))


def _told(told: dict[str, Any], file: Path) -> str:
    counts = ", ".join(f"{count} × {what}" for what, count in told["counts"].items())
    lines = [f"removed: {counts or 'nothing else'}; {told['private_rows']} rows of data/private", f"receipt: {file}"]
    if told["champions"]:
        rest = ", ".join(told["versions_left"])
        todo = f"make another the champion in make ui ({rest} are left), or " if rest else ""
        lines.append(f"the champion is gone: {todo}train again without the patient: dvc repro")
    if told["counts"].get("workspace") and not told["raw_holds"]:
        lines.append("dvc repro makes the outputs of the workspace again, without the patient")
    if told["raw_holds"]:
        lines.append("the raw data still hold the patient: the next dvc repro brings them back")
    return "\n".join(lines)


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
