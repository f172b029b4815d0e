"""The key that signs registered versions, and a signature for a version that has none.

python -m pipelines.sign key [--public FILE]
python -m pipelines.sign version NAME/VERSION
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from components.lib.errors import DataError
from components.lib.signing import FILE_VARIABLE, fingerprint, key_file, load_keys, make_key, public_text
from components.lib.tracking import CHECKOUT, Run, client


def key(
    public: Annotated[
        Path | None, typer.Option(help="Also write the public key here, for machines that only check.")
    ] = None,
) -> None:
    """Make the key that signs this hospital's versions; an existing one is never overwritten."""
    path = key_file()
    if path.resolve().is_relative_to(CHECKOUT.resolve()):
        raise DataError(
            str(path), expected="a place outside the repository", found="one inside",
            todo=f"unset {FILE_VARIABLE}, or let it name another place",
        )  # fmt: skip
    if path.exists():
        print(f"{path} is there already")
    else:
        make_key(path)
        print(f"wrote {path}; keep a copy where nobody else can read it, never in git")
    keys = load_keys()
    assert keys is not None
    print(f"fingerprint {', '.join(map(fingerprint, keys.trusted))}")
    if public:
        public.write_text(public_text(keys), encoding="utf-8")
        print(f"wrote {public}: on machines that only serve, {FILE_VARIABLE} names it")


def version(model: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="A registered version.")]) -> None:
    """Sign the files that NAME/VERSION has now: only where you know that they are those that were registered."""
    from components.lib.registry import Registry, fetch

    keys = load_keys()
    if keys is None or keys.private is None:
        raise DataError(
            str(key_file()), expected="a private key to sign with", found="none",
            todo=f"python -m pipelines.sign key makes one; {FILE_VARIABLE} names it",
        )  # fmt: skip
    name, _, number = model.partition("/")
    store = client()
    with tempfile.TemporaryDirectory() as folder:
        fetch(f"models:/{model}", Path(folder), signed=False)
        Registry(Run(store, store.get_model_version(name, number).run_id), name).sign(number, Path(folder))
    print(f"{model}: signed with {fingerprint(keys.private.public_key())}")


if __name__ == "__main__":
    from components.lib.cli import run

    run(key=key, version=version)
