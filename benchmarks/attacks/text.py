"""Attacks by way of what is written: YAML, names of folders and classes, cells, links and pipes."""

from __future__ import annotations

import csv
import io
import os
import resource
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from markdown_it import MarkdownIt

from benchmarks.attacks import Attack
from components.lib import markdown as md
from components.lib.csv_file import write_csv
from components.lib.errors import MedpipeError
from components.lib.page import Section, page, paragraph, table
from components.lib.shell_words import quoted
from components.lib.spec import load_spec
from components.lib.yaml_text import read_yaml
from pipelines.look import Draft, Questions, task_text
from pipelines.new import create

CHECKOUT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 5.0, 100.0
NAMES = (
    "films;touch PWNED;", "$(touch PWNED)", "`touch PWNED`", "${task}", "$HOME", "a'b\"c", "\\'; touch PWNED; '", "-rf",
    "|touch PWNED", "&touch PWNED&", "a\\", "*", "~", "tab\there", "red\x1b[31m", "turn\u202eed", "{{$.inputs}}",
)  # fmt: skip
TEXTS = (
    "<script>alert(1)</script>", "![x](http://evil.example/x.png)", "[x](javascript:alert(1))", "a | b", "# title",
    "<img src=x onerror=alert(1)>", '=HYPERLINK("http://evil.example")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)",
    "\t=1", "x; =1", "red \x1b[31m\x07", "turn\u202eed\u2066", "a\u2028b\x85c", "</details>", "```", "<!-- ",
)  # fmt: skip
BREAKS = ("\u2028", "\u2029", "\x85", "\x1b", "\x0b", "\x0c", "\r", "\x1c", "\x00")


def attacks(folder: Path) -> Iterator[Attack]:
    """Every attack of this group, carried out in the folder."""
    bound = f"refused in {SECONDS:g} s, {MEGABYTES:g} MB more"
    for name, text in _documents().items():
        task = folder / "task.yaml"
        task.write_text(text, encoding="utf-8")
        yield Attack.tried(f"task file: {name}, {len(text):,} characters", bound, lambda task=task: _refused(task))
    for kind, lay in {"a named pipe": os.mkfifo, "/dev/zero": lambda path: path.symlink_to("/dev/zero")}.items():
        task = folder / kind.replace("/", "_")
        lay(task)
        yield Attack.tried(f"task file: {kind}", bound, lambda task=task: _refused(task))
    yield Attack.tried(f"{len(NAMES)} names of folders as words of a shell", "each one word, nothing run",
                       lambda: _shell(folder))  # fmt: skip
    yield Attack.tried(f"labels with {len(BREAKS)} signs that break a line set `clean.maximum_rejected`",
                       "the task file says what was found, or is refused", _labels)  # fmt: skip
    yield Attack.tried(
        f"{len(TEXTS)} class names in a model card", "no tag, no address, no cell, no odd sign", _markdown
    )
    yield Attack.tried(f"{len(TEXTS)} class names on a page", "no tag, no odd sign", _page)
    yield Attack.tried(f"{len(TEXTS)} class names in a CSV file", "no formula, no odd sign", lambda: _csv(folder))
    yield Attack.tried("a class name on the terminal", "no odd sign", lambda: _terminal(folder))
    for number, (name, lay) in enumerate(_STRANGE.items()):
        data = _films(folder / f"films{number}")
        lay(data, folder)
        yield Attack.tried(f"data folder: {name}", f"refused in {SECONDS:g} s", lambda data=data: _data(data))


def _documents() -> dict[str, str]:
    width = 9
    bomb = f"a0: &a0 [{','.join('x' * width)}]\n" + "\n".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]" for n in range(1, 19)
    )
    return {
        "aliases of aliases": bomb, "an alias of itself": "task: &a [*a]", "20,000 brackets": "task: " + "[" * 20_000,
        "20,000 braces": "{a: " * 20_000, "a number of 200,000 parts": "task: " + "1:" * 200_000 + "1",
        "5 MB": "# " + "x" * 5_000_000, "a tag that isn't so": "task: !!timestamp x",
    }  # fmt: skip


def _refused(task: Path) -> tuple[str, bool]:
    """What reading a task file takes, in a process of its own."""
    code = (
        "import resource, sys, time; from pathlib import Path; from components.lib import spec\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000\n"
        "before, start = used(), time.monotonic()\n"
        "try: spec.load_spec(Path(sys.argv[1])); print('read')\n"
        "except spec.SpecError: print('refused', time.monotonic() - start, used() - before)\n"
    )
    limit = 60
    done = subprocess.run(
        [sys.executable, "-c", code, str(task)], cwd=CHECKOUT, capture_output=True, text=True, timeout=limit,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)),
    )  # fmt: skip
    words = done.stdout.split()
    if done.returncode or words[:1] != ["refused"]:
        return (done.stdout + done.stderr[-120:]).strip() or f"status {done.returncode}", False
    seconds, megabytes = map(float, words[1:])
    return f"refused, {seconds:.2f} s, {megabytes:.0f} MB", seconds < SECONDS and megabytes < MEGABYTES


