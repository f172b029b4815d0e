"""Rows of a table: numbers and categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.lib.errors import DataError, Unusable, nearest
from components.lib.kinds import _table_corruptions
from components.lib.kinds._cells import Censored, Rule, Word, check_rules, rule
from components.lib.kinds._rows import (
    UNKNOWN,
    Moments,
    Row,
    category,
    check_categories,
    is_missing,
    listed,
    number,
    request_cell,
    row_type,
    rows_of_a_category,
)
from components.lib.kinds.base import Array, Cleaned, Corruption, Explained, Fitted, InputKind, RequestColumn
from components.lib.settings import Settings

if TYPE_CHECKING:
    import keras

__all__ = ["UNKNOWN", "Row", "Table", "TablePolicy"]

Share = Annotated[float, Field(ge=0, le=1)]
Bound = Annotated[float, Field(allow_inf_nan=False)]

CLIP = 10.0
"""Standard deviations beyond which a number says no more."""
WIDEST = 256
"""Categories that a column may have where the task file doesn't list them."""


class TablePolicy(Settings):
    """Online augmentation of rows; 0 switches one off. Off by default: on small tables it costs more than it gives."""

    noise: Share = 0.0
    """Gaussian noise on every number, in standard deviations of its column."""
    drop: Share = 0.0
    """Share of the numbers that are put to the mean of their column."""


