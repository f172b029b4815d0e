"""What a dataset must be, as Great Expectations suites. Every expectation carries a sentence for people and what to do.

`description` is the sentence: outcomes and Data Docs show it. `notes` is the next step when it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.lib.spec import SPLITS, TaskSpec

if TYPE_CHECKING:
    from components.lib.validate.library import Expectation, ExpectationSuite

# No dots, slashes or spaces: a file name that slipped in as sample_id could name a patient.
SAMPLE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


def ingested_suite(spec: TaskSpec) -> ExpectationSuite:
    """What the table of the ingest step must be.

    Columns: sample_id, split, sha256 and patient (str, patient null where unknown) and one per target.
    """
    from components.lib.validate.library import ExpectationSuite

    return ExpectationSuite("ingested", [*_table(), *_digests(), *_sides(spec), *_targets(spec)])


def cleaned_suite(spec: TaskSpec, array_rows: Mapping[str, int] | None = None) -> ExpectationSuite:
    """What the table of the clean step must be.

    Columns: those of the ingested table and, per input, its quality figures as <input>_<figure> (float).

    Args:
        spec: the task.
        array_rows: rows of each named array, all parts together; None: not compared.
    """
    from components.lib.validate.library import ExpectationSuite

    sound = "look at these samples; if they are sound, the range in the input's kind is wrong"
    quality = [*_quality(spec, sound), *_array_rows(array_rows or {})]
    return ExpectationSuite("cleaned", [*_table(), *_sides(spec), *_targets(spec), *quality])


def augmented_suite(spec: TaskSpec) -> ExpectationSuite:
    """What the table of the augment step must be, alone; what it must be beside its parents is in `copies`.

    Columns: those of the cleaned table and parent_id.
    """
    from components.lib.validate import library

    again = "remove the augmented dataset and run the augment step again"
    policy = "look at these copies, and lower the policy of their input under `augment.online` in the task file"
    alone = [
        *_named("copy", "copies", missing=again, repeated=again),
        library.ExpectColumnValuesToNotBeNull(column="split", description="Every copy has a split", notes=again),
        library.ExpectColumnValuesToBeInSet(
            column="split", value_set=["train"], notes=again, description="Every copy belongs to train"
        ),
    ]
    return library.ExpectationSuite("augmented", [*alone, *_known_targets(spec), *_quality(spec, policy)])


def _table() -> list[Expectation]:
    """Rows, sample_ids and splits."""
    from components.lib.validate import library

    reader = "look at the reader and at `source:` in the task file"
    split = "look at `split:` in the task file, or at the source's own split"
    filled = [
        library.ExpectTableRowCountToBeBetween(
            min_value=1,
            row_condition=library.Column("split") == name,
            description=f"The {name} split has samples",
            notes=f"raise the share of {name} under `split:` in the task file, or add patients",
        )
        for name in SPLITS
    ]
    return [
        library.ExpectTableRowCountToBeBetween(min_value=1, description="There are samples", notes=reader),
        *_named("sample", "samples", missing=reader, repeated="take the repeated rows out of the source"),
        library.ExpectColumnValuesToNotBeNull(column="split", description="Every sample has a split", notes=split),
        library.ExpectColumnValuesToBeInSet(
            column="split", value_set=list(SPLITS), notes=split, description="Every split is train, validation or test"
        ),
        *filled,
    ]


def _named(one: str, several: str, *, missing: str, repeated: str) -> list[Expectation]:
    """Each row has a sample_id of its own, which can't be the name of a file."""
    from components.lib.validate import library

    return [
        library.ExpectColumnValuesToNotBeNull(
            column="sample_id", description=f"Every {one} has a sample_id", notes=missing
        ),
        library.ExpectColumnValuesToBeUnique(
            column="sample_id", description=f"No two {several} share a sample_id", notes=repeated
        ),
        library.ExpectColumnValuesToMatchRegex(
            column="sample_id",
            regex=SAMPLE_ID_PATTERN,
            notes=missing,
            description="Every sample_id is at most 64 letters, digits, hyphens and underscores",
        ),
    ]


