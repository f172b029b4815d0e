"""The examples of docs/serving.md, run against a server as a reader would run them."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.lib.tracking import CHECKOUT

PAGE = CHECKOUT / "docs" / "serving.md"
HERE = "http://localhost:5001"
LANGUAGES = {"sh": ["bash", "-euc"], "python": [sys.executable, "-c"]}


def section(title: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    found = re.search(rf"^(#+) {re.escape(title)}[^\n]*\n", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, title
    rest = PAGE.read_text(encoding="utf-8")[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def run_all(title: str, url: str, folder: Path) -> int:
    """Run the requests of a section, and hold each answer against the one that stands below it; how many there are.

    Args:
        title: of the section.
        url: of a server of the section's kind of model.
        folder: holds the files that the examples send.
    """
    blocks = re.findall(r"```(\w+)\n(.*?)```", section(title), re.DOTALL)
    requests = [(at, language, code) for at, (language, code) in enumerate(blocks) if "/invocations" in code]
    for at, language, code in requests:
        answer = ask(language, code, url, folder)
        if blocks[at + 1 : at + 2] and blocks[at + 1][0] == "json":
            told = json.loads(blocks[at + 1][1])["predictions"]
            assert [[*each] for each in answer] == [[*each] for each in told]
            nulls = [[name for name, value in each.items() if value is None] for each in answer]
            assert nulls == [[name for name, value in each.items() if value is None] for each in told]
    return len(requests)


def ask(language: str, code: str, url: str, folder: Path) -> list[dict[str, Any]]:
    """The predictions that a block of code prints."""
    code = code.replace(HERE, url).replace(HERE.removeprefix("http://"), url.removeprefix("http://"))
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(
        [*LANGUAGES[language], code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    # Python prints a dictionary in its own words.
    printed = json.loads(done.stdout) if language == "sh" else ast.literal_eval(done.stdout)
    assert "predictions" in printed, printed
    predictions: list[dict[str, Any]] = printed["predictions"]
    return predictions
