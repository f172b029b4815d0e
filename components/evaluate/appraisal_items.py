"""PROBAST+AI's signalling questions and FUTURE-AI's recommendations: number, topic in our own words, and the key of the
answer. See `checklists`."""

from __future__ import annotations

_PEOPLE = (
    ("1.1", "sources of the data fit the question", ""),
    ("1.2", "design of the study fits the question", ""),
    ("1.3", "who was included stands for the population", "characteristics"),
    ("2.1", "predictors defined and measured alike for all", ""),
    ("2.2", "predictors prepared alike for all", "alike"),
    ("2.3", "predictors measured without knowing the outcome", ""),
    ("2.4", "predictors at hand when the model is to be used", ""),
    ("3.1", "outcome defined and assessed well", "reference"),
    ("3.2", "outcome assessed alike for all", "readers"),
    ("3.3", "outcome assessed without the predictors", "reference"),
    ("3.4", "time between predictors and outcome", ""),
)
"""Of domains 1 to 3, which are asked of development and of evaluation."""

PROBAST_AI = (
    *((f"D {number}", topic, key) for number, topic, key in _PEOPLE),
    ("D 4.1", "sample size is reasonable", "size"),
    ("D 4.2", "numbers and categories handled well", "preparation"),
    ("D 4.3", "missing data handled well", "missing"),
    ("D 4.4", "after class weights, recalibrated", "imbalance"),
    ("D 4.5", "something was done about overfitting", "overfitting"),
    *((f"E {number}", topic, key) for number, topic, key in _PEOPLE),
    ("E 4.1", "not evaluated on training data alone", "held_out"),
    ("E 4.2", "sample size is reasonable", "size"),
    ("E 4.3", "missing data handled well", "missing"),
    ("E 4.4", "evaluated without correction for imbalance", "as_it_is"),
    ("E 4.5", "no leak between training and test", "apart"),
    ("E 4.6", "resampling repeats every step of development", "resampling"),
    ("E 4.7", "calibration, discrimination and net benefit", "measures"),
)
"""Of doi:10.1136/bmj-2024-082505: 16 questions on development (D) and 18 on evaluation (E)."""

FUTURE_AI = (
    ("Fairness 1", "sources of bias named early", ""),
    ("Fairness 2", "attributes of people and data collected", "characteristics"),
    ("Fairness 3", "biases evaluated", "groups"),
    ("Universality 1", "clinical settings and their variation named", "use"),
    ("Universality 2", "standards of the community used", "standards"),
    ("Universality 3", "evaluated on external data or several sites", "difference"),
    ("Universality 4", "validity at the place of use shown", ""),
    ("Traceability 1", "risk management over the whole life", ""),
    ("Traceability 2", "documentation", "documents"),
    ("Traceability 3", "quality control of inputs and outputs", "poor_input"),
    ("Traceability 4", "audits and updates at intervals", ""),
    ("Traceability 5", "logging of use", ""),
    ("Traceability 6", "governance", ""),
    ("Usability 1", "intended use and needs of users", "use"),
    ("Usability 2", "interaction with people, and their oversight", "indeterminate"),
    ("Usability 3", "training of users", ""),
    ("Usability 4", "experience of users evaluated", ""),
    ("Usability 5", "clinical utility and safety evaluated", "utility"),
    ("Robustness 1", "sources of variation in the data named", ""),
    ("Robustness 2", "trained on data as they are in practice", "characteristics"),
    ("Robustness 3", "robustness evaluated", "robustness"),
    ("Explainability 1", "need for explanation settled with users", ""),
    ("Explainability 2", "explanations evaluated", "explanation"),
    ("General 1", "people of all disciplines and interests involved", ""),
    ("General 2", "privacy and security of data", "privacy"),
    ("General 3", "measures against the risks found", ""),
    ("General 4", "plan of the evaluation", "plan"),
    ("General 5", "regulation that applies", ""),
    ("General 6", "ethical questions of this application", "ethics"),
    ("General 7", "social and environmental questions", ""),
)
"""Of doi:10.1136/bmj-2024-081554: 30 recommendations."""
