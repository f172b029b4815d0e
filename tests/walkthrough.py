"""Do what a page of docs/ says, in a copy of the checkout and with a home of one's own, and compare what comes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workspaces import CHECKOUT

from components.lib.server import free_port

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
VARIES = re.compile(f"(…|{NUMBER})")


class Walkthrough:
    """The fenced blocks of a page, one after the other, and the terminal that they are typed into."""

    def __init__(self, page: str, folder: Path) -> None:
        self.text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
        self.home, self.checkout = folder / "home", folder / "medpipe"
        self.home.mkdir()
        self.here = self.checkout
        self._after = 0
        _copy(self.checkout)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDPIPE", "MLFLOW"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {**kept, "HOME": str(self.home), "PATH": path, "PYTHONPATH": str(self.checkout)}

    def block(self, beginning: str = "") -> str:
        """The next block that begins so; those between are passed over."""
        for found in FENCED.finditer(self.text, self._after):
            if found[2].startswith(beginning):
                self._after = found.end()
                return found[2]
        raise AssertionError(f"no further block begins with {beginning!r}")

    def run(self, beginning: str, *, expect: bool = True, status: int = 0) -> str:
        """Type the next block that begins so; what it prints must be what the block behind it says."""
        command = self.block(beginning)
        printed = self.typed(command, status=status)
        if expect:
            require_told(self.block(), printed)
        return printed

    def typed(self, command: str, *, status: int = 0) -> str:
        """What a command prints; where it changes the folder, the next one begins there."""
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{command}\npwd > {self.home}/.here"], cwd=self.here, env=self._environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"{command}\n{done.stdout}"
        if status == 0:
            self.here = Path((self.home / ".here").read_text(encoding="utf-8").strip())
        return done.stdout

    def save(self, name: str, beginning: str, folder: Path | None = None) -> Path:
        """Save the next block that begins so."""
        path = (folder or self.here) / name
        path.write_text(self.block(beginning), encoding="utf-8")
        return path

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Do what the next block with `make serve` says, on a free port; ends with the server's end."""
        workspace = self.block("make serve").split("WORKSPACE=")[1].strip()
        told = self.block("serving ")
        port = free_port()
        # Not by make, which would set up an environment for the copy.
        command = f"exec python -u -m pipelines.serve {workspace} --port {port}"
        log = self.home / "server.log"
        with log.open("w") as file:
            server = subprocess.Popen(
                ["bash", "-c", command], cwd=self.checkout, env=self._environment, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            _wait(server, port, log)
            require_told(told.replace("5001", str(port)), log.read_text(encoding="utf-8"))
            yield port
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)

    def ask(self, port: int) -> str:
        """Type the next curl, to this port; the answer must be what the page says. Returns what was typed."""
        command = self.block("curl").replace("localhost:5001", f"127.0.0.1:{port}")
        require_told(" ".join(self.block().split()), self.typed(command))  # the page breaks the one line
        return command


def require_told(expected: str, printed: str) -> None:
    """Each line of a page stands in what was printed, in this order, with the same words and about the same numbers.

    `…` stands for anything, on a line of its own for any lines. A line that the page breaks goes on in the next one.
    Numbers may differ by a tenth of their size or by .1: training differs between machines in its last bits. Lines
    whose numbers differ are printed, so that `pytest -rP` says what to write into the page.
    """
    rest = [" ".join(line.split()) for line in printed.splitlines()]
    lines = [" ".join(line.split()) for line in expected.splitlines() if line.strip(" …")]
    joined: list[str] = []
    for line in lines:
        if joined and joined[-1].endswith(";"):
            joined[-1] += f" {line}"
        else:
            joined.append(line)
    for line in joined:
        found = next((n for n, other in enumerate(rest) if _alike(line, other)), None)
        assert found is not None, f"the page says:\n  {line}\nand no line from here on is like it:\n{printed}"
        if not re.fullmatch(".*".join(map(re.escape, line.split("…"))), rest[found]):
            print(f"page: {line}\nnow:  {rest[found]}")
        rest = rest[found + 1 :]


def _alike(line: str, other: str) -> bool:
    """Whether the words are the same, and the numbers about."""
    pieces = VARIES.split(line)  # every second one is a number or …
    pattern = [re.escape(piece) for piece in pieces]
    pattern[1::2] = ["(.*)" if piece == "…" else f"({NUMBER})" for piece in pieces[1::2]]
    found = re.fullmatch("".join(pattern), other)
    return bool(found) and all(
        told == "…" or _near(told, text) for told, text in zip(pieces[1::2], found.groups(), strict=True)
    )


def _near(one: str, other: str) -> bool:
    first, second = (float(text.replace(",", "")) for text in (one, other))
    return abs(first - second) <= max(0.1, 0.1 * abs(first))


def _copy(to: Path) -> None:
    """What git knows or would know of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, to / name)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        assert server.poll() is None, log.read_text(encoding="utf-8")
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))
