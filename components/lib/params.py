"""params.yaml: which task a workspace runs."""

from __future__ import annotations

from pathlib import Path

from components.lib.errors import MedpipeError
from components.lib.yaml_text import read_yaml_file

PARAMS = "params.yaml"


def named_task(workspace: Path) -> Path:
    """The task file that a workspace's params.yaml names.

    Raises:
        MedpipeError: params.yaml is no YAML, or names none.
        OSError: it isn't there, or can't be read.
    """
    values = read_yaml_file(workspace / PARAMS)
    task = values.get("task") if isinstance(values, dict) else None
    if not isinstance(task, str) or not task:
        raise MedpipeError(
            str(workspace / PARAMS), expected="the key `task` with the path of a task file", found="none",
            todo="write `task: task.yaml` into it",
        )  # fmt: skip
    return workspace / task
