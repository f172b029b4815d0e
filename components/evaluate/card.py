"""model_card.md: what a model is for, what it rests on, how good it is, and what nobody has said yet.

The form: Mitchell et al. 2019, doi:10.1145/3287560.3287596. It goes into the registry: no patient, no sample, no file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.evaluate import counts, operating, set_values
from components.evaluate.answers import answers, applicable
from components.evaluate.card_facts import CardFacts
from components.evaluate.characteristics import TABLE_ONE, explained
from components.evaluate.checklists import CHECKLISTS_TOLD, answered, summary
from components.evaluate.part import Evaluated
from components.evaluate.results import Result, words
from components.evaluate.training_facts import training_facts
from components.lib import markdown as md
from components.lib.dataset import SPLITS
from components.lib.gate_names import BY_PATIENT, GAP, WITHOUT, WORST
from components.lib.kinds._classes import Classes, spoken
from components.lib.registry import registered_name
from components.lib.statistics import Estimate
from components.lib.validate.outcome import receipt_beside

NOT_FOR = (
    "Decisions about patients: this is research software, not a medical device. Samples other than those described "
    "here: another modality, age group or machine. Nobody's judgement is replaced by it."
)
SHORT = 16


def card(evaluated: Evaluated, facts: CardFacts) -> str:
    """The card, in Markdown; equal input gives equal text."""
    info, about = evaluated.network.info, evaluated.spec.evaluate.card
    synthetic = evaluated.data.info.synthetic or info.synthetic
    name = registered_name(info.task, synthetic=info.synthetic)
    sections: list[tuple[str, list[str]]] = [
        ("Intended use", [_stated(about.intended_use, "intended_use")]),
        ("Users", [_stated(about.users, "users")]),
        ("Not for", [NOT_FOR, *([md.paragraphs(about.not_for)] if about.not_for else [])]),
        ("Data", _data(evaluated, facts)),
        *((TABLE_ONE, _table_one(facts)) for _ in facts.characteristics[:1]),
        ("Training", _training(evaluated)),
        ("Performance on the test samples", _performance(evaluated, facts)),
        ("Groups", _groups(evaluated, facts)),
        ("Limits", [md.bullets(_limits(evaluated, facts))]),
        (
            "Who answers for it",
            [_stated(about.contact, "contact"), md.paragraph("Ethics:", _stated(about.ethics, "ethics"))],
        ),
        ("Going back to an earlier version", _roll_back(name)),
        _checklists(evaluated, facts),
    ]
    where = f", judged on data of another source: {evaluated.spec.task}" if facts.name else ""
    told: list[str] = [
        md.heading(1, f"Model card: {facts.name or name}{where}"),
        f"{info.architecture}, model {evaluated.network.digest[:SHORT]}.",
    ]
    if facts.patients_unknown:
        told.append(md.bold(f"{facts.patients_unknown}."))
    if synthetic:
        told.append(
            md.paragraph(md.bold("Synthetic data:"), "made by a program. The figures say nothing about patients.")
        )
    if evaluated.assumed:
        told += [md.bold("Assumed, not confirmed by anyone:"), md.bullets(evaluated.assumed)]
    if facts.warnings:
        told += [md.bold("Before you use it:"), md.bullets(facts.warnings)]
    for title, blocks in sections:
        told += [md.heading(2, title), *blocks]
    return md.blocks(*told) + "\n"


def _stated(text: str | None, key: str) -> str:
    """What people say in the task file; several paragraphs stay such."""
    return md.paragraphs(text or "") or f"not stated; say it in the task file: `evaluate.card.{key}`."


def _data(evaluated: Evaluated, facts: CardFacts) -> list[str]:
    about, data = evaluated.spec.evaluate.card, evaluated.data.info
    rows = [(split, str(data.counts[split]), str(data.patients[split])) for split in SPLITS]
    method = evaluated.spec.split
    split = f"Split by {method.by} ({method.method}); dataset {data.digest[:SHORT]}."
    lines = [*facts.receipt, *(receipt_beside(evaluated.data.path) or ("clean's audits left no record",))]
    return [
        md.paragraph("Population:", _stated(about.population, "population")),
        md.paragraph("Truth:", _stated(about.reference_standard, "reference_standard")),
        md.table(("Split", "Samples", "Known patients"), rows),
        split,
        "What the audits of the data say:",
        md.bullets(lines),
    ]


def _table_one(facts: CardFacts) -> list[str]:
    told = []
    for each in facts.characteristics:
        told += [f"Of the {each.unit}:", md.table(each.head, each.rows), explained(each)]
    return told


def _training(evaluated: Evaluated) -> list[str]:
    info = evaluated.network.info
    inputs = "; ".join(f"{name}, {kind.kind} of {_shape(kind.shape)}" for name, kind in info.inputs.items())
    several = f" The mean of {len(info.members)} nets." if info.members else ""
    fitted = [
        f"{target}: {'; '.join(filter(None, [info.targets[target].scaling_text(each.scaling), text]))}; "
        f"score on validation {each.validation_score:.3f}"
        for target, each in info.fitted.items()
        for text in [info.targets[target].decision_text(each.decision)]
    ]
    return [
        f"{info.architecture}, {info.parameters:,} parameters, {info.epochs} epochs, {info.precision}.{several} "
        f"Inputs: {inputs}. Everything is fitted on train, chosen on validation and measured on test.",
        md.bullets(fitted),
        md.table(("What", "How"), training_facts(info)),
    ]


def _performance(evaluated: Evaluated, facts: CardFacts) -> list[str]:
    told = [f"{len(evaluated.samples)} samples. In brackets: the 95% interval."]
    for result in evaluated.results:
        told += [md.heading(3, result.title), *([_classes(result)] if result.kind.class_names else [])]
        held = {**result.metrics, **_by_patient(facts, result)}
        rows = [(words(name, result.kind), _figure(each), str(each.n), each.note) for name, each in held.items()]
        told.append(md.table(("Metric", "Value", "n", "Note"), rows))
        told += [*_in_counts(result), *_patient_rule(facts, result)]
    told.append("Gates:" if facts.gates else "No gate.")
    told.append(md.bullets(f"{'passed' if gate.passed else 'FAILED'}: {gate.text}" for gate in facts.gates))
    return told


def _in_counts(result: Result) -> list[str]:
    """Counts, abstentions, and what sets and threshold are worth: sentences of the looks that measure them."""
    if not isinstance(result.kind, Classes) or not result.known.any():
        return []
    answers = counts.Answers.of(result, result.kind)
    told = [*counts.in_words(answers), *set_values.in_words(result, result.kind)]
    if "threshold" in result.fitted.decision and len(np.unique(answers.label)) == 2:
        told.append(operating.trade_off(answers, result.fitted.decision))
    return [" ".join(told)]


def _classes(result: Result) -> str:
    counts = result.truth[result.known].astype("str").value_counts()
    return (
        "Labels: " + ", ".join(f"{spoken(name)} ({int(counts.get(name, 0))})" for name in result.kind.class_names) + "."
    )


def _by_patient(facts: CardFacts, result: Result) -> dict[str, Estimate]:
    of_looks = facts.metrics.get(result.target, {})
    return {name: each for name, each in of_looks.items() if name.startswith((BY_PATIENT, WITHOUT))}


def _patient_rule(facts: CardFacts, result: Result) -> list[str]:
    """How an answer to a patient is made, where figures by patient stand in the table."""
    if not any(name.startswith(BY_PATIENT) for name in _by_patient(facts, result)):
        return []
    return [f"{result.kind.patient_text(result.fitted.patients)} A served answer is that to a sample."]


def _groups(evaluated: Evaluated, facts: CardFacts) -> list[str]:
    rows = [
        (result.title, words(name, result.kind), _figure(each), each.meaning or each.note)
        for result in evaluated.results
        for name, each in facts.metrics.get(result.target, {}).items()
        if name.startswith(WORST) or name == GAP
    ]
    if not rows:
        return ["Not looked at by group."]
    return [md.table(("Target", "Figure", "Value", "Which group, or why not"), rows)]


def _limits(evaluated: Evaluated, facts: CardFacts) -> list[str]:
    patients = evaluated.data.info.patients
    here = (
        "Measured on samples of the same source as the training data; elsewhere expect worse until it is measured "
        "there (`python -m components.evaluate --model … --data …`)."
    )
    told: list[str] = [
        "Measured on samples of another source than the training data, as one of many." if facts.name else here,
        "Labels are taken as the truth; where they are wrong, so are the figures.",
        *facts.limits,
    ]
    if not any(patients.values()):
        told.append("No patient is known: one may stand on two sides of the split, and intervals may be too narrow.")
    opening = facts.opening
    told.append(
        "Synthetic test samples can be made anew: how often they were used isn't counted."
        if opening is None
        else opening.told(evaluated.noun)
    )
    return told


def _roll_back(name: str) -> list[str]:
    return [
        "The alias `champion` says which version is served. To go back, point it at an earlier version, in `make ui` "
        "(Models, the version, Aliases) or with",
        md.code(
            "from mlflow import MlflowClient\n\n"
            f'MlflowClient().set_registered_model_alias("{name}", "champion", "VERSION")',
            "python",
        ),
        "and start the server again. The version that was replaced stays in the registry.",
    ]


def _checklists(evaluated: Evaluated, facts: CardFacts) -> tuple[str, list[str]]:
    """Every list folded: MLflow's and GitHub's pages open them."""
    told, found = [CHECKLISTS_TOLD], answers(evaluated, facts)
    for each in applicable(evaluated):
        rows = [
            (number, topic, f"{answer.text}; see {answer.card}" if answer.card else answer.text)
            for number, topic, answer in answered(each.items, found)
        ]
        told.append(md.folded(summary(each, found), f"Of: {each.source}.", md.table(("Item", "Topic", "Answer"), rows)))
    return "Checklists", told


def _figure(estimate: Estimate) -> str:
    return str(estimate) if estimate.known else "–"


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
