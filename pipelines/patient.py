"""What is known of one patient in a workspace: every place that holds them, in words, and what is out of reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from components.lib.dataset import read_parquet
from components.lib.errors import DataError, MedpipeError, ServerError
from components.lib.params import named_task
from components.lib.patient_ids import normal
from components.lib.places import Place, place
from components.lib.pseudonyms import PUBLIC_KEY, fingerprint, load_key, pseudonym, require_fingerprint
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec, load_spec
from pipelines import trained
from pipelines.doctor import CHECKOUT, cache_folder, remotes
from pipelines.traces import Folder, in_cache, in_workspace, mark, raw_versions

SHOWN = 12
"""Digits of a digest that are shown."""


@dataclass
class Survey:
    """What is known of one patient in one workspace."""

    workspace: Path
    spec: TaskSpec
    code: str
    """The pseudonym."""
    codes: frozenset[str]
    """Every pseudonym that may stand for the patient: of the normal form of the id, and of the id as it was given."""
    key: str
    """Fingerprint of the key behind it."""
    raw: str
    """What the raw data say; empty: they don't hold the patient."""
    going: list[Folder] = field(default_factory=list)
    private: dict[Path, int] = field(default_factory=dict)
    """Tables that lead from samples to files, and the patient's rows there."""
    ids: set[str] = field(default_factory=set)
    everything: list[Folder] = field(default_factory=list)
    old_raw: list[Folder] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing here holds the patient."""
        return not self.going and not self.private

    @property
    def champions(self) -> list[str]:
        """Registered versions that go and are what is served."""
        return [f.name for f in self.going if f.kind == "version" and trained.CHAMPION in f.note.split(", ")]

    @property
    def versions_left(self) -> list[str]:
        """Registered versions of the champion's model that stay."""
        names = {name.rsplit(" version ", 1)[0] for name in self.champions}
        versions = [f for f in self.everything if f.kind == "version" and not (f.held or f.derived)]
        return [f.name for f in versions if f.name.rsplit(" version ", 1)[0] in names]


def survey(workspace: Path, patient: str, known: frozenset[str] = frozenset()) -> Survey:
    """Look for a patient, by raw id, wherever this workspace keeps data and models. Changes nothing.

    Args:
        workspace: the folder with the task.
        patient: the id as the raw data have it, in any of its spellings (7, 7.0, 0007) unless source.patient_ids is
            exact.
        known: sample_ids that are known to be the patient's from elsewhere.

    Raises:
        MedpipeError: there is no task or no key here, or the task knows no patients.
    """
    spec = _task(workspace)
    if getattr(getattr(spec.source, "columns", None), "patient", "") is None and not _in_paths(spec):
        raise DataError(
            "source.columns.patient", expected="the column that names patients",
            found="null: nobody knows whose samples these are",
            todo="name the column in the task file; where there is none, take the samples out of the raw data, dvc "
            "repro, and free the older versions: make gc",
        )  # fmt: skip
    key = PUBLIC_KEY if spec.source.public_key else load_key()
    require_fingerprint(key, spec.source.key_fingerprint)
    exact = spec.source.patient_ids == "exact"
    code = pseudonym(key, patient if exact else normal(patient))
    codes = frozenset({code, pseudonym(key, patient)})
    raw = place(spec.source.path, workspace)
    found = Survey(workspace, spec, code, codes, fingerprint(key), _in_raw(raw, patient, spec))
    found.everything = [*in_workspace(workspace, raw), *in_cache(cache_folder(workspace)), *trained.in_store()]
    found.ids = mark(found.everything, codes, known)
    if any(folder.held or folder.derived for folder in found.everything):
        # A checkpoint doesn't say what it learned from, nor a gate's page whose table it is about.
        for folder in found.everything:
            unfinished = ".partial-" in folder.name or folder.name.endswith(".failed.html")
            folder.derived = folder.derived or (folder.kind == "workspace" and unfinished and not folder.held)
    found.going = [folder for folder in found.everything if folder.held or folder.derived]
    found.old_raw = raw_versions(found.everything, patient, found.ids)
    for file in sorted((workspace / "data").glob("*private*/sources.parquet")):
        rows = int(read_parquet(file, ["sample_id"])["sample_id"].isin(found.ids).sum())
        if rows:
            found.private[file] = rows
    return found


def _task(workspace: Path) -> TaskSpec:
    params = workspace / "params.yaml"
    if not params.is_file():
        raise MedpipeError(
            str(workspace), expected="a workspace, with params.yaml", found="none",
            todo="name the folder that holds task.yaml: python -m pipelines.forget - WORKSPACE",
        )  # fmt: skip
    return load_spec(named_task(workspace))


