"""Faults planted in a finished folder of films, so that tests can show that they are found."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from components.lib.errors import DataError
from components.lib.phantoms.chest import ChestPhantom

Row = dict[str, str]


def _enough(fault: str, wanted: int, there: int, what: str) -> None:
    if wanted > there:
        where, todo = f"phantom.faults.{fault}", "raise phantom.patients or plant fewer faults"
        raise DataError(where, expected=f"at most {there}, the {what}", found=str(wanted), todo=todo)


def plant(settings: ChestPhantom, out: Path, rows: list[Row]) -> list[Row]:
    """Plant the faults, but for the corner marker, in the folder `out` and the index `rows`, which is returned.

    Always the same for a seed. Raises DataError where there are fewer films, or patients, than faults.
    """
    faults, generator = settings.faults, np.random.default_rng([settings.seed, len(rows), 0xFA017])
    free = [rows[at] for at in generator.permutation(len(rows))]

    def take(fault: str, number: int) -> list[Row]:
        _enough(fault, number, len(free), "films still free of faults")
        return [free.pop() for _ in range(number)]

    for row in take("broken", faults.broken):
        (out / row["path"]).write_bytes(generator.bytes(2000))
    for row in take("blank", faults.blank):
        image = np.asarray(cv2.imread(str(out / row["path"]), cv2.IMREAD_UNCHANGED))
        cv2.imwrite(str(out / row["path"]), np.full_like(image, int(image.max()) // 2))
    for row in take("truncated", faults.truncated):
        content = (out / row["path"]).read_bytes()
        (out / row["path"]).write_bytes(content[: len(content) // 2])
    for row in take("wrong_labels", faults.wrong_labels):
        row["finding"] = "pneumonia" if row["finding"] == "normal" else "normal"
    originals = take("duplicates", faults.duplicates)
    if faults.patient_on_two_sides:
        _tear(rows, faults.patient_on_two_sides, generator)
    for number, row in enumerate(originals):  # byte for byte, under another patient; the finding goes with the picture
        strangers = [other for other in rows if other["patient"] != row["patient"]]
        _enough("duplicates", 1, len(strangers), "films of other patients")
        stranger, path = strangers[int(generator.integers(len(strangers)))], f"films/extra-{number + 1:03d}.png"
        shutil.copyfile(out / row["path"], out / path)
        rows.append({**stranger, "path": path, "finding": row["finding"], "mask": ""})
    return rows


def _tear(rows: list[Row], number: int, generator: np.random.Generator) -> None:
    """Give each patient a split, then move the last film of some patients to another one."""
    patients: dict[str, list[Row]] = {}
    for row in rows:
        patients.setdefault(row["patient"], []).append(row)
    for films in patients.values():
        split = str(generator.choice(["train", "validation", "test"], p=[0.7, 0.15, 0.15]))
        for row in films:
            row["split"] = split
    several = [films[-1] for films in patients.values() if len(films) > 1]
    _enough("patient_on_two_sides", number, len(several), "patients with several films")
    for at in generator.permutation(len(several))[:number]:
        several[at]["split"] = "train" if several[at]["split"] == "test" else "test"
