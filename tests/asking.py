"""Ask a really started server whatever one likes, over one connection that is kept alive."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from workspaces import Workspace

from components.lib.server import serve
from components.lib.spec import load_spec

JSON = "application/json"


@contextmanager
def served(workspace: Workspace, name: str, *, workers: int = 1, direct: bool = True) -> Iterator[str]:
    """The champion of a workspace behind a really started server; yields the URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", workspace.store)
        with serve(f"models:/{name}@champion", workers=workers, direct=direct) as address:
            yield address


def requests_of(workspace: Workspace, samples: pd.DataFrame) -> dict[str, list[Any]]:
    """The samples as a caller would send them: column to values."""
    spec = load_spec(workspace.path / "task.yaml")
    load = spec.source.opener(workspace.path / spec.source.path, spec.inputs)
    ((name, kind),) = spec.inputs.items()
    rows = [kind.to_request(name, load(s.file, int(s.row))) for s in samples.itertuples()]
    return {column: [row[column] for row in rows] for column in rows[0]}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    kind: str
    """Content type."""
    text: str

    @property
    def content(self) -> Any:
        """The JSON document; NaN and Infinity are none."""
        return json.loads(self.text, parse_constant=_refuse)

    @property
    def message(self) -> str:
        """Of a refusal, what stands behind MLflow's own words."""
        return str(self.content["message"]).rpartition("Error: ")[2]


class Caller:
    """One connection to `/invocations`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=90)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def post(self, body: Any, kind: str | None = JSON) -> Answer:
        """Send a document, or bytes as they are.

        A server ends connections that say nothing for five seconds; then another one is opened, once. Of a server that
        is gone it would be refused.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if kind is None else {"Content-Type": kind}
        try:
            return self._post(content, headers)
        except ConnectionError:
            self._connection.close()
            return self._post(content, headers)

    def _post(self, content: bytes, headers: dict[str, str]) -> Answer:
        self._connection.request("POST", "/invocations", content, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers.get("content-type", ""), response.read().decode())

    def pictures(self, *contents: bytes, **params: Any) -> Answer:
        """Send picture files, one a row."""
        records = [{"image": base64.b64encode(each).decode()} for each in contents]
        return self.post({"dataframe_records": records, **({"params": params} if params else {})})


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