def _in_paths(spec: TaskSpec) -> bool:
    """Whether the names of files say who they are of."""
    return getattr(spec.source, "patient_from", None) is not None


def _in_raw(raw: Place, patient: str, spec: TaskSpec) -> str:
    """A sentence where the raw data hold the patient, or can't say so; empty where they don't, or aren't here."""
    if isinstance(raw, Path) and not raw.exists():
        return ""
    try:
        table = spec.source.samples(raw, spec.inputs, spec.targets)
    except (DataError, ServerError) as error:
        return f"the raw data can't be read, so nobody knows whether they hold the patient: {error.found}"
    ids = table["patient"].dropna().map(str)
    same = ids == patient if spec.source.patient_ids == "exact" else ids.map(normal) == normal(patient)
    count = int(same.sum())
    return f"the raw data still hold the patient: {count} samples" if count else ""


def listing(found: Survey) -> str:
    """What would go and what stays, as text without the patient's id."""
    lines = [f"patient {found.code[:8]}…, under the key with fingerprint {found.key}; {len(found.ids)} samples known"]
    if found.raw:
        lines += [f"FIRST: {found.raw}. Take them out there, or the next dvc repro brings them back."]
    lines += ["holds the patient, or learned from them:"] + [f"  {line_of(folder)}" for folder in found.going]
    lines += [f"  {file.relative_to(found.workspace)}: {rows} rows" for file, rows in found.private.items()]
    lines += [f"THE CHAMPION GOES: {name}. What is served is this model." for name in found.champions]
    return "\n".join([*lines, "not touched:", *(f"  {line}" for line in not_touched(found))])


def line_of(folder: Folder) -> str:
    """What is known of one folder, in a line."""
    name = {"cache": "DVC's cache: ", "object": "DVC's cache: ", "run": "run ", "model": "model "}.get(folder.kind, "")
    why = f"{folder.samples} samples" if folder.samples else "names the patient" if folder.held else "made from it"
    shown = folder.name[:SHOWN] if folder.kind in ("cache", "object") else folder.name
    told = [folder.step, (folder.own or "")[:SHOWN], date_of(folder), folder.note, why]
    return f"{name}{shown}: {', '.join(word for word in told if word)}"


def date_of(folder: Folder) -> str:
    """The day a folder was written; empty where nobody knows."""
    if folder.date or not folder.place or not folder.place.exists():
        return folder.date
    return datetime.fromtimestamp(folder.place.stat().st_mtime, UTC).strftime("%Y-%m-%d")


def not_touched(found: Survey) -> list[str]:
    """What may hold the patient and is out of reach, or nobody's to remove."""
    at = found.workspace
    lines = [f"raw data: {found.spec.source.path}"]
    lines += [f"{len(found.old_raw)} versions of raw data in DVC's cache: dvc gc --workspace frees what no longer is "
              "current"] if found.old_raw else []  # fmt: skip
    lines += [f"remote {name} ({place}): dvc gc --workspace --cloud frees it" for name, place in remotes(at).items()]
    others = {path.parent for path in [CHECKOUT / "dvc.yaml", *(CHECKOUT / "work").glob("*/dvc.yaml")]} - {at}
    lines += [f"workspace {path}: python -m pipelines.forget - {quoted(str(path))}" for path in sorted(others)]
    foreign = {folder.key for folder in found.everything if folder.key} - {found.key}
    lines += [f"datasets under the key with fingerprint {key}: use that key" for key in sorted(foreign)]
    unknown = _unknown(found)
    lines += [f"trained on data that are no longer here, so that nobody knows whose: {', '.join(unknown)}; delete them "
              "in make ui if in doubt, then make gc"] if unknown else []  # fmt: skip
    if trained.is_server():
        lines += ["MLflow's server: it marks runs and versions as deleted and keeps its logged models; run mlflow gc "
                  "there"]  # fmt: skip
    return [*lines, "backups, clones, and copies of a served model"]


def _unknown(found: Survey) -> list[str]:
    """Versions and runs of this task whose data are nowhere here."""
    known = {folder.own for folder in found.everything if folder.own}
    names = (found.spec.task, f"{found.spec.task}_synthetic")
    return [
        f"run {folder.name}" if folder.kind == "run" else folder.name
        for folder in found.everything
        if (folder.kind == "run" and folder.note == found.spec.task and folder.digests)
        or (folder.kind == "version" and folder.name.rsplit(" version ", 1)[0] in names)
        if not (folder.held or folder.derived) and not folder.digests & known
    ]
