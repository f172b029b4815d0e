"""The report, for a clinician and an engineer: one file, no run id, no time of day."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from components.evaluate.answers import answers, applicable
from components.evaluate.baselines import sections as plain
from components.evaluate.characteristics import TABLE_ONE, explained
from components.evaluate.checklists import CHECKLISTS_TOLD, Answer, answered, summary
from components.evaluate.figures import shown
from components.evaluate.findings import Findings
from components.evaluate.gates import Gate
from components.evaluate.members import sections as members
from components.evaluate.results import Result, capital, ends, words
from components.evaluate.training_facts import training_facts
from components.lib.kinds._classes import spoken
from components.lib.model_dir import ModelInfo
from components.lib.numbers import number
from components.lib.page import Section, folded, link, page, paragraph, prose, table, verdict, warning

SYNTHETIC = (
    "Synthetic data: these samples were made by a program. The figures show that the pipeline works; they say "
    "nothing about patients."
)
COMPARED = (
    "Gates say what a model must reach by itself. Whether it is as good as the model in use is found out when it is "
    "registered, on the same samples: see comparison.html beside this folder, and the report in the model's MLflow run."
)
SPLITS = ("train", "validation", "test")
SHORT = 16
"""Characters of a digest that are shown."""


def report(findings: Findings) -> str:
    """The page as HTML."""
    evaluated, results = findings.evaluated, findings.evaluated.results
    network, count = evaluated.network.info, len(evaluated.samples)
    sections = [
        *_whose(findings.patients_unknown),
        *_assumed(findings.assumed),
        *_warnings(findings.warnings),
        _verdict(findings.gates, external=bool(findings.name)),
        _operating_points(results),
        _measured_on(findings),
        _table_one(findings),
        *[_metrics(result, network) for result in results],
        *members(network),
        *plain(findings.baselines),
        *[section for part in findings.parts for section in part.sections],
        *[_figures(result) for result in results],
        *_cases(findings),
        _how_made(findings),
        _limits(findings),
    ]
    sections.append(_checklists(findings, [section.title for section in sections]))
    what = f"{findings.name} on {count}" if findings.name else f"on {count} test"
    return page(
        f"{capital(evaluated.spec.task.replace('_', ' '))}: {'external validation' if findings.name else 'evaluation'}",
        f"{network.architecture} {what} samples. Research software, not a medical device: not for decisions about "
        "patients.",
        sections,
        SYNTHETIC if evaluated.data.info.synthetic or network.synthetic else "",
    )


def _whose(unknown: str) -> list[Section]:
    """That nobody knows whose the samples are, above everything else."""
    return [Section("Patients unknown", (warning(f"{unknown}."),))] if unknown else []


def _assumed(sentences: tuple[str, ...]) -> list[Section]:
    """Choices that nobody has confirmed, before anything that rests on them."""
    if not sentences:
        return []
    intro = paragraph("These choices were made without an answer from anyone. If one is wrong, so is the report.")
    return [Section("Assumed, not confirmed", (intro, *(warning(_stop(text)) for text in sentences)))]


def _warnings(warnings: tuple[str, ...]) -> list[Section]:
    """What a reader must not miss, if there is anything."""
    return [Section("Before you read on", tuple(warning(text) for text in warnings))] if warnings else []


def _verdict(gates: tuple[Gate, ...], *, external: bool) -> Section:
    failed = sum(not gate.passed for gate in gates)
    text = (
        f"All gates hold ({len(gates)})."
        if not failed
        else f"{failed} of {len(gates)} gates don't hold: a model that fails a gate isn't offered for use."
    )
    verdicts = (verdict(not failed, text), *[verdict(gate.passed, f"{gate.text}.") for gate in gates])
    return Section("Verdict", verdicts if external else (*verdicts, paragraph(COMPARED)))


def _operating_points(results: tuple[Result, ...]) -> Section:
    """What a reader should take away, in sentences."""
    blocks: list[Markup] = []
    for result in results:
        sentences = [e.meaning for e in result.metrics.values() if e.headline and e.known]
        unknown = [f"{name} is unknown: {e.note}." for name, e in result.metrics.items() if e.headline and not e.known]
        decided = result.kind.decision_text(result.fitted.decision)
        at = f" ({decided})" if decided else ""
        blocks.append(paragraph(f"{result.title}{at}. {' '.join(sentences + unknown)}"))
    blocks.append(paragraph("In brackets: the 95% interval, what another test sample of this size may well show."))
    return Section("In plain words", tuple(blocks))


def _measured_on(findings: Findings) -> Section:
    data, network = findings.evaluated.data, findings.evaluated.network.info
    results, samples = findings.evaluated.results, data.samples()
    counts = pd.DataFrame(
        {
            "Split": SPLITS,
            "Samples": [data.info.counts[split] for split in SPLITS],
            "Known patients": [data.info.patients[split] for split in SPLITS],
        }
    )
    for result in results:
        if result.kind.class_names:
            labels = samples[result.target].astype("str").where(samples[result.target].notna(), "unknown")
            per_class = pd.crosstab(samples["split"], labels).reindex(SPLITS, fill_value=0)
            for name in per_class.columns:
                title = f"{result.target}: {name}" if len(results) > 1 else spoken(str(name))
                counts[title] = per_class[name].to_numpy()
    own = data.info.digest in network.lineage.values()
    splits = "train and validation splits" if network.cross_validated else "train split"
    origin = (
        f"The model was trained on the {splits} of this very dataset, and saw the test split only here."
        if own
        else "External validation: nothing was fitted here. That the model never saw these patients is taken for "
        "granted: here they have other pseudonyms than there."
        if findings.name
        else "The model was trained on another dataset: whether it saw these samples can't be checked here."
    )
    return Section(
        "Measured on",
        (table(counts), *[paragraph(f"{_sentence(line)}.") for line in findings.receipt], paragraph(origin)),
    )


def _table_one(findings: Findings) -> Section:
    blocks: list[Markup] = []
    for each in findings.characteristics:
        frame = pd.DataFrame(each.rows, columns=each.head)
        blocks += [table(frame, f"Of the {each.unit}"), paragraph(explained(each))]
    return Section(TABLE_ONE, tuple(blocks))


def _metrics(result: Result, model: ModelInfo) -> Section:
    rows = [
        (words(name, result.kind), number(e.value), ends(e), str(e.n), e.meaning, e.method, e.note)
        for name, e in result.metrics.items()
    ]
    frame = pd.DataFrame(rows, columns=["Metric", "Value", "95% interval", "n", "Meaning", "Interval by", "Note"])
    if not frame["Note"].any():
        frame = frame.drop(columns="Note")
    return Section(f"Metrics: {result.title}", (table(frame), paragraph(_validation(result, model))))


def _validation(result: Result, model: ModelInfo) -> str:
    """What was known before test was read."""
    score = f"{result.fitted.validation_score:.3f}"
    if model.cross_validated:
        return f"Out of fold, each sample judged by nets that didn't learn from its fold, the score was {score}."
    if model.smaller and model.smaller.served:
        return f"On validation this smaller model scored {score}; it was taken by that figure."
    if model.members:
        return f"On validation the mean of the nets scored {score}; their epochs were chosen by it."
    return f"On validation the chosen epoch scored {score}, the figure it was chosen by."


def _figures(result: Result) -> Section:
    return Section(f"Figures: {result.title}", tuple(shown(chart, result.target) for chart in result.charts))


def _cases(findings: Findings) -> list[Section]:
    """Single samples, where they may be shown."""
    if findings.cases is None:
        noun = findings.evaluated.noun
        why = (
            f"{capital(noun)} of real patients stay out of the report. Where they may be shown, set "
            "`evaluate.thumbnails: true` in the task file."
        )
        return [Section(capital(noun), (paragraph(why),))]
    return [each.section for each in findings.cases]


def _how_made(findings: Findings) -> Section:
    evaluated = findings.evaluated
    model, data, results = evaluated.network.info, evaluated.data.info, evaluated.results
    rows = [
        ("Architecture", model.architecture),
        ("Parameters", f"{model.parameters:,}"),
        ("Epochs", str(model.epochs)),
        ("Training precision", model.precision),
    ]
    rows += [
        (f"Input {name}", f"{each.kind}, {' × '.join(map(str, each.network_shape(model.fitted_inputs[name])))}")
        for name, each in model.inputs.items()
    ]
    rows += training_facts(model)
    for result in results:
        scaling = result.kind.scaling_text(result.fitted.scaling)
        told = "; ".join(filter(None, [scaling, result.kind.decision_text(result.fitted.decision)]))
        rows.append((f"Fitted: {result.target}", told))
    rows += [("Model", evaluated.network.digest[:SHORT]), ("Dataset", f"{data.digest[:SHORT]} ({data.step})")]
    rows += [(f"Trained on: {name}", digest[:SHORT]) for name, digest in sorted(model.lineage.items())]
    frame = pd.DataFrame(rows, columns=["What", "Value"])
    return Section("How the model was made", (table(frame, "Digests (SHA-256, first characters) name exact content."),))


def _limits(findings: Findings) -> Section:
    data = findings.evaluated.data.info
    elsewhere = "These are the samples of one other source; a third one, with other machines and patients, may differ."
    here = (
        "The test split comes from the same source as the training data. At another hospital, with other machines and "
        "patients, expect worse until it has been measured there."
    )
    limits = [
        elsewhere if findings.name else here,
        "Labels are taken as the truth; where they are wrong, so are these figures.",
        "Intervals cover the chance of the sample, not a change of the population, and not the choice of the seed.",
    ]
    if not any(data.patients.values()):
        limits.append("No patient is known: several samples may be of one, and intervals too narrow for it.")
    elif data.patients["test"] < data.counts["test"]:
        limits.append("Where several samples are of one patient, intervals draw whole patients.")
    return Section("Limits", tuple(paragraph(limit) for limit in limits))


def _checklists(findings: Findings, titles: Sequence[str]) -> Section:
    """Every list folded, its answers with links to the sections above."""
    found = answers(findings.evaluated, findings.facts)
    blocks = [paragraph(CHECKLISTS_TOLD)]
    for each in applicable(findings.evaluated):
        rows = [(number, topic, _linked(answer, titles)) for number, topic, answer in answered(each.items, found)]
        frame = pd.DataFrame(rows, columns=["Item", "Topic", "Answer"], dtype=object)  # as text, links would be lost
        blocks.append(folded(summary(each, found), paragraph(f"Of: {each.source}."), table(frame)))
    return Section("Checklists", tuple(blocks))


def _linked(answer: Answer, titles: Sequence[str]) -> Markup | str:
    """The answer, and the section that says more, where there is one."""
    place = next((n for n, title in enumerate(titles, 1) if answer.report and title.startswith(answer.report)), 0)
    return Markup("{} – {}").format(prose(answer.text), link(titles[place - 1], place)) if place else answer.text


def _stop(text: str) -> str:
    """A sentence with its capital and its full stop."""
    return _sentence(text) if text.endswith((".", "!", "?")) else f"{_sentence(text)}."


def _sentence(line: str) -> str:
    return line[:1].upper() + line[1:]
