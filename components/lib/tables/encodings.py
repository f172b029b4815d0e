"""The encoding of a text: by its byte order mark, by strict decoding, else by charset-normalizer and what is likely."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable

BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
LIKELY = ("cp1252", "gb18030", "cp932")
"""Beside Unicode: Western Europe, China, Japan. Of what is written in another one, charset-normalizer is asked."""


def is_utf8(chunks: Iterable[bytes]) -> bool:
    """Whether bytes are UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 where a byte order mark or zero bytes say so, UTF-8 where its mark does."""
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    even, odd = head[0:2000:2], head[1:2000:2]
    if len(head) >= 4 and odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if len(head) >= 4 and even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def legacy(content: bytes) -> str:
    """The encoding of bytes that are no Unicode: charset-normalizer's choice, unless another one reads better.

    Args:
        content: lines with bytes beyond ASCII; a few thousand are enough.
    """
    from charset_normalizer import from_bytes

    scores = {name: _plausible(content, name) for name in LIKELY}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] >= 0.9 and all(score < scores[best] for name, score in scores.items() if name != best):
        return best
    found = from_bytes(content, cp_isolation=[*LIKELY]).best()
    if found is not None and found.encoding in scores and scores[found.encoding] >= 0.5:
        return found.encoding
    found = from_bytes(content).best()
    return found.encoding if found is not None else best


def _plausible(content: bytes, encoding: str) -> float:
    """Share of the characters beyond ASCII that people write in the languages of the encoding; 0: can't be decoded."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    strange = [(before, sign) for before, sign in zip(" " + text, text, strict=False) if ord(sign) > 127]
    if not strange:
        return 0.0
    return sum(_usual(before, sign, encoding) for before, sign in strange) / len(strange)


def _usual(before: str, sign: str, encoding: str) -> float:
    if encoding == "cp1252":
        # Letters stand one by one among ASCII letters; in pairs they are bytes of something else.
        if ord(before) > 127:
            return 0.2
        return 1.0 if unicodedata.category(sign) in ("Ll", "Lu") or sign in "°µ€–—’‘“”„«»²³±ß§ªº\u00a0" else 0.2
    name = unicodedata.name(sign, "")
    if encoding == "cp932" and name.startswith(("HIRAGANA", "KATAKANA")):
        return 1.0
    if name.startswith(("CJK UNIFIED", "FULLWIDTH", "IDEOGRAPHIC")) or sign in "，。、；：（）「」“”《》・ー％":
        return 0.97 if _first_level(sign, encoding) else 0.4
    return 0.1


def _first_level(sign: str, encoding: str) -> bool:
    """Whether a character is among the common ones, by the plane of the standard it stands in."""
    lead = sign.encode(encoding)[0]
    return 0xA1 <= lead <= 0xD7 if encoding == "gb18030" else 0x81 <= lead <= 0x97
