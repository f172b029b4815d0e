"""Bad films through the real steps: each is one row among the rejected with its reason, and the others survive."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from films import CLASSES, SIDE, encoded, film, lay, patients, task, write_films
from odd_films import saved
from permissions import obeyed
from PIL import Image as Picture
from pydicom.data import get_testdata_file

from components.clean import clean
from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError, GateError
from components.lib.spec import TaskSpec

FILM = Picture.fromarray(film(999, 64))
LENIENT = {"maximum_rejected": 0.9}


def huge() -> bytes:
    """A PNG that claims 30,000 × 30,000 pixels."""
    content = bytearray(saved(FILM, "PNG"))
    content[16:24] = (30_000).to_bytes(4) * 2
    return bytes(content)


DICOM = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
PNG, JPEG, TIFF, BMP = (saved(FILM, form) for form in ("PNG", "JPEG", "TIFF", "BMP"))
SEVERAL = "several pictures in one file; one is expected"
CUT_OFF = "unreadable: cut off or damaged"
BAD = {
    "empty.png": (b"", "unreadable: the file is empty"),
    "zeros.jpg": (bytes(3000), "unreadable: nothing but zeros"),
    "half.png": (PNG[: len(PNG) // 2], CUT_OFF),
    "half.jpg": (JPEG[: len(JPEG) // 2], CUT_OFF),
    "half.tif": (TIFF[: len(TIFF) // 2], CUT_OFF),
    "half.bmp": (BMP[: len(BMP) // 2], CUT_OFF),
    "copy that stopped.jpg": (JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2), CUT_OFF),
    "page.png": (b"<html><body>502 Bad Gateway</body></html>", "unreadable: a web page, not a picture"),
    "text.jpg": (b"see the other folder\n", "unreadable: text, not a picture"),
    "moving.gif": (saved(FILM, "GIF"), "unreadable: a GIF; PNG, JPEG, TIFF, BMP and DICOM are read"),
    "moving.png": (saved(FILM, "PNG", save_all=True, append_images=[FILM.rotate(90)]), SEVERAL),
    "pages.tif": (saved(FILM, "TIFF", save_all=True, append_images=[FILM]), SEVERAL),
    "float.tif": (saved(FILM.convert("F"), "TIFF"), "unreadable: pixels of type float32; 8 or 16 bits are read"),
    "tiny.png": (saved(Picture.new("L", (1, 1), 3), "PNG"), "too small: at least 4 pixels a side are expected"),
    "huge.png": (huge(), "too large: at most 100 million pixels are read"),
    "damaged.dcm": (DICOM[:20000], "unreadable: the DICOM file"),
    "blank.png": (encoded(np.full((SIDE, SIDE), 90, np.uint8)), "blank: grey values spread 0.0 of 255"),
    "hidden.png": (saved(Picture.merge("LA", [FILM, Picture.new("L", FILM.size)]), "PNG"), "blank: grey values"),
}  # fmt: skip
"""File to its content, and how the reason why it is refused begins."""
ODD = {
    "wrong end.jpg": PNG,
    "wrong end.dcm": JPEG,
    "Ünïcode 胸部.png": saved(FILM.rotate(90), "PNG"),
    "palette.png": saved(FILM.rotate(180).quantize(64), "PNG"),
    "four inks.jpg": saved(Picture.merge("RGB", [FILM] * 3).convert("CMYK"), "JPEG"),
    "one bit.tif": saved(FILM.convert("1"), "TIFF"),
    "deep.tif": saved(Picture.fromarray(film(998, 64).astype(np.uint16) * 16), "TIFF"),
}
"""Odd, and read."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def rows(names: list[str]) -> list[dict[str, Any]]:
    """60 good films of an index, and one patient more for each of these."""
    more = [{"path": f"odd/{name}", "patient": f"odd-{n}", "finding": CLASSES[n % 2]} for n, name in enumerate(names)]
    return [*patients(30), *more]


def laid(folder: Path, films: dict[str, bytes]) -> Path:
    """A folder with these films beside 60 good ones."""
    raw = write_films(folder / "raw", rows(list(films)))
    for name, content in films.items():
        (raw / "odd" / name).write_bytes(content)
    return raw


def run(raw: Path, folder: Path, spec: TaskSpec) -> Dataset:
    """Through both steps."""
    ingest(raw, folder / "ingested", folder / "private", spec)
    clean(raw, folder / "ingested", folder / "private", folder / "cleaned", spec)
    return Dataset(folder / "cleaned")


def reasons(dataset: Dataset, folder: Path) -> dict[str, str]:
    """File name to the reason why it was rejected."""
    sources = pd.read_parquet(folder / "private" / "sources.parquet").set_index("sample_id")["file"]
    rejected = dataset.rejected()
    names = [Path(sources[sample]).name for sample in rejected["sample_id"]]
    assert len(set(names)) == len(names)
    return dict(zip(names, rejected["reason"], strict=True))


