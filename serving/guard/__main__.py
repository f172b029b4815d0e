"""Serve the version in a folder behind the guard: `python -m pipelines.serve` and `make serve` start this."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from components.lib.cli import run
from components.lib.manifest import require_manifest, warn_without
from serving.guard.app import Guard
from serving.guard.limits import VARIABLE, limits
from serving.guard.pool import Pool
from serving.guard.protocol import guarded


def main(
    model: Annotated[Path, typer.Argument(help="The folder of a version.")],
    host: str = "127.0.0.1",
    port: int = 5001,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer, one request at a time each.")] = 1,
    limit: Annotated[list[str] | None, typer.Option(help=f"NAME=VALUE; or in the environment, {VARIABLE}.")] = None,
    remove: Annotated[bool, typer.Option(help="Remove the folder at the end.")] = False,
) -> None:
    """Serve a version until interrupted."""
    held = limits(limit or ())
    if not require_manifest(model, str(model)):
        warn_without(str(model))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is an open file
    # Arrow's own allocator reserves a gigabyte with the first request, which would count as what that request takes.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # which would be files that no manifest has
    connections = guarded(held)
    app = Guard(Pool(model.absolute(), workers, held), held, connections.open)
    # uvicorn ends as the signal would have: by default without what is below.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        uvicorn.run(
            app, host=host, port=port, http=connections, ws="none", lifespan="on", proxy_headers=False,
            server_header=False, timeout_keep_alive=3600,
        )  # fmt: skip
    finally:
        if remove:
            shutil.rmtree(model, ignore_errors=True)


if __name__ == "__main__":
    run(main)