class Table(InputKind):
    """A row of a table; cleaned to a structured array without dimensions, its fields in the order of `columns`.

    Numbers are float64, NaN where missing; categories text of at most 64 characters, empty where missing. Nothing else
    is done to a row before training, which fits means, deviations and categories on its own rows.
    """

    kind: Literal["table"]
    numbers: tuple[str, ...] = ()
    """Columns that hold numbers."""
    categories: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    """Columns that hold categories: to the list of allowed ones, or null for those that training finds."""
    ranges: dict[str, tuple[Bound, Bound]] = Field(default_factory=dict)
    """Column of numbers to its lowest and highest plausible value; a row outside is left out, a request refused."""
    rare: Annotated[int, Field(ge=1)] | None = None
    """Categories in fewer training rows count as unknown; null: a fiftieth of the rows, but 3 at least and 10 at most,
    beyond 100,000 rows one in 10,000. A list in `categories` stays as it is."""
    unknown_categories: Literal["allow", "reject"] = "allow"
    """Rows with a category that training has rarely or never: it counts as unknown, as in training, and the answer
    says so in `warnings`; or a server refuses the row, and evaluate doesn't measure it."""
    missing: Literal["allow", "reject"] = "allow"
    """Rows with empty cells: a missing number counts as the column's mean, a missing category as none of them; or such
    rows are left out. Rows without any value always are."""

    unknown: dict[str, tuple[Word, ...]] = Field(default_factory=dict)
    """Column to the words and numbers that mean "unknown" in it, beside empty cells and NA: [?, -999]. Case and blanks
    don't matter."""
    censored: dict[str, Censored] = Field(default_factory=dict)
    """Column of numbers to what becomes of `<0.01` and `>100`: `half` (half the limit below one, the limit above),
    `limit`, or `unknown`. In other columns such text is no number, and the row is left out."""
    masked_ages: dict[str, Bound | None] = Field(default_factory=dict)
    """Column of ages in years to what stands for a masked one (300, `> 89`, `90+`): some years, or null: unknown."""

    by_position: ClassVar[Mapping[str, str]] = {"categories": "allowed"}
    policy_class: ClassVar[type[Settings]] = TablePolicy
    raw_types: ClassVar[tuple[type, ...]] = (Row,)
    default_model: ClassVar[str] = "mlp"
    quality_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"missing": (0.0, 1.0)}
    equal_is_same: ClassVar[bool] = False
    noun: ClassVar[str] = "rows"
    map_packages: ClassVar[tuple[str, ...]] = ("matplotlib",)

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        if not self.columns:
            raise ValueError("at least one column in `numbers` or `categories`")
        twice = listed(sorted(name for name, count in Counter(self.columns).items() if count > 1))
        if twice != "none":
            raise ValueError(f"every column named once; {twice} stands there twice")
        for column, allowed in self.categories.items():
            check_categories(column, allowed)
        for column, (low, high) in self.ranges.items():
            if column not in self.numbers:
                raise ValueError(f"ranges of columns in `numbers`; {column} is none{nearest(column, self.numbers)}")
            if not low < high:
                raise ValueError(f"the range of {column} as [lowest, highest]; it is [{low:g}, {high:g}]")
        check_rules(self.numbers, self.categories, self.unknown, self.censored, self.masked_ages)
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column: the numbers, then the categories."""
        return (*self.numbers, *self.categories)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def dtype(self) -> str:
        return row_type(len(self.numbers), len(self.categories))[0]

    def clean(self, raw: Row) -> Cleaned:
        """Read the cells strictly, and check them against ranges and allowed categories.

        A reason names the column, never the value: it could be a name that slipped into the wrong column.
        """
        values = raw.values
        for column in self.columns:
            if column not in values:
                raise Unusable(f"column {column}: not in the row{nearest(column, values)}")
        numbers = [self._number(column, values[column]) for column in self.numbers]
        words = [self._word(column, values[column], allowed) for column, allowed in self.categories.items()]
        cells = dict(zip(self.columns, (*numbers, *words), strict=True))
        empty = [column for column, cell in cells.items() if cell == "" or is_missing(cell)]
        if len(empty) == len(self.columns):
            raise Unusable("every column is missing")
        if empty and self.missing == "reject":
            raise Unusable(f"column {empty[0]}: missing")
        array = np.array((*numbers, *words), row_type(len(numbers), len(words))[1])
        return Cleaned(array, {"missing": len(empty) / len(self.columns)})

    def rule(self, column: str) -> Rule | None:
        """How the column's cells are read where its settings say more than "a number" or "a category"."""
        words, censored, masks = self.unknown.get(column, ()), self.censored.get(column), column in self.masked_ages
        return rule(words, censored, masks, self.masked_ages.get(column)) if words or censored or masks else None

    @property
    def replaces(self) -> bool:
        return bool(self.unknown or self.censored or self.masked_ages)

    def replaced(self, raw: Row) -> dict[str, str]:
        found: dict[str, str] = {}
        for column in self.columns if self.replaces else ():
            if made := self.rule(column):
                cell = raw.values.get(column)
                read = made.number(column, cell) if column in self.numbers else made.category(column, cell, None)
                found |= {column: read[1]} if read[1] else {}
        return found

    def _word(self, column: str, value: object, allowed: tuple[str, ...] | None) -> str:
        made = self.rule(column)
        return made.category(column, value, allowed)[0] if made else category(column, value, allowed)

    def _number(self, column: str, value: object) -> float:
        made = self.rule(column)
        told = made.number(column, value)[0] if made else number(column, value)
        low, high = self.ranges.get(column, (-np.inf, np.inf))
        if told < low or told > high:
            raise Unusable(f"column {column}: outside its range, {low:g} to {high:g}")
        return told

    def fit(self, pieces: Iterable[Array]) -> dict[str, Any]:
        """Of each column of numbers mean, deviation, and whether training misses some; of the others the categories.
        Both are lists in the order of `columns`. `rare`: in how many rows a category must occur to be known.

        Raises:
            DataError: more than 256 categories in a column, or nothing in any.
        """
        moments, counts = Moments(len(self.numbers)), [Counter[str]() for _ in self.categories]
        for piece in pieces:
            moments.add(self._matrix(piece))
            for count, words in zip(counts, self._words(piece), strict=True):
                count.update(words)
        missing, rare = moments.known < moments.rows, self.rare or rows_of_a_category(moments.rows)
        figures = zip(self.numbers, moments.mean.tolist(), moments.deviation.tolist(), missing.tolist(), strict=True)
        fitted = {
            "numbers": [
                {"name": name, "mean": mean, "deviation": wide, "missing": some} for name, mean, wide, some in figures
            ],
            "categories": [
                {"name": name, "known": _known(name, allowed, count, rare)}
                for (name, allowed), count in zip(self.categories.items(), counts, strict=True)
            ],
            "rare": rare,
        }
        if not self.feature_names(fitted):
            raise DataError("the table's columns of categories", expected=f"a category in {rare} rows of training",
                            found="none", todo="lower `rare` of the input, or list the categories")  # fmt: skip
        return fitted

    def fitted_text(self, fitted: Fitted) -> str:
        if None not in self.categories.values():
            return ""
        return f"categories in fewer than {fitted['rare']} training rows count as unknown"

    def feature_names(self, fitted: Fitted) -> tuple[str, ...]:
        """What each place of the network's input is.

        First the numbers; then, for each number that training misses somewhere, 1 where it is missing; then, for each
        category, 1 where the row has it. The categories of a column are all 0 where it is missing or unknown.
        """
        flags = [f"{each['name']} missing" for each in fitted["numbers"] if each["missing"]]
        words = [f"{each['name']} = {word}" for each in fitted["categories"] for word in each["known"]]
        return (*self.numbers, *flags, *words)

    def network_shape(self, fitted: Fitted) -> tuple[int, ...]:
        return (len(self.feature_names(fitted)),)

    def to_network(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float32]:
        """Rows (N,) as (N, F) in the order of `feature_names`; numbers standardised, within ±10, 0 where missing."""
        rows = np.asarray(cleaned)
        figures = fitted["numbers"]
        numbers = self._matrix(rows)
        missing = np.isnan(numbers)
        mean, deviation = (np.array([each[key] for each in figures], np.float64) for key in ("mean", "deviation"))
        made = np.zeros((len(rows), *self.network_shape(fitted)), np.float32)
        made[:, : len(figures)] = np.where(missing, 0, np.clip((numbers - mean) / deviation, -CLIP, CLIP))
        flagged = missing[:, [each["missing"] for each in figures]] if figures else missing
        start = len(figures) + flagged.shape[1]
        made[:, len(figures) : start] = flagged
        for column, words in zip(fitted["categories"], self._words(rows), strict=True):
            places = {word: start + place for place, word in enumerate(column["known"])}
            place = np.array([places.get(word, -1) for word in words], np.intp)
            known = np.flatnonzero(place >= 0)
            made[known, place[known]] = 1
            start += len(places)
        return made

    def features(self, network_input: NDArray[np.float32]) -> NDArray[np.float32] | None:
        return network_input

    def summary_words(self, fitted: Fitted) -> Mapping[str, tuple[str, str]]:
        return {name: (f"a higher {name}", f"a lower {name}") for name in self.numbers}

    def summary(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float64]:
        """The numbers in standard deviations, 0 where missing; categories that training doesn't know are refused."""
        return self.to_network(cleaned, fitted)[:, : len(self.numbers)].astype(np.float64)

    @property
    def corruptions(self) -> Mapping[str, Corruption]:
        return {"missing values": _table_corruptions.MISSING} if self.missing == "allow" else {}

    def strangers(self, cleaned: Array, generator: np.random.Generator) -> Mapping[str, Array]:
        return {"rows of values drawn column by column": _table_corruptions.mixed(cleaned, generator)}

    def _matrix(self, rows: Array) -> NDArray[np.float64]:
        """The numbers of rows (N,) as (N, numbers); fields are known by their position."""
        fields = _fields(rows)[: len(self.numbers)]
        return np.stack([rows[name] for name in fields], axis=1) if fields else np.zeros((len(rows), 0))

    def _words(self, rows: Array) -> list[list[str]]:
        """The categories of rows (N,), column by column."""
        return [rows[name].tolist() for name in _fields(rows)[len(self.numbers) :]]

    def request_columns(self, name: str) -> tuple[RequestColumn, ...]:
        """One column of a request for each of the table, under its own name.

        Each must be there, null where the value is unknown: MLflow drops columns that it doesn't know, so that a
        misspelt one would pass for a missing value.
        """
        # MLflow would refuse the words that a rule knows before the model sees them, were the column one of numbers.
        kinds = {column: "any" if self.rule(column) else "double" for column in self.numbers}
        numbers = [RequestColumn(column, kinds[column], True, self._meaning(column)) for column in self.numbers]
        words = [RequestColumn(column, "string", True, self._meaning(column)) for column in self.categories]
        return (*numbers, *words)

    def _meaning(self, column: str) -> str:
        unknown = "; null where unknown" if self.missing == "allow" else ""
        if self.censored.get(column):
            unknown = f", or a limit as <0.01 or >100{unknown}"
        if column in self.ranges:
            return "a number, {:g} to {:g}".format(*self.ranges[column]) + unknown
        allowed = self.categories.get(column)
        what = f"one of {listed(allowed)}" if allowed else "a category" if column in self.categories else "a number"
        return what + unknown

    def from_request(self, name: str, row: Mapping[str, Any]) -> Row:
        """The cells of the table's columns; one that isn't there is missing, where rows may miss something."""
        for column in self.columns if self.missing == "reject" else ():
            if column not in row:
                raise Unusable(f"column {column}: not in the request{nearest(column, map(str, row))}")
        return Row({column: request_cell(column, row.get(column)) for column in self.columns})

    def to_request(self, name: str, raw: Row) -> dict[str, Any]:
        """The row with numbers as numbers; text that is no number stays: read or refused alike here and there."""
        sent: dict[str, Any] = {column: raw.values.get(column) for column in self.columns}
        for column in self.numbers:
            try:
                told = number(column, sent[column])
                sent[column] = None if is_missing(told) else told
            except Unusable:
                continue
        return {column: None if is_missing(value) else value for column, value in sent.items()}

    def unknown_categories_of(self, cleaned: Array, fitted: Fitted) -> Mapping[str, NDArray[np.bool_]]:
        pairs = zip(fitted["categories"], _fields(cleaned)[len(self.numbers) :], strict=True)
        return {column["name"]: ~np.isin(cleaned[field], ["", *column["known"]]) for column, field in pairs}

    def refuse_unknown(self, cleaned: Array, fitted: Fitted) -> None:
        """Where `unknown_categories` are rejected: a category that training never saw, or in fewer rows than `rare`."""
        for column, field in zip(fitted["categories"], _fields(cleaned)[len(self.numbers) :], strict=True):
            word, known = str(cleaned[field]), column["known"]
            if self.unknown_categories == "reject" and word and word not in known:
                few = f" (training has it in fewer than {fitted['rare']} rows, or not at all)"
                where = f"column {column['name']}: unknown category"
                raise Unusable(f"{where}{few}{nearest(word, known)}; known: {listed(known)}")

    def random_layers(self, policy: Any, seed: int) -> Sequence[keras.layers.Layer]:
        if not self.numbers or not (policy.noise or policy.drop):
            return []
        from components.lib.kinds._table_layers import RandomNumbers

        return [RandomNumbers(len(self.numbers), policy.noise, policy.drop, seed=seed, dtype="float32")]

    def random_copy(self, cleaned: Array, policy: Any, generator: np.random.Generator) -> Array:
        """An equal copy: plain oversampling. An altered row could be one that can't be (two children, a half)."""
        return np.array(cleaned)

    def picture(self, cleaned: Array, evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
        """Names and values; at the right, where a number lies in its range, or bars of the evidence.

        Evidence is shown where it has one figure a column, (columns,); in another shape it speaks of no column.
        """
        from components.lib.kinds._row_picture import Line, picture

        lines = []
        for column, field in zip(self.columns, _fields(cleaned), strict=True):
            value = cleaned[field].item()
            low, high = self.ranges.get(column, (0.0, 0.0))
            place = (value - low) / (high - low) if high > low and value == value else None
            text = value if isinstance(value, str) else "" if is_missing(value) else f"{value:.8g}"
            lines.append(Line(column, text, place))
        shown = evidence if evidence is not None and evidence.shape == (len(lines),) else None
        return picture(lines, shown, strongest)

    def legend(self, what: str, *, explained: Explained) -> str:
        if explained != "none":
            return f"The row's values; orange bars to the right: columns that speak {what}; blue to the left: against."
        dots = ", and a dot for where a number lies between its lowest and highest plausible value"
        return f"The row's values{dots if self.ranges else ''}."


def _known(column: str, allowed: tuple[str, ...] | None, count: Counter[str], rare: int) -> list[str]:
    """The categories of a column that a network can tell apart."""
    if allowed is not None:
        return list(allowed)
    found = sorted(word for word, rows in count.items() if word and rows >= rare)
    if len(found) > WIDEST:
        raise DataError(
            f"column {column}",
            expected=f"at most {WIDEST} categories of {rare} rows and more",
            found=f"{len(found)}",
            todo="raise `rare` of the input, list the categories that count, or leave the column out",
        )
    return found


def _fields(rows: Array) -> tuple[str, ...]:
    return rows.dtype.names or ()
