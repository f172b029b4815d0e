"""The hospital's key for registered versions: Ed25519 (RFC 8032), kept outside the repository.

`python -m pipelines.sign key` makes one. Who registers models has the private key; a machine that only serves them has
the public one, which `--public` writes, under the same variable. A file may hold several keys, one after the other: the
first private one signs, and each of them is trusted.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from components.lib.errors import DataError

FILE_VARIABLE = "MEDPIPE_SIGNING_KEY"
DEFAULT_FILE = Path("~/.config/medpipe/signing.key")
_KEY = re.compile(rb"-----BEGIN (PUBLIC|PRIVATE) KEY-----.*?-----END \1 KEY-----", re.DOTALL)


@dataclass(frozen=True)
class Keys:
    """Those of a file."""

    private: Ed25519PrivateKey | None
    """That signs; None: of a machine that only checks."""
    trusted: tuple[Ed25519PublicKey, ...]

    def signer(self, content: bytes, signature: bytes) -> str | None:
        """The fingerprint of the key that signed a content; None: none of these."""
        for key in self.trusted:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return fingerprint(key)
        return None


def key_file() -> Path:
    """Where the keys lie."""
    return Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE).expanduser()


def load_keys() -> Keys | None:
    """The keys; None where there is no file, and nobody named one.

    Raises:
        DataError: the named file isn't there, holds no such key, or holds a private one that others can read.
    """
    path = key_file()
    if not path.is_file():
        if os.environ.get(FILE_VARIABLE):
            raise _wrong(path, f"the file that {FILE_VARIABLE} names", "no such file")
        return None
    blocks = [found[0] for found in _KEY.finditer(path.read_bytes())]
    private, trusted = [], []
    for block in blocks:
        try:
            key = _key(block)
        except ValueError:
            raise _wrong(path, "Ed25519 keys in PEM", "a key that can't be read") from None
        if isinstance(key, Ed25519PrivateKey):
            private.append(key)
        trusted.append(key.public_key() if isinstance(key, Ed25519PrivateKey) else key)
    if not trusted:
        raise _wrong(path, "Ed25519 keys in PEM", "none")
    if private and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise DataError(
            str(path), expected="a private key that its owner alone can read, mode 0600", found="a file open to others",
            todo=f"chmod 600 {path}; who may have read it can sign versions: make another one if in doubt",
        )  # fmt: skip
    return Keys(private[0] if private else None, tuple(trusted))


def fingerprint(key: Ed25519PublicKey) -> str:
    """What may be shown of a key: 12 hex digits of the SHA-256 of the public half."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:12]


def public_text(keys: Keys) -> str:
    """The public keys as a file for machines that only check."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return "".join(key.public_bytes(serialization.Encoding.PEM, form).decode() for key in keys.trusted)


def make_key(path: Path) -> None:
    """Write a new private key into a file that isn't there, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _key(block: bytes) -> Ed25519PrivateKey | Ed25519PublicKey:
    key = (
        serialization.load_pem_private_key(block, None)
        if b"PRIVATE" in block.partition(b"\n")[0]
        else serialization.load_pem_public_key(block)
    )
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise ValueError("another kind of key")
    return key


def _wrong(path: Path, expected: str, found: str) -> DataError:
    return DataError(
        str(path),
        expected=expected,
        found=found,
        todo=f"python -m pipelines.sign key makes one; {FILE_VARIABLE} names it",
    )
