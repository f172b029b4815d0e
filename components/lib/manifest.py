"""The manifest of a registered version: every file with its SHA-256, signed where the hospital has a key.

It lies in the version as manifest.json, and its own SHA-256 stands in the registry as the version's tag `manifest`. So
who can write to the store of files alone is found out by the registry; who can write to both, by the signature.
A version checks itself when it is loaded, by code that could have been changed with it: what counts is the check by a
checkout, before any of the version's code is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.lib.digests import file_digest
from components.lib.errors import ModelError
from components.lib.signing import FILE_VARIABLE, fingerprint, load_keys

MANIFEST = "manifest.json"
TAG = "manifest"
BESIDE = (MANIFEST, "registered_model_meta")
"""What may lie there besides; MLflow writes the second with every download, and takes name and number from it."""
STRICT_VARIABLE = "MEDPIPE_SIGNED_ONLY"
"""Refuse a version without a manifest, too."""
FORMAT = 1
MOST_NAMED = 5
AGAIN = "download it again; if that doesn't help, somebody has written to the store: register the model again"


def write_manifest(folder: Path, name: str) -> str:
    """Write the manifest of a version's files beside them, signed where there is a private key.

    Args:
        folder: all files of a version.
        name: of the registered model.

    Returns:
        the SHA-256 of the manifest.
    """
    content: dict[str, Any] = {"format": FORMAT, "name": name, "files": digests(folder)}
    keys = load_keys()
    if keys is not None and keys.private is not None:
        signature = keys.private.sign(_signed(content))
        content |= {"key": fingerprint(keys.private.public_key()), "signature": signature.hex()}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def require_manifest(
    folder: Path,
    where: str,
    *,
    registered: str | None = None,
    name: str | None = None,
    loaded: bool = False,
    signed: bool = True,
) -> bool:
    """Refuse a version whose files aren't those of its manifest.

    Args:
        folder: all files of a version.
        where: what it is called in an error.
        registered: what the registry has as the SHA-256 of the manifest; None: nobody knows.
        name: of the registered model; None: nobody knows.
        loaded: its code is running: what Python keeps of it (`__pycache__`) isn't looked at.
        signed: refuse one that isn't signed by the hospital's key, where there is one.

    Returns:
        whether there is a manifest. One that was registered before there were any has none.

    Raises:
        ModelError: a file was changed, is missing or is too many; the manifest is another one than the registry names,
            or isn't signed by the hospital's key where there is one.
        DataError: the key can't be read.
    """
    keys = load_keys() if signed else None
    file = folder / MANIFEST
    if not file.is_file() or file.is_symlink():
        if registered is None and not os.environ.get(STRICT_VARIABLE):
            return False
        raise _refused(where, "none", f"a file {MANIFEST}")
    raw = file.read_bytes()
    if registered is not None and hashlib.sha256(raw).hexdigest() != registered:
        expected = f"the {MANIFEST} that the registry names, {registered[:12]}"
        raise _refused(where, f"another {MANIFEST}, {hashlib.sha256(raw).hexdigest()[:12]}", expected)
    content = _parsed(raw, where)
    if name is not None and content["name"] != name:
        raise _refused(where, f"the manifest of {content['name']}", f"the manifest of {name}")
    if keys is not None:
        told = str(content.get("signature", ""))
        if not told or keys.signer(_signed(content), bytes.fromhex(told)) is None:
            trusted = ", ".join(map(fingerprint, keys.trusted))
            found = f"a signature of another key ({content.get('key')}), or of another content" if told else "none"
            raise _refused(where, found, f"a signature of the key {trusted}", unsigned=True)
    if differing := [*_differing(content["files"], digests(folder, caches=not loaded))]:
        more = f" and {len(differing) - MOST_NAMED} more" if len(differing) > MOST_NAMED else ""
        raise _refused(where, "; ".join(differing[:MOST_NAMED]) + more, "the files that were registered")
    return True


def drop_caches(folder: Path) -> None:
    """Remove what Python has compiled of a version's code, from a copy of the version.

    Whoever loads a version where the store keeps it leaves that there, or puts code of their own in its place.
    """
    for cache in [*folder.rglob("__pycache__")]:
        if cache.is_dir() and not cache.is_symlink():
            shutil.rmtree(cache)


def warn_without(where: str) -> None:
    """Say that a version's files can't be checked."""
    print(f"{where} was registered before versions had manifests: nobody can tell whether its files were changed; "
          "python -m pipelines.sign version gives it one", file=sys.stderr)  # fmt: skip


def digests(folder: Path, *, caches: bool = True) -> dict[str, str]:
    """Every file below a folder, with `/`, and its SHA-256; of what is no regular file, what it is.

    Args:
        folder: all files of a version.
        caches: those in `__pycache__` too.
    """
    found: dict[str, str] = {}
    for place, folders, files in os.walk(folder):
        if not caches:
            folders[:] = [each for each in folders if each != "__pycache__"]
        for each in files + [each for each in folders if Path(place, each).is_symlink()]:
            path = Path(place, each)
            name = path.relative_to(folder).as_posix()
            if name not in BESIDE:
                found[name] = _digest(path)
    return dict(sorted(found.items()))


def _digest(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return "no regular file"
    return file_digest(path)


def _differing(expected: dict[str, str], found: dict[str, str]) -> Iterable[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} was added"
        elif found[name] != expected[name]:
            yield f"{name} was changed"


def _signed(content: dict[str, Any]) -> bytes:
    """What a signature is of."""
    kept = {key: content[key] for key in ("format", "name", "files")}
    return b"medpipe manifest\n" + json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def _parsed(raw: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
        bytes.fromhex(str(content.get("signature", "")))
        right = content["format"] == FORMAT and isinstance(content["name"], str)
        files = content["files"]
        right = right and all(isinstance(each, str) for pair in files.items() for each in pair)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        right = False
    if not right:
        raise _refused(where, f"a {MANIFEST} that can't be read", "a manifest of this format")
    return dict(content)


def _refused(where: str, found: str, expected: str, *, unsigned: bool = False) -> ModelError:
    sign = f"python -m pipelines.sign version signs what you trust, with the private key that {FILE_VARIABLE} names"
    return ModelError(where, expected=expected, found=found, todo=sign if unsigned else AGAIN)
