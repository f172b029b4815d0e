"""Named settings whose order counts, as lists: a JSON object promises no order, a list does.

The fields of a cleaned row, the columns of a network's input and the classes of its output are known by their position
alone. Whoever writes their names writes a list; whoever compares two of them compares the order too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from components.lib.settings import Settings

NAME = "name"


def listed(named: Mapping[str, Settings]) -> list[dict[str, Any]]:
    """Named settings as a list of objects, each with its `name`; mappings inside that are `by_position` likewise."""
    return [{NAME: name, **_listed(settings)} for name, settings in named.items()]


def by_name(listed: object, kinds: Sequence[type[Settings]]) -> dict[str, Any]:
    """What `listed` made, as the mapping from name to the settings of a task file, in that order.

    Args:
        listed: as JSON has it.
        kinds: the classes of settings there may be, known by their `kind`.

    Raises:
        ValueError: it is no such list, or a name occurs twice.
    """
    found = _mapping(listed)
    for values in found.values():
        for field, value in _by_position(values.get("kind"), kinds).items():
            inner = _mapping(values.get(field, []))
            if not all({*each} == {value} for each in inner.values()):
                raise ValueError(f"{field}: a list of objects with {NAME} and {value}")
            values[field] = {name: each[value] for name, each in inner.items()}
    return found


def apart(one: Mapping[str, Settings], other: Mapping[str, Settings]) -> list[str]:
    """Names whose settings differ, order included; every name where the names themselves come in another order."""
    names = list(dict.fromkeys([*one, *other]))
    if [*one] != [*other] and {*one} == {*other}:
        return names
    return [name for name in names if name not in one or name not in other or _differ(one[name], other[name])]


def reordered(one: Mapping[str, Settings], other: Mapping[str, Settings]) -> bool:
    """Whether both hold the same in another order: DVC, which compares mappings, sees no change then."""
    return dict(one) == dict(other) and bool(apart(one, other))


def _differ(one: Settings, other: Settings) -> bool:
    return one != other or _listed(one) != _listed(other)


def _listed(settings: Settings) -> dict[str, Any]:
    values = settings.model_dump(mode="json")
    for field, value in settings.by_position.items():
        values[field] = [{NAME: name, value: each} for name, each in values[field].items()]
    return values


def _mapping(listed: object) -> dict[str, dict[str, Any]]:
    """Objects of a list by their names."""
    if not isinstance(listed, list) or not all(isinstance(each, dict) and NAME in each for each in listed):
        raise ValueError(f"a list of objects with a {NAME}")
    found = {str(each[NAME]): {key: value for key, value in each.items() if key != NAME} for each in listed}
    if len(found) < len(listed):
        raise ValueError(f"a list in which every {NAME} occurs once")
    return found


def _by_position(kind: object, kinds: Sequence[type[Settings]]) -> Mapping[str, str]:
    of = (each for each in kinds if kind in get_args(each.model_fields["kind"].annotation))
    return next((each.by_position for each in of), {})
