"""YAML as a task file has it: every key once, which YAML 1.2 demands (3.2.1.3) and PyYAML doesn't check; no more of it
than any task needs; and values and comments that stay in their line whatever text they hold."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from components.lib.errors import MedpipeError
from components.lib.visible import is_odd, visible

MAX_SIZE = 4_000_000
"""Bytes of a file, characters of a text."""
MAX_VALUES = 100_000
MAX_DEPTH = 64
MAX_DIGITS = 400
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
NOT_MADE = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)
MERGE = "tag:yaml.org,2002:merge"


class TwiceError(Exception):
    """A key stands twice in one mapping.

    Args:
        key: as it is written the second time.
        lines: of the first and of the second one, from 1.
    """

    def __init__(self, key: str, lines: tuple[int, int]) -> None:
        super().__init__(key, lines)
        self.key, self.lines = key, lines


class LimitError(yaml.YAMLError):
    """A document that would take more memory or time than any task needs; says what and where."""


class _Loader(yaml.SafeLoader):
    """Safe values alone, no key twice, and no more of them than any task needs, those that an alias repeats counted."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.count = 0
        self.sizes: dict[int, int] = {}
        """Values of every node that has an anchor, by its id; a node that is still being read has none."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        before = self.count
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self.sizes:
                raise LimitError(f"an alias in line {line} that stands for what it is part of")
            self.count += self.sizes[id(node)]
        else:
            self.depth += 1
            self.count += 1
            if self.depth > MAX_DEPTH:
                raise LimitError(f"more than {MAX_DEPTH} levels inside each other, in line {line}")
            node = super().compose_node(parent, index)
            self.depth -= 1
        if self.count > MAX_VALUES:
            raise LimitError(f"more than {MAX_VALUES:,} values, those counted that aliases repeat, in line {line}")
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self.sizes[id(node)] = self.count - before
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        # Python takes the square of the digits' number for some ways of writing them.
        if node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            raise LimitError(f"a number of more than {MAX_DIGITS} digits, in line {node.start_mark.line + 1}")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Here and not where values are made of it: `<<` has joined mappings by then, and may well repeat a key.
        node = super().compose_mapping_node(anchor)
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            if key.value in seen:
                raise TwiceError(key.value, (seen[key.value], line))
            seen[key.value] = line
        return node


def read_yaml(text: str) -> Any:
    """The plain values of a YAML document.

    Raises:
        TwiceError: a key stands twice in one mapping; the last would win silently.
        yaml.YAMLError: no YAML, or more of it than any task needs: over 4 MB, 100,000 values or 64 levels.
    """
    loader = _loader(text)
    try:
        return loader.get_single_data()
    except NOT_MADE as error:  # what PyYAML lets through of a value that isn't what its tag says
        raise yaml.YAMLError(f"a value that isn't what it is marked as: {error}") from None
    finally:
        loader.dispose()


def parsed_yaml(text: str) -> Any:
    """The nodes of a YAML document, with their places in the text; errors as of `read_yaml`."""
    loader = _loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def file_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        OSError: it isn't there, or can't be read.
        ValueError: it isn't UTF-8.
        LimitError: it is no regular file, from which reading might never end, or too large.
    """
    # A pipe that is opened otherwise waits for whoever writes into it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise LimitError("not a regular file")
        content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise _too_large()
    return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def read_yaml_file(path: Path) -> Any:
    """The plain values of a YAML file.

    Raises:
        MedpipeError: no YAML, no regular file, or more than any task needs.
        OSError: it isn't there, or can't be read.
    """
    try:
        return read_yaml(file_text(path))
    except (TwiceError, yaml.YAMLError, ValueError) as error:
        found = " ".join(str(error).split())
        raise MedpipeError(str(path), expected="YAML in UTF-8", found=found, todo="mend what it names") from None


def _loader(text: str) -> _Loader:
    if len(text) > MAX_SIZE:
        raise _too_large()
    return _Loader(text)


def _too_large() -> LimitError:
    return LimitError(f"more than {MAX_SIZE // 1_000_000} MB of text")


def one_line(value: Any) -> str:
    """A value as YAML in one line; whatever text it holds, reading gives the same value back."""
    if isinstance(value, dict) and value:
        return "{" + ", ".join(f"{one_line(key)}: {one_line(held)}" for key, held in value.items()) + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + ", ".join(map(one_line, value)) + "]"
    # A character that breaks the line, can't be seen or turns the writing direction stands as its number. In a list
    # the value is written as it must be inside braces.
    odd = isinstance(value, str) and any(map(is_odd, value))
    told = yaml.safe_dump(
        [value], default_flow_style=True, width=10**9, allow_unicode=not odd, default_style='"' if odd else None
    )
    return told.strip()[1:-1]


def in_comment(text: str) -> str:
    """A text that stays in its line of comment: characters that could end it stand as their numbers."""
    return visible(text, keep="")
