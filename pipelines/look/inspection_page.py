"""inspection.html: five minutes of a data manager's time before anything is trained.

It stays in the workspace, outside git and DVC. Rows and pictures of real patients appear only where they were asked
for; then only the user can read the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from components.lib.errors import MedpipeError, Unusable
from components.lib.kinds import InputKind
from components.lib.kinds._classes import spoken
from components.lib.kinds.table import Table
from components.lib.page import Section, bars, bullets, page, paragraph, table, thumbnail, verdict, warning
from components.lib.places import Place
from components.lib.spec import TaskSpec
from components.lib.validate.pictures import is_picture
from pipelines.look.findings import MORE_TO_COME, Draft, counted, some
from pipelines.look.inspection import Inspection, concerns, inspect
from pipelines.look.profiles import Column, file_forms

NAME = "inspection.html"
EACH, MOST = 4, 24
"""Samples shown per class, and in all."""
SYNTHETIC = "Synthetic data: these samples were made by a program."
ASSUMED = "assumed: "
NEXT = (
    "If this is right, run `dvc repro` in this folder. If not, correct task.yaml, or the data, and run "
    "`python -m pipelines.new` again: an existing task.yaml is kept."
)
FORMS = (
    "Ids are shown as forms: letters as a or A, digits as 9. Values that fewer than five rows have are counted, not "
    "shown."
)


def write_inspection(workspace: Path, draft: Draft, spec: TaskSpec, raw: Place, *, samples: bool = False) -> list[str]:
    """Write the page into a workspace.

    Args:
        workspace: the folder; it gets inspection.html.
        draft: what the look at the data found.
        spec: the task, as the workspace has it.
        raw: the raw data.
        samples: show pictures or rows of them. Those of synthetic and of public data are shown in any case.

    Returns:
        Sentences about it for the terminal: what must be looked at.
    """
    shown = samples or spec.source.synthetic or spec.source.public_key
    try:
        found: Inspection | None = inspect(draft, spec, raw)
        problem = ""
    except MedpipeError as error:
        found, problem = None, str(error)
    pictures = _samples(found, spec, raw) if found is not None and shown else ()
    file = workspace / NAME
    file.unlink(missing_ok=True)
    mode = 0o600 if shown else 0o644
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as page_file:
        page_file.write(inspection_page(draft, spec, found, pictures, problem=problem))
    return [
        *([f"ingest would stop at these data: {problem}"] if problem else []),
        *(concerns(found, spec) if found else []),
    ]


def inspection_page(
    draft: Draft, spec: TaskSpec, found: Inspection | None, pictures: Sequence[Markup] = (), *, problem: str = ""
) -> str:
    """The page as HTML; equal data give equal bytes.

    Args:
        draft: what the look at the data found.
        spec: the task.
        found: its figures; None where the data could not be read as the task says.
        pictures: samples, where they may be shown.
        problem: why the data could not be read.
    """
    sections = [Section("To confirm before you train", tuple(_to_confirm(draft, spec, found, problem)))]
    if found is not None:
        sections += [
            Section("At a glance", (_glance(spec, found),)),
            Section("What is predicted, and how samples are split", tuple(_split(spec, found))),
            Section("Patients", tuple(_patients(spec, found))),
        ]
        if found.columns:
            sections.append(Section("Columns", tuple(_columns(draft, found.columns))))
    sections += [
        Section("Left out, and why", tuple(_left_out(draft, found))),
        Section("What was found", (bullets([_plain(line) for line in draft.found if not line.startswith(ASSUMED)]),)),
        Section(_noun(spec), tuple(pictures) or (paragraph(_how_to_show(spec)),)),
        Section("Next", (paragraph(NEXT),)),
    ]
    return page(
        f"Inspection: {spec.task}",
        "What medpipe found in your data, what it assumed, and what it will use. Nothing has been trained yet. Git and "
        "DVC leave this page out.",
        sections,
        SYNTHETIC if spec.source.synthetic else "",
    )


def _to_confirm(draft: Draft, spec: TaskSpec, found: Inspection | None, problem: str) -> list[Markup]:
    blocks: list[Markup] = []
    if problem:
        blocks.append(verdict(False, f"The data can't be read as the task file says: {problem}"))
    assumed = [_plain(line) for line in spec.assumed]
    open_points = concerns(found, spec) if found is not None else []
    if found is not None:
        count = len(assumed) + len(open_points)
        blocks.append(
            warning(_summary(len(assumed), len(open_points)))
            if count
            else verdict(True, "Nothing was assumed so far, and nothing speaks against these data.")
        )
    if assumed:
        blocks += [Markup("<h3>Assumed, since nobody was asked</h3>"), bullets(assumed)]
        blocks.append(paragraph("Each of them is in `task.yaml` and can be changed there."))
    if open_points:
        blocks += [Markup("<h3>To look at</h3>"), bullets(open_points)]
    if found is not None:
        blocks.append(paragraph(f"These are the assumptions so far. {MORE_TO_COME}"))
    return blocks


def _summary(assumed: int, points: int) -> str:
    parts = [counted(assumed, "assumption")] if assumed else []
    parts += [counted(points, "point to look at", "points to look at")] if points else []
    return f"The data can be read. {' and '.join(parts)} below."


def _glance(spec: TaskSpec, found: Inspection) -> Markup:
    rows = [("Samples", f"{found.samples:,} {next(iter(spec.inputs.values())).noun}")]
    rows.append(("Patients", _who(found)))
    for name, kind in spec.targets.items():
        rows.append(("Target", f"{name}: {f'one of {some(kind.class_names, 20)}' if kind.class_names else 'a number'}"))
        if len(kind.class_names) == 2:
            rows.append(("The finding", f"{spoken(kind.class_names[1])}: its probability is what the model reports"))
    rows += [(f"Input {name}", _described(kind)) for name, kind in spec.inputs.items()]
    if left := sum(column.role == "not used" for column in found.columns):
        rows.append(("Columns not used", f"{left} of {len(found.columns)}"))
    method = {"given": "as the data have it"}.get(spec.split.method, f"made by medpipe ({spec.split.method})")
    rows.append(("Split", f"{method}, by {spec.split.by}"))
    return table(pd.DataFrame(rows, columns=["What", "Found"]))


def _described(kind: InputKind) -> str:
    if isinstance(kind, Table):
        numbers, categories = counted(len(kind.numbers), "column"), counted(len(kind.categories), "column")
        return f"{numbers} of numbers, {categories} of categories"
    return f"{kind.kind}, {' × '.join(map(str, kind.shape))}"


def _who(found: Inspection) -> str:
    if not found.patients:
        return "unknown"
    return f"{found.patients:,}" + (
        f"; unknown in {found.unknown_patients:,} samples" if found.unknown_patients else ""
    )


def _split(spec: TaskSpec, found: Inspection) -> list[Markup]:
    blocks = [table(found.splits, "What ingest will make of the data, before it takes anything out.")]
    if found.duplicates is None:
        blocks.append(paragraph("Exact duplicates were not looked for, since reading every sample takes too long here: "
                                "ingest does it. Where no patient is known the split goes by content, so that the "
                                "numbers may differ a little."))  # fmt: skip
    else:
        told = f"Exact duplicates in more than one split: {found.duplicates:,}"
        blocks.append(paragraph(f"{told}{_policy(spec.split_rules.exact_duplicates, found.duplicates)}."))
    if any(map(is_picture, spec.inputs.values())):
        blocks.append(paragraph("Near duplicates (the same picture with other brightness, size or compression) are "
                                "looked for by the clean step."))  # fmt: skip
    return blocks


def _policy(policy: str | None, count: int) -> str:
    does = {
        "report": "they stay, and are reported",
        "drop_from_train": "their copies leave train",
        "fail": "ingest stops",
    }
    return f"; {does[str(policy)]}" if count else ""


def _patients(spec: TaskSpec, found: Inspection) -> list[Markup]:
    if not found.patients:
        return [warning("No patient is known: overlap between splits can't be excluded. Name the column in "
                        "`source.columns.patient`, or write an index with one.")]  # fmt: skip
    low, middle, high = found.per_patient
    rows = [
        ("Known patients", f"{found.patients:,}"),
        ("Samples without a patient", f"{found.unknown_patients:,}"),
        ("Samples per patient", f"{low:,} to {high:,}, median {middle:g}"),
        ("Patients in more than one split", f"{found.shared_patients:,}"
         + _policy(spec.split.shared_patients, found.shared_patients)),
    ]  # fmt: skip
    return [table(pd.DataFrame(rows, columns=["What", "Found"]))]


def _columns(draft: Draft, columns: Sequence[Column]) -> list[Markup]:
    frame = pd.DataFrame(
        {
            "Column": [each.name for each in columns],
            "Used as": [each.role for each in columns],
            "Holds": [each.holds for each in columns],
            "Known": [f"{each.known:.0%}" if each.known in (0, 1) else f"{each.known:.1%}" for each in columns],
            "Different": [each.distinct for each in columns],
            "Values": [each.values for each in columns],
            "Distribution": pd.Series([bars(each.bars) for each in columns], dtype=object),
        }
    )
    source = "of the table" if draft.table is not None else "read from headers, folders and file names"
    return [table(frame, f"{counted(len(columns), 'column')} {source}. {FORMS}")]


def _left_out(draft: Draft, found: Inspection | None) -> list[Markup]:
    reasons = dict(draft.left_out)
    for column in found.columns if found is not None else ():
        if column.role == "not used":
            reasons.setdefault(column.name, "the task file doesn't name it")
    if not reasons and not (found and found.refused):
        return [paragraph("Nothing: every column and every sample is used.")]
    blocks = []
    if reasons:
        blocks.append(table(pd.DataFrame({"What": list(reasons), "Why": list(reasons.values())})))
    if found is not None and found.refused:
        frame = pd.DataFrame(found.refused, columns=["Reason", "Samples"])
        blocks.append(table(frame, "Samples that can't be used."))
    return blocks


def _noun(spec: TaskSpec) -> str:
    return f"Sample {next(iter(spec.inputs.values())).noun}"


def _how_to_show(spec: TaskSpec) -> str:
    noun = next(iter(spec.inputs.values())).noun
    return (
        f"{noun.capitalize()} of real patients are not shown unless you ask for them: run the same command with "
        "--samples. Then only you can read this file (mode 0600); don't pass it on."
    )


def _samples(found: Inspection, spec: TaskSpec, raw: Place) -> tuple[Markup, ...]:
    """Some cleaned samples of each class, as the network will see them, and the forms of the files' names."""
    name, kind = next(iter(spec.inputs.items()))
    load, blocks = spec.source.opener(raw, spec.inputs), list[Markup]()
    target = next((each for each, held in spec.targets.items() if held.class_names), None)
    labels = found.table[target] if target else pd.Series("all", index=found.table.index)
    classes = list(spec.targets[target].class_names) if target else ["all"]
    failed = 0
    for label in classes[: MOST // EACH]:
        rows = found.table[(labels == label).fillna(False).astype(bool)]
        chosen = rows.iloc[:: max(1, len(rows) // EACH)].head(EACH)
        shown = []
        for place, (file, row) in enumerate(zip(chosen["file"], chosen["row"].astype(int), strict=True)):
            try:
                cleaned = kind.clean(load(file, row))
            except (Unusable, OSError):
                failed += 1
                continue
            png = kind.picture(cleaned.array, None, 1.0)
            shown.append(thumbnail(png, f"One of the {kind.noun}, labelled {label}", f"{label}, {place + 1}",
                                   pair=len(kind.shape) != 3))  # fmt: skip
        if target:
            blocks.append(Markup("<h3>{}</h3>").format(f"Labelled {spoken(label)} ({len(rows):,})"))
        blocks += shown or [paragraph("None that can be read.")]
    if failed:
        blocks.append(paragraph(f"{counted(failed, 'sample')} could not be read: the clean step says why."))
    if found.table["file"].nunique() > 1:
        forms = pd.DataFrame(file_forms(found.table["file"].astype("str").tolist()), columns=["Form", "Files"])
        blocks.append(table(forms, "Forms of the files' names: letters as a or A, digits as 9."))
    return (paragraph(f"As the network will see them ({name})."), *blocks)


def _plain(line: str) -> str:
    text = line.removeprefix(ASSUMED)
    return text[:1].upper() + text[1:]
