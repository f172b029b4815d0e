"""Everything that is found out about a model on some samples, before any of it is written down."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluate import (
    agreement,
    bands,
    by_patient,
    calibration,
    duplicates,
    explanation,
    groups,
    ledger,
    notices,
    operating,
    outside,
    robustness,
    sets,
    shortcuts,
    sizes,
    smaller,
    surrogate,
    suspected,
    unknown,
)
from components.evaluate.baselines import Baseline, baselines
from components.evaluate.card_facts import CardFacts
from components.evaluate.cases import Cases, choose_cases
from components.evaluate.characteristics import TableOne, tables_one
from components.evaluate.gates import Gate, judge
from components.evaluate.part import Evaluated, Part
from components.lib.openings import Opening
from components.lib.statistics import Estimate
from components.lib.validate import audit, receipt

BASELINE_SEED = 0


@dataclass(frozen=True)
class Findings:
    """What was found, for the report, the card, the metrics and the gates."""

    evaluated: Evaluated
    opening: Opening | None
    """How often these samples were used; None: synthetic ones, which aren't counted."""
    receipt: tuple[str, ...]
    """The leak audit, in lines."""
    parts: tuple[Part, ...]
    """What each look found, in the order of the report."""
    gates: tuple[Gate, ...]
    cases: tuple[Cases, ...] | None
    """Single samples; None where they may not be shown."""
    baselines: tuple[Baseline, ...]
    """Plain models beside the network; none where there are no samples to fit them on."""
    name: str
    """What the model is called, of one that was fetched from the registry; else empty."""
    characteristics: tuple[TableOne, ...]
    """Of the samples of each split, and of the patients where they differ."""

    @property
    def metrics(self) -> dict[str, dict[str, Estimate]]:
        """Per target, all its figures."""
        return _metrics(self.evaluated, self.parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must not miss."""
        return tuple(warning for part in self.parts for warning in part.warnings)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Choices that nobody has confirmed."""
        return self.evaluated.assumed

    @property
    def patients_unknown(self) -> str:
        """What stands above everything else where no sample names its patient; empty where some do."""
        if any(self.evaluated.data.info.patients.values()):
            return ""
        return (
            "Patients unknown: no sample names its patient, so samples of one patient may be in several splits. These "
            "figures may be too good, and say little about new patients"
        )

    @property
    def facts(self) -> CardFacts:
        """What the model card says beside the model and its answers."""
        return CardFacts(
            self.gates, self.receipt, _of_looks(self.parts), self.warnings, self.opening, self.name,
            self.patients_unknown, tuple(limit for part in self.parts for limit in part.limits),
            self.characteristics, agreement.has_readers(self.evaluated),
        )  # fmt: skip


def find(evaluated: Evaluated, opening: Opening | None, name: str = "") -> Findings:
    """Look at a model's answers from all sides. The same answers give the same findings.

    Args:
        evaluated: the model, the samples and what it said of them.
        opening: of `ledger.open_test`.
        name: what the model is called, of one from the registry that is judged on other data; it gets no baselines,
            since nothing is fitted on those.
    """
    parts = (
        notices.part(evaluated),
        sizes.part(evaluated),
        duplicates.part(evaluated),
        suspected.part(evaluated),
        agreement.part(evaluated),
        sets.part(evaluated),
        bands.part(evaluated),
        operating.part(evaluated),
        by_patient.part(evaluated),
        groups.part(evaluated),
        calibration.part(evaluated),
        robustness.part(evaluated),
        outside.part(evaluated),
        unknown.part(evaluated),
        explanation.part(evaluated),
        *(() if name else (surrogate.part(evaluated),)),  # it would learn from samples that are judged here
        shortcuts.part(evaluated),
        smaller.part(evaluated),
        ledger.part(evaluated, opening),
    )
    network, data = evaluated.network, evaluated.data
    return Findings(
        evaluated=evaluated,
        opening=opening,
        receipt=tuple(receipt(audit(data.samples()))),
        parts=parts,
        gates=judge(_metrics(evaluated, parts), evaluated.spec.evaluate.gates, network.info.targets),
        cases=_cases(evaluated),
        baselines=() if name else baselines(data, network, evaluated.results, evaluated.arrays, seed=BASELINE_SEED),
        name=name,
        characteristics=tables_one(evaluated),
    )


def _cases(evaluated: Evaluated) -> tuple[Cases, ...] | None:
    """Single samples: of phantoms always, of real patients only when the task asks for them; None otherwise."""
    if not (evaluated.data.info.synthetic or evaluated.spec.evaluate.thumbnails):
        return None
    return tuple(
        choose_cases(result, evaluated.samples, evaluated.arrays, evaluated.network) for result in evaluated.results
    )


def _metrics(evaluated: Evaluated, parts: tuple[Part, ...]) -> dict[str, dict[str, Estimate]]:
    """Per target, the figures of its kind and those that the looks add."""
    looks = _of_looks(parts)
    return {result.target: {**result.metrics, **looks.get(result.target, {})} for result in evaluated.results}


def _of_looks(parts: tuple[Part, ...]) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for part in parts:
        for target, figures in part.metrics.items():
            found.setdefault(target, {}).update(figures)
    return found
