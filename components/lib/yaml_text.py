"""YAML as a task file has it: every key once, which YAML 1.2 demands (3.2.1.3) and PyYAML doesn't check; and values and
comments that stay in their line whatever text they hold."""

from __future__ import annotations

import unicodedata
from typing import Any

import yaml

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


class _Loader(yaml.SafeLoader):
    """Safe values alone, and no key twice."""

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
        yaml.YAMLError: no YAML.
    """
    return yaml.load(text, Loader=_Loader)


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
    return "".join(sign.encode("unicode_escape").decode() if is_odd(sign) else sign for sign in text)


def is_odd(sign: str) -> bool:
    """Whether a character breaks a line, can't be seen, or isn't one; joiners are letters' own in some scripts."""
    return sign not in "\u200c\u200d" and unicodedata.category(sign) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
