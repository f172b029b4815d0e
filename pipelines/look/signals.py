"""ECG records with annotated beats (WFDB)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from components.lib.errors import DataError
from components.lib.kinds.signal import MILLIVOLTS, record_header
from components.lib.patient_ids import normal
from components.lib.places import Place
from components.lib.readers._tables import known_text
from components.lib.readers._wfdb_files import annotations_of, comments_of, header_of, record_here
from components.lib.readers.wfdb_records import AAMI, BEATS, RHYTHM
from components.lib.tables import is_table_name
from pipelines.look import names
from pipelines.look.beside import read_beside
from pipelines.look.choices import Classes, choose_threshold, made_split, training
from pipelines.look.columns import Attributes, attributes, source_columns
from pipelines.look.findings import Draft, Questions, counted, refused, some
from pipelines.look.patients import proposed
from pipelines.look.sources import Files

BEFORE, AFTER = 0.5, 0.7
"""Seconds around an R peak: from before the P wave to the end of the T wave."""
RATE = 125.0
"""Samples a second that show the shape of a beat."""
SIGNAL_FILES = {".hea", ".dat", ".mat", ".xyz", ".txt", ".csv", ".md", ".edf", ".sha256sums", ".py", ".pdf", ".html"}
"""Endings beside a header that are no annotations."""
NAMES_OF_GROUPS = {
    "N": "normal or bundle branch block", "S": "supraventricular", "V": "ventricular", "F": "fusion", "Q": "unknown",
}  # fmt: skip
ANNOTATORS = ("atr", "ecg", "ari", "qrs", "man")
"""Usual endings of annotations, the best first: atr is by people."""
LEAST_PATIENTS = 3
LEAST_BEATS = 20


@dataclass(frozen=True)
class Record:
    """One record: its rate, Hz; its leads in mV or what can be brought to it; its beats by AAMI group; its rhythms; the
    comments of its header that have a name."""

    name: str
    rate: float
    leads: tuple[str, ...]
    beats: Counter[str]
    rhythms: Counter[str]
    comments: dict[str, str]


def look_at_records(files: Files, questions: Questions) -> Draft:
    """A folder of WFDB records: which are annotated, what leads they share, which beats occur.

    Raises:
        DataError: none is annotated, too few patients, beats of one group alone, no lead that most share.
    """
    folder = files.place
    headers = [name.removesuffix(".hea") for name in files.ending(".hea")]
    annotator = _annotator(files, headers)
    there, known = {*files.names}, {*headers}
    annotated = {name for name in headers if annotator and f"{name}.{annotator}" in there}
    index = _index(files, headers)
    listed = headers if index is None else [name for name in index[1][index[2]].dropna() if name in known]
    if index is None and "RECORDS" in there:
        listed = [name for name in files.read("RECORDS").decode("utf-8", "replace").split() if name in known]
    used = [name for name in listed if name in annotated]
    found = [f"{counted(len(headers), 'ECG record')} (WFDB), {counted(len(annotated), 'of them')} with annotated beats"
             .replace("of thems", "of them")]  # fmt: skip
    who = attributes(index[1].apply(known_text), questions, [index[2]]) if index else Attributes({"patient": None})
    read = [_record(folder, name, annotator) for name in used]
    records = [record for record in read if record is not None]
    if lost := len(listed) - len(records):
        found.append(
            f"{counted(lost, 'record')} without annotations, or with a header or annotations that can't be read: left "
            "out, and listed in rejected.parquet"
        )
    patients = len(records)
    owners, more = ([], dict[str, Any]()) if who.columns["patient"] else _whose(records, questions)
    if more:
        patients = more.pop("patients")
    if index and (column := who.columns["patient"]):
        patients = index[1].loc[index[1][index[2]].isin([record.name for record in records]), column].nunique()
    _enough(folder, headers, len(records), patients)
    leads, lacking = _leads(folder, records)
    rate = min(RATE, *(record.rate for record in records))
    classes = _classes(folder, records, questions)
    found += [
        f"sampled at {_span([record.rate for record in records])} Hz; leads common to "
        f"{'all' if not lacking else f'{len(records) - lacking} of {len(records)}'}: {some([*leads])}",
        *classes.found,
    ]
    rhythms = sum((record.rhythms for record in records), Counter[str]())
    if len(rhythms) > 1:
        told = ", ".join(f"{name} ({count:,})" for name, count in rhythms.most_common(6))
        found.append(f"rhythms are annotated, too: {told}; source.labels in docs/new-task.md makes classes of them")
    found += [*who.found, *owners]
    if not who.columns["patient"] and not more:
        found.append("no index says whose the records are: each record counts as one patient")
    draft = _draft(files, annotator, index, who, records, (leads, rate), (classes, patients), found)
    draft.values["source"] |= more
    draft.why["source.patient_from"] = "the part of the record's path that names the patient; null if it doesn't"
    draft.why["source.patient_comment"] = "the comment in the headers that names the patient"
    return draft


def _whose(records: list[Record], questions: Questions) -> tuple[list[str], dict[str, Any]]:
    """Sentences about whose records are, and what `source` needs to know it: by a comment that all headers have, else
    by the names of records and folders. With `patients`, how many there are.
    """
    counts = Counter(name for record in records for name in record.comments if names.plain(name) in names.PATIENT)
    for name, number in counts.most_common(1):
        ids = [normal(record.comments[name]) for record in records if name in record.comments]
        if number == len(records) and len({*ids}) > 1:
            told = f"headers name the patient in the comment {name!r}: {counted(len({*ids}), 'patient')} in "
            return [told + counted(len(records), "record")], {"patient_comment": name, "patients": len({*ids})}
    proposal, told_names = proposed([record.name for record in records], [None] * len(records), questions)
    if proposal is None:
        return told_names, {}
    return told_names, {"patient_from": proposal.pattern, "patients": proposal.groups}


def _annotator(files: Files, headers: list[str]) -> str:
    """The ending of annotations that most records have; of several, the usual one."""
    stems, ends = {*headers}, Counter[str]()
    for name in files.names:
        path = PurePosixPath(name)
        if str(path.with_suffix("")) in stems and path.suffix and path.suffix.lower() not in SIGNAL_FILES:
            ends[path.suffix[1:]] += 1
    ends = Counter({end: number for end, number in ends.items() if end.replace("_", "").isalnum()})
    return next((end for end in ANNOTATORS if end in ends), max(ends, key=lambda end: ends[end], default=""))


def _index(files: Files, headers: list[str]) -> tuple[str, pd.DataFrame, str] | None:
    """A CSV beside the records, and its column that names them."""
    known = {*headers}
    for name in files.top():
        table = read_beside(files, name) if is_table_name(name) else None
        for column in table.columns if table is not None else ():
            values = table[column].str.strip()  # type: ignore[index]
            if len(values) and values.isin(known).mean() >= 0.9:
                return name, table, str(column)  # type: ignore[return-value]
    return None


def _enough(folder: Place, headers: list[str], used: int, patients: int) -> None:
    if not used:
        raise refused(
            folder,
            expected="records with annotated beats (.hea, .dat and .atr)",
            found=f"{counted(len(headers), 'record')} without annotations",
            todo="fetch the annotations, or annotate the R peaks",
        )
    if patients < LEAST_PATIENTS:
        raise refused(
            folder,
            expected="annotated records of three patients or more: one for train, validation and test each",
            found=f"{used:,} of {counted(len(headers), 'record')} with annotated beats, of "
            f"{counted(patients, 'patient')}",
            todo="add annotated records, .hea, .dat and .atr; beats of one patient on two sides would prove nothing",
        )


def _record(folder: Place, name: str, annotator: str) -> Record | None:
    """What is in a record; None where its header or its annotations can't be read, as the reader will say."""
    try:
        with record_here(folder / name, annotator, signals=False) as here:
            rate, _ = header_of(here)
            _, symbols, notes = annotations_of(here, annotator, rate)
            header: Any = record_header(here)
            comments = comments_of(here)
    except DataError:
        return None
    units = header.units or ["mV"] * header.n_sig
    leads = tuple(
        str(lead).strip() for lead, unit in zip(header.sig_name or (), units, strict=False)
        if lead and str(unit or "mV").strip().lower() in MILLIVOLTS
    )  # fmt: skip
    groups = {symbol: group for group, held in AAMI.items() for symbol in held}
    beats = Counter(groups.get(str(symbol), "") for symbol in symbols if str(symbol) in BEATS)
    rhythms = Counter(str(n) for s, n in zip(symbols, notes, strict=True) if s == RHYTHM and str(n).startswith("("))
    return Record(name, rate, leads, Counter({g: beats[g] for g in AAMI if beats[g]}), rhythms, comments)


