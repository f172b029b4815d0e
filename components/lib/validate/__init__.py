"""Gates between the steps: the leak audit, and Great Expectations suites in plain sentences.

What is looked for in cleaned samples beside them: `near_duplicates`, `shortcuts`, `labels`.

Importing this costs nothing: the library behind it is loaded by the first check.
"""

from components.lib.validate.checks import check_cleaned, check_ingested
from components.lib.validate.copies import check_augmented
from components.lib.validate.gate import data_docs
from components.lib.validate.leaks import LeakAudit, apply_policy, audit, receipt
from components.lib.validate.outcome import Check, Outcome
from components.lib.validate.suites import augmented_suite, cleaned_suite, ingested_suite

__all__ = [
    "Check",
    "LeakAudit",
    "Outcome",
    "apply_policy",
    "audit",
    "augmented_suite",
    "check_augmented",
    "check_cleaned",
    "check_ingested",
    "cleaned_suite",
    "data_docs",
    "ingested_suite",
    "receipt",
]
