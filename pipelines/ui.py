"""`make ui`: MLflow's pages, on loopback.

python -m pipelines.ui [--port 5000]
"""

from __future__ import annotations

import os
import sys

from components.lib.store_file import make_tables
from components.lib.tracking import home, tracking_uri


def command(port: int) -> list[str]:
    """The words of the command that serves the store; what lies in it is named by URL, whatever its path holds."""
    artifacts = (home() / "mlruns").as_uri()
    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking_uri(), "--artifacts-destination",
        artifacts, "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip


def main(port: int = 5000) -> None:
    """Serve MLflow's pages until interrupted."""
    make_tables(tracking_uri())
    print(f"MLflow at http://127.0.0.1:{port}", flush=True)
    os.execv(sys.executable, command(port))


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