def _digests() -> list[Expectation]:
    from components.lib.validate import library

    return [
        library.ExpectColumnValuesToNotBeNull(
            column="sha256",
            description="Every sample has the digest of its raw bytes (sha256)",
            notes="look at the reader: it must digest every sample",
        )
    ]


def _sides(spec: TaskSpec) -> list[Expectation]:
    """No patient and no exact duplicate on two sides, unless the task file only wants a report; none in two folds."""
    from components.lib.validate.library import ExpectGroupInOneSplit

    whole = ExpectGroupInOneSplit(
        column_A="patient",
        column_B="fold",
        description="No known patient stands in two folds",
        notes="run the ingest step again: it makes the folds",
    )

    equal = ExpectGroupInOneSplit(
        column_A="sha256",
        column_B="fold",
        description="No exact duplicate stands in two folds",
        notes="run the ingest step again: it makes the folds",
    )
    rules = (
        ("patient", "known patient", spec.split.shared_patients, "shared_patients"),
        ("sha256", "exact duplicate", spec.split_rules.exact_duplicates, "exact_duplicates"),
    )
    in_folds = [whole] if spec.split.folds and spec.split.by == "patient" else []
    in_folds += [equal] if spec.split.folds and spec.split_rules.exact_duplicates != "report" else []
    return [
        ExpectGroupInOneSplit(
            column_A=column,
            column_B="split",
            description=f"No {thing} stands on two sides of the split",
            notes=f"mend the split, or set `split.{key}: drop_from_train` in the task file",
        )
        for column, thing, policy, key in rules
        if policy != "report"
    ] + in_folds


def _targets(spec: TaskSpec) -> list[Expectation]:
    """Known values are classes, and every split has every class, for targets that have classes."""
    from components.lib.validate import library

    found = _known_targets(spec)
    for name, classes in classes_of(spec).items():
        listed = ", ".join(classes)
        found.extend(
            library.ExpectColumnDistinctValuesToContainSet(
                column=name,
                value_set=list(classes),
                row_condition=library.Column("split") == split,
                description=f"The {split} split has every class of {name}: {listed}",
                notes=f"add samples of the missing class, or raise the share of {split} under `split:`",
            )
            for split in SPLITS
        )
    return found


def _known_targets(spec: TaskSpec) -> list[Expectation]:
    """Known values are classes, for targets that have classes."""
    from components.lib.validate import library

    return [
        library.ExpectColumnValuesToBeInSet(
            column=name,
            value_set=list(classes),
            description=f"Every known {name} is one of {', '.join(classes)}",
            notes=f"correct the labels, or `targets.{name}.classes` in the task file",
        )
        for name, classes in classes_of(spec).items()
    ]


def _quality(spec: TaskSpec, todo: str) -> list[Expectation]:
    """Every quality figure is there and in its range."""
    from components.lib.validate import library

    found: list[Expectation] = []
    for column, (low, high) in quality_columns(spec).items():
        # A range check passes what is missing or not a number, so it never stands alone.
        found.append(
            library.ExpectColumnValuesToNotBeNull(
                column=column, notes=todo, description=f"{column} is a number for every sample"
            )
        )
        found.append(
            library.ExpectColumnValuesToBeBetween(
                column=column,
                min_value=low,
                max_value=high,
                notes=todo,
                description=f"{column} lies in {low:g} to {high:g} for every sample",
            )
        )
    return found


def _array_rows(array_rows: Mapping[str, int]) -> list[Expectation]:
    from components.lib.validate import library

    return [
        library.ExpectTableRowCountToEqual(
            value=rows,
            description=f"The table has as many rows as the array {name}: {rows}",
            notes="remove the cleaned dataset and run the clean step again",
        )
        for name, rows in sorted(array_rows.items())
    ]


def classes_of(spec: TaskSpec) -> dict[str, tuple[str, ...]]:
    """Per target that has classes, its classes."""
    return {name: kind.class_names for name, kind in spec.targets.items() if kind.class_names}


def quality_columns(spec: TaskSpec) -> dict[str, tuple[float, float]]:
    """Per column <input>_<figure> the range that the figure must lie in."""
    return {
        f"{name}_{figure}": limits
        for name, kind in spec.inputs.items()
        for figure, limits in kind.quality_ranges.items()
    }
