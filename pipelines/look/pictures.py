"""Folders of pictures, one a class; and what pictures are, however they are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from components.lib.errors import Unusable
from components.lib.kinds._decode import decode
from components.lib.kinds.base import Array
from components.lib.patient_ids import ACCEPTED, form
from components.lib.readers._class_folders import placed
from components.lib.readers._tables import SPLIT_NAMES
from pipelines.look.choices import (
    MOST_CLASSES,
    Classes,
    classes_from,
    is_split,
    kept_split,
    made_split,
    trained_on,
    training,
)
from pipelines.look.columns import patients_of_rarest
from pipelines.look.findings import Draft, Questions, counted, refused, some
from pipelines.look.headers import Owners, owners
from pipelines.look.patients import looks_like_patients, masks_among, proposed
from pipelines.look.refusals import refuse_masks
from pipelines.look.sources import Files
from pipelines.look.whose import Whose

LARGEST_SIDE = 64
SAMPLE = 24
"""Pictures that are opened to see their size and colour."""
COLOURED = 16
"""Difference between the colours of a pixel, of 255, above which it isn't grey; JPEG makes small ones."""
CHEST = ("chest", "xray", "x_ray", "x-ray", "cxr", "lung", "pneumo", "thorax", "covid", "cardio", "tubercul")
SIDELESS = (
    "cell",
    "blood",
    "histo",
    "patho",
    "smear",
    "skin",
    "derm",
    "nevus",
    "nevi",
    "melanoma",
    "malaria",
    "parasit",
)
"""Words of pictures that show no left and right."""
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".dicom": "DICOM", ".dcm": "DICOM"}
MOST_FOLDERS = 60


@dataclass(frozen=True)
class Seen:
    """What a sample of pictures is like: heights and widths, and whether any is coloured."""

    sides: tuple[tuple[int, int], ...]
    coloured: bool

    @property
    def size(self) -> tuple[int, int]:
        """The size to bring them to: their median, but no side above `LARGEST_SIDE` and none below 8."""
        height, width = np.median(np.array(self.sides), axis=0)
        scale = min(1.0, LARGEST_SIDE / max(height, width)) if height == width else 1.0
        return tuple(int(max(8, min(LARGEST_SIDE, round(side * scale)))) for side in (height, width))  # type: ignore[return-value]

    @property
    def described(self) -> str:
        """`224×224, grey`."""
        low, high = np.min(np.array(self.sides), axis=0), np.max(np.array(self.sides), axis=0)
        least, most = f"{low[0]}×{low[1]}", f"{high[0]}×{high[1]}"
        return f"{least if least == most else f'{least} to {most}'}, {'colour' if self.coloured else 'grey'}"


