"""Settings of the phantoms, one file each: data made by a program, for demonstrations and tests.

They live here because the task file names them, and what reads the task file imports no step; `components.phantom`
makes the data. A new phantom is a new file here, and one of the same name there.
"""

from typing import TYPE_CHECKING

from components.lib.phantoms.base import Phantom
from components.lib.settings import family, import_all

import_all(__name__, __path__)

if TYPE_CHECKING:
    AnyPhantom = Phantom
else:
    AnyPhantom = family(Phantom, "kind")

__all__ = ["AnyPhantom", "Phantom"]
