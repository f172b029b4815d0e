"""Two reporting checklists, item by item, and which part of a model card answers each: in our own words, by number.

TRIPOD+AI   prediction models that use regression or machine learning: Collins et al. 2024, doi:10.1136/bmj-2023-078378
CLAIM       artificial intelligence in imaging: Mongan, Moy & Kahn 2020, doi:10.1148/ryai.2020200029, whose numbers
            these are; Tejani et al. 2024, doi:10.1148/ryai.240300, words and numbers some of them anew
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TO_ANSWER = "to be answered by you"
Items = Sequence[tuple[str, str, str]]
"""Number, topic, and the key of the answer; an empty key: nothing here can answer it."""

TRIPOD_AI: Items = (
    ("1", "title: development or evaluation, population, outcome", ""),
    ("2", "abstract", ""),
    ("3a", "healthcare context, and why a model", ""),
    ("3b", "intended population, purpose and users", "use"),
    ("3c", "known health inequalities", ""),
    ("4", "objectives", ""),
    ("5a", "sources of the data, and how well they stand for the population", "population"),
    ("5b", "dates of the data", ""),
    ("6a", "setting: centres, level of care", "population"),
    ("6b", "who was eligible", "population"),
    ("6c", "treatments received", ""),
    ("7", "preparation and quality checks of the data", "preparation"),
    ("8a", "outcome, and how it was assessed", "outcome"),
    ("8b", "who assessed the outcome, if it needs judgement", "reference"),
    ("8c", "blinding of the assessment", "reference"),
    ("9a", "choice of the predictors", ""),
    ("9b", "definition of the predictors", "inputs"),
    ("9c", "who assessed predictors, if they need judgement", ""),
    ("10", "sample size", "sizes"),
    ("11", "missing data", "missing"),
    ("12a", "how the data were split and used", "partitions"),
    ("12b", "how predictors enter the model", "preparation"),
    ("12c", "type of model, how it was built and chosen", "training"),
    ("12d", "differences between clusters such as hospitals", "groups"),
    ("12e", "measures of performance", "measures"),
    ("12f", "updating of the model", "updating"),
    ("12g", "how a prediction is calculated", "calculation"),
    ("13", "rare outcomes: methods for class imbalance", ""),
    ("14", "fairness", "groups"),
    ("15", "output of the model and its thresholds", "output"),
    ("16", "differences between training and evaluation data", "difference"),
    ("17", "ethical approval and consent", "ethics"),
    ("18a", "funding", "funding"),
    ("18b", "conflicts of interest", "funding"),
    ("18c", "protocol", ""),
    ("18d", "registration of the study", ""),
    ("18e", "sharing of the data", ""),
    ("18f", "sharing of the code", "code"),
    ("19", "involvement of patients and the public", ""),
    ("20a", "flow of participants", "sizes"),
    ("20b", "characteristics of participants", ""),
    ("20c", "development and evaluation data compared", "difference"),
    ("21", "participants and events in each analysis", "sizes"),
    ("22", "the whole model, so that others can use it", "calculation"),
    ("23a", "performance with intervals, in key groups too", "performance"),
    ("23b", "performance between clusters", "groups"),
    ("24", "results of updating", "updating"),
    ("25", "interpretation", ""),
    ("26", "limitations", "limits"),
    ("27a", "what happens with poor or missing input", "poor_input"),
    ("27b", "what users must do and know", "users"),
    ("27c", "next steps", ""),
)

CLAIM: Items = (
    ("1", "title or abstract names the method", ""),
    ("2", "abstract", ""),
    ("3", "background, intended use and clinical role", "use"),
    ("4", "objectives and hypotheses", ""),
    ("5", "prospective or retrospective", ""),
    ("6", "goal of the study", ""),
    ("7", "sources of the data", "population"),
    ("8", "who was eligible: where, when, how chosen", "population"),
    ("9", "preprocessing", "preparation"),
    ("10", "selection of parts of the data", ""),
    ("11", "definition of data elements", "inputs"),
    ("12", "de-identification", "privacy"),
    ("13", "missing data", "missing"),
    ("14", "definition of the reference standard", "reference"),
    ("15", "why that reference standard", ""),
    ("16", "who annotated, and how qualified", "reference"),
    ("17", "tools of annotation", ""),
    ("18", "variability between and within annotators", ""),
    ("19", "intended sample size, and how determined", ""),
    ("20", "assignment to partitions", "partitions"),
    ("21", "level at which partitions are apart", "apart"),
    ("22", "the model in detail", "calculation"),
    ("23", "software", "code"),
    ("24", "initialisation of the parameters", ""),
    ("25", "training in detail", "training"),
    ("26", "how the final model was chosen", "training"),
    ("27", "ensembles", "ensemble"),
    ("28", "measures of performance", "measures"),
    ("29", "uncertainty", "measures"),
    ("30", "robustness", "robustness"),
    ("31", "explanation", "explanation"),
    ("32", "testing on external data", "difference"),
    ("33", "flow of participants or images", "sizes"),
    ("34", "characteristics of cases in each partition", ""),
    ("35", "performance on each partition", "performance"),
    ("36", "accuracy with its precision", "performance"),
    ("37", "analysis of failures", "failures"),
    ("38", "limitations", "limits"),
    ("39", "implications for practice", ""),
    ("40", "registration", ""),
    ("41", "where the protocol is", ""),
    ("42", "funding", "funding"),
)


def answered(items: Items, answers: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Number, topic and answer of every item.

    Args:
        items: a checklist.
        answers: by key; one that is missing or empty is the reader's to answer.
    """
    return [(number, topic, answers.get(key, "") or TO_ANSWER) for number, topic, key in items]
