"""What tests of a served model share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asking import Caller, served
from workspaces import Workspace


@pytest.fixture(scope="session")
def films_url(tiny: Workspace) -> Iterator[str]:
    """A really started server of the tiny films' champion, for tests that do it no harm."""
    with served(tiny, "tiny_synthetic") as address:
        yield address


@pytest.fixture(scope="module")
def caller(films_url: str) -> Iterator[Caller]:
    """A connection to it."""
    with Caller(films_url) as made:
        yield made
