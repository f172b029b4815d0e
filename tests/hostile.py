"""Names that would do something if anybody took them for more than text, and searches for whether anybody did."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from html.parser import HTMLParser

from markdown_it import MarkdownIt

SCRIPT = "<script>alert(1)</script>"
PICTURE = "![x](http://evil.example/x.png)"
FORMULA = '=HYPERLINK("http://evil.example")'
TERMINAL = "red \x1b[31m\x07"
TURNED = "benign\u202emalignant\u2066"
TABLE = "a | b\n| --- |\n# c"
ITEMS = (
    SCRIPT, PICTURE, FORMULA, TERMINAL, TURNED, TABLE, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "; =1",
    "<img src=x onerror=alert(1)>", "[link](javascript:alert(1))", "**bold** _x_ ~~y~~", "`code` ``", "<!-- ",
    "&lt;b&gt;", "</details><h1>", "# title", "> quoted", "- item", "1. item", "---", "===", "```", "~~~",
    "    indented", "\\", "\\|", "www.evil.example", "https://evil.example", "[x]: http://evil.example",
    "a\u2028b", "a\x85b", "a\r\nb", "é́",
)  # fmt: skip
MARKDOWN = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])


class Tags(HTMLParser):
    """The tags of a page, the addresses in it, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.found["!--"] += 1


def rendered(markdown: str) -> Tags:
    """What a reader of Markdown that lets HTML through makes of a text."""
    return Tags(MARKDOWN.render(markdown))


def odd_signs(text: str) -> set[str]:
    """Control characters and those that turn the direction or break a line unseen."""
    wanted = {"Cc", "Cf", "Zl", "Zp"}
    return {sign for sign in text if unicodedata.category(sign) in wanted and sign not in "\n\t\u200c\u200d"}


def formulas(text: str) -> list[str]:
    """Cells of a CSV file that a spreadsheet would take for a formula, whatever splits its cells."""
    found = []
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            found += [cell for cell in row if re.match(r"\s*[=+\-@|\t\r]", cell) and not is_number(cell)]
    return found


def is_number(cell: str) -> bool:
    """Whether a cell is a number, which may begin with a sign."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
