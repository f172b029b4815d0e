"""Versions that were registered before model.json kept the order of category columns, and answer wrongly.

Format 2 of model.json was written with sorted keys, so that the served code gives the network one category column in
place of another, unless they are in alphabetical order in the task file. A version carries its own code: nothing of
this checkout can correct it. The standard library alone, since `make doctor` asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

KEEPS_ORDER = 3
"""The first format of model.json that keeps it."""
MODEL_JSON, TASK_JSON = "artifacts/model/model.json", "task.json"
"""Below a version's artifacts, and below those of its run."""
MEND = (
    "dvc repro --force train in its workspace, then dvc repro, which registers a new version; then move the alias: "
    "python -c \"from components.lib.tracking import client; client().set_registered_model_alias('{name}', '{alias}', "
    "'NEW')\""
)


@dataclass(frozen=True)
class OldVersion:
    """A version that confuses columns.

    Args:
        name: of the registered model.
        version: its number.
        aliases: that lead to it.
        why: what is wrong, for people.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    why: str

    @property
    def mend(self) -> str:
        """What to do."""
        return MEND.format(name=self.name, alias=next(iter(self.aliases), "champion"))


def confused(model: Mapping[str, Any], task: Mapping[str, Any] | None) -> str:
    """Why a version's answers can't be right; empty where they can.

    Args:
        model: its model.json.
        task: the task file that its run kept; None: none, so that the order the network has isn't known.
    """
    if not isinstance(model.get("format"), int) or model["format"] >= KEEPS_ORDER:
        return ""
    for name, kind in (model.get("inputs") or {}).items():
        columns = [*(kind.get("categories") or {})] if kind.get("kind") == "table" else []
        if len(columns) < 2:
            continue
        trained = [*(((task or {}).get("inputs") or {}).get(name, {}).get("categories") or {})]
        if sorted(trained) == sorted(columns) and trained == sorted(trained):
            continue
        surely = "takes" if sorted(trained) == sorted(columns) else "may take"
        listed = ", ".join(trained or columns)
        return (
            f"{surely} the category columns of {name} for one another ({listed}): its format {model['format']} of "
            "model.json kept no order of columns"
        )
    return ""


def old_versions(store: sqlite3.Connection) -> Iterator[OldVersion]:
    """Those versions of MLflow's SQLite store that confuse columns, as far as their files are on this machine."""
    rows = store.execute(
        "select v.name, v.version, coalesce(m.artifact_location, v.source), r.artifact_uri from model_versions v"
        " left join logged_models m on v.source = 'models:/' || m.model_id left join runs r on r.run_uuid = v.run_id"
        " where coalesce(v.current_stage, '') != 'Deleted_Internal' order by v.name, v.version"
    ).fetchall()
    for name, version, artifacts, run in rows:
        model = _json(artifacts, MODEL_JSON)
        why = confused(model, _json(run, TASK_JSON)) if model else ""
        if why:
            aliases = store.execute(
                "select alias from registered_model_aliases where name = ? and version = ? order by alias",
                (name, version),
            )
            yield OldVersion(name, str(version), tuple(alias for (alias,) in aliases), why)


def without_manifest(store: sqlite3.Connection) -> dict[str, list[str]]:
    """Per registered model, its versions from before there were manifests: whether they were changed can't be told."""
    rows = store.execute(
        "select v.name, v.version from model_versions v left join model_version_tags t on t.name = v.name"
        " and t.version = v.version and t.key = 'manifest' where t.key is null"
        " and coalesce(v.current_stage, '') != 'Deleted_Internal' order by v.name, v.version"
    )
    found: dict[str, list[str]] = {}
    for name, version in rows:
        found.setdefault(name, []).append(str(version))
    return found


def _json(address: str | None, file: str) -> dict[str, Any] | None:
    """A JSON file below an artifact address; None where that is another machine's, or the file isn't there."""
    parts = urlsplit(address or "")
    if not address or ("://" in address and parts.scheme != "file"):
        return None
    place = Path(unquote(parts.path) if parts.scheme == "file" else address) / file
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
