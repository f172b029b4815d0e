"""A task file's text: every value with its reason beside it."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from components.lib.errors import MedpipeError
from components.lib.yaml_text import in_comment, one_line, read_yaml
from pipelines.look.findings import ASSUMED, MORE_TO_COME, Draft
from pipelines.workspace import SECTIONS, with_sections

WIDTH = 118
CARD_HINT = (
    "",
    "# Without gates of its own a task asks for a model better than chance, and not miscalibrated beyond chance.",
    "# What only people can say of the model, for its card in the registry; in place of `evaluate: null` below:",
    "# evaluate:",
    "#   card: {intended_use: …, users: …, not_for: …, population: …, reference_standard: …, contact: …}",
)


def task_text(name: str, draft: Draft) -> str:
    """The task file, as people read it.

    Args:
        name: of the task.
        draft: the task, and why it is so.

    Raises:
        MedpipeError: read again, the text would say something else than the draft.
    """
    head = ["# Found in the data:"]
    for sentence in draft.found:
        if sentence in draft.assumed:
            continue
        said = in_comment(" ".join(sentence.split()))
        head += textwrap.wrap(said, WIDTH, initial_indent="#   ", subsequent_indent="#     ", break_on_hyphens=False)
    head.append("# Run it: dvc repro. All keys: python -m components.lib.spec --schema")
    body = [f"task: {one_line(name)}", "", *_assumed(draft)]
    for section, value in draft.values.items():
        body += ["", *_lines(section, value, section, draft.why, 0)]
    return _read_back(with_sections("\n".join([*head, *body, *CARD_HINT]) + "\n"), name, draft)


def _read_back(text: str, name: str, draft: Draft) -> str:
    """The text, where it says what was meant and nothing else: no name of a file or a label may set a key."""
    assumed = [sentence.removeprefix(ASSUMED) for sentence in draft.assumed]
    meant = {**dict.fromkeys(SECTIONS), "task": name, "assumed": assumed, **draft.values}
    held = read_yaml(text)
    for key in {*meant, *held}:
        if key not in held or key not in meant or held[key] != _plain(meant[key]):
            raise MedpipeError(
                f"the task file, {key}", expected="what was found in the data", found="another value once it is read",
                todo="rename what holds unusual characters; and report it, please: this is a fault of medpipe",
            )  # fmt: skip
    return text


def _plain(value: Any) -> Any:
    """A value as YAML gives it back."""
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    return [_plain(held) for held in value] if isinstance(value, list | tuple) else value


def _assumed(draft: Draft) -> list[str]:
    """The section `assumed`: one sentence per answer that nobody gave."""
    sentences = [sentence.removeprefix(ASSUMED) for sentence in draft.assumed]
    if not sentences:
        return [f"assumed: []  # choices that nobody was asked about: none so far. {MORE_TO_COME}"]
    why = "Choices that nobody was asked about. Check each one; remove its sentence once it is confirmed, keep the key."
    return [f"# {why}", *_long("", "assumed", sentences)]


def _lines(key: str, value: Any, place: str, why: dict[str, str], depth: int) -> list[str]:
    """One key with its value and its reason: beside it where there is room, above it where not."""
    indent = "  " * depth
    reason = "\n".join(map(in_comment, why.get(place, "").split("\n")))
    block = isinstance(value, dict) and bool(value) and depth < 3
    shown = "" if block else f" {one_line(value)}"
    line = f"{indent}{one_line(key)}:{shown}"
    lines = []
    if reason and "\n" not in reason and len(line) + len(reason) + 4 <= WIDTH:
        line = f"{line}  # {reason}"
    elif reason:
        for part in reason.split("\n"):
            lines += textwrap.wrap(
                part, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_on_hyphens=False
            )
    lines += [line] if len(line) <= WIDTH or not isinstance(value, list) else _long(indent, key, value)
    if block:
        for inner, held in value.items():
            lines += _lines(str(inner), held, f"{place}.{inner}", why, depth + 1)
    return lines


def _long(indent: str, key: str, values: list[Any]) -> list[str]:
    """A list that is too long for a line, one value each."""
    lines = [f"{indent}{one_line(key)}:"]
    for value in values:
        line = f"{indent}  - {one_line(value)}"
        lines += [line] if len(line) <= WIDTH else _folded(f"{indent}  ", value) or [line]
    return lines


def _folded(indent: str, value: Any) -> list[str]:
    """A long sentence of a list over several lines; none where YAML would read something else than the sentence."""
    if not isinstance(value, str):
        return []
    parts = textwrap.wrap(value, WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
    lines = [f"{indent}- >-", *(f"{indent}  {part}" for part in parts)]
    try:
        return lines if read_yaml("\n".join(lines)) == [value] else []
    except yaml.YAMLError:
        return []
