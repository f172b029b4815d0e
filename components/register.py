"""Step `register`: a model becomes a version in the registry, and gets the alias its gates earn it.

    python -m components.register --help

One version per model: registering again changes nothing. Aliases: a version that fails a gate gets none and a tag that
says why; the first one that passes is `champion`; later ones are `challenger`, until a person or `promote: auto`
decides. Experiments (`dvc exp run`) register without an alias.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from components.lib.errors import DataError
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.registry import Registry, registered_name
from components.lib.spec import TaskSpec
from components.lib.tracking import run_of

CARD = "model_card.md"


def register(model: Path, evaluation: Path, out: Path, spec: TaskSpec) -> None:
    """Register the evaluated model.

    Args:
        model: the model directory.
        evaluation: what evaluate wrote; its model_card.md becomes the version's description and goes into it.
        out: a directory with receipt.json: name, digest and gates. The version's number stays in the registry: it
            differs from store to store, and equal work gives equal bytes.
        spec: the task.

    Raises:
        DataError: the evaluation is of another model, or has no model card.
    """
    opened = Model(model)
    verdict = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    if verdict["model_digest"] != opened.digest:
        raise DataError(
            str(evaluation),
            expected=f"an evaluation of model {opened.digest[:12]}",
            found=f"one of {verdict['model_digest'][:12]}",
            todo="dvc repro evaluate",
        )
    name = registered_name(spec.task, synthetic=opened.info.synthetic)
    card = evaluation / CARD
    if not card.is_file():
        raise DataError(
            str(card),
            expected="the model card that evaluate writes",
            found="no such file",
            todo="dvc repro evaluate",
        )
    registry = Registry(run_of(model, spec), name)
    version = registry.find(opened.digest)
    if version is None:
        version = registry.add(opened, _tags(opened, verdict), card)
    registry.describe(version, card.read_text(encoding="utf-8"))
    decision = _decide(registry, version, verdict, spec)
    print(f"registered: {name} version {version}, {decision}")
    receipt = {"name": name, "model_digest": opened.digest, "passed": verdict["passed"], "gates": verdict["gates"]}
    with output(out, {"model": opened.digest, "evaluation": verdict}) as partial:
        (partial / "receipt.json").write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")


def _tags(model: Model, verdict: dict[str, object]) -> dict[str, str]:
    return {
        "model_digest": model.digest, "dataset_digest": str(verdict["dataset_digest"]),
        "architecture": model.info.architecture, "synthetic": str(model.info.synthetic).lower(),
    }  # fmt: skip


def _decide(registry: Registry, version: str, verdict: dict[str, object], spec: TaskSpec) -> str:
    """Give the version its alias, once; returns what was decided, in words."""
    if "DVC_EXP_NAME" in os.environ:
        return "no alias: an experiment moves none"
    earlier = registry.tags(version).get("decision")
    if earlier:
        # A person may have moved aliases since; running the step again must not move them back.
        return f"already there ({earlier})"
    champion = registry.aliases().get("champion")
    if not verdict["passed"]:
        decision = "no alias: a gate failed"
        registry.tag(version, "gates_failed", json.dumps(verdict["gates"])[:5000])
    elif champion is None or spec.register_.promote == "auto":
        registry.set_alias("champion", version)
        decision = (
            "champion: the first to pass" if champion is None else f"champion after version {champion}: promote auto"
        )
    else:
        registry.set_alias("challenger", version)
        decision = f"challenger of version {champion}"
    registry.tag(version, "decision", decision)
    return decision


if __name__ == "__main__":
    from components.lib.cli import run_step

    run_step(register)
