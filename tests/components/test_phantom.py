"""The chest phantom: equal bytes for equal settings, films that show what their label says, faults that are there."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from components.lib.errors import DataError
from components.lib.phantoms.chest import ChestPhantom, Faults
from components.phantom.chest import chest
from components.phantom.film import Film, film

Rows = list[dict[str, str]]
FAULTS = Faults(patient_on_two_sides=2, duplicates=2, broken=1, blank=1, truncated=1, wrong_labels=3)


def read(out: Path) -> tuple[Rows, dict[str, bytes]]:
    """The index of a phantom and its files by relative path."""
    with (out / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def make(out: Path, workers: int = 1, **settings: object) -> tuple[Rows, dict[str, bytes]]:
    chest(ChestPhantom.model_validate({"patients": 14, **settings}), out, workers)
    return read(out)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, dict[str, bytes]]:
    return make(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, dict[str, bytes]]:
    return make(tmp_path_factory.mktemp("faulty"), faults=FAULTS)


@pytest.fixture(scope="module")
def films() -> list[Film]:
    """First films of some patients, all of them ill."""
    return [film(ChestPhantom(prevalence=1.0), patient, 0) for patient in range(14)]


def decode(content: bytes) -> np.ndarray | None:
    """The picture in a PNG file, or None where there is none or only a part."""
    whole = content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None


def test_equal_settings_give_equal_bytes_and_more_patients_leave_the_first_alone(
    clean: tuple[Rows, dict[str, bytes]], tmp_path: Path
) -> None:
    rows, files = make(tmp_path, patients=6)
    assert rows == clean[0][: len(rows)]
    pictures = {name: content for name, content in files.items() if name != "index.csv"}
    assert pictures.items() <= clean[1].items()


def test_other_processes_write_the_same_bytes(clean: tuple[Rows, dict[str, bytes]], tmp_path: Path) -> None:
    rows, files = make(tmp_path, workers=2, patients=33)  # fewer would be made in this process
    assert rows[: len(clean[0])] == clean[0]
    pictures = {name: content for name, content in clean[1].items() if name != "index.csv"}
    assert pictures.items() <= files.items()


def test_another_seed_gives_other_films() -> None:
    first, second = (film(ChestPhantom(seed=seed), 0, 0).image for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_index_is_sorted_and_in_range(clean: tuple[Rows, dict[str, bytes]]) -> None:
    rows, files = clean
    assert [row["path"] for row in rows] == sorted({row["path"] for row in rows})
    assert len({row["patient"] for row in rows}) == 14 < len(rows)
    assert all(18 <= int(row["age"]) <= 94 for row in rows)
    assert {row["sex"] for row in rows} == {"F", "M"}
    assert {row["site"] for row in rows} == {"A", "B", "C"}
    assert {row["finding"] for row in rows} == {"normal", "pneumonia"}
    assert {row["path"] for row in rows} == {name for name in files if name.startswith("films/")}


def test_masks_belong_to_films_with_pneumonia_and_fit_them(clean: tuple[Rows, dict[str, bytes]]) -> None:
    rows, files = clean
    for row in rows:
        assert bool(row["mask"]) == (row["finding"] == "pneumonia")
        if row["mask"]:
            mask, image = decode(files[row["mask"]]), decode(files[row["path"]])
            assert mask is not None
            assert image is not None
            assert (mask.shape, mask.dtype.name) == (image.shape, "uint8")
            assert set(np.unique(mask)) == {0, 255}


def test_films_differ_in_size_and_bit_depth(clean: tuple[Rows, dict[str, bytes]]) -> None:
    images = [
        image
        for name, content in clean[1].items()
        if name.startswith("films/")
        if (image := decode(content)) is not None
    ]
    assert {image.dtype for image in images} == {np.dtype(np.uint8), np.dtype(np.uint16)}
    assert len({image.shape for image in images}) > 5
    assert all(160 <= side <= 330 for image in images for side in image.shape)


def test_opacities_lie_inside_the_lungs(films: list[Film]) -> None:
    assert all((made.mask > 0).any() and made.lungs[made.mask > 0].all() for made in films)


def test_opacities_are_brighter_than_the_same_place_without_them(films: list[Film]) -> None:
    healthy = [film(ChestPhantom(prevalence=0.0), patient, 0) for patient in range(14)]
    for ill, well in zip(films, healthy, strict=True):
        where, lungs = ill.mask > 0, ill.lungs & (ill.mask == 0)
        # Each film has its own window: compare the contrast with the rest of the lungs.
        assert ill.image[where].mean() / ill.image[lungs].mean() > well.image[where].mean() / well.image[lungs].mean()


def test_opacities_are_mostly_brighter_than_the_other_side(films: list[Film]) -> None:
    brighter = []
    for made in films:
        where = (made.mask > 0) & ~np.fliplr(made.mask > 0) & np.fliplr(made.lungs)
        if where.any():  # else it is on both sides
            brighter.append(made.image[where].mean() > np.fliplr(made.image)[where].mean())
    assert np.mean(brighter) > 0.6


def test_the_patient_s_left_is_on_the_right_of_the_picture(films: list[Film]) -> None:
    sides = [np.array_split(made.lungs.sum(axis=0), 2) for made in films]
    assert np.mean([right.sum() > left.sum() for right, left in sides]) > 0.8  # the heart takes room from the left lung


def test_damaged_films_are_there_in_the_stated_number(faulty: tuple[Rows, dict[str, bytes]]) -> None:
    films = {name: content for name, content in faulty[1].items() if name.startswith("films/")}
    images = {name: decode(content) for name, content in films.items()}
    unread = [films[name] for name, image in images.items() if image is None]
    assert sorted(content.startswith(b"\x89PNG") for content in unread) == [False, True]
    assert sum(image is not None and image.min() == image.max() for image in images.values()) == FAULTS.blank


def test_duplicates_are_byte_equal_and_of_another_patient(faulty: tuple[Rows, dict[str, bytes]]) -> None:
    rows, files = faulty
    owners = defaultdict(list)
    for row in rows:
        owners[files[row["path"]]].append(row)
    pairs = [same for same in owners.values() if len(same) > 1]
    assert len(pairs) == FAULTS.duplicates
    assert all(one["patient"] != other["patient"] and one["finding"] == other["finding"] for one, other in pairs)


def test_wrong_labels_disagree_with_the_mask(
    clean: tuple[Rows, dict[str, bytes]], faulty: tuple[Rows, dict[str, bytes]]
) -> None:
    changed = [new for old, new in zip(clean[0], faulty[0], strict=False) if old["finding"] != new["finding"]]
    assert len(changed) == FAULTS.wrong_labels
    assert all(bool(row["mask"]) == (row["finding"] == "normal") for row in changed)


def test_patients_on_two_sides(clean: tuple[Rows, dict[str, bytes]], faulty: tuple[Rows, dict[str, bytes]]) -> None:
    splits = {(row["patient"], row["split"]) for row in faulty[0]}
    torn = [patient for patient, number in Counter(patient for patient, _ in splits).items() if number > 1]
    assert len(torn) == FAULTS.patient_on_two_sides
    assert {split for _, split in splits} <= {"train", "validation", "test"}
    assert "split" not in clean[0][0]


def test_corner_marker_is_on_films_with_pneumonia_alone() -> None:
    marked = ChestPhantom(faults=Faults(corner_marker=True))
    for patient in range(6):
        with_marker, without = film(marked, patient, 0), film(ChestPhantom(), patient, 0)
        different = np.nonzero(with_marker.image != without.image)
        assert bool(len(different[0])) == without.pneumonia
        assert all(place.max() < 40 for place in different if len(place))


def test_more_faults_than_films_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"phantom\.faults\.broken[\s\S]*raise phantom\.patients"):
        make(tmp_path, patients=2, faults=Faults(broken=99))


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"prevalence": 1.5}, {"seed": -1}, {"faults": {"typo": 1}}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ChestPhantom.model_validate(wrong)
