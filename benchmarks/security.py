"""Carries out attacks on medpipe and says which bounds hold; docs/security.md has the threats behind them.

    python -m benchmarks.security [GROUP …]      groups: files, server, text, steps; default all

Prints a table "attack | bound | found | held"; exit status 1 when a bound doesn't hold, or nothing was attacked.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.attacks import Attack

GROUPS = ("files", "server", "text", "steps")
Group = Callable[[Path], Iterator[Attack]]


def main(words: list[str]) -> int:
    """Carry out the attacks of the groups and print the table as it grows."""
    groups = found_groups()
    if not {*words} <= {*groups}:
        raise SystemExit(f"python -m benchmarks.security [GROUP …], of {', '.join(groups)}")
    print("| attack | bound | found | held |\n|---|---|---|---|", flush=True)
    attacks = []
    for attack in carried_out({name: groups[name] for name in words or groups}):
        attacks.append(attack)
        cells = (attack.attack, attack.bound, attack.found, "yes" if attack.held else "**no**")
        print("| " + " | ".join(_cell(text) for text in cells) + " |", flush=True)
    held = sum(attack.held for attack in attacks)
    print(f"{held} of {len(attacks)} attacks held off")
    return int(held < len(attacks) or not attacks)


def found_groups() -> dict[str, Group]:
    """The groups whose module is there."""
    folder = Path(__file__).parent / "attacks"
    there = [name for name in GROUPS if (folder / f"{name}.py").is_file()]
    return {name: importlib.import_module(f"benchmarks.attacks.{name}").attacks for name in there}


def carried_out(groups: Mapping[str, Group]) -> Iterator[Attack]:
    """The attacks of each group, in a temporary folder and with the environment that there was.

    A group that can't go on is a row that didn't hold.
    """
    environment = dict(os.environ)
    for name, attacks in groups.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                yield from attacks(Path(folder))
            except Exception as error:  # the other groups are carried out all the same
                yield Attack.failed(f"{name}: what was left of the group", "carried out", error)
            finally:
                os.environ.clear()
                os.environ.update(environment)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
