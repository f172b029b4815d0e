"""Folders of pictures, one a class, on disk and packed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from dicoms import dicom
from films import encoded, film, lay
from looks import REAL, cleaned, needs, refusal, spec_of

from pipelines.look import Questions, look

CLASSES = ("normal", "pneumonia")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def films(root: Path, each: int = 40, *, classes: tuple[str, ...] = CLASSES, suffix: str = ".png") -> Path:
    """Class folders with so many films each."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            (root / name / f"Mueller_{number}{suffix}").write_bytes(encoded(film(1000 * place + number), suffix))
    return root


def test_folders_by_class(tmp_path: Path) -> None:
    draft = look(lay(tmp_path, "pneumonia/a.png", "normal/b.png", "normal/c.png", "normal/._c.png"))
    assert draft.values["source"] == {"reader": "folder", "path": str(tmp_path)}
    assert draft.values["targets"] == {"finding": {"kind": "binary", "classes": ["normal", "pneumonia"]}}
    assert draft.values["inputs"]["image"] == {"kind": "image", "size": [12, 12], "channels": 1}
    assert draft.values["split"]["unknown_patients"] == "accept"
    assert draft.found[:2] == ["3 PNG in 2 class folders; 12×12, grey", "2 classes: normal (2), pneumonia (1)"]
    assert draft.found[-2] == "no patient ids: each file counts as one patient, overlap can't be excluded"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp"])
def test_every_format_is_cleaned(tmp_path: Path, suffix: str) -> None:
    data = cleaned(films(tmp_path / "raw", suffix=suffix), tmp_path / "work")
    assert sum(data.info.counts.values()) == 80


def test_folders_of_a_whole_split_are_kept(tmp_path: Path) -> None:
    names = [
        f"{split}/{name}/{i}.png" for split in ("Training", "val", "Testing") for name in CLASSES for i in range(4)
    ]
    draft = look(lay(tmp_path / "raw", *names))
    assert draft.values["split"] == {"by": "patient", "unknown_patients": "accept", "method": "given"}
    assert "the split of the folders Testing, Training, val is kept" in draft.found
    data = cleaned(tmp_path / "raw", tmp_path / "work")
    assert data.info.counts == {"train": 8, "validation": 8, "test": 8}


def test_folders_of_train_and_test_are_kept_and_validation_is_made_from_train(tmp_path: Path) -> None:
    names = [f"{split}/{c}/{i}.png" for split in ("Training", "Testing") for c in CLASSES for i in range(40)]
    draft = look(lay(tmp_path / "raw", *names))
    assert draft.values["split"] == {
        "by": "patient",
        "unknown_patients": "accept",
        "method": "given",
        "validation": 0.15,
    }
    told = "the split of the folders Testing, Training is kept; it has no validation, which is made from train"
    assert told in draft.found
    counts = cleaned(tmp_path / "raw", tmp_path / "work").info.counts
    assert counts["test"] == 80
    assert 5 <= counts["validation"] <= 25


def test_folders_of_half_a_split_are_not(tmp_path: Path) -> None:
    draft = look(lay(tmp_path, *(f"{split}/{c}/a.png" for split in ("Training", "val") for c in CLASSES)))
    assert draft.values["split"]["method"] != "given"
    assert any("but test is missing: all pictures are split anew" in line for line in draft.found)


def test_one_folder_around_everything_is_passed(tmp_path: Path) -> None:
    films(tmp_path / "download" / "set" / "films", 2)
    draft = look(tmp_path / "download")
    assert draft.values["source"]["path"] == str(tmp_path / "download" / "set" / "films")


@pytest.mark.parametrize(
    ("names", "flip"),
    [(("normal", "pneumonia"), False), (("lymphocyte", "monocyte_cell"), True), (("glioma", "notumor"), False)],
)
def test_only_what_has_no_side_is_mirrored(tmp_path: Path, names: tuple[str, str], flip: bool) -> None:
    draft = look(films(tmp_path / "set", 2, classes=names))
    assert draft.values["augment"]["online"]["image"] == {"horizontal_flip": flip}
    assert draft.why["augment.online.image.horizontal_flip"]


