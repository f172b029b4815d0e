"""A folder of synthetic chest films with an index, as a hospital might hand it over."""

import csv
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2

from components.lib.parallel import cores
from components.lib.phantoms.chest import ChestPhantom
from components.lib.progress import progress
from components.phantom.anatomy import person
from components.phantom.faults import Row, plant
from components.phantom.film import film


def _patient(patient: int, settings: ChestPhantom, out: Path) -> list[Row]:
    """Write one patient's films and return their rows of the index."""
    who, rows = person(settings, patient), []
    for number, sick in enumerate(who.pneumonia):
        made, name = film(settings, patient, number), f"{patient:04d}-{number + 1}.png"
        pictures = {f"films/{name}": made.image, **({f"masks/{name}": made.mask} if sick else {})}
        for path, picture in pictures.items():
            (out / path).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        finding, mask = ("pneumonia", f"masks/{name}") if sick else ("normal", "")
        row = {"path": f"films/{name}", "patient": f"PHANTOM-{patient:04d}", "finding": finding}
        rows.append({**row, "age": str(who.age), "sex": who.sex, "site": who.site, "mask": mask})
    return rows


def chest(settings: ChestPhantom, out: Path, workers: int | None = None) -> None:
    """Write `films/`, `masks/` and `index.csv` into the fresh folder `out`; equal settings give equal bytes.

    `workers` processes do it, by default one a core. Raises DataError where there are more faults than films.
    """
    for folder in "films", "masks":
        (out / folder).mkdir(parents=True, exist_ok=True)
    work, patients = partial(_patient, settings=settings, out=out), range(settings.patients)
    alone = workers == 1 or settings.patients < 32  # starting other processes would take longer than it saves
    # Not fork: threads of TensorFlow or OpenCV in the parent would not survive it.
    with ProcessPoolExecutor(workers or cores(), get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        groups = map(work, patients) if alone else pool.map(work, patients, chunksize=4)
        rows = [row for group in progress(groups, "phantom", total=len(patients)) for row in group]
    rows = plant(settings, out, rows)
    with (out / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
