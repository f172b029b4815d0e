"""What a run can say to the items of checklists, by their keys."""

from __future__ import annotations

from components.evaluate.card_facts import CardFacts
from components.evaluate.checklists import CHECKLISTS, Answer, Checklist
from components.evaluate.part import Evaluated
from components.evaluate.training_facts import training_facts
from components.lib.dataset import SPLITS
from components.lib.validate.pictures import is_picture

Answers = dict[str, Answer]


def applicable(evaluated: Evaluated) -> list[Checklist]:
    """The checklists that a model of these inputs and targets is asked for."""
    info = evaluated.network.info
    pictures = any(is_picture(kind) for kind in info.inputs.values())
    classes = any(kind.class_names for kind in info.targets.values())
    return [each for each in CHECKLISTS if (pictures or not each.pictures) and (classes or not each.classes)]


def answers(evaluated: Evaluated, facts: CardFacts) -> Answers:
    """By key; what nobody said and nothing measured is empty."""
    return {
        **_of_people(evaluated), **_of_data(evaluated, facts), **_of_training(evaluated),
        **_of_results(evaluated, facts),
    }  # fmt: skip


def _of_people(evaluated: Evaluated) -> Answers:
    about = evaluated.spec.evaluate.card
    return {
        "use": Answer("stated" if about.intended_use else "", card="Intended use"),
        "users": Answer("stated" if about.users else "", card="Users"),
        "population": Answer("stated" if about.population else "", card="Data"),
        "reference": Answer("stated" if about.reference_standard else "", card="Data"),
        "ethics": Answer("stated" if about.ethics else "", card="Who answers for it"),
        "funding": Answer(about.funding or ""),
    }


def _of_data(evaluated: Evaluated, facts: CardFacts) -> Answers:
    info, spec, data = evaluated.network.info, evaluated.spec, evaluated.data.info
    unknown = [f"{int((~each.known).sum())} of {len(each.known)} {each.target}" for each in evaluated.results]
    units = [f"{target}: {', '.join(kind.class_names) or kind.kind}" for target, kind in info.targets.items()]
    described = Answer("age, sex, site, classes and acquisition, where known", "Characteristics", "Characteristics")
    counts = ", ".join(f"{split} {data.counts[split]:,}" for split in SPLITS)
    alike = "one clean step prepares every sample, in training and serving"
    return {
        "preparation": Answer(f"{alike}; its audits", "What the audits", "Data"),
        "alike": Answer(f"yes: {alike}"),
        "outcome": Answer("; ".join(units)),
        "inputs": Answer("; ".join(f"{n}: {kind.kind}, {' × '.join(map(str, kind.shape))}" for n, kind in
                                   info.inputs.items())),
        "acquisition": Answer("as far as files and index say", "Characteristics", "Characteristics"),
        "characteristics": described,
        "counts": Answer(f"{counts} samples; clean counts what was rejected", "Measured on", "Data"),
        "size": Answer("events by split and the precision they buy; an intended size is for you to say", "Sample size",
                       "Limits"),
        "missing": Answer(f"truth unknown in test: {', '.join(unknown)}, left out of the metrics; gaps in inputs are "
                          "filled, or refused, in training and serving alike"),
        "partitions": Answer(f"by {spec.split.by}, method {spec.split.method}", "Measured on", "Data"),
        "apart": Answer("; ".join([spec.split.by, *facts.receipt[:2]]) if facts.receipt else "", "Measured on", "Data"),
        "privacy": Answer("names stop at ingest; patients are keyed pseudonyms; small counts are withheld"),
        "readers": Answer("agreement of the readers", "Agreement of readers") if facts.readers else Answer(""),
        "blind": Answer("the model has no input but those listed; no label goes in"),
    }  # fmt: skip


def _of_training(evaluated: Evaluated) -> Answers:
    info = evaluated.network.info
    told = dict(training_facts(info))
    nets = f"the mean of {len(info.members)} nets" if info.members else "one net"
    weights = told.get("Class weights", "")
    imbalance = "no class weights" if weights == "none" else f"class weights ({weights})" if weights else ""
    calibrated = Answer(f"{imbalance}; calibration on test" if imbalance else "", "Calibration", "Training")
    folds = "networks of each fold, trained anew" if info.cross_validated else "no resampling: a held-out test split"
    stopping = told.get("Early stopping", "")
    made = "How the model was made"
    return {
        "training": Answer("settings, augmentation, stopping", made, "Training"),
        "initialisation": Answer(told.get("Initialisation", ""), made, "Training"),
        "stopping": Answer(stopping, made, "Training"),
        "ensemble": Answer(nets, "Members" if info.members else ""),
        "imbalance": calibrated,
        "overfitting": Answer(f"early stopping; {told['Regularisation']}" if stopping else "", made, "Training"),
        "resampling": Answer(folds),
        "updating": Answer("none: a model that is trained again is a new version"),
        "calculation": Answer(
            f"model.onnx, {info.parameters:,} parameters, in the registered version; MLflow serves it"
        ),
        "code": Answer("commit and locked packages are tags of the model's run"),
        "standards": Answer("ONNX, MLflow, DICOM, Parquet; metrics with intervals as the field defines them"),
    }


def _of_results(evaluated: Evaluated, facts: CardFacts) -> Answers:
    info = evaluated.network.info
    decided = [kind.decision_text(info.fitted[target].decision) for target, kind in info.targets.items()]
    elsewhere = (
        "measured on data of another source, nothing fitted"
        if facts.name
        else ("test is of the same source as train; other sources: not measured here")
    )
    explained = "" if info.explain == "none" else info.explain.replace("_", " ")
    two = any(len(kind.class_names) == 2 for kind in info.targets.values())
    performance = Answer("every metric with its 95% interval", "Metrics", "Performance on the test samples")
    return {
        "measures": Answer(f"discrimination, calibration{', net benefit' if two else ''}; 95% intervals", "Metrics",
                           "Performance on the test samples"),
        "performance": performance,
        "table": Answer("classes called by classes labelled", "Figures") if _classes(evaluated) else Answer(""),
        "groups": Answer("by group, with the worst one named", "By group", "Groups"),
        "output": Answer("; ".join(filter(None, decided)) or "a number", "In plain words", "Training"),
        "indeterminate": Answer("prediction sets; where they don't decide the model abstains", "How sure it is")
        if _classes(evaluated)
        else Answer("an interval around every number"),
        "difference": Answer(elsewhere),
        "limits": Answer("stated", "Limits", "Limits"),
        "poor_input": Answer("a sample that can't be decoded or cleaned is refused with the reason, not answered"),
        "explanation": Answer(explained, "Where the network" if explained else ""),
        "robustness": Answer("with inputs made worse; without suspected labels and duplicates", "When"),
        "failures": Answer("single samples that were called wrongly, where they may be shown", "Figures"),
        "held_out": Answer("yes: a test split, which training never read", "How often these", "Limits"),
        "as_it_is": Answer("yes: test as it came, no copies and no weights"),
        "utility": Answer("decision curve on test; nothing was measured in practice", "Operating")
        if two
        else Answer(""),
        "documents": Answer("this card, the report, the task file"),
        "audit": Answer("predictions of the test split are kept beside the report"),
        "plan": Answer("gates of the task file, set before the run", "Verdict", "Performance on the test samples"),
    }  # fmt: skip


def _classes(evaluated: Evaluated) -> bool:
    return any(kind.class_names for kind in evaluated.network.info.targets.values())
