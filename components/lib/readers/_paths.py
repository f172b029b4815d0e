"""Paths of an index and the files they mean, however they are spelt; the same for every reader and for pipelines.new.

A path that isn't there as written is taken for the one file
  - from which it differs in capitals, in how accents are composed, in "\\" for "/", in "./", in quotes or blanks around
    it, or in %20 for a blank,
  - whose absolute path it is,
  - before which all rows write one and the same folder, often the data's own,
  - whose last parts it is: `0001.png` for `images/0001.png`,
  - that it names without the extension.
Where two files could be meant, none is taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from components.lib.places import Place

ENDINGS = re.compile(
    r"\.(png|jpe?g|tiff?|bmp|dcm|dicom|ima|gif|webp|jp2|heic|avif|nii|nii\.gz|mha|mhd|nrrd|hea|dat|csv|parquet)$"
)
SEVERAL = ""
"""In place of a file: several could be meant."""


@dataclass(frozen=True)
class Resolved:
    """Paths of an index, and the files that they mean.

    Args:
        files: one a path: the file's relative path, or the path as it was where no file is meant.
        found: whether there is one, for each path.
        ambiguous: paths that could mean several files.
    """

    files: list[str]
    found: list[bool]
    ambiguous: int = 0


class Names:
    """The files below a folder, to be found by other spellings of their paths."""

    def __init__(self, names: Iterable[str], root: Place | None = None) -> None:
        """Take the names of all files.

        Args:
            names: relative to the folder, "/" between the parts.
            root: the folder; None: absolute paths are never taken.
        """
        self.there = {*names}
        roots = {root.absolute(), root.resolve()} if isinstance(root, Path) else set[Path]()
        self._roots = [f"{_spelling(str(each))}/" for each in roots]
        self._spelt: dict[str, str] = {}
        self._ends: dict[str, str] | None = None
        for name in self.there:
            _keep(self._spelt, _spelling(name), name)

    def resolve(self, listed: Sequence[str]) -> Resolved:
        """The files that the paths of an index mean."""
        plain = {each: self._plain(each) for each in dict.fromkeys(listed) if each not in self.there}
        before = self._before(plain) if len(plain) == len({*listed}) else ""
        meant = {each: self._meant(text, before) for each, text in plain.items()}
        files = [each if each in self.there else meant[each] or each for each in listed]
        return Resolved(
            files, [each in self.there for each in files], sum(meant.get(each) == SEVERAL for each in listed)
        )

    def _plain(self, text: str) -> str:
        """A path without what only spelling adds; an absolute one inside the folder becomes relative."""
        plain = _spelling(text)
        if "%" in plain and plain not in self._spelt:
            plain = _spelling(unquote(plain))
        return next((plain.removeprefix(root) for root in self._roots if plain.startswith(root)), plain)

    def _before(self, plain: dict[str, str]) -> str:
        """What all paths have before those of the files, with "/" at its end; "" where there is no such folder."""
        lost = [text for text in plain.values() if text not in self._spelt]
        if not lost or len(lost) < len(plain):
            return ""
        parts = lost[0].split("/")[:-1]
        for number in range(1 if parts[:1] != [""] else 2, len(parts) + 1):
            before = "/".join(parts[:number]) + "/"
            if not all(text.startswith(before) for text in lost):
                return ""
            if any(text[len(before) :] in self._spelt for text in lost):
                return before
        return ""

    def _meant(self, text: str, before: str) -> str | None:
        """The file; `SEVERAL` where it could be several, None where there is none."""
        if ".." in text.split("/") or not text:
            return None
        for each in dict.fromkeys((text.removeprefix(before), text)):
            if (exact := self._spelt.get(each)) is not None:
                return exact
        if text.startswith("/") or re.match(r"[a-z]:/", text):
            return None
        ends = self._by_end()
        for each in dict.fromkeys((text, text.removeprefix(before))):
            if (end := ends.get(each)) is not None:
                return end
        return None

    def _by_end(self) -> dict[str, str]:
        """Files by their last parts, with and without extension."""
        if self._ends is None:
            self._ends = {}
            for name in self.there:
                spelt = _spelling(name)
                parts = spelt.split("/")
                for start in range(len(parts)):
                    end = "/".join(parts[start:])
                    for each in {end, ENDINGS.sub("", end)}:
                        _keep(self._ends, each, name)
        return self._ends


def _keep(held: dict[str, str], key: str, name: str) -> None:
    held[key] = SEVERAL if held.get(key, name) != name else name


def _spelling(name: str) -> str:
    """A path without what systems spell differently: capitals, composed accents, the sign between folders."""
    text = unicodedata.normalize("NFC", name).strip().strip("'\"").replace("\\", "/").casefold()
    start = "/" if text.startswith("/") else ""
    return start + "/".join(part for part in text.removeprefix("file://").split("/") if part not in ("", "."))


def common_form(listed: Sequence[str]) -> str:
    """What most paths look like, without what they say: `aaaa/9999.png`."""
    forms = Counter(
        re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", ENDINGS.sub("", each.lower().replace("\\", "/"))))[:60]
        + (found[0] if (found := ENDINGS.search(each.lower())) else "")
        for each in listed
    )
    return forms.most_common(1)[0][0] if forms else ""
