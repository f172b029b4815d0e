"""Step `phantom`: makes the synthetic raw data a task asks for."""

from __future__ import annotations

import importlib
from pathlib import Path

from components.lib.errors import DataError
from components.lib.output import output
from components.lib.spec import TaskSpec


def phantom(out: Path, spec: TaskSpec) -> None:
    """Write synthetic raw data.

    Args:
        out: the folder to write.
        spec: the task.

    Raises:
        DataError: the task asks for no phantom.
    """
    if spec.phantom is None:
        raise DataError("phantom", expected="a section `phantom:` in the task file", found="none",
                        todo="this step is for synthetic tasks; point source.path at your own data")  # fmt: skip
    with output(out, {"phantom": spec.phantom.model_dump(mode="json")}) as partial:
        importlib.import_module(f"components.phantom.{spec.phantom.kind}").__dict__[spec.phantom.kind](
            spec.phantom, partial
        )
