"""docs/serving.md, made from the kinds: what is sent to a served model, and what it answers.

python -m serving.reference            write it
python -m serving.reference --check    say whether it is fresh

Its prose and its examples are serving/page.md; a line that begins with @ there stands for what is made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.lib.answers import ERROR, LYING, MODEL_VERSION, UNKNOWN_CATEGORY, Parameter, parameters
from components.lib.errors import MedpipeError
from components.lib.kinds import INPUT_KINDS, TARGET_KINDS, InputKind, TargetKind
from components.lib.made_files import write_or_check
from components.lib.model_dir import ModelInfo, TargetFigures
from components.lib.settings import Settings
from components.lib.tracking import CHECKOUT
from serving.guard.limits import Limits
from serving.reference_data import INPUTS, NAMES, NONSENSE, REFUSED, TARGETS, WRONG_PARAMS

PAGE = CHECKOUT / "docs" / "serving.md"
TEMPLATE = Path(__file__).with_name("page.md")
MADE = "<!-- Made by python -m serving.reference: edit serving/page.md, or the kinds in components/lib, instead. -->\n"
COMMON = {
    "outside": "share of the training samples that lie nearer to the others than this one, 0 to 1; null where the kind "
    "of input has no plain figures",
    "warnings": "sentences joined by `; `, empty where there is none: `image: farther out than 99 of 100 training "
    "samples` beyond .99; of a table also `record: column ward: " + UNKNOWN_CATEGORY + "`",
    "map": "only with `explain`: the sample, and warm on it what speaks for the answer, as a PNG in base64; null of a "
    "model without maps",
    "model_version": "the version in the registry that answered",
    "error": "only with `on_error: row`: why this row has no answer, and null in every other column; null where it has "
    "one",
}
"""What the columns tell that are the same for every target."""


def page() -> str:
    """The text of docs/serving.md.

    Raises:
        MedpipeError: a kind of input has no section in serving/page.md, or no example to make it from.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    made = {
        "@params": _params(), "@targets": "\n".join(_target(each) for each in TARGET_KINDS), "@common": _common(),
        "@refused": _refused(), "@nonsense": _table(("what is sent", "status", "what comes back", "guarded"), NONSENSE),
        "@limits": _limits(),
        **{f"@input {kind_name(each)}": _input(each) for each in INPUT_KINDS},
    }  # fmt: skip
    for marker, content in made.items():
        if f"\n{marker}\n" not in text:
            raise MedpipeError(
                str(TEMPLATE.name),
                expected=f"a line {marker}",
                found="none",
                todo="write a section of it, with examples",
            )
        text = text.replace(f"\n{marker}\n", f"\n{content}")
    return MADE + text


def kind_name(kind: type[Settings]) -> str:
    """What a task file calls a kind."""
    return str(kind.model_json_schema()["properties"]["kind"]["const"])


def example(kind: type[Settings]) -> Settings:
    """A kind with the settings of its example.

    Raises:
        MedpipeError: there is none.
    """
    name, examples = kind_name(kind), {**INPUTS, **TARGETS}
    if name not in examples:
        raise MedpipeError(
            f"kind {name}", expected="an example of it for docs/serving.md", found="none",
            todo="add one to serving/reference_data.py",
        )  # fmt: skip
    return kind.model_validate_json(json.dumps({"kind": name, **examples[name]}))


def decided() -> ModelInfo:
    """As much of a model with a binary target as its params are told by."""
    (binary,) = (example(each) for each in TARGET_KINDS if kind_name(each) == "binary")
    figures = TargetFigures(scaling={}, decision={"threshold": 0.5}, validation_score=1.0)
    return ModelInfo.model_construct(targets={"finding": binary}, fitted={"finding": figures})


def _params() -> str:
    rows = [(f"`{each.name}`", each.type, _default(each), each.meaning) for each in parameters(decided())]
    return _table(("param", "type", "default", "meaning"), rows)


def _default(parameter: Parameter) -> str:
    return "the fitted one" if parameter.type == "double" else f"`{json.dumps(parameter.default)}`"


def _input(kind: type[InputKind]) -> str:
    made = example(kind)
    assert isinstance(made, InputKind)
    columns = made.request_columns(NAMES[made.kind])
    rows = [(f"`{each.name}`", each.type, "yes" if each.required else "no", each.meaning) for each in columns]
    return _table(("column", "type", "required", "what is put there"), rows)


def _target(kind: type[TargetKind]) -> str:
    made = example(kind)
    assert isinstance(made, TargetKind)
    rows = [(f"`{name}`", told, made.answer_meanings.get(name, "")) for name, told in made.answer_types.items()]
    return f"### A target of `kind: {made.kind}`\n\n" + _table(("column", "type", "meaning"), rows)


def _common() -> str:
    types = {**LYING, "map": "string", **MODEL_VERSION, **ERROR}
    return _table(("column", "type", "meaning"), [(f"`{name}`", told, COMMON[name]) for name, told in types.items()])


def _refused() -> str:
    rows = [(f"`{json.dumps(row)}`", sentence) for each in REFUSED.values() for row, sentence in each]
    params = [(f"`params: {json.dumps(each)}`", sentence) for each, sentence in WRONG_PARAMS]
    return _table(("sent", "the last part of the answer"), [*rows, *params])


def _limits() -> str:
    fields = Limits.model_fields.items()
    return _table(
        ("limit", "default", "of what"), [(f"`{name}`", f"{each.default:g}", each.description) for name, each in fields]
    )


def _table(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    told = [[re.sub(r"\|", r"\\|", str(cell)) for cell in row] for row in rows]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {' | '.join(row)} |" for row in told)]
    return "\n".join(lines) + "\n"


def main(check: bool = False) -> None:
    """Write docs/serving.md, or with --check say whether it is fresh."""
    write_or_check(
        {PAGE: page()}, source="the kinds and serving/page.md", command="python -m serving.reference", check=check
    )


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