def test_large_coloured_pictures(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        coloured = np.dstack([film(1, 200), film(2, 200), film(3, 200)])
        (tmp_path / name / "x.jpg").write_bytes(encoded(coloured, ".jpg"))
    draft = look(tmp_path)
    assert draft.values["inputs"]["image"] == {"kind": "image", "size": [64, 64], "channels": 3}
    assert draft.why["inputs.image.size"].startswith("they are 200×200")


def test_a_picture_that_is_cut_off_does_not_stop_the_look(tmp_path: Path) -> None:
    films(tmp_path, 5)
    (tmp_path / "normal" / "Mueller_0.png").write_bytes(b"\x89PNG")
    assert look(tmp_path).values["inputs"]["image"]["size"] == [12, 12]


def test_a_slip_of_the_pen_is_pointed_out_with_both_counts(tmp_path: Path) -> None:
    films(tmp_path, 40)
    films(tmp_path / "more", 1, classes=("Pnuemonia",))
    (tmp_path / "more" / "Pnuemonia").rename(tmp_path / "Pnuemonia")
    (tmp_path / "more").rmdir()
    draft = look(tmp_path)
    assert draft.values["targets"]["finding"]["classes"] == ["normal", "pneumonia"]
    assert any("'Pnuemonia' (1) looks like 'pneumonia' (40)" in line for line in draft.found)
    assert any(line.startswith("assumed: ") for line in draft.found)


@pytest.mark.parametrize(
    "pair", [("grade1", "grade2"), ("normal", "abnormal"), ("type a", "type b"), ("left", "right")]
)
def test_names_that_differ_on_purpose_are_no_slip(tmp_path: Path, pair: tuple[str, str]) -> None:
    films(tmp_path, 30, classes=(pair[0], "third"))
    films(tmp_path / "x", 1, classes=(pair[1],))
    (tmp_path / "x" / pair[1]).rename(tmp_path / pair[1])
    (tmp_path / "x").rmdir()
    assert {*pair} < {*look(tmp_path).values["targets"]["finding"]["classes"]}


def test_which_of_two_classes_is_the_finding_is_asked_where_no_name_says_it(tmp_path: Path) -> None:
    draft = look(films(tmp_path, 3, classes=("cardiomegaly", "effusion")))
    assert draft.values["targets"]["finding"]["classes"] == ["cardiomegaly", "effusion"]
    assert any("Which class is the finding" in line and "effusion" in line for line in draft.found)


def test_folders_below_those_of_classes_may_be_patients(tmp_path: Path) -> None:
    draft = look(lay(tmp_path, *(f"{c}/P{i}/{j}.png" for c in CLASSES for i in range(3) for j in range(2))))
    assert any("6 folders lie below those of the classes: if they are patients" in line for line in draft.found)
    assert not any("P1" in line for line in draft.found)


def test_pictures_in_no_class_folder_are_counted(tmp_path: Path) -> None:
    draft = look(lay(tmp_path, "normal/a.png", "pneumonia/b.png", "c.png"))
    assert "1 picture in no class folder: without a class they teach nothing" in draft.found


def test_folders_have_no_column_to_name(tmp_path: Path) -> None:
    error = refusal(films(tmp_path, 2), Questions(target="diagnosis"))
    assert error.found == "data without columns; what is predicted is finding"


def test_a_folder_of_one_class(tmp_path: Path) -> None:
    error = refusal(lay(tmp_path, "normal/a.png"))
    assert error.found == "1: ['normal']"
    assert "docs/new-task.md" in error.todo


def test_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"no picture")
    assert refusal(tmp_path).found == "none among those tried"


def test_folders_of_masks_are_no_classes(tmp_path: Path) -> None:
    assert "outlines (masks)" in refusal(lay(tmp_path, "images/a.png", "masks/a.png")).found


