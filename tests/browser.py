"""A page as headless Chromium shows it: what it complains of, and whether it fits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium isn't installed (Debian's package chromium)")

WRAPPER = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="found">nothing</pre><script>
const frame = document.createElement("iframe");
frame.style = "width: WIDTHpx; height: 800px; border: 0";
frame.onload = () => {
  const page = frame.contentDocument;
  const widest = Math.max(page.documentElement.scrollWidth, page.body.scrollWidth);
  const broken = [...page.images].filter(image => !image.naturalWidth).length;
  document.getElementById("found").textContent =
    JSON.stringify({widest, images: page.images.length, broken, sections: page.querySelectorAll("h2").length});
  frame.remove();
};
frame.srcdoc = CONTENT;
document.body.append(frame);
</script>"""


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    console: tuple[str, ...]
    """Messages on its console."""
    widest: int
    """Pixels from the left to the end of the widest thing that doesn't scroll by itself."""
    images: int
    broken: int
    """Images that it could not show."""
    sections: int


def look(page: Path, folder: Path, width: int, *, printed: bool = False) -> Seen:
    """Open a page without any network in a frame so many pixels wide; `printed`: by its style for paper."""
    html = page.read_text(encoding="utf-8")
    if printed:
        html = html.replace("@media print", "@media all")
    content = json.dumps(html).replace("</", "<\\/")
    wrapper = folder / "wrapper.html"
    wrapper.write_text(WRAPPER.replace("WIDTH", str(width)).replace("CONTENT", content), encoding="utf-8")
    done = _chromium(folder, "--virtual-time-budget=5000", "--dump-dom", wrapper.as_uri())
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    console = tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return Seen(console, **json.loads(found[1]))


def print_pdf(page: Path, folder: Path) -> bytes:
    """The page as the browser prints it."""
    out = folder / "page.pdf"
    _chromium(folder, f"--print-to-pdf={out}", "--no-pdf-header-footer", page.as_uri())
    return out.read_bytes()


def _chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
               f"--user-data-dir={folder / 'profile'}", *arguments]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
