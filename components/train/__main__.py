"""`python -m components.train --help`."""

from __future__ import annotations

from components.lib.cli import run_step
from components.lib.quiet import quiet_import

if __name__ == "__main__":
    with quiet_import():
        from components.train.step import train
    run_step(train)