def seen(files: Files, names: Sequence[str]) -> Seen:
    """Open some of the pictures.

    Raises:
        DataError: none can be read.
    """
    pictures = []
    for name in names[:: max(1, len(names) // SAMPLE)]:
        try:
            pictures.append(decode(files.read(name)))
        except (OSError, Unusable):
            continue
    if not pictures:
        raise refused(
            files.place,
            expected="pictures that can be read",
            found="none among those tried",
            todo="check the files, and the paths in index.csv",
        )
    sides = tuple((int(p.shape[0]), int(p.shape[1])) for p in pictures)
    return Seen(sides, any(map(_coloured, pictures)))


def _coloured(pixels: Array) -> bool:
    """Whether the colours of a pixel differ."""
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        return False
    scaled = pixels.astype(np.float32) * (255 / np.iinfo(pixels.dtype).max)
    return bool(np.ptp(scaled[..., :3], axis=2).max() > COLOURED)


def image_input(size: tuple[int, int], channels: int, words: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The sections `inputs` and `augment` of a task on pictures, and their reasons.

    Args:
        size: height and width, pixels.
        channels: 1 or 3.
        words: names of the set and of the classes, which may say what the pictures show.
    """
    called = words.lower()
    if any(word in called for word in CHEST):
        flip, side = False, "no mirror: the heart has a side"
    elif any(word in called for word in SIDELESS):
        flip, side = True, "what a microscope or a dermatoscope shows has no left and right"
    else:
        flip, side = False, "no mirror: left and right may mean something; true where they don't"
    sections = {
        "inputs": {"image": {"kind": "image", "size": list(size), "channels": channels}},
        "augment": {"online": {"image": {"horizontal_flip": flip}}},
    }
    why = {
        "inputs.image.channels": "grey" if channels == 1 else "colour",
        "augment.online.image.horizontal_flip": side,
    }
    return sections, why


def size_reason(what: Seen) -> str:
    """Why the pictures are brought to that size."""
    if all(side == what.size for side in what.sides):
        return "as they are"
    return f"they are {what.described.rpartition(',')[0]}; 128 shows finer findings, and takes four times as long"


def look_at_class_folders(
    files: Files, names: Sequence[str], source: dict[str, Any], questions: Questions, table: Whose | None = None
) -> Draft:
    """Pictures in one folder a class, with or without folders of a split above.

    Args:
        files: where they lie.
        names: the pictures among them.
        source: the section `source` of the task.
        questions: asked which class is the finding.
        table: whose the files are, where a table beside the folders says it.

    Raises:
        DataError: fewer than two classes, folders of masks or of patients, no picture that can be read.
    """
    everything = placed(names)
    names = [name for name, each in zip(names, everything, strict=True) if not each.copy]
    places = [each for each in everything if not each.copy]
    copies = len(everything) - len(places)
    parts = [PurePosixPath(name).parts[:-1] for name in names]
    sides = {part[0]: SPLIT_NAMES.get(part[0].lower()) for part in parts if part}
    below = [part[1:] if part and sides[part[0]] else part for part in parts]
    labels = [each.name for each in places]
    counts = Counter(name for name in labels if name is not None)
    refuse_masks(files.place, list(counts))
    _check_folders(files, counts, names, below)
    classes = classes_from(counts, questions)
    what = seen(files, names)
    given = {*sides.values()} if is_split(sides.values()) and all(parts) else set[str | None]()
    whose = table.owners(names) if table else owners(files, names)
    told = table.told(names) if table else [whose.sentence]
    source = {**source, **(table.settings if table else {})}
    shared = 0
    if table:
        ids = pd.Series([table.patients.get(name) for name in names], dtype="object")
        classes.rarest = patients_of_rarest(pd.Series(labels), ids, classes)
        shared = _on_several_sides(ids, [sides.get(part[0]) if part else None for part in parts]) if given else 0
    elif not whose.patients:
        of_folders = [sides.get(part[0]) if part else None for part in parts] if given else []
        proposal, told = proposed(names, labels, questions, of_folders)
        if proposal is None:
            told.append(whose.sentence)
        else:
            whose, shared = Owners(proposal.groups, 0), proposal.shared
            source = {**source, "patient_from": proposal.pattern}
            classes.rarest = patients_of_rarest(pd.Series(labels), pd.Series(proposal.patients), classes)
    found = [
        f"{_formats(names)} in {counted(len(counts), 'class folder')}; {what.described}",
        *classes.found,
        f"pictures are brought to {what.size[0]}×{what.size[1]}, {'colour' if what.coloured else 'grey'}",
        *_folder_notes(below, sides, given=given, known=whose.patients > 0),
        *(
            [f"{counted(copies, 'picture')} left out: copies of files in the class folders, one folder down"]
            if copies
            else []
        ),
        *told,
    ]
    in_train = sum(sides.get(part[0]) == "train" for part in parts if part)
    train = trained_on(in_train, given) if given else round(0.7 * len(names))
    draft = picture_draft(source, what, classes, ("finding", found), (given, whose.by, whose.groups, train), files)
    if "patient_from" in source:
        draft.why["source.patient_from"] = "the part of the path that names the patient; null if it doesn't"
    if table:
        draft.why["source.patients"] = "says whose the files are; the folders say their class"
        if whose.unknown > ACCEPTED * len(names):
            draft.values["split"]["unknown_patients"] = "accept"
    if given and shared:
        keep_apart(draft, shared)
    return draft


def _on_several_sides(patients: pd.Series, sides: Sequence[str | None]) -> int:
    """How many patients have pictures in several given splits."""
    return int((pd.Series([*sides], patients.index, dtype="object").groupby(patients).nunique() > 1).sum())


def keep_apart(draft: Draft, shared: int) -> None:
    """Take patients who are in several given splits out of train; without a word, ingest would stop."""
    draft.values["split"]["shared_patients"] = "drop_from_train"
    draft.why["split.shared_patients"] = f"{counted(shared, 'patient')} in more than one of the given splits"
    draft.found.append(f"{counted(shared, 'patient')} in more than one of the given splits: taken out of train")


def picture_draft(
    source: dict[str, Any], what: Seen, classes: Classes | None, told: tuple[str, list[str]],
    split: tuple[Collection[str | None], str, int, int], files: Files,
) -> Draft:  # fmt: skip
    """A task on pictures.

    Args:
        source: the section `source`.
        what: the pictures.
        classes: of the target; None for a number.
        told: the target's name; the sentences.
        split: sides of the source's own split, none where one is made; by patient or sample; how many of these; how
            many to train on.
        files: where they lie.
    """
    name, found = told
    given, by, groups, train = split
    called = " ".join([files.place.name, files.inside, *(classes.names if classes else ())])
    sections, why = image_input(what.size, 3 if what.coloured else 1, called)
    rules, why_split = made_split(groups, by=by, classes=classes)
    if given:
        rules, why_split = kept_split(given, by)
    settings, why_train = training(train, "image", classes)
    why |= {
        "inputs.image.size": size_reason(what),
        f"targets.{name}.classes": classes.why if classes else "",
        "split": why_split,
        "split.by": "no patient ids: each file counts as one patient" if by == "sample" else "a patient is never torn",
        **why_train,
    }
    values = {
        "source": source,
        "inputs": sections["inputs"],
        "targets": {name: classes.target if classes else {"kind": "regression"}},
        "split": rules,
        "augment": sections["augment"],
        "train": settings,
    }
    return Draft(values, found, why)


def _formats(names: Sequence[str]) -> str:
    """`1,200 JPEG and 3 PNG`."""
    ends = Counter(PurePosixPath(name).suffix.lower() for name in names)
    formats: Counter[str] = Counter()
    for end, number in ends.items():
        formats[FORMATS.get(end, end.lstrip(".").upper() or "DICOM")] += number
    return " and ".join(f"{number:,} {name}" for name, number in formats.most_common())


def _check_folders(files: Files, counts: Counter[str], names: Sequence[str], below: Sequence[tuple[str, ...]]) -> None:
    outlines = masks_among(names)
    if looks_like_patients(counts):
        inner = {part[1] for part in below if len(part) > 1}
        lower = f", with folders {some(sorted(inner))} in them" if 2 <= len(inner) <= MOST_CLASSES else ""
        masks = f", and {counted(outlines, 'outline')} (masks) among the pictures" if outlines else ""
        raise refused(
            files.place,
            expected="one folder for each class",
            found=f"{counted(len(counts), 'folder')} that are called like patients ({form(min(counts))}){lower}{masks}",
            todo="write an index.csv beside them with the columns path, patient and class",
        )
    if outlines:
        raise refused(
            files.place,
            expected="pictures alone in the folders of classes",
            found=f"{counted(outlines, 'outline')} (masks) among {counted(len(names), 'picture')}: outlines can't be "
            "learnt yet, and are no pictures of a class",
            todo="for a class of the whole picture, an index.csv that lists the pictures without their outlines, with "
            "the columns path, patient and class",
        )
    if len(counts) < 2:
        raise refused(
            files.place,
            expected="pictures of at least two classes",
            found=f"{len(counts)}: {list(counts)}",
            todo="one folder per class, or an index.csv with a path column and a column of classes",
        )
    if len(counts) > MOST_FOLDERS:
        raise refused(
            files.place,
            expected=f"one folder for each class, at most {MOST_FOLDERS}",
            found=f"{len(counts):,} folders with {np.mean(list(counts.values())):.1f} pictures each: patients, perhaps",
            todo="write an index.csv beside them with the columns path, patient and class",
        )


def _folder_notes(
    below: Sequence[tuple[str, ...]], sides: dict[str, str | None], *, given: Collection[str | None], known: bool
) -> list[str]:
    """What else the folders say."""
    notes = []
    called = [name for name, side in sides.items() if side]
    if given:
        made = "" if "validation" in given else "; it has no validation, which is made from train"
        notes.append(f"the split of the folders {some(called)} is kept{made}")
    elif called:
        lacking = sorted({"train", "test"} - {sides[name] for name in called})
        notes.append(
            f"folders {some(called)} name sides of a split, but {' and '.join(lacking) or 'not for all'} "
            f"{'is' if len(lacking) == 1 else 'are'} missing: all pictures are split anew"
        )
    if loose := sum(not part for part in below):
        notes.append(f"{counted(loose, 'picture')} in no class folder: without a class they teach nothing")
    deeper = {part[:2] for part in below if len(part) > 1}
    if len(deeper) >= 5 and not known:
        notes.append(
            f"{len(deeper):,} folders lie below those of the classes: if they are patients, an index.csv with the "
            "columns path, patient and class keeps each of them on one side"
        )
    return notes
