"""One-file pages: nothing is fetched, nothing is taken for HTML, a screen reader finds its way."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest
from markupsafe import escape

from components.lib.page import Section, bullets, folded, page, paragraph, picture, prose, table, verdict, warning

HOSTILE = '<script>alert("x")</script>'


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def full_page() -> str:
    frame = pd.DataFrame({HOSTILE: [HOSTILE, None], "number": [0.123456, float("nan")], "count": [1200, 3]})
    blocks = (paragraph(HOSTILE), table(frame, HOSTILE), picture(b"\x89PNG", HOSTILE, HOSTILE), verdict(False, HOSTILE))
    return page(HOSTILE, HOSTILE, [Section(HOSTILE, blocks)], HOSTILE)


def test_nothing_given_is_taken_for_html() -> None:
    assert "script" not in {tag for tag, _ in Tags(full_page()).found}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set `clean.allowed` or `split:`.", "set <code>clean.allowed</code> or <code>split:</code>."),
        ("class `<script>` & co", "class <code>&lt;script&gt;</code> &amp; co"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
        ("<code>`</code>", "&lt;code&gt;`&lt;/code&gt;"),
        ("``<b>``", "`<code>&lt;b&gt;</code>`"),
        ("O`Brien <i>", "O`Brien &lt;i&gt;"),
        ("a``b", "a``b"),
        ("one `line\nanother` line", "one `line\nanother` line"),
    ],
)
def test_what_stands_between_backticks_is_code_and_all_is_escaped(text: str, shown: str) -> None:
    assert prose(text) == shown
    frame = pd.DataFrame({"a": [text], "b": [text]})
    blocks = (paragraph(text), table(frame, text), picture(b"", text, text), verdict(False, text), warning(text),
              bullets([text]), folded(text))  # fmt: skip
    html = page("Title", text, [Section("Section", blocks)], text)
    assert html.count(shown) == 11 + (shown == escape(text))  # an `alt` can hold no code
    assert {tag for tag, _ in Tags(html).found}.isdisjoint({"script", "b", "i"})


def test_nothing_is_fetched() -> None:
    for tag, attributes in Tags(full_page()).found:
        assert tag not in ("link", "iframe", "object")
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")


def test_it_is_accessible() -> None:
    tags = Tags(full_page()).found
    assert dict(tags)["html"] == {"lang": "en"}
    assert dict(tags)["img"]["alt"] == HOSTILE
    assert [tag for tag, _ in tags if tag in ("h1", "h2")] == ["h1", "h2"]
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")


def test_a_long_page_begins_with_a_list_that_leads_to_each_section() -> None:
    tags = Tags(page("Title", "", [Section(f"Part {i}", (paragraph(""),)) for i in range(9)])).found
    places = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert places == [f"#{attributes['id']}" for tag, attributes in tags if tag == "h2"]
    assert len(places) == 9
    assert "a" not in dict(Tags(full_page()).found)


def test_numbers_are_short_and_missing_values_are_dashes() -> None:
    html = full_page()
    assert '<td class="number">0.1235</td>' in html
    assert '<td class="number">1200</td>' in html
    assert html.count("–") == 2


def test_a_verdict_is_in_words_too() -> None:
    assert "Passed" in verdict(True, "all gates hold")
    assert "Failed" in verdict(False, "one gate doesn't")


def test_an_empty_table_and_no_banner() -> None:
    html = page("title", "", [Section("none", (table(pd.DataFrame({"a": []})),))])
    assert "<tbody>" in html
    assert 'class="banner"' not in html


def test_equal_content_gives_equal_bytes() -> None:
    assert full_page() == full_page()
