"""Folders with a name of every sign that a program may misread."""

from __future__ import annotations

import os
from pathlib import Path

ALL_AT_ONCE = "my 'films' \"x\" #1 & $(touch PWNED); touch PWNED; `touch PWNED` ${task} \\ % 100%(x)s {0} für 胸部 😀 "


def forget_links(below: Path) -> None:
    """Remove the links that were made where no plain path was to be had."""
    for link in Path(f"/var/tmp/medpipe-{os.getuid()}/links").glob("*"):
        if link.readlink().is_relative_to(below):
            link.unlink()
