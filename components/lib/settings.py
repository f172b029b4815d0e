"""Strict settings, and families of them: one file each, told apart by one key, found in their folder."""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, lt=1)]


class Settings(BaseModel):
    """Strict, frozen settings: an unknown key or a wrong type is an error, never a guess."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    by_position: ClassVar[Mapping[str, str]] = {}
    """Fields that are mappings whose order counts, to what their values are called where `lib.positions` lists them."""


def wrong(key: str, expected: str, found: str) -> PydanticCustomError:
    """A problem between two keys, told of the one that is named: pydantic would only know the section they stand in."""
    context = {"key": key, "expected": expected, "found": found}
    return PydanticCustomError("task", "{key}: expected {expected}, found {found}", context)


def import_all(package: str, path: Iterable[str]) -> None:
    """Import every public module of a package, so that the classes in them are known."""
    for module in pkgutil.iter_modules(path):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package}.{module.name}")


def concrete(base: type[Settings]) -> list[Any]:
    """The classes of settings below a base class that a task file can name, in alphabetical order."""
    found = [member for child in base.__subclasses__() for member in [child, *concrete(child)]]
    return sorted((each for each in found if not inspect.isabstract(each)), key=lambda each: each.__name__)


def family(base: type[Settings], key: str) -> Any:
    """One annotation for all settings below a base class, told apart by the value of `key`."""
    members = concrete(base)
    together = functools.reduce(operator.or_, members)
    return Annotated[together, Field(discriminator=key)] if len(members) > 1 else together
