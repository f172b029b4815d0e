"""No regular expression of ours takes more time than a text is long: what comes from outside must not hold a worker.

Each is asked about texts that grow, made of what such expressions stumble over: long runs of one kind of character, or
of two in turns, that end in something which doesn't fit.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from time import perf_counter

import pytest

ROOT = Path(__file__).parents[1]
FUNCTIONS = {"match", "search", "sub", "findall", "split", "fullmatch", "finditer"}
SAME = {"findall": "search", "finditer": "search", "split": "search", "sub": "search"}
"""They go on behind what they find, as `seconds` does."""
OF_COLUMNS = {"match": "match", "contains": "search", "fullmatch": "fullmatch", "replace": "sub", "extract": "search"}
SHORT, LONG = 1_000, 4_000
"""Characters: four times as long may take four times as long, not sixteen times."""
ALLOWED = 0.0003
"""Seconds for the short text, below which nothing is compared: what takes its square takes several times as many."""
RUNS = ("1", "a", " ", "_", "-", ".", ",", "'", "/", "A", "1.", "1,", "a1", "a ", "a_", ".1", "1e", "> ", "aB", "11.0")
STARTS, ENDS = ("", "0.", "a"), ("x", "!", " ")


def sources() -> Iterator[tuple[Path, str]]:
    for name in ("components", "serving", "pipelines"):
        for file in sorted((ROOT / name).rglob("*.py")):
            yield file, file.read_text(encoding="utf-8")


def written() -> Iterator[tuple[str, str, int, str]]:
    """File and line, pattern, flags and how it is used, of every pattern that stands in the code as it is."""
    for file, text in sources():
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner, name, first = node.func.value, node.func.attr, node.args[0]
            of_re = isinstance(owner, ast.Name) and owner.id == "re" and name in FUNCTIONS
            of_column = isinstance(owner, ast.Attribute) and owner.attr == "str" and name in OF_COLUMNS
            if isinstance(first, ast.Call) and ast.unparse(first.func) == "re.compile":
                first = first.args[0]
            if (of_re or of_column) and isinstance(first, ast.Constant) and isinstance(first.value, str):
                flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(node) else 0
                use = OF_COLUMNS[name] if of_column else name
                yield f"{file.relative_to(ROOT)}:{node.lineno}", first.value, flags, SAME.get(use, use)


def kept() -> Iterator[tuple[str, str, int, str]]:
    """The same of every pattern that a module keeps, also where it is put together from pieces."""
    everything, methods = "\n".join(text for _, text in sources()), "|".join(sorted(FUNCTIONS))
    for file, text in sources():
        if "re.compile" not in text or file.name == "__main__.py" or file.parent.name == "train":
            continue  # what trains would load TensorFlow; its patterns are asked about errors
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                asked = rf"\b{name}\.({methods})\b"
                # One that is handed on is asked about whole cells.
                used = re.findall(asked, text) or re.findall(asked, everything) or ["fullmatch"]
                for use in {SAME.get(each, each) for each in used}:
                    yield f"{module.__name__}.{name}", value.pattern, value.flags & ~re.UNICODE, use


def seconds(pattern: re.Pattern[str], use: str, text: str) -> float:
    """For a text whole, as `sub` and `findall` go on behind what they find."""
    begun = perf_counter()
    if use == "search":
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, use)(text)
    return perf_counter() - begun


def slow(pattern: re.Pattern[str], use: str) -> str | None:
    """A text that takes more than its length, if one is found."""
    for start, run, end in product(STARTS, RUNS, ENDS):
        short = start + run * (SHORT // len(run)) + end
        if seconds(pattern, use, short) < ALLOWED or min(seconds(pattern, use, short) for _ in range(4)) < ALLOWED:
            continue
        long = start + run * (LONG // len(run)) + end
        if seconds(pattern, use, long) > 8 * min(seconds(pattern, use, short) for _ in range(4)):
            return f"{start!r} + {run!r} * n + {end!r}"
    return None


def test_no_expression_takes_the_square_of_a_text() -> None:
    found = {(pattern, flags, use): where for where, pattern, flags, use in [*written(), *kept()]}
    assert len(found) > 100
    bad = [
        f"{where}: {use} {pattern[:80]!r} by {text}" for (pattern, flags, use), where in found.items()
        if (text := slow(re.compile(pattern, flags), use))
    ]  # fmt: skip
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(("pattern", "use"), [(r"\d*\.\d*[1-9]\d*", "fullmatch"), (r"(\d+\.?\d*)x", "fullmatch"),
                                              (r"[a-z]+!", "search"), (r"(a+)+$", "search")])  # fmt: skip
def test_such_expressions_are_found(pattern: str, use: str) -> None:
    if pattern == r"(a+)+$":  # this one would take for ever on the long text: it is found on a short one
        assert seconds(re.compile(pattern), "search", "a" * 18 + "!") > seconds(re.compile(pattern), "search", "a" * 9)
    else:
        assert slow(re.compile(pattern), use)