def _leads(folder: Place, records: list[Record]) -> tuple[list[str], int]:
    """Leads that all records have, as the task names them; how many records lack them."""
    held = [{_same(lead): lead for lead in record.leads} for record in records]
    common = [lead for lead in held[0] if all(lead in each for each in held)]
    if not common:
        counts = Counter(lead for each in held for lead in each)
        best = next((lead for lead, number in counts.most_common(1) if number >= 0.8 * len(records)), None)
        if best is None:
            raise refused(
                folder,
                expected="a lead in mV that nearly all records have",
                found=", ".join(f"{lead} in {number}" for lead, number in counts.most_common(6)) or "none",
                todo="keep the records that share one; name them in a file RECORDS",
            )
        common = [best]
    spelt = {lead: dict.fromkeys(each[lead] for each in held if lead in each) for lead in common}
    names = ["|".join({name.lower(): name for name in reversed([*spelt[lead]])}.values()) for lead in common]
    return names, sum(not {*common} <= {*each} for each in held)


def _same(lead: str) -> str:
    """MLII, a modified lead II, is taken for II."""
    return "ii" if lead.lower() == "mlii" else lead.lower()


def _classes(folder: Place, records: list[Record], questions: Questions) -> Classes:
    counts = sum((record.beats for record in records), Counter[str]())
    within = {group: sum(bool(record.beats[group]) for record in records) for group in AAMI}
    kept = [g for g in AAMI if counts[g] >= LEAST_BEATS and within[g] >= LEAST_PATIENTS]
    found = [
        "beats by the groups of ANSI/AAMI EC57: "
        + ", ".join(f"{group}, {NAMES_OF_GROUPS[group]} ({counts[group]:,})" for group in AAMI if counts[group])
    ]
    if len(kept) < 2:
        raise refused(
            folder,
            expected=f"two groups of beats or more, each in {LEAST_PATIENTS} records at least",
            found=", ".join(f"{g}: {counts[g]:,} in {counted(within[g], 'record')}" for g in AAMI if counts[g])
            or "none",
            todo="add records with ectopic beats; for rhythms, source.labels",
        )
    found += [
        f"{group} left out: {counts[group]:,} in {counted(within[group], 'record')}, too few to split"
        for group in AAMI
        if counts[group] and group not in kept
    ]
    why, rarest = "the groups of ANSI/AAMI EC57 that occur often enough", min(within[g] for g in kept)
    classes = Classes(kept, found, why, rarest)
    choose_threshold(classes, counts[kept[-1]] / sum(counts[g] for g in kept), questions)
    return classes


