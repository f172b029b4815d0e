"""model.json of earlier formats: what can still be read, and why the rest can't (docs/decisions/016)."""

from __future__ import annotations

from typing import Any

from components.lib.positions import NAME


def of_format_2(values: dict[str, Any]) -> str:
    """Bring a model.json of format 2, whose keys were sorted, into the present form, in place.

    Only category columns of a table were known by position there and written as an object, so that they came back in
    alphabetical order. All else is a list, or found by its name.

    Returns:
        why it can't be read; empty where it can.
    """
    inputs, fitted = values.get("inputs", {}), values.get("fitted_inputs", {})
    for name, kind in inputs.items():
        if kind.get("kind") != "table":
            continue
        columns = kind.get("categories") or {}
        if len(columns) > 1:
            return (
                f"which kept no order of columns: {name} has {len(columns)} columns of categories, and the network may "
                "be given one in place of another"
            )
        if columns:
            return (
                f"whose server refuses rows that evaluate counts: those with a category of {name} that training hardly "
                "has"
            )
        numbers = fitted[name]["numbers"]
        fitted[name] = {"numbers": [{NAME: each, **numbers[each]} for each in kind["numbers"]], "categories": []}
        fitted[name]["rare"] = kind.pop("rare", 1)  # without categories it says nothing
    values["format"] = 3
    return ""


def name_calibration(values: dict[str, Any]) -> None:
    """Say `temperature` of the classes of an older model.json, in place: it had no other calibration, and no word for
    it. Its scaling is read as it stands: no class weights were undone."""
    for kind in values.get("targets", {}).values():
        if kind.get("kind") in ("binary", "multiclass"):
            kind.setdefault("calibration", "temperature")
