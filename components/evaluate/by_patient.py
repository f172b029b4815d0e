"""How good the model is by patient, where a patient has several samples: one answer each, of their mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result, ends, words
from components.lib.gate_names import BY_PATIENT
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate


def part(evaluated: Evaluated) -> Part:
    """A section and `patient_<metric>` for each target of which a patient has several samples; else nothing."""
    sections: list[Section] = []
    metrics: dict[str, Mapping[str, Estimate]] = {}
    for result in evaluated.results:
        if (patients := repeated(result)) is None:
            continue
        found, told = _measured(result, patients)
        metrics[result.target] = found
        sections.append(Section(f"By patient: {result.title}", (paragraph(told), table(_rows(found, result)))))
    return Part(tuple(sections), metrics=metrics)


def repeated(result: Result) -> NDArray[np.intp] | None:
    """Patients 0 … P-1 of the samples whose truth is known (n,); None where each is of another."""
    if result.patients is None:
        return None
    names, positions = np.unique(result.patients[result.known], return_inverse=True)
    return positions.astype(np.intp) if len(names) < len(positions) else None


def _measured(result: Result, patients: NDArray[np.intp]) -> tuple[dict[str, Estimate], str]:
    """The kind's metrics of the patients' mean answers, and what was done."""
    kind, output = result.kind, np.asarray(result.output, np.float64)[result.known]
    truth, has_one = kind.of_patients(result.encoded[result.known], patients)
    sums = np.zeros((len(truth), *output.shape[1:]))
    np.add.at(sums, patients, output)
    mean = sums / np.bincount(patients).reshape(-1, *[1] * (sums.ndim - 1))
    found = kind.metrics(mean[has_one], truth[has_one], result.fitted.decision)
    told = (
        f"{len(patients):,} samples of {len(truth):,} patients; a sample whose patient is unknown counts as a patient. "
        f"A patient's answer is the mean of the answers to the samples, and {kind.patient_rule}."
    )
    if left := int((~has_one).sum()):
        told += f" Left out: {left:,} {'patient' if left == 1 else 'patients'} whose samples differ in class."
    return {f"{BY_PATIENT}{name}": _of_patients(each) for name, each in found.items()}, told


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