def _shell(folder: Path) -> tuple[str, bool]:
    empty = folder / "empty"
    empty.mkdir()
    script = " ".join(map(quoted, ["printf", "%s\\0", *NAMES]))
    done = subprocess.run(["sh", "-c", script], cwd=empty, capture_output=True, check=True)
    told, made = done.stdout.decode("utf-8").split("\0")[:-1], [*empty.iterdir()]
    return f"{len(told)} words, {len(made)} files made", told == [*NAMES] and not made


def _labels() -> tuple[str, bool]:
    held = 0
    for sign in BREAKS:
        reason = f"label{sign}clean: {{maximum_rejected: 0.9}}{sign}"
        values = {"source": {"path": "/x", "labels": {reason: [reason]}}}
        draft = Draft(values, [reason], {"source": reason, "source.path": reason})
        try:
            found = read_yaml(task_text("films", draft))
        except MedpipeError:
            held += 1
        else:
            held += found["clean"] is None and found["source"] == values["source"]
    return f"{held} of {len(BREAKS)}", held == len(BREAKS)


def _markdown() -> tuple[str, bool]:
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    wrong = [name for name in TEXTS if _shape(reader, name) != _shape(reader, "name")]
    return f"{len(TEXTS) - len(wrong)} of {len(TEXTS)} as text", not wrong


def _shape(reader: MarkdownIt, name: str) -> list[str]:
    text = md.blocks(md.heading(1, name), name, md.bold(name), md.bullets([name]), md.table((name, "n"), [(name, "1")]),
                     md.folded(name, name))  # fmt: skip
    odd = ["odd"] if _odd(text) else []
    return odd + [part.split(">")[0] for part in reader.render(text).split("<")[1:]]


def _page() -> tuple[str, bool]:
    def shape(name: str) -> list[str]:
        html = page(name, name, [Section(name, (paragraph(name), table(pd.DataFrame({name: [name]}))))], name)
        return (["odd"] if _odd(html) else []) + [part.split(">")[0].split('"')[0] for part in html.split("<")[1:]]

    wrong = [name for name in TEXTS if shape(name) != shape("name")]
    return f"{len(TEXTS) - len(wrong)} of {len(TEXTS)} as text", not wrong


def _csv(folder: Path) -> tuple[str, bool]:
    write_csv(pd.DataFrame(dict.fromkeys(TEXTS, TEXTS)), folder / "table.csv")
    text = (folder / "table.csv").read_bytes().decode("utf-8")
    cells = [cell for mark in ",;\t" for row in csv.reader(io.StringIO(text), delimiter=mark) for cell in row]
    formulas = [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "|"))]
    return f"{len(formulas)} formulas", not formulas and not _odd(text)


def _terminal(folder: Path) -> tuple[str, bool]:
    program = folder / "program.py"
    program.write_text(
        "from components.lib.cli import run\nfrom components.lib.errors import DataError\n\n"
        "def main(name: str) -> None:\n    print(name)\n"
        "    raise DataError(name, expected=name, found=name, todo=name)\n\nrun(main)\n"
    )
    told = ""
    for name in (each for each in TEXTS if not each.startswith("-")):
        done = subprocess.run(
            [sys.executable, str(program), name], cwd=CHECKOUT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
        told += done.stdout + done.stderr
    return f"{len(_odd(told))} odd signs in {len(told):,} characters", bool(told) and not _odd(told)


def _odd(text: str) -> set[str]:
    return {sign for sign in {*text} if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") and sign not in "\n\t"}


def _films(data: Path) -> Path:
    for number in range(60):
        file = data / ("sick", "well")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40), np.uint8)
        file.write_bytes(bytes(cv2.imencode(".png", pixels)[1]))
    return data


def _pipe(data: Path, _: Path) -> None:
    os.mkfifo(data / "sick/pipe.png")


def _zero(data: Path, _: Path) -> None:
    (data / "sick/zero.png").symlink_to("/dev/zero")


def _link(data: Path, folder: Path) -> None:
    (folder / "stranger.png").write_bytes((data / "well/1.png").read_bytes())
    (data / "sick/stranger.png").symlink_to(folder / "stranger.png")


def _folder_link(data: Path, folder: Path) -> None:
    (data / "sick/all").symlink_to(folder)


_STRANGE: dict[str, Callable[[Path, Path], None]] = {
    "a named pipe": _pipe, "a link to /dev/zero": _zero, "a link to a stranger's film": _link,
    "a link to the folder above": _folder_link,
}  # fmt: skip


def _data(data: Path) -> tuple[str, bool]:
    """Whether a workspace is refused, and soon."""

    def late(*_: object) -> None:
        raise TimeoutError

    before, start = signal.signal(signal.SIGALRM, late), time.monotonic()
    signal.alarm(60)
    try:
        create(data, data.with_name(f"{data.name} workspace"), "films", Questions())
    except MedpipeError as error:
        seconds = time.monotonic() - start
        return f"refused, {seconds:.2f} s: {error.found}", seconds < SECONDS
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return f"read; task: {load_spec(data.with_name(f'{data.name} workspace') / 'task.yaml').task}", False