def _draft(
    files: Files, annotator: str, index: tuple[str, pd.DataFrame, str] | None, who: Attributes, records: list[Record],
    shape: tuple[list[str], float], target: tuple[Classes, int], found: list[str],
) -> Draft:  # fmt: skip
    (leads, rate), (classes, patients) = shape, target
    source: dict[str, Any] = {"reader": "wfdb", "path": str(files.place.resolve()), "before": BEFORE, "after": AFTER}
    if annotator != "atr":
        source["annotator"] = annotator
    if index is not None:
        name, table, column = index
        form = files.tables[name].settings
        columns = {"record": column} if column != "record" else {}
        columns |= {k: v for k, v in source_columns(who, table, None).items() if v is not None}
        source |= {"index": name, **form, **({"columns": columns} if columns else {})}
    beats = sum(record.beats.total() for record in records)
    split, why_split = made_split(patients, by="patient", classes=classes)
    settings, why_train = training(round(0.6 * beats), "signal", classes)
    values = {
        "source": source,
        "inputs": {"ecg": {"kind": "signal", "seconds": round(BEFORE + AFTER, 6), "rate": rate, "leads": leads}},
        "targets": {"beat": {"kind": classes.kind, "classes": classes.names}},
        "split": split,
        "train": settings,
    }
    why = {
        "source.before": "seconds around the R peak: from before the P wave to the end of the T wave",
        "source.annotator": "the ending of the annotation files",
        "inputs.ecg.rate": "samples a second: the shape of a beat shows, and training is quick",
        "inputs.ecg.leads": "in every record, and in mV",
        "targets.beat.classes": classes.why,
        "split": why_split,
        "split.by": "beats of one person are alike, and must stand on one side",
        **why_train,
    }
    return Draft(values, found, why)


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
