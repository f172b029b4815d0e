"""What a training run leaves so that it can be done again: the task without places, and the kind of machine."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from components.lib.spec import TaskSpec

TASK_FILE = "task.json"
NOT_RECORDED = "not recorded"


def task_document(spec: TaskSpec) -> str:
    """The task as a task file (JSON is YAML), as it was written: defaults are the code's. Where the raw data lie is
    left out, since it may name people."""
    values = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    values["source"]["path"] = NOT_RECORDED
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def machine() -> dict[str, str]:
    """Processor and cores of this machine as tags of a run: equal bytes are promised on equal ones."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return {"machine.processor": processor, "machine.cores": str(len(os.sched_getaffinity(0)))}
