"""Places on servers: what names one, what it answers, and every way in which a server fails."""

from __future__ import annotations

import os
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import AWS, Bucket, Web, forget_servers

from components.lib import remote
from components.lib.errors import DataError, ServerError, SpecError
from components.lib.places import Remote, fetched, held, place

Fresh = Callable[[], None]


@pytest.fixture
def fresh() -> Iterator[Fresh]:
    """Opens connections anew, to servers or as people that the environment now names; and again at the end."""
    yield forget_servers
    forget_servers()


def on_server(text: str) -> Remote:
    found = place(text)
    assert isinstance(found, Remote)
    return found


@pytest.mark.parametrize("text", ["data/raw", "/mnt/films", "../films: old", "s3:/not/a/scheme"])
def test_a_path_stays_a_path(text: str) -> None:
    assert place(text) == Path(text)
    assert place(text, Path("/work")) == Path("/work") / text


def test_a_url_is_a_place_with_the_manners_of_a_path() -> None:
    films = on_server("s3://bucket/films/")
    assert str(films / "a b/é#1.png") == "s3://bucket/films/a b/é#1.png"
    assert ((films / "x.csv.gz").name, (films / "x.csv.gz").suffix) == ("x.csv.gz", ".gz")
    assert str(films.parent) == "s3://bucket"
    page = on_server("https://host/a b/")
    assert str(page / "é#1?.png") == "https://host/a%20b/%C3%A9%231%3F.png"
    assert (page / "é#1?.png").name == "é#1?.png"


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("s4://bucket/films", "s3://", "s4://; nearest: s3"),
        ("gs://bucket/films", "s3://, https://, http://", "gs://"),
        ("https://doctor:hunter2@host/films.zip", "without user and password", "one with them"),
        ("s3://AKIAFAKE:hunter2@bucket/films", "without user and password", "one with them"),
        ("https://host/films.zip?X-Amz-Signature=hunter2", "without ? and #", "one with them"),
        ("https://host/films.zip#hunter2", "without ? and #", "one with them"),
        ("https:///films.zip", "the name of a server", "none"),
        ("hunter2 hunter2 hunter2://host", "s3://", "another scheme"),
    ],
)
def test_what_is_no_place_is_refused_without_its_secret(text: str, expected: str, found: str) -> None:
    with pytest.raises(SpecError) as raised:
        place(text)
    assert expected in raised.value.expected
    assert found in raised.value.found
    assert "hunter2" not in str(raised.value)


def test_an_object_of_s3(bucket: Bucket) -> None:
    bucket.put("films/sub/é #1?.txt", b"0123456789")
    bucket.put("films/empty", b"")
    films = on_server(f"{bucket.url}/films")
    assert films.names_below() == ["empty", "sub/é #1?.txt"]
    file = films / "sub/é #1?.txt"
    assert file.read_bytes() == b"0123456789"
    assert (films / "empty").read_bytes() == b""
    assert (films.is_dir(), films.is_file(), file.is_dir(), file.is_file()) == (True, False, False, True)
    assert not (films / "none").exists()
    before = file.stat()
    bucket.put("films/sub/é #1?.txt", b"9876543210")
    assert before.st_size == 10
    assert file.stat().st_mtime_ns != before.st_mtime_ns
    with pytest.raises(FileNotFoundError):
        (films / "none").read_bytes()


def test_a_file_of_a_web_server(web: Web) -> None:
    (web.folder / "é #1?.txt").write_bytes(b"0123456789")
    file = on_server(web.url) / "é #1?.txt"
    assert file.read_bytes() == b"0123456789"
    assert file.is_file()
    assert file.read_range(3, 4) == b"3456"
    assert not (file.parent / "none").exists()
    with pytest.raises(FileNotFoundError):
        (file.parent / "none").read_bytes()


def test_a_file_is_read_from_any_place_and_not_as_a_whole(web: Web) -> None:
    content = os.urandom(3_000_000)
    (web.folder / "large").write_bytes(content)
    with (on_server(web.url) / "large").open() as file:
        assert file.read(10) == content[:10]
        assert file.seek(-20, os.SEEK_END) == 2_999_980
        assert file.read() == content[-20:]
        assert file.read(1) == b""
        file.seek(1_500_000)
        assert file.read(7) == content[1_500_000:1_500_007]
        with pytest.raises(OSError, match="Invalid"):
            file.seek(-1)
    assert web.sent < 300_000
    with (on_server(web.url) / "large").open() as file:
        assert b"".join(iter(lambda: file.read(50_000), b"")) == content
    assert web.asked["large"] < 15  # the pieces grow


