"""Archives as names and bytes: read from any place, by many at a time; none is taken that could do harm."""

from __future__ import annotations

import io
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_films import member, packed

from components.lib.errors import DataError, Unusable
from components.lib.readers import _archives
from components.lib.readers._archives import open_archive

FORMS = ["set.zip", "set.tar", "set.tar.gz", "set.tgz"]
ALL = {f"{grade}/{n}.png": random.Random(n).randbytes(300) for n in range(4) for grade in ("mild", "severe")}


def problem(raw: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        open_archive(raw)
    assert caught.value.where == str(raw)
    assert "Secret" not in str(caught.value)  # a file's name may be a patient's
    return caught.value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "name", ["../Secret.png", "/etc/Secret.png", "mild/../../Secret.png", "C:\\Secret.png", "..\\Secret.png"]
)
def test_entries_that_lead_outside(tmp_path: Path, form: str, name: str) -> None:
    assert "entry 2 leads outside the archive" in problem(packed(tmp_path / form, {name: b"x"})).found


@pytest.mark.parametrize("form", ["set.tar", "set.tgz"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, form: str, kind: bytes) -> None:
    with tarfile.open(tmp_path / form, "w:gz" if form == "set.tgz" else "w") as tar:
        tar.addfile(member("mild/Secret.png", type=kind, linkname="/etc/passwd"))
    assert "entry 1 is a link, a device or has holes" in problem(tmp_path / form).found


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    entry = zipfile.ZipInfo("mild/Secret.png")
    entry.create_system, entry.external_attr = 3, (mode | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert "entry 1 is a link or a device" in problem(tmp_path / "set.zip").found


@pytest.mark.parametrize(
    ("method", "found"), [(zipfile.ZIP_BZIP2, "other than deflate"), (zipfile.ZIP_LZMA, "other than")]
)
def test_a_zip_packed_in_another_way(tmp_path: Path, method: int, found: str) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", method) as archive:
        archive.writestr("mild/a.png", ALL["mild/1.png"])
    assert found in problem(tmp_path / "set.zip").found


def test_an_encrypted_zip(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", {"mild/a.png": b"x"})
    content = bytearray(raw.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    raw.write_bytes(content)
    assert problem(raw).found == "entry 2 is encrypted"


@pytest.mark.parametrize("form", ["set.tar.xz", "set.tar.bz2"])
def test_a_tar_that_can_not_be_entered_in_the_middle(tmp_path: Path, form: str) -> None:
    with tarfile.open(tmp_path / form, f"w:{form.split('.')[-1]}") as tar:  # type: ignore[call-overload]
        tar.addfile(member("mild/a.png", size=1), io.BytesIO(b"x"))
    error = problem(tmp_path / form)
    assert "packed by XZ or bzip2" in error.found
    assert "tar -czf" in error.todo


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_there_twice(tmp_path: Path, form: str) -> None:
    raw = packed(tmp_path / form, {"mild/Secret.png": b"x", "./mild/Secret.png": b"y"})
    assert problem(raw).found == "entry 3 has the name of another one"


@pytest.mark.parametrize("form", FORMS)
def test_an_entry_that_is_too_large(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "LARGEST", 1_000_000)
    raw = packed(tmp_path / form, {"mild/Secret.png": random.Random(0).randbytes(1_000_001)})
    assert problem(raw).found == "entry 2 unpacks to more than 1 MB"


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "MOST_ENTRIES", 3)
    assert problem(packed(tmp_path / "set.zip", ALL)).found == "more than 3 entries"


def test_a_bomb_in_a_zip(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", {"mild/Secret.png": bytes(11_000_000)})
    assert raw.stat().st_size < 20_000
    assert "entry 2 shrank to less than 1/200" in problem(raw).found


def test_a_header_of_any_length_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "LARGEST", 1_000_000)
    with tarfile.open(tmp_path / "set.tgz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member("mild/a.png", size=1), io.BytesIO(b"x"))
        tar.addfile(member("mild/b.png", pax_headers={"comment": random.Random(0).randbytes(3_000_000).hex()}))
    assert "cut off or damaged" in problem(tmp_path / "set.tgz").found


@pytest.mark.parametrize("form", ["set.zip", "set.tgz"])
def test_a_bomb_of_many_entries(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "LARGE", 300_000)
    raw = packed(tmp_path / form, {f"mild/{n}.png": bytes(290_000) for n in range(110)})
    assert "unpacks to more than 200 times its size" in problem(raw).found


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    """The directory says 2 bytes where a bomb is packed: no more than these are ever unpacked."""
    raw = packed(tmp_path / "set.zip", {"mild/a.png": bytes(1_000_000), "mild/b.png": b"xy"})
    content = bytearray(raw.read_bytes())
    place = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)  # the folder's comes first
    content[place + 24 : place + 28] = struct.pack("<I", 2)
    raw.write_bytes(content)
    archive = open_archive(raw)
    with pytest.raises(Unusable, match="unreadable: damaged inside the archive"):
        archive.read("mild/a.png")
    assert archive.read("mild/b.png") == b"xy"


def test_a_damaged_entry_is_a_finding_about_it(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.zip", {"mild/a.png": random.Random(0).randbytes(500), "mild/b.png": b"xy"})
    content = bytearray(raw.read_bytes())
    place = content.index(b"mild/a.png") + 100
    content[place : place + 4] = b"\0\0\0\0"
    raw.write_bytes(content)
    assert len(open_archive(raw).entries) == 2
    archive = open_archive(raw)
    with pytest.raises(Unusable, match="unreadable: damaged inside the archive"):
        archive.read("mild/a.png")
    assert archive.read("mild/b.png") == b"xy"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [0, 1, 100, 600, 1400, -700, -1100, -10])
def test_an_archive_that_is_cut_off(tmp_path: Path, form: str, kept: int) -> None:
    raw = packed(tmp_path / form, {f"mild/{n}.png": random.Random(n).randbytes(1000) for n in range(5)})
    content = raw.read_bytes()
    if form == "set.tar":
        content = content[: content.rindex(b"\0" * 1024 * 2)] + bytes(1024)  # without what fills up its last block
    raw.write_bytes(content[:kept] if kept > 0 else content[: len(content) + kept] if kept else b"")
    if form == "set.tar" and kept == -10:
        assert len(open_archive(raw).entries) == 5  # the end mark is there, and is all that is cut
        return
    assert problem(raw).found == "no such archive, or one that is cut off or damaged"


def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    raw = packed(tmp_path / "set.tar", ALL)
    content = bytearray(raw.read_bytes())
    content[content.index(b"severe/2.png")] ^= 1
    raw.write_bytes(content)
    assert "cut off or damaged" in problem(raw).found


@pytest.mark.parametrize("form", FORMS)
def test_threads_read_any_entry_in_any_order(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_archives, "STEP", 20_000)
    monkeypatch.setattr(_archives, "MOST_POINTS", 16)
    files = {f"mild/{n}.png": random.Random(n).randbytes(n * 37) * 3 for n in range(200)}
    raw = packed(tmp_path / form, files)
    if "gz" in form:
        points = open_archive(raw).points
        assert 8 <= len(points) <= 16
        assert points[1].unpacked >= 40_000  # every second one was dropped more than once
    archive, names = open_archive(raw), list(files) * 3
    random.Random(0).shuffle(names)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda name: archive.read(name), names)) == [files[name] for name in names]


def test_a_gzip_of_several_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pigz and bgzip write them, with zeros at the end."""
    monkeypatch.setattr(_archives, "STEP", 1000)
    plain = packed(tmp_path / "set.tar", ALL).read_bytes()
    pieces = [zlib.compress(plain[start : start + 3000], wbits=31) for start in range(0, len(plain), 3000)]
    (tmp_path / "set.tgz").write_bytes(b"".join(pieces) + bytes(512))
    archive = open_archive(tmp_path / "set.tgz")
    assert {name: archive.read(name) for name in ALL} == ALL


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FORMS), st.data())
def test_whatever_the_bytes_there_are_entries_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, form: str, data: st.DataObject
) -> None:
    raw = packed(tmp_path_factory.mktemp("odd") / form, ALL)
    content = bytearray(raw.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    raw.write_bytes(content)
    try:
        archive = open_archive(raw)
    except DataError:
        return
    for name in archive.entries:
        try:
            archive.read(name)
        except Unusable:
            continue