def test_a_folder_for_each_patient_is_no_class(tmp_path: Path) -> None:
    error = refusal(lay(tmp_path, *(f"P{i}/a.png" for i in range(70))))
    assert error.found == "70 folders with 1.0 pictures each: patients, perhaps"


def test_boxes_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, "JPEGImages/a.png", "JPEGImages/b.png")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation><object><bndbox></bndbox></object></annotation>")
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation><object><bndbox></bndbox></object></annotation>")
    assert "2 pictures with boxes around what is in them (VOC XML)" in refusal(tmp_path).found


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("inside", ["", "set/"])
def test_packed_folders(tmp_path: Path, kind: str, inside: str) -> None:
    packed = tmp_path / f"films.{kind}"
    held = sorted(films(tmp_path / "raw").rglob("*.png"))
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in held:
                archive.write(path, inside + path.relative_to(tmp_path / "raw").as_posix())
    else:
        with tarfile.open(packed, "w:gz" if kind == "tar.gz" else "w") as bundle:
            for path in held:
                bundle.add(path, inside + path.relative_to(tmp_path / "raw").as_posix())
    draft = look(packed)
    assert draft.values["source"] == {"reader": "archive", "path": str(packed), **({"inside": "set"} if inside else {})}
    assert sum(cleaned(packed, tmp_path / "work").info.counts.values()) == 80


def test_patients_of_dicom_in_an_archive_stay_whole(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        for number in range(60):
            said = {"PatientID": f"Secret{number // 4}"} if number < 56 else {}
            content = dicom(chance.integers(0, 4096, (16, 16), np.uint16), **said)
            archive.writestr(f"{CLASSES[number % 2]}/{number}.dcm", content)
    draft = look(tmp_path / "scans.zip")
    assert draft.values["split"]["by"] == "patient"
    assert "headers name 14 patients; 4 files without one: each counts as a patient" in " ".join(draft.found)
    assert "Secret" not in str(draft)
    samples = cleaned(tmp_path / "scans.zip", tmp_path / "work").samples()
    assert len(samples) == 60
    assert set(samples.groupby("patient")["split"].nunique()) == {1}


def test_an_archive_without_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert refusal(tmp_path / "x.zip").found == "1 file, none of them a picture"
    (tmp_path / "y.zip").write_bytes(b"PK")
    assert refusal(tmp_path / "y.zip").todo


def test_names_of_files_are_not_repeated(tmp_path: Path) -> None:
    draft = look(films(tmp_path / "raw"))
    assert "Mueller" not in str(draft)


def test_sixteen_bits_and_a_palette(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / name).mkdir()
        done, content = cv2.imencode(".png", film(1).astype(np.uint16) * 257)
        assert done
        (tmp_path / name / "a.png").write_bytes(io.BytesIO(content).getvalue())
    assert look(tmp_path).values["inputs"]["image"]["channels"] == 1


def test_a_slip_that_somebody_says_is_none_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films(tmp_path, 30, classes=("adenoma", "adenomas", "normal"))
    for path in sorted((tmp_path / "adenomas").iterdir())[1:]:
        path.unlink()
    monkeypatch.setattr("builtins.input", lambda _: "no")
    draft = look(tmp_path, Questions(ask=True))
    assert draft.values["targets"]["finding"]["classes"] == ["normal", "adenoma", "adenomas"]
    assert "correct the data if it's a slip" in "".join(draft.found)


@needs("bccd")
def test_photographs_with_boxes() -> None:
    assert refusal(REAL / "bccd").found.startswith("364 pictures with boxes around what is in them (VOC XML)")


@needs("brain_mri_4class")
def test_brain_slices_without_their_index(tmp_path: Path) -> None:
    draft = look(REAL / "brain_mri_4class" / "Training")
    assert draft.found[0] == "1,200 JPEG in 4 class folders; 224×224, grey"
    assert spec_of(draft, tmp_path).targets["finding"].class_names == ("notumor", "glioma", "meningioma", "pituitary")