def test_a_copy_goes_after(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (web.folder / "patient.nii.gz").write_bytes(b"volume")
    with fetched(on_server(web.url) / "patient.nii.gz") as copy:
        assert copy.read_bytes() == b"volume"
        assert copy.name == "file.nii.gz"
    assert not copy.exists()
    with held(on_server(web.url) / "patient.nii.gz") as file:
        assert file.read() == b"volume"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["www"]
    with fetched(tmp_path / "here") as same:
        assert same == tmp_path / "here"


def test_a_broken_connection_is_tried_again(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    (web.folder / "film").write_bytes(b"x" * 100_000)
    web.cut["film"] = 2
    assert len((on_server(web.url) / "film").read_bytes()) == 100_000
    web.cut["film"] = 3
    with pytest.raises(ServerError, match="broke off") as raised:
        (on_server(web.url) / "film").read_bytes()
    assert "finished parts are kept" in raised.value.todo


@pytest.mark.parametrize(("status", "found"), [(403, "refused, status 403"), (401, "status 401"), (500, "status 500")])
def test_a_refusal_is_told(web: Web, status: int, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    (web.folder / "film").write_bytes(b"x")
    web.refused = status
    for ask in ((on_server(web.url) / "film").stat, (on_server(web.url) / "film").read_bytes):
        with pytest.raises(ServerError, match=found):
            ask()


def test_a_password_is_taken_from_netrc(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: Fresh
) -> None:
    (web.folder / "film").write_bytes(b"x")
    web.password = "hunter2"
    with pytest.raises(ServerError, match=r"status 401(.|\n)*netrc"):
        (on_server(web.url) / "film").read_bytes()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login doctor password hunter2\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fresh()
    assert (on_server(web.url) / "film").read_bytes() == b"x"


def test_a_refusal_of_s3_is_told(bucket: Bucket, web: Web, monkeypatch: pytest.MonkeyPatch, fresh: Fresh) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
    fresh()
    web.refused = 403
    films = on_server(f"{bucket.url}/films")
    for ask in (films.names_below, (films / "a").read_bytes, films.is_dir):
        with pytest.raises(ServerError, match="permission to read and to list"):
            ask()


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    films = on_server("s3://no-such-bucket/films")
    for ask in (films.names_below, (films / "a").read_bytes):
        with pytest.raises(ServerError, match="no such bucket"):
            ask()


def test_a_prefix_with_nothing_below(bucket: Bucket) -> None:
    with pytest.raises(DataError, match=r"check source\.path"):
        on_server(f"{bucket.url}/films").names_below()


def test_missing_credentials(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: Fresh) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    fresh()
    with pytest.raises(ServerError, match="credentials for S3") as raised:
        on_server(f"{bucket.url}/films").names_below()
    assert "AWS_PROFILE" in raised.value.todo


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections, and says nothing."""
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen(20)
        yield f"http://127.0.0.1:{waiting.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_a_silent_server_is_not_waited_for_long(
    scheme: str, silent: str, monkeypatch: pytest.MonkeyPatch, fresh: Fresh
) -> None:  # fmt: skip
    for name, value in {**AWS, "AWS_ENDPOINT_URL": silent}.items():
        monkeypatch.setenv(name, value)
    assert remote.ANSWER_WITHIN <= 15
    monkeypatch.setattr(remote, "ANSWER_WITHIN", 0.5)
    fresh()
    start = time.monotonic()
    with pytest.raises(ServerError, match=r"no answer within 0\.5 seconds"):
        on_server("s3://films/a" if scheme == "s3" else f"{silent}/a").stat()
    assert time.monotonic() - start < 3  # at most two requests, none again


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_nobody_there(scheme: str, monkeypatch: pytest.MonkeyPatch, fresh: Fresh) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name, value in {**AWS, "AWS_ENDPOINT_URL": nobody}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    fresh()
    with pytest.raises(ServerError, match="nobody takes the connection"):
        on_server("s3://films/a" if scheme == "s3" else f"{nobody}/a").stat()


def test_a_server_without_ranges(web: Web) -> None:
    with zipfile.ZipFile(web.folder / "films.zip", "w") as archive:
        archive.writestr("a", os.urandom(200_000))
    web.ranges = False
    with pytest.raises(ServerError, match="range requests"), (on_server(web.url) / "films.zip").open() as file:
        zipfile.ZipFile(file)
