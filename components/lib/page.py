"""Building blocks of our one-file HTML pages: no script, nothing fetched, the same bytes for the same content; what
can't be seen or turns the direction of writing stands as its number.

A page is read on a screen, on a phone and on paper, by eye or by a screen reader.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from components.lib.visible import visible

SHORT = 28
"""Characters up to which a cell isn't broken."""
LISTED = 6
"""A page of more sections begins with a list of them."""
_CODE = re.compile(r"`([^`\n]+)`")

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: #fff; color: #1b1f24;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #d5dae0; font-size: 1.2rem; }
h3 { margin: 1.2rem 0 0; font-size: 1rem; }
.subtitle { margin: .3rem 0 0; color: #4a535e; }
.banner { margin: 0 0 1.2rem; padding: .6rem .9rem; background: #fff4ce; border: 1px solid #8a6100; color: #4d3600;
  font-weight: 600; }
p { margin: .6rem 0; max-width: 46rem; }
p.banner { max-width: none; }
ul { margin: .6rem 0; padding-left: 1.3rem; max-width: 46rem; }
li { margin: .25rem 0; }
p.verdict { padding: .5rem .9rem; border-left: .35rem solid; max-width: none; }
p.warning { padding: .5rem .9rem; border-left: .35rem solid #b26a00; background: #fff4ce; max-width: none; }
p.passed { border-color: #1a7f37; background: #e9f7ed; }
p.warned { border-color: #b26a00; background: #fff4ce; }
p.failed { border-color: #b3261e; background: #fdecea; }
nav { margin: 1.2rem 0 0; padding: .6rem .9rem; background: #f4f6f8; font-size: .92rem; }
nav ul { margin: 0; padding: 0; max-width: none; list-style: none; columns: 15rem; }
nav li { margin: 0; padding: .12rem 0; break-inside: avoid; }
nav a { color: #0b57a4; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { padding: 0 0 .3rem; text-align: left; color: #4a535e; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e7eb; }
thead th { border-bottom-color: #6b7682; white-space: nowrap; }
tbody th { font-weight: 600; }
td.number { text-align: right; }
.number, .short { white-space: nowrap; }
.long { min-width: 15rem; }
figure { display: inline-block; vertical-align: top; width: min(100%, 27.5rem); margin: .8rem .9rem .8rem 0; }
code { padding: 0 .2em; background: #eef1f4; font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
img { display: block; max-width: 100%; height: auto; }
figure.small { width: 9.5rem; }
figure.small img { width: 100%; image-rendering: auto; background: #000; }
figure.pair { width: 20rem; }
div.pair { display: inline-block; margin: 0 1.6rem .4rem 0; white-space: nowrap; }
div.pair figcaption { white-space: normal; overflow-wrap: anywhere; }
svg.bars { display: block; fill: #6b7682; }
figcaption { margin-top: .3rem; font-size: .88rem; color: #4a535e; }
details { margin: .6rem 0; }
summary { padding: .35rem 0; color: #0b57a4; cursor: pointer; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, tr, .verdict, .warning { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td, .number, .short { white-space: normal; }
  th, td { padding-right: .4rem; }
  .long { min-width: 0; }
  h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

_PAGE = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
{% if banner %}
<p class="banner" role="note">{{ banner }}</p>
{% endif %}
<header>
<h1>{{ title }}</h1>
<p class="subtitle">{{ subtitle }}</p>
</header>
{% if sections | length > listed %}
<nav aria-label="Contents">
<ul>
{% for section in sections %}
<li><a href="#section-{{ loop.index }}">{{ section.title }}</a></li>
{% endfor %}
</ul>
</nav>
{% endif %}
<main>
{% for section in sections %}
<section aria-labelledby="section-{{ loop.index }}">
<h2 id="section-{{ loop.index }}">{{ section.title }}</h2>
{% for block in section.blocks %}
{{ block }}
{% endfor %}
</section>
{% endfor %}
</main>
</body>
</html>
"""
)


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Markup, ...]


def prose(text: str) -> Markup:
    """Plain text in which what stands between backticks is code, as in our sentences; nothing is taken for HTML.

    Args:
        text: a sentence; Markup as it is. A backtick without its fellow stays, and so does a pair around nothing.
    """
    if isinstance(text, Markup):
        return text
    plain, *rest = _CODE.split(text)
    pieces = [escape(plain)]
    for code, after in zip(rest[::2], rest[1::2], strict=True):
        pieces += [Markup("<code>{}</code>").format(code), escape(after)]
    return Markup("").join(pieces)


def paragraph(text: str) -> Markup:
    """A paragraph of prose."""
    return Markup("<p>{}</p>").format(prose(text))


def bullets(lines: Sequence[str]) -> Markup:
    """A list of lines of prose."""
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(prose(line)) for line in lines))


def table(frame: pd.DataFrame, caption: str = "") -> Markup:
    """A table; its first column names the rows. Nothing in it is taken for HTML.

    Args:
        frame: the rows; floats are shown with four significant figures, missing values as a dash, texts as prose,
            Markup as it is.
        caption: a line above the table.
    """
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(str(name)) for name in frame.columns)
    body = Markup("\n").join(_row(row) for row in frame.itertuples(index=False, name=None))
    top = Markup("<caption>{}</caption>").format(prose(caption)) if caption else Markup("")
    return Markup(
        '<div class="scroll" tabindex="0"><table>{}\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody></table></div>'
    ).format(top, head, body)


def folded(summary: str, *blocks: Markup) -> Markup:
    """Blocks that are shown when somebody opens them.

    Args:
        summary: the line that is always shown, prose.
        blocks: what is below it.
    """
    return Markup("<details><summary>{}</summary>\n{}\n</details>").format(prose(summary), Markup("\n").join(blocks))


def link(text: str, section: int) -> Markup:
    """A link to a section of the page, counted from 1."""
    return Markup('<a href="#section-{}">{}</a>').format(section, text)


def picture(png: bytes, alt: str, caption: str = "") -> Markup:
    """A PNG inside the page.

    Args:
        png: the file's bytes.
        alt: what it shows, for who can't see it.
        caption: a line below it.
    """
    text = Markup("<figcaption>{}</figcaption>").format(prose(caption)) if caption else Markup("")
    return Markup('<figure><img alt="{}" src="data:image/png;base64,{}">{}</figure>').format(
        alt, base64.b64encode(png).decode("ascii"), text
    )


def thumbnail(png: bytes, alt: str, caption: str = "", *, pair: bool = False) -> Markup:
    """A small PNG in a row of others; `pair`: two pictures side by side, twice as wide."""
    return Markup(
        '<figure class="{}"><img alt="{}" src="data:image/png;base64,{}"><figcaption>{}</figcaption></figure>'
    ).format("pair" if pair else "small", alt, base64.b64encode(png).decode("ascii"), prose(caption))


def bars(counts: Sequence[int]) -> Markup:
    """A small bar chart of counts, for a cell of a table; empty where there are none."""
    highest = max(counts, default=0)
    if not highest:
        return Markup("")
    heights = [max(1, round(20 * count / highest)) if count else 0 for count in counts]
    drawn = Markup("").join(
        Markup('<rect x="{}" y="{}" width="6" height="{}"/>').format(7 * place, 20 - height, height)
        for place, height in enumerate(heights)
    )
    return Markup('<svg class="bars" role="img" aria-label="distribution" width="{}" height="20">{}</svg>').format(
        7 * len(counts), drawn
    )


def verdict(passed: bool, text: str, *, warnings: int = 0) -> Markup:
    """Passed, passed with warnings, or failed, in words and colour, and why."""
    name, word = ("passed", "Passed") if passed else ("failed", "Failed")
    if passed and warnings:
        name, word = "warned", f"Passed, with {warnings} warning{'' if warnings == 1 else 's'}"
    return Markup('<p class="verdict {}"><strong>{}.</strong> {}</p>').format(name, word, prose(text))


def warning(text: str) -> Markup:
    """What a reader must not miss."""
    return Markup('<p class="warning"><strong>Note.</strong> {}</p>').format(prose(text))


def page(title: str, subtitle: str, sections: Sequence[Section], banner: str = "") -> str:
    """The whole page as HTML.

    Args:
        title: heading of the page.
        subtitle: a line below it.
        sections: in order.
        banner: a warning above everything, e.g. that the data are synthetic.
    """
    # Our own style sheet is the one text that may not be escaped: it holds quotes.
    style = Markup(_STYLE)  # nosec B704  # a constant
    html = _PAGE.render(
        title=title,
        subtitle=prose(subtitle),
        sections=sections,
        banner=prose(banner),
        style=style,
        listed=LISTED,
    )
    return visible(html)


def with_section(html: str, section: Section, before: str) -> str:
    """A page that is written already, with one more section.

    Args:
        html: what `page` gave.
        section: the new one.
        before: the title of the section that it comes before; where there is none, it comes last.
    """
    name = "section-" + hashlib.sha256(section.title.encode()).hexdigest()[:8]
    title, before = visible(section.title), visible(before)
    body = Markup('<section aria-labelledby="{}">\n<h2 id="{}">{}</h2>\n{}\n</section>\n').format(
        name, name, title, visible(Markup("\n").join(section.blocks))
    )
    entry = Markup('<li><a href="#{}">{}</a></li>\n').format(name, title)
    heading = re.search(
        rf'<section aria-labelledby="[^"]+">\n<h2 id="([^"]+)">{re.escape(str(escape(before)))}</h2>', html
    )
    listed = heading and html.find(f'<li><a href="#{heading[1]}">')
    if heading is None:
        return html.replace("</main>", f"{body}</main>", 1)
    html = f"{html[: heading.start()]}{body}{html[heading.start() :]}"
    return html if listed in (None, -1) else f"{html[:listed]}{entry}{html[listed:]}"


def _row(values: tuple[object, ...]) -> Markup:
    first, *rest = values
    cells = [Markup('<th scope="row">{}</th>').format(_text(first))]
    cells += [Markup('<td class="{}">{}</td>').format(_look(value), _text(value)) for value in rest]
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


def _look(value: object) -> str:
    """Class of a cell: numbers to the right, short texts on one line, long ones wide enough to read on a phone."""
    if isinstance(value, int | float | np.number):
        return "number"
    return "short" if len(str(value)) <= SHORT else "long"


def _text(value: object) -> Markup:
    if isinstance(value, Markup):
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return Markup("–")
    return prose(f"{value:.4g}" if isinstance(value, float | np.floating) else str(value))
