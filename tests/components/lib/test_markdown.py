"""Text is text: whatever it holds, a reader of Markdown makes no tag, link, cell or heading of it."""

from __future__ import annotations

import pytest
from hostile import ITEMS, odd_signs, rendered
from hypothesis import given
from hypothesis import strategies as st

from components.lib import markdown as md
from components.lib.visible import visible

SIGNS = st.text(st.sampled_from("`*_[]()<>|\\~#!&;:/.-+=1 \n\tahwx\u202e\x1b"), max_size=40)
TEXTS = st.one_of(st.sampled_from(ITEMS), st.text(max_size=40), SIGNS)


def made(name: str, other: str) -> str:
    return md.blocks(
        md.heading(1, f"Title {name}"),
        md.paragraph(name),
        f"{name} and {other}",
        md.bold(f"x {name}."),
        md.bullets([name, other, "last"]),
        md.table((f"h {name}", "n"), [(name, other), (other, "1")]),
        md.folded(f"more {name}", f"inside {other}", md.code(name)),
        md.paragraph("End:", md.paragraphs(f"{name}\n\n{other}")),
    )


PLAIN = rendered(made("name", "other"))


@given(name=TEXTS, other=TEXTS)
def test_no_text_is_more_than_text(name: str, other: str) -> None:
    text = made(name, other)
    page = rendered(text)
    # Spans of code are meant; paragraphs without a sign are none.
    tags = {tag: number for tag, number in page.found.items() if tag not in ("code", "p", "strong", "li")}
    assert tags == {tag: number for tag, number in PLAIN.found.items() if tag not in ("code", "p", "strong", "li")}
    assert page.addresses == []
    assert odd_signs(text) == set()
    assert page.found["td"] == 4


@given(name=TEXTS)
def test_a_reader_sees_the_text_itself(name: str) -> None:
    seen = visible(" ".join(name.split()), keep="")
    if "`" in seen:  # a span of code has none of its own
        seen = seen.replace("`", "")
    for markdown in (md.paragraph(name), md.bullets([name]), md.heading(2, f"x {name}"), md.table(("a",), [[name]])):
        told = " ".join("".join(rendered(markdown).text).split()).replace("`", "")
        assert seen in told


@pytest.mark.parametrize("text", ["`evaluate.card.use`", "python `-m components.x --model … --data …` now"])
def test_a_span_of_code_stays_one(text: str) -> None:
    assert md.text(text) == text
    assert rendered(md.paragraph(text)).found["code"] == 1


@pytest.mark.parametrize("text", ["AUC 0.95 (0.90 to 0.99)", "false_positive_rate < 0.1", "R&D, 50%", "αβ – 胸部 😀"])
def test_plain_text_stays_readable(text: str) -> None:
    assert md.text(text).replace("&lt;", "<") == text


def test_what_is_markdown_already_is_not_escaped_again() -> None:
    assert md.blocks(md.bold("a*b"), md.paragraph(md.bold("x"), "*y*")) == "**a\\*b**\n\n**x** \\*y\\*"
    assert md.paragraphs("one\nline\n\nanother") == "one line\n\nanother"
