"""Servers of raw data on this machine: S3 by moto, and a web server that sends parts of files, or fails as told."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
from moto.server import ThreadedMotoServer

from components.lib import remote

AWS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


def forget_servers() -> None:
    """Open connections afresh: those of another test go to servers that are gone."""
    from s3fs import S3FileSystem

    remote._filesystem.cache_clear()
    S3FileSystem.clear_instance_cache()


@contextmanager
def s3_server() -> Iterator[str]:
    """The URL of an S3 server in this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    forget_servers()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass
class Bucket:
    """A bucket of the S3 server."""

    name: str
    endpoint: str

    @property
    def url(self) -> str:
        """As a task file names it."""
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes) -> str:
        """Write one object; its URL."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content)
        return f"{self.url}/{key}"

    def put_folder(self, folder: Path, prefix: str) -> str:
        """Write all files below a folder; the URL of the prefix."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"{self.url}/{prefix}"

    @property
    def _client(self) -> Any:
        return _client(self.endpoint)


@cache
def _client(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint)


def make_bucket(endpoint: str, words: str) -> Bucket:
    """A fresh bucket, whose name is made from some words."""
    made = Bucket("films-" + hashlib.sha256(words.encode()).hexdigest()[:12], endpoint)
    made._client.create_bucket(Bucket=made.name)
    return made


@dataclass
class Web:
    """A web server: the files of a folder, and how it shall fail."""

    folder: Path
    url: str = ""
    password: str = ""
    """What a request must bring, where it isn't empty."""
    refused: int = 0
    """Status of every answer, where it isn't 0."""
    cut: dict[str, int] = field(default_factory=dict)
    """Name of a file to how many of its next answers break off in the middle."""
    ranges: bool = True
    """Whether it sends parts of files."""
    asked: Counter[str] = field(default_factory=Counter)
    """Requests for the content of each file."""
    sent: int = 0
    """Bytes of content that it has sent."""


@contextmanager
def web_server(folder: Path) -> Iterator[Web]:
    """A web server of that folder, on a free port of this machine."""
    web = Web(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def _answer(self, *, with_content: bool) -> None:
        name = unquote(self.path.partition("?")[0]).lstrip("/")
        file = self.web.folder / name
        status = self.web.refused or self._stranger() or (200 if file.is_file() else 404)
        content = file.read_bytes() if status == 200 else b""
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'} if status == 200 else {}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.web.ranges else None
        if asked and status == 200:
            start, end = int(asked[1]), min(len(content), int(asked[2] or len(content)) + 1)
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{len(content)}"
            content = content[start:end]
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(header, value)
        self.end_headers()
        if not with_content:
            return
        self.web.asked[name] += 1
        if self.web.cut.get(name, 0) > 0:
            self.web.cut[name] -= 1
            content, self.close_connection = content[: len(content) // 2], True
        self.web.sent += len(content)
        self.wfile.write(content)

    def _stranger(self) -> int:
        """401 for somebody without the password."""
        word = base64.b64encode(f"doctor:{self.web.password}".encode()).decode()
        return 401 if self.web.password and self.headers.get("Authorization") != f"Basic {word}" else 0

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: tests read what is printed."""
