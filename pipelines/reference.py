"""docs/task-file.md, made from the classes that read the task file: every key, its type, default, bounds and meaning.

python -m pipelines.reference            write it
python -m pipelines.reference --check    say whether it is fresh
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.lib.kinds import INPUT_KINDS, InputKind
from components.lib.made_files import write_or_check
from components.lib.spec import TaskSpec
from components.lib.tracking import CHECKOUT

PAGE = CHECKOUT / "docs" / "task-file.md"
HEAD = """<!-- Made by python -m pipelines.reference: edit the classes in components/lib instead. -->
# The task file

One YAML file describes one clinical task. `python -m pipelines.new DATA` writes a first one; this page lists every key.
`python -m components.lib.spec FILE` checks a file and says what is wrong with it, by key, with the nearest valid one.

- A section that is absent or `null` has its defaults. `dvc.yaml` wants every section to be named.
- A key that isn't listed here is an error, never ignored.
- Values are strict: `"8"` is no integer. YAML takes `1e-3` for text (write `1.0e-3`) and `yes`, `no`, `on`, `off` for
  true and false (quote them when they are names).
- A file has at most 4 MB, 100,000 values (those counted that aliases repeat) and 64 levels inside each other.
- *required*: there is no default. `NAME` stands for a name of yours: small letters, digits, `_`.
"""
# Keys whose values are the names of files, so that one more file is one more value.
FILES = {"train.model": "components/train/models"}

Schema = Mapping[str, Any]


def page() -> str:
    """The text of docs/task-file.md."""
    schema = TaskSpec.model_json_schema()
    definitions = schema["$defs"]
    top = {key: value for key, value in schema["properties"].items() if not _models(value, definitions)}
    parts = [HEAD, "## First lines\n", *_table("", top, schema, definitions)]
    for key, value in schema["properties"].items():
        if key not in top:
            parts += _section(key, value, definitions)
    return "\n".join(parts)


def _section(key: str, value: Schema, definitions: Schema) -> Iterator[str]:
    """Heading, meaning and table of a section, and of what lies below it."""
    models = _models(value, definitions)
    yield f"{'###' if '.' in key else '##'} `{key}`\n"
    named = "patternProperties" in value or isinstance(value.get("additionalProperties"), dict)
    if "description" in value:
        yield f"{_sentence(value['description'])}\n"
    if named or len(models) > 1:
        # A family: which keys there are depends on the value of `kind` or `reader`.
        place = f"{key}.NAME" if named else key
        for model in models:
            title = _title(model)
            yield f"### `{place}`, {title}\n"
            yield f"{_sentence(model['description'])}\n"
            below = {name: child for name, child in model["properties"].items() if _models(child, definitions)}
            own = {name: child for name, child in model["properties"].items() if name not in below}
            yield from _table(f"{place}.", own, model, definitions)
            for name, child in below.items():
                (inner,) = _models(child, definitions)
                yield f"#### `{place}.{name}`, of {title}\n"
                yield f"{_sentence(child.get('description', inner['description']))}\n"
                yield from _table(f"{place}.{name}.", inner["properties"], inner, definitions)
        return
    (model,) = models
    yield f"{_sentence(model['description'])}\n"
    below = {name: child for name, child in model["properties"].items() if _models(child, definitions)}
    yield from _table(f"{key}.", {n: c for n, c in model["properties"].items() if n not in below}, model, definitions)
    if key == "augment":
        yield from _policies()
    for name, child in below.items():
        yield from _section(f"{key}.{name}", child, definitions)


def _title(model: Schema) -> str:
    """Which member of a family: by its tag, or by its name where the keys tell them apart."""
    tag = next((each for each in ("reader", "kind") if each in model["properties"]), None)
    return f"`{tag}: {model['properties'][tag]['const']}`" if tag else str(model["title"]).lower()


def _policies() -> Iterator[str]:
    """The keys of `augment.online.NAME`, which depend on the kind of the input of that name."""
    for kind in sorted(INPUT_KINDS, key=_kind_name):
        policy = kind.policy_class.model_json_schema()
        yield f"### `augment.online.NAME`, for inputs of `kind: {_kind_name(kind)}`\n"
        yield f"{_sentence(policy['description'])}\n"
        yield from _table("augment.online.NAME.", policy["properties"], policy, policy.get("$defs", {}))


def _kind_name(kind: type[InputKind]) -> str:
    return str(kind.model_json_schema()["properties"]["kind"]["const"])


def _table(prefix: str, keys: Mapping[str, Schema], owner: Schema, definitions: Schema) -> Iterator[str]:
    if not keys:
        return
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, value in keys.items():
        kind = _files_of(f"{prefix}{name}") or _type(value, definitions)
        # What is made afresh each time (an empty mapping) has no default in the schema.
        default = "*required*" if name in owner.get("required", ()) else f"`{_yaml(value.get('default', {}))}`"
        meaning = value.get("description", "Which it is." if name in ("kind", "reader") else "")
        rows.append(f"| `{prefix}{name}` | {kind} | {default} | {_sentence(meaning)} |".replace("|  |", "| |"))
    yield "\n".join(rows) + "\n"


def _type(value: Schema, definitions: Schema) -> str:
    """A value's type and bounds, in words."""
    if "$ref" in value:
        return _type(definitions[value["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in value:
        return " or ".join(_type(choice, definitions) for choice in value["anyOf"])
    if "const" in value or "enum" in value:
        return ", ".join(f"`{_yaml(choice)}`" for choice in value.get("enum", [value.get("const")]))
    kind = value.get("type")
    if kind == "array":
        if "prefixItems" in value:
            items = [_type(item, definitions) for item in value["prefixItems"]]
            return f"list of {len(items)}: {items[0]}" if len({*items}) == 1 else f"list of {'; '.join(items)}"
        least = f" {value['minItems']} or more" if "minItems" in value else ""
        return f"list of{least}: {_type(value['items'], definitions)}"
    if kind == "object":
        inner = value.get("additionalProperties")
        if isinstance(inner, dict) and "const" in value.get("propertyNames", {}):
            return f"{{`{value['propertyNames']['const']}`: {_type(inner, definitions)}}}"
        told = _type(inner, definitions) if isinstance(inner, dict) and inner.get("type") != "object" else "keys"
        return f"NAME: {told}"
    words = {"string": "text", "number": "number", "integer": "integer", "boolean": "true or false", "null": "null"}
    return words[str(kind)] + _bounds(value)


def _bounds(value: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {value[name]:g}" for name, sign in signs.items() if name in value]
    if "maxLength" in value:
        told.append(f"{value.get('minLength', 0)} to {value['maxLength']} signs")
    if "pattern" in value:
        told.append("small letters, digits, `_`")
    return f", {', '.join(told)}" if told else ""


def _files_of(key: str) -> str:
    if key not in FILES:
        return ""
    folders = sorted(path for path in (CHECKOUT / FILES[key]).iterdir() if (path / "__init__.py").exists())
    told = []
    for folder in folders:
        names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
        told.append(f"for {folder.name}: {', '.join(f'`{name}`' for name in names)}")
    return "; ".join(told) + "; or null"


def _models(value: Schema, definitions: Schema) -> list[Schema]:
    """The classes of settings that a value may be, themselves or below names."""
    if "$ref" in value:
        return [definitions[value["$ref"].rsplit("/", 1)[-1]]]
    inner = [*value.get("anyOf", ()), *value.get("oneOf", ()), *value.get("patternProperties", {}).values()]
    if isinstance(value.get("additionalProperties"), dict):
        inner.append(value["additionalProperties"])
    return [model for choice in inner for model in _models(choice, definitions)]


def _sentence(text: str) -> str:
    """A docstring on one line, safe inside a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main(check: bool = False) -> None:
    """Write docs/task-file.md, or with --check say whether it is fresh."""
    write_or_check(
        {PAGE: page()}, source="the task file's classes", command="python -m pipelines.reference", check=check
    )


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
