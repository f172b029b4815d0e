"""Where a patient is kept: the steps' outputs in a workspace, DVC's cache, MLflow's runs and models.

A folder holds a patient where a table in it has a row of theirs (by pseudonym, or by `sample_id` where a table has no
patients) or a file names such a row. A folder that was made from such a one (the digests in dataset.json, model.json,
evaluation.json, external.json and receipt.json say so) learned from the patient and counts, too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.lib.patient_ids import spellings
from components.lib.places import Place

META = ("dataset.json", "model.json", "evaluation.json", "external.json", "receipt.json")
"""What a step's output says of itself; a folder with none of them is raw data, or somebody else's."""
# A sample_id, a pseudonym, or the SHA-256 of a sample: the only words that lead to somebody in what the steps write.
WORD = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16}(?:-[0-9]+)?)(?![0-9a-f])")
SILENT = (".npy", ".onnx")
"""Numbers alone; they go with their folder."""


@dataclass(eq=False)
class Folder:
    """One output of a step, in the workspace, in DVC's cache or among MLflow's artifacts."""

    kind: str
    """`workspace`, `cache` (a folder's version), `object` (a file alone in the cache), `run`, `model` or `version`."""
    name: str
    """Path in the workspace, name of the listing in the cache, id in MLflow's store."""
    files: dict[str, Path]
    """Relative path to where the content lies."""
    place: Path | None = None
    """The folder, file or listing itself."""
    digests: set[str] = field(default_factory=set)
    """Of what it was made from, where that is known from elsewhere; ids of runs count as such."""
    also: str = ""
    """Another word that those made from it know it by."""
    date: str = ""
    """When it was written, where that is known."""
    note: str = ""
    """What else to say of it."""
    samples: int = 0
    """Rows of the patient."""
    held: bool = False
    """A table or a file in it names the patient."""
    derived: bool = False
    """It was made from what holds the patient."""

    @cached_property
    def _meta(self) -> dict[str, dict[str, Any]]:
        """What its step wrote of it, by file; files of the same name that others write are not it."""
        found = {}
        for name, path in self.files.items():
            if Path(name).name in META and path.is_file():
                try:
                    told = json.loads(path.read_bytes())
                except ValueError:
                    continue
                if isinstance(told, dict) and (isinstance(told.get("lineage"), dict) or "model_digest" in told):
                    found[Path(name).name] = told
        return found

    @cached_property
    def made(self) -> bool:
        """Whether a step wrote it."""
        return self.kind != "cache" or bool(self._meta)

    @cached_property
    def step(self) -> str:
        """Which output it is, in a word."""
        named = {
            "model.json": "model", "evaluation.json": "evaluation", "external.json": "evaluation",
            "receipt.json": "registered",
        }  # fmt: skip
        told = self._meta.get("dataset.json", {}).get("step")
        return str(told or next((word for name, word in named.items() if name in self._meta), ""))

    @cached_property
    def own(self) -> str | None:
        """Digest of the dataset or the model that it is."""
        if "dataset.json" in self._meta:
            return str(self._meta["dataset.json"]["digest"])
        model = next((path for name, path in self.files.items() if Path(name).name == "model.json"), None)
        return hashlib.sha256(model.read_bytes()).hexdigest() if model and "model.json" in self._meta else None

    @property
    def key(self) -> str | None:
        """Fingerprint of the key behind its pseudonyms."""
        return self._meta.get("dataset.json", {}).get("key_fingerprint")

    @cached_property
    def mentions(self) -> set[str]:
        """Digests of what it was made from."""
        found = {*self.digests}
        for told in self._meta.values():
            found |= {*(told.get("lineage") or {}).values()}
            found |= {told[name] for name in ("model_digest", "dataset_digest") if name in told}
        return found - {self.own}

    def tables(self) -> Iterator[Path]:
        """Its Parquet tables."""
        return (path for name, path in self.files.items() if name.endswith(".parquet") and path.is_file())


def mark(folders: list[Folder], pseudonyms: str | Set[str], known_ids: frozenset[str] = frozenset()) -> set[str]:
    """Say of each folder whether it holds the patient, under any of these pseudonyms.

    Returns:
        the patient's sample_ids, with those known before.
    """
    pseudonyms = {pseudonyms} if isinstance(pseudonyms, str) else pseudonyms
    made = [folder for folder in folders if folder.made]
    ids = _sample_ids(made, pseudonyms) | known_ids
    for folder in made:
        folder.held, folder.samples = _holds(folder, pseudonyms, ids)
    # What is made from nothing but others' samples may be equal to what was made without the patient: only a digest
    # that stands for their rows, or for a model that saw them, speaks of the patient.
    known = {word for f in made if f.held for word in ({f.own} if f.own else f.mentions | {f.also} - {""})}
    changed = True
    while changed:
        fresh = [f for f in made if not f.held and not f.derived and f.mentions & known]
        for folder in fresh:
            folder.derived = True
            known |= {folder.own} if folder.own and folder.step == "model" else set()
            known |= {folder.also} - {""}
        changed = bool(fresh)
    return ids


def _sample_ids(folders: Iterable[Folder], pseudonyms: Set[str]) -> set[str]:
    """sample_ids of the patient alone: two patients may have equal files, in turn under the same id."""
    theirs, others = set[str](), set[str]()
    for path in {path for folder in folders for path in folder.tables()}:
        names = pq.read_schema(path).names
        if {"patient", "sample_id"} <= set(names):
            for patient, sample in zip(_column(path, "patient"), _column(path, "sample_id"), strict=True):
                (theirs if patient in pseudonyms else others).add(str(sample))
    return theirs - others


def _holds(folder: Folder, pseudonyms: Set[str], ids: set[str]) -> tuple[bool, int]:
    """Whether a file of the folder names the patient, and how many rows of the samples tables are theirs."""
    words = {word.encode() for word in {*pseudonyms, *ids}}
    rows, named = 0, False
    for name, path in folder.files.items():
        if name.endswith(SILENT) or not path.is_file():
            continue
        if name.endswith(".parquet"):
            found, is_samples = _rows(path, pseudonyms, ids)
            rows, named = rows + found * is_samples, named or found > 0
        else:
            named = named or bool(_words(name.encode()) & words) or bool(_words(path.read_bytes()) & words)
    return named, rows


def _rows(path: Path, pseudonyms: Set[str], ids: set[str]) -> tuple[int, bool]:
    """Rows of the patient in a table, and whether it is a table that names patients."""
    names = pq.read_schema(path).names
    if "patient" in names:
        return sum(value in pseudonyms for value in _column(path, "patient")), True
    return (sum(value in ids for value in _column(path, "sample_id")) if "sample_id" in names else 0), False


def _column(path: Path, name: str) -> list[str | None]:
    return pq.read_table(path, columns=[name])[name].cast(pa.string()).to_pylist()


def _words(content: bytes) -> set[bytes]:
    """Words of the content that may lead to somebody; of a SHA-256 also the sample_id that begins it."""
    found = set(WORD.findall(content))
    return found | {word[:16] for word in found if len(word) == 64}


def in_workspace(workspace: Path, raw: Place) -> list[Folder]:
    """What the steps wrote below data/, interrupted work, and copies of experiments; raw and private data left out."""
    roots = [workspace / "data", *sorted((workspace / ".dvc" / "tmp" / "exps").glob("**/data"))]
    found = []
    for place in sorted(place for root in roots if root.is_dir() for place in root.iterdir()):
        private = place.name == "private" or place.name.startswith(".private.partial-")
        # (data/raw, and wherever else the task's raw data lie)
        if private or place.name in ("raw", "run.json") or place.name.startswith("forgotten-") or _overlap(place, raw):
            continue
        files = {path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*"))} or {place.name: place}
        found.append(Folder("workspace", place.relative_to(workspace).as_posix(), files, place))
    return found


def _overlap(place: Path, raw: Place) -> bool:
    if not isinstance(raw, Path):
        return False
    place, raw = place.resolve(), raw.resolve()
    return place.is_relative_to(raw) or raw.is_relative_to(place)


def in_cache(cache: Path) -> list[Folder]:
    """Every version of a folder in DVC's cache, and each file that belongs to none."""
    store = cache / "files" / "md5"
    found, listed = [], set[Path]()
    for listing in sorted(store.glob("*/*.dir")):
        entries = json.loads(listing.read_text(encoding="utf-8"))
        files = {entry["relpath"]: store / entry["md5"][:2] / entry["md5"][2:] for entry in entries}
        listed.update(files.values())
        found.append(Folder("cache", listing.parent.name + listing.name, files, listing))
    for path in sorted(set(store.glob("*/*")) - listed):
        if path.suffix != ".dir" and path.is_file():
            # No listing says what it is; its first bytes do.
            suffix = ".parquet" if path.open("rb").read(4) == b"PAR1" else ""
            name = path.parent.name + path.name
            found.append(Folder("object", name, {name + suffix: path}, path))
    return found


def raw_versions(folders: list[Folder], patient: str, ids: set[str]) -> list[Folder]:
    """Versions of raw data in DVC's cache that hold the patient: by id, as a word in any spelling, or by a film
    that is known to be theirs."""
    word = spellings(patient)
    found = []
    for folder in folders:
        if folder.held or folder.derived or (folder.kind != "object" and folder.made):
            continue
        contents = (path.read_bytes() for path in folder.files.values() if path.is_file())
        if any(word.search(name.encode()) for name in folder.files) or any(
            word.search(content) or hashlib.sha256(content).hexdigest()[:16] in ids for content in contents
        ):
            found.append(folder)
    return found