@pytest.mark.timeout(120)
def test_every_bad_film_is_one_row_with_its_reason_and_the_others_survive(tmp_path: Path) -> None:
    raw = laid(tmp_path, {**{name: content for name, (content, _) in BAD.items()}, **ODD})
    dataset = run(raw, tmp_path, task(clean=LENIENT))
    told = reasons(dataset, tmp_path)
    assert set(told) == set(BAD)
    for name, reason in told.items():
        assert reason.startswith(BAD[name][1]), name
    assert len(dataset.samples()) == 60 + len(ODD)
    assert len(dataset.parts[0].array("image")) == 60 + len(ODD)
    leaked = dataset.rejected().to_csv()
    assert not any(name in leaked for name in BAD)


def test_too_many_bad_films_stop_the_run(tmp_path: Path) -> None:
    raw = laid(tmp_path, {name: content for name, (content, _) in BAD.items()})
    with pytest.raises(GateError, match="samples are rejected"):
        run(raw, tmp_path, task())


def test_a_film_that_may_not_be_read(tmp_path: Path) -> None:
    raw = laid(tmp_path, ODD)
    (raw / "odd" / "deep.tif").chmod(0)
    with obeyed():
        dataset = run(raw, tmp_path, task(clean=LENIENT))
    assert reasons(dataset, tmp_path) == {"deep.tif": "unreadable: Permission denied"}
    assert len(dataset.samples()) == 60 + len(ODD) - 1


def test_a_film_that_is_a_link_to_itself_or_a_name_too_long(tmp_path: Path) -> None:
    long = "x" * 300 + ".png"
    raw = write_films(tmp_path / "raw", rows([]))
    with (raw / "index.csv").open("a", encoding="utf-8") as file:
        file.write(f"odd/loop.png,p1,normal\nodd/{long},p2,normal\nodd/lost.png,p3,normal\n")
    (raw / "odd").mkdir()
    (raw / "odd" / "loop.png").symlink_to(raw / "odd" / "loop.png")
    dataset = run(raw, tmp_path, task(clean=LENIENT))
    assert set(reasons(dataset, tmp_path).values()) == {
        "unreadable: Too many levels of symbolic links", "unreadable: File name too long",
    }  # fmt: skip
    missing = Dataset(tmp_path / "ingested").rejected()
    assert list(missing["reason"]) == ["the index names a file that is not there"]


@pytest.mark.parametrize("form", ["set.zip", "set.tar.gz"])
def test_an_archive_gives_the_same_as_its_folder(tmp_path: Path, form: str) -> None:
    raw = laid(tmp_path, {**{name: content for name, (content, _) in BAD.items()}, **ODD})
    files = [path for path in raw.rglob("*") if path.is_file()]
    if form == "set.zip":
        with zipfile.ZipFile(tmp_path / form, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(raw))
    else:
        with tarfile.open(tmp_path / form, "w:gz") as tar:
            tar.add(raw, "export")
    inside = {} if form == "set.zip" else {"inside": "export"}
    source = {"reader": "archive", "path": form, "index": "index.csv", **inside}
    loose = run(raw, tmp_path / "loose", task(clean=LENIENT))
    packed = run(tmp_path / form, tmp_path / "packed", task(clean=LENIENT, source=source))
    # Of DICOM files an archive's reader tells what their headers say, too.
    told = [*loose.samples().columns]
    pd.testing.assert_frame_equal(packed.samples()[told], loose.samples())
    for one, other in zip(packed.parts, loose.parts, strict=True):
        np.testing.assert_array_equal(one.array("image"), other.array("image"))
    assert reasons(packed, tmp_path / "packed") == reasons(loose, tmp_path / "loose")


def test_a_film_damaged_inside_an_archive(tmp_path: Path) -> None:
    raw = laid(tmp_path, {"a.png": PNG})
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in raw.rglob("*.*"):
            archive.write(path, path.relative_to(raw))
    content = bytearray((tmp_path / "set.zip").read_bytes())
    content[content.index(PNG) + 100] ^= 1
    (tmp_path / "set.zip").write_bytes(content)
    source = {"reader": "archive", "path": "set.zip", "index": "index.csv"}
    dataset = run(tmp_path / "set.zip", tmp_path, task(source=source))
    assert reasons(dataset, tmp_path) == {"a.png": "unreadable: damaged inside the archive"}


def test_a_mistyped_class_is_told_with_the_nearest(tmp_path: Path) -> None:
    lay(tmp_path / "raw", "Pnuemonia/a.png", "normal/b.png")
    with pytest.raises(DataError) as caught:
        run(tmp_path / "raw", tmp_path, task(source={"reader": "folder", "path": "raw"}))
    assert "'Pnuemonia' (1; nearest: pneumonia)" in caught.value.found


def test_class_folders_tell_of_pictures_that_are_not_read(tmp_path: Path) -> None:
    names = [f"{finding}/{n}.png" for finding in CLASSES for n in range(40)]
    raw = lay(tmp_path / "raw", *names, "normal/.hidden.png")
    (raw / "normal" / "moving.GIF").write_bytes(BAD["moving.gif"][0])
    spec = task(source={"reader": "folder", "path": "raw"}, split={"unknown_patients": "accept"})
    dataset = run(raw, tmp_path, spec)
    assert reasons(dataset, tmp_path) == {"moving.GIF": BAD["moving.gif"][1]}
    assert len(dataset.samples()) == 80
