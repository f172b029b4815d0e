"""Attacks that medpipe has to withstand, one module a group; each has `attacks(folder) -> Iterator[Attack]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """One attack, carried out: what it tried, what must not happen, what was found, and whether that bound held."""

    attack: str
    bound: str
    found: str
    held: bool

    @classmethod
    def tried(cls, attack: str, bound: str, carry_out: Callable[[], tuple[str, bool]]) -> Attack:
        """Carry it out; what it raises unasked is what was found, and the bound didn't hold.

        Args:
            attack: what is tried.
            bound: what must not happen, with its figure.
            carry_out: does it; returns what was found, in words, and whether the bound held.
        """
        try:
            found, held = carry_out()
        except Exception as error:  # the other attacks are carried out all the same
            return cls.failed(attack, bound, error)
        return cls(attack, bound, found, held)

    @classmethod
    def failed(cls, attack: str, bound: str, error: Exception) -> Attack:
        """The attack ended in an error that nobody expected."""
        return cls(attack, bound, " ".join(f"{type(error).__name__}: {error}".split())[:200], held=False)
