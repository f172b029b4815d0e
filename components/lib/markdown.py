"""The one writer of Markdown: text is text, whatever signs it holds; only what these functions return is Markdown.

For readers as different as GitHub's, MLflow's and a bare CommonMark one: no text makes HTML, a picture, a link, a cell,
a heading or a list. A short span of code between backticks stays one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from components.lib.visible import visible


class Markdown(str):
    """Markdown; all other text is escaped before it becomes a part of it."""

    __slots__ = ()


_CODE = re.compile(r"(?<![`\\])(`[\w .:=/,{}()'\"…–@+-]{1,200}`)(?!`)")
"""A span of code that no sign in it can end, and that ends no cell."""
_MARKS = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_STARTS = re.compile(r"[#>=+-]|\d{1,9}(?=[.)])")
"""What makes a line a heading, a quotation or an item of a list."""


def text(content: str) -> Markdown:
    """A text in one line, in which nothing is Markdown but spans of code; Markdown as it is."""
    if isinstance(content, Markdown):
        return content
    line = visible(" ".join(content.split()), keep="")
    parts = _CODE.split(line)
    return Markdown("".join(part if place % 2 else _plain(part) for place, part in enumerate(parts)))


def _plain(part: str) -> str:
    part = re.sub(r"&(?=#?\w+;)", "&amp;", part)
    part = _MARKS.sub(lambda found: f"\\{found[0]}", part).replace("<", "&lt;")
    # Some readers make links of bare addresses.
    return re.sub(r"(?i)(www)\.", r"\1\\.", part.replace("://", ":\\//"))


def paragraph(*parts: str) -> Markdown:
    """A paragraph of texts, with a blank between them."""
    line = " ".join(each for each in map(text, parts) if each)
    if isinstance(parts[0], Markdown):
        return Markdown(line)
    start = _STARTS.match(line)
    if start is None:
        return Markdown(line)
    escaped = f"{start[0]}\\" if start[0].isdigit() else f"\\{start[0]}"
    return Markdown(escaped + line[start.end() :])


def paragraphs(content: str) -> Markdown:
    """A text of several paragraphs, with an empty line between them."""
    return blocks(*(paragraph(each) for each in re.split(r"\n\s*\n", content.strip())))


def bold(content: str) -> Markdown:
    """A text in bold."""
    return Markdown(f"**{text(content)}**")


def heading(level: int, content: str) -> Markdown:
    """A heading; level 1 is the title."""
    inside = re.sub(r"#+$", lambda found: f"\\{found[0]}", text(content))  # else they would end the heading
    return Markdown(f"{'#' * level} {inside}")


def bullets(lines: Iterable[str]) -> Markdown:
    """A list, an item a line."""
    return Markdown("\n".join(f"- {paragraph(line)}" for line in lines))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markdown:
    """A table of texts."""
    lines = [[text(cell) for cell in line] for line in (head, *rows)]
    lines.insert(1, [Markdown("---")] * len(head))
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def code(content: str, language: str = "") -> Markdown:
    """A block of code, as it is."""
    longest = max(map(len, re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}{language}\n{visible(content)}\n{fence}")


def folded(summary: str, *inside: str) -> Markdown:
    """Blocks that are shown when somebody opens them."""
    return blocks(Markdown(f"<details><summary>{text(summary)}</summary>"), *inside, Markdown("</details>"))


def blocks(*parts: str) -> Markdown:
    """Blocks with an empty line between them; texts become paragraphs."""
    return Markdown("\n\n".join(part if isinstance(part, Markdown) else paragraph(part) for part in parts))
