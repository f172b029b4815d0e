"""Every reader, one file per source format: what a task file's `source:` can name.

A new format is a new file in this folder: it is found here, and the task file's schema grows by it.
"""

from typing import TYPE_CHECKING

from components.lib.readers.base import ATTRIBUTES, Columns, Load, Source
from components.lib.settings import family, import_all

import_all(__name__, __path__)

if TYPE_CHECKING:
    AnySource = Source
else:
    AnySource = family(Source, "reader")

__all__ = ["ATTRIBUTES", "AnySource", "Columns", "Load", "Source"]
