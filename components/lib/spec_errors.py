"""What pydantic says of a task file, said in our four parts and with the nearest valid key."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from components.lib.errors import SpecError, nearest
from components.lib.kinds import AnyInput, AnyTarget
from components.lib.phantoms import AnyPhantom
from components.lib.readers import AnySource


def explain(path: Path, error: ValidationError, task: type[BaseModel]) -> SpecError:
    """The first problem that pydantic found in a task file, in our four parts; the number of others behind it.

    Args:
        path: the task file.
        error: what pydantic raised.
        task: the class it was held against.
    """
    problem = error.errors()[0]
    key = ".".join(_places(problem["loc"])) or "the task"
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "extra_forbidden":
        known = _keys_at(task, problem["loc"][:-1])
        return SpecError(
            f"{path}, {key}",
            expected=f"one of {', '.join(known)}",
            found=f"unknown key {problem['loc'][-1]!r}{nearest(str(problem['loc'][-1]), known)}{others}",
            todo="rename or remove the key",
        )
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_kind(path, problem, key, others)
    told = problem.get("ctx", {}) if problem["type"] == "task" else {}
    return SpecError(
        f"{path}, {told.get('key', key)}",
        expected=told.get("expected", problem["msg"].removeprefix("Value error, ")),
        found=told.get("found", str(problem.get("input"))[:80]) + others,
        todo=_advice(problem["type"], problem.get("input")),
    )


def _unknown_kind(path: Path, problem: Any, key: str, others: str) -> SpecError:
    """A `kind` or `reader` that is missing or that nobody knows."""
    told = problem["ctx"]
    name = str(told["discriminator"]).strip("'")
    listed = sorted(re.findall(r"'([^']*)'", told.get("expected_tags", "")))
    found = f"{told['tag']}{nearest(told['tag'], listed)}" if "tag" in told else f"no `{name}`"
    expected = f"one of {', '.join(listed)}" if listed else f"a `{name}`"
    return SpecError(f"{path}, {key}.{name}", expected=expected, found=found + others, todo="correct the value")


def _advice(problem: str, value: object) -> str:
    """What to do; two things that YAML reads otherwise than people do are named."""
    if problem == "float_type" and isinstance(value, str) and re.fullmatch(r"[-+]?\d+e[-+]?\d+", value, re.IGNORECASE):
        return "write the number with a point, 1.0e-3: YAML takes 1e-3 for text"
    if problem == "string_type" and isinstance(value, bool | int | float):
        return "put the value in quotes: YAML takes yes, no, on, off and figures for something else than text"
    return "correct the value; `python -m components.lib.spec --schema` lists what is allowed"


def _places(location: tuple[int | str, ...]) -> list[str]:
    """A location as the task file has it: pydantic adds the tag behind a place that takes one of several kinds."""
    tagged = {"inputs": 2, "targets": 2, "source": 1, "phantom": 1}.get(str(location[0]) if location else "", 0)
    tags = {tag for model in _models_in(AnyInput | AnyTarget | AnySource | AnyPhantom) for tag in _tags(model)}
    drop = tagged if tagged and len(location) > tagged and location[tagged] in tags else None
    return [str(part) for position, part in enumerate(location) if position != drop]


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    """The values of `kind`, or of a reader's `reader`, that stand for a class of settings."""
    field = model.model_fields.get("kind") or model.model_fields.get("reader")
    return get_args(field.annotation) if field else ()


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys allowed at a place in the task file."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {(f.alias or name): f.annotation for name, f in current.model_fields.items()}
            current = fields.get(str(part))
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        else:
            current = next((each for each in _models_in(current) if part in _tags(each)), None)
        current = _single(current)
    models = _models_in(current)
    return [f.alias or name for m in models for name, f in m.model_fields.items()]


def _single(annotation: Any) -> Any:
    """`X | None` and `Annotated[X, …]` as X, when there is one X."""
    if get_origin(annotation) is Annotated:
        return _single(get_args(annotation)[0])
    if get_origin(annotation) in (types.UnionType,):
        rest = [kind for kind in get_args(annotation) if kind is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in _models_in(argument)]
