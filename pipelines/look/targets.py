"""Which column of a table is to be predicted: by its name and values, unless one was named; else somebody is asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from components.lib.errors import DataError, nearest
from components.lib.kinds._labels import normal_form
from components.lib.places import Place
from components.lib.shell_words import quoted
from pipelines.look import names
from pipelines.look.choices import Classes, choose_threshold
from pipelines.look.columns import classes_of, few_values, labels_of, target_name
from pipelines.look.findings import Questions, counted, refused, some
from pipelines.look.health import means_health
from pipelines.look.labels import Several, read_labels, several_findings

FEWEST = 5
"""Samples of a class below which a column is not taken unless it is named."""
SMALL = 20
"""Rows of a table so small that this can't be asked of it."""
LISTED = 14
"""Findings that a message lists."""
CALLED, OUTCOME, FINDING, DISPOSITION, ANY = 4, 3, 2, 1, 0
"""What a column's name says: "target", an outcome, a finding, nothing."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Args:
        column: of the table.
        several: what its cells list, where they list findings.
        finding: which of these is predicted.
    """

    column: str
    several: Several | None = None
    finding: str = ""

    def name(self, table: pd.DataFrame) -> str:
        """What the task calls it."""
        return target_name(self.finding or self.column, table, self.column)

    def classes(self, labels: pd.Series, questions: Questions, where: Place) -> Classes:
        """Its classes; of a finding: that it is named, or not."""
        if self.several is None:
            return classes_of(labels, questions, where, self.column)
        named, total = self.several.counts[self.finding], int(labels_of(labels).notna().sum())
        others = [each for each in self.several.counts if each != self.finding]
        classes = Classes(
            [f"no {self.finding}"[:60], self.finding[:60]],
            [
                f"cells of {self.column!r} list findings, with {self.several.separator!r} between them: "
                f"{listed(self.several)}; {self.finding!r} is predicted",
                f"2 classes: no {self.finding} ({total - named:,}), {self.finding} ({named:,})",
            ],
            f"{self.finding} is the finding: its probability is served",
            min(named, total - named),
            {"finding": self.finding, "separator": self.several.separator, "others": others},
        )
        unknown = [each for each in others if normal_form(each) in UNKNOWN_PARTS]
        if unknown:
            classes.settings["others"] = [each for each in others if each not in unknown]
            classes.settings["unknown"] = unknown
        choose_threshold(classes, named / max(total, 1), questions)
        return classes


UNKNOWN_PARTS = frozenset(map(normal_form, ("?", "unknown", "uncertain", "unclear", "unklar", "incertain", "不明")))


def listed(several: Several) -> str:
    """The findings of cells, and how many cells name each."""
    return some([f"{name} ({number:,})" for name, number in several.counts.items()], LISTED)


def choose_target(
    raw: pd.DataFrame, table: pd.DataFrame, taken: Collection[str | None], questions: Questions, where: Place,
    of: Literal["rows", "files", "classes"],
) -> Target:  # fmt: skip
    """The column to predict.

    Args:
        raw: the table as text.
        table: the same, null where unknown.
        taken: columns that are something else: paths, patients, the split, …
        questions: asked where names and values leave a choice.
        where: the table, for errors.
        of: what a row is: a sample itself, or a line about a file, of which only classes may be predicted ("classes")
            or numbers, too. Of several findings of files none is preferred.

    Raises:
        DataError: the named column isn't there; nothing could be predicted; several columns equally well, or findings
            that are listed in one cell, and nobody to ask.
    """
    if questions.target is not None:
        return _named(questions, raw)
    columns = [str(c) for c in table.columns if c not in taken and names.plain(c) not in names.PERSON]
    levels = {column: level(column) for column in columns}
    several = {c: found for c in columns if levels[c] >= FINDING and (found := _several(raw[c])) is not None}
    held = {c: few_values(labels_of(raw[c])) for c in columns}
    able = [c for c in columns if c in several or held[c] or (of == "rows" and _numeric(table[c]))]
    if of == "files" and not able:
        able = [c for c in columns if _numeric(table[c])]
    able = [c for c in able if not names.is_no_target(c)]
    scarce = {c: note for c in able if held[c] and c not in several and (note := _too_few(raw[c]))}
    options = [c for c in able if c not in scarce]
    if not options:
        raise _nothing(where, scarce, [str(c) for c in table.columns], questions)
    top = max(levels[c] for c in options)
    best = [c for c in options if levels[c] == top]
    chosen = _choose(options, best, top, questions, where, of)
    return _of_cell(chosen, several[chosen], questions, where) if chosen in several else Target(chosen)


def level(column: str) -> int:
    """What a column's name says of it as a target: CALLED, OUTCOME, FINDING, DISPOSITION or ANY."""
    called = names.plain(column)
    if called in names.TARGET:
        return CALLED
    if names.is_disposition(column):  # where somebody goes follows from what is asked: it stands back behind a finding
        return DISPOSITION
    if names.is_outcome(column) or names.last_word(column) in names.OUTCOME:
        return OUTCOME if called not in ("no_finding", "no_findings") else FINDING
    return FINDING if names.is_finding(column) else ANY


