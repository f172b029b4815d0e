"""How good the model is by patient, where a patient has several samples: one answer each, decided as patients are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate import counts
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result, ends, words
from components.lib.bootstrap import Design
from components.lib.gate_names import BY_PATIENT
from components.lib.kinds import Array
from components.lib.kinds._classes import Classes
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate

BOTH = (
    "A served answer is that to a sample. The figures by patient hold for whoever joins the answers to all samples of "
    "a patient by this rule and decides as is said above; those by sample are decided sample by sample, and their "
    "intervals count patients."
)


@dataclass(frozen=True)
class Patients:
    """The patients of one target who have samples whose truth is known, and a truth of their own."""

    samples: int
    everybody: int
    """Patients, those without a truth of their own among them."""
    output: NDArray[np.float64]
    """The answer to each of the others (P, units)."""
    truth: Array
    """Encoded (P, …)."""
    decision: Mapping[str, float]


def part(evaluated: Evaluated) -> Part:
    """A section and `patient_<metric>` for each target of which a patient has several samples; else nothing."""
    sections: list[Section] = []
    metrics: dict[str, Mapping[str, Estimate]] = {}
    for result in evaluated.results:
        if (patients := repeated(result)) is None:
            continue
        joined = of_patients(result, patients)
        found = result.kind.metrics(joined.output, joined.truth, joined.decision)
        metrics[result.target] = {f"{BY_PATIENT}{name}": _of_patients(each) for name, each in found.items()}
        blocks = [paragraph(_words(result, joined)), table(_rows(metrics[result.target], result)), paragraph(BOTH)]
        sections.append(Section(f"By patient: {result.title}", (*blocks, *_counts(result, joined))))
    return Part(tuple(sections), metrics=metrics)


def repeated(result: Result) -> NDArray[np.intp] | None:
    """Patients 0 … P-1 of the samples whose truth is known (n,); None where each is of another."""
    if result.patients is None:
        return None
    names, positions = np.unique(result.patients[result.known], return_inverse=True)
    return positions.astype(np.intp) if len(names) < len(positions) else None


def of_patients(result: Result, patients: NDArray[np.intp]) -> Patients:
    """Answer and truth of each patient, by the target's rule and by what was fitted on patients of validation.

    Args:
        result: one target on the test samples.
        patients: from `repeated`.
    """
    kind, fitted = result.kind, result.fitted.patients
    output = kind.patient_output(np.asarray(result.output)[result.known], patients, fitted)
    truth, has_one = kind.of_patients(result.encoded[result.known], patients)
    decision = fitted.decision if fitted else result.fitted.decision
    return Patients(len(patients), len(truth), output[has_one], truth[has_one], decision)


def _words(result: Result, joined: Patients) -> str:
    told = (
        f"{joined.samples:,} samples of {joined.everybody:,} patients; a sample whose patient is unknown counts as a "
        f"patient. {result.kind.patient_text(result.fitted.patients)} {_sentence(result.kind.patient_rule)}."
    )
    if left := joined.everybody - len(joined.truth):
        told += f" Left out: {left:,} {'patient' if left == 1 else 'patients'} whose samples differ in class."
    return told


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _counts(result: Result, joined: Patients) -> list[Markup]:
    """The patients of two classes in counts."""
    kind = result.kind
    if not isinstance(kind, Classes) or len(kind.class_names) != 2 or not len(joined.truth):
        return []
    label = kind.labels(joined.truth)
    open_ = np.zeros(len(label), bool)
    answers = counts.Answers(kind, kind.called(joined.output, joined.decision), label, Design.of(label, None), open_)
    return counts.tables(answers, "Patients, counted at their own threshold: true and false positives and negatives.")


def _of_patients(estimate: Estimate) -> Estimate:
    """Sentences of the kinds speak of samples; a note begins with how many there are."""
    return replace(estimate, meaning="", headline=False, note=estimate.note.replace(" sample", " patient", 1))


def _rows(found: Mapping[str, Estimate], result: Result) -> pd.DataFrame:
    rows = []
    for name, each in found.items():
        of_samples = result.metrics[name.removeprefix(BY_PATIENT)]
        metric = words(name.removeprefix(BY_PATIENT), result.kind)
        rows.append((metric, number(each.value), ends(each), str(each.n), str(of_samples), each.note))
    frame = pd.DataFrame(rows, columns=["Metric", "By patient", "95% interval", "n", "By sample", "Note"])
    return frame if frame["Note"].any() else frame.drop(columns="Note")
