"""A really started server of a version is asked about the golden cases, before any alias leads there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import requests
from numpy.typing import NDArray

from components.lib.errors import ModelError
from components.lib.server import ANSWER_SECONDS, serve, session
from components.lib.shell_words import quoted
from components.register.cases import Cases

TOLERANCE = 1e-6
"""Largest difference of a probability, or of a number as a share of its scale, between server and evaluation."""


@dataclass(frozen=True)
class Golden:
    """What came of asking."""

    cases: int
    differing: tuple[str, ...]
    """sample_ids of those that were answered otherwise, or refused."""
    largest: float
    """Of all differences, as a share of their scales; infinite where a figure is missing or a case was refused."""
    p50: float
    """Milliseconds of a request about one case, one after the other, on this machine: the median."""
    p95: float

    @property
    def passed(self) -> bool:
        """Whether every case was answered as evaluate measured."""
        return not self.differing

    @property
    def failure(self) -> str:
        """How many differ, and how far, in words."""
        far = f"the largest difference is {self.largest:.2g}" if np.isfinite(self.largest) else "some have no answer"
        return f"{len(self.differing)} of {self.cases} golden cases differ; {far}, allowed is {TOLERANCE:g}"

    @property
    def tags(self) -> dict[str, str]:
        """What the version remembers."""
        told = {
            "golden_cases": str(self.cases), "golden_largest_difference": f"{self.largest:.2g}",
            "latency_p50_ms": f"{self.p50:.2f}", "latency_p95_ms": f"{self.p95:.2f}",
        }  # fmt: skip
        return told if self.passed else {**told, "golden_failed": self.failure}

    @property
    def metrics(self) -> dict[str, float]:
        """What its run remembers."""
        figures = {"golden_cases": float(self.cases), "latency_p50_ms": self.p50, "latency_p95_ms": self.p95}
        return figures | ({"golden_largest_difference": self.largest} if np.isfinite(self.largest) else {})

    def __str__(self) -> str:
        """For whoever runs the step."""
        speed = f"p50 {self.p50:.1f} ms, p95 {self.p95:.1f} ms"
        if self.passed:
            return f"golden cases: {self.cases} answered as measured, to {self.largest:.2g}; {speed}"
        return f"{self.failure}; sample_ids: {', '.join(self.differing[:5])}; {speed}"


def asked(model: str, cases: Cases) -> Golden:
    """Serve a version and ask about every case, one after the other: for the answer, and once more for the time.

    Args:
        model: models:/NAME/VERSION.
        cases: what to ask, and what should come.

    Raises:
        ModelError: the server doesn't start, or ends.
        DataError, ServerError: a case can't be read.
    """
    with serve(model, direct=True) as url, session() as connection:
        try:
            told = [(_answer(connection, url, body)[0], _answer(connection, url, body)[1]) for body in cases.bodies]
        except requests.RequestException as error:
            raise ModelError(
                f"a server of {model}",
                expected=f"an answer to each golden case within {ANSWER_SECONDS} s",
                found=f"none to one of them: {type(error).__name__}",
                todo=f"look whether memory ran out, then run the step again: dvc repro register; or serve it yourself:"
                f" mlflow models serve -m {quoted(str(model))} --env-manager local",
            ) from None
    answers, seconds = zip(*told, strict=True)
    apart = differences(cases, answers)
    differing = tuple(name for name, far in zip(cases.sample_ids, apart, strict=True) if not far <= TOLERANCE)
    p50, p95 = (float(1000 * np.quantile(seconds, share)) for share in (0.5, 0.95))
    return Golden(len(apart), differing, float(apart.max()), p50, p95)


def differences(cases: Cases, answers: Sequence[dict[str, Any] | None]) -> NDArray[np.float64]:
    """The largest difference of each case (N,), as a share of the scale; infinite for one without an answer (None), and
    where a figure is missing on one side alone."""
    table = pd.DataFrame([answer or {} for answer in answers]).reindex(columns=cases.figures.columns)
    found = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    known = cases.figures.to_numpy()
    apart = np.abs(found - known) / cases.scales
    apart[np.isnan(apart)] = np.inf
    apart[np.isnan(found) & np.isnan(known)] = 0
    apart[[answer is None for answer in answers]] = np.inf
    return np.asarray(apart.max(axis=1))


def _answer(connection: requests.Session, url: str, body: bytes) -> tuple[dict[str, Any] | None, float]:
    """The answer to one row, None where the server refuses it, and the seconds that it took."""
    start = time.perf_counter()
    response = connection.post(
        f"{url}/invocations", data=body, headers={"Content-Type": "application/json"}, timeout=ANSWER_SECONDS
    )
    seconds = time.perf_counter() - start
    # Why it refuses is not told: MLflow repeats in its message what was asked.
    return (response.json()["predictions"][0] if response.status_code == 200 else None), seconds