def _choose(
    options: list[str], best: list[str], top: int, questions: Questions, where: Place, of: str
) -> str:  # fmt: skip
    """One of the options: without a question only where there is no other, or one alone is called a target."""
    if len(options) == 1 or (top == CALLED and len(best) == 1):
        return best[0]
    if top == FINDING and of != "rows" and len(best) > 1:
        if not questions.ask:
            raise refused(
                where,
                expected="one column of findings, or its name",
                found=f"{len(best)} that could be predicted equally well: {some(best, LISTED)}",
                todo=f"name one of them: {questions.command(best[0])}",
            )
        default, why = best[0], "the first one"
    elif top >= DISPOSITION and top != CALLED and (top == OUTCOME or len(best) == 1):
        default, why = best[-1], "its name says so" if len(best) == 1 else "the last one whose name says so"
    elif top == CALLED:
        default, why = best[0], "the first one whose name says so"
    else:
        default = options[-1] if of == "rows" else options[0]
        why = "the last column; no name says which" if of == "rows" else "no name says which"
    return questions.choose("Which column is to be predicted?", options, default, why)


def _named(questions: Questions, raw: pd.DataFrame) -> Target:
    """`--target COLUMN`, or `--target COLUMN=FINDING` of a column whose cells list findings."""
    wanted, there = str(questions.target), [str(c) for c in raw.columns]
    column, finding = wanted, ""
    if wanted not in there:
        cut = [(wanted[:at], wanted[at + 1 :]) for at, sign in enumerate(wanted) if sign == "="]
        column, finding = next(((c, f) for c, f in cut if c in there), (wanted, ""))
    if column not in there:
        raise DataError(
            "--target",
            expected=f"a column of the table: {some(there, 20)}",
            found=f"{wanted}{nearest(wanted, there)}",
            todo="write the column's name as the table has it",
        )
    several = _several(raw[column])
    questions.target = column
    if finding and several is None:
        raise DataError(
            "--target",
            expected=f"the column alone: {column}",
            found=f"{wanted}; cells of {column!r} hold one label each",
            todo=f"--target {quoted(column)}",
        )
    if several is None:
        return Target(column)
    known = several.find(finding) if finding else None
    if finding and known is None:
        raise DataError(
            "--target",
            expected=f"a finding of column {column!r}: {listed(several)}",
            found=f"{finding}{nearest(finding, several.counts)}",
            todo="write the finding as the table has it",
        )
    return Target(column, several, known) if known else _of_cell(column, several, questions, "--target")


def _of_cell(column: str, several: Several, questions: Questions, where: Place | str) -> Target:
    """One of the findings that the cells of a column list; somebody has to say which."""
    options = [each for each in several.counts if each.strip()]
    if not questions.ask:
        sought = next((each for each in options if not means_health(each)), options[0])
        raise DataError(
            f"{where}, column {column}" if where != "--target" else "--target",
            expected="one label in each cell; or, of several findings, the one to predict",
            found=f"cells that list several, with {several.separator!r} between them ({several.cells:,} cells): "
            f"{listed(several)}. A model for all of them (multilabel: a column 0/1 for each) does not exist yet",
            todo=f"choose one of them: {questions.command(f'{column}={sought}')}",
        )
    default = next((each for each in options if not means_health(each)), options[0])
    question = f"Cells of {column!r} list several findings. Which one is to be predicted?"
    return Target(column, several, questions.choose(question, options, default, "the most frequent one"))


def _several(raw: pd.Series) -> Several | None:
    known = labels_of(raw).dropna()
    return several_findings({str(cell): int(number) for cell, number in known.value_counts().items()})


def _too_few(raw: pd.Series) -> str:
    """Why a column is not taken by default: one class alone has enough samples. Empty where two have."""
    known = labels_of(raw).dropna()
    if len(known) < SMALL:
        return ""
    counts = read_labels({str(k): int(n) for k, n in known.value_counts().items()}, Questions()).counts
    second = sorted(counts.values(), reverse=True)[1:2]
    return (
        "" if second and second[0] >= FEWEST else f"{counted(second[0] if second else 0, 'sample')} of its other class"
    )


def _numeric(column: pd.Series) -> bool:
    known = column.dropna()
    plain = known.str.strip().str.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
    return known.nunique() > 2 and bool(plain.all())


def _nothing(where: Place, scarce: dict[str, str], columns: list[str], questions: Questions) -> DataError:
    if scarce:
        return refused(
            where,
            expected=f"a column to predict, with {FEWEST} samples of each of two classes",
            found="; ".join(f"{column!r}: {note}" for column, note in list(scarce.items())[:5]),
            todo=f"add samples; or take it all the same: {questions.command(next(iter(scarce)))}",
        )
    return refused(
        where,
        expected="a column with 2 to 20 classes, or of numbers, to predict",
        found=some(columns, 20),
        todo="add the target's column, or name it: --target COLUMN",
    )
