"""YAML as a task file has it: every key once, which YAML 1.2 demands (3.2.1.3) and PyYAML doesn't check."""

from __future__ import annotations

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
