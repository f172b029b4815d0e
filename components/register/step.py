"""A model becomes a version in the registry, and gets the alias its gates and golden cases earn it.

One version per model: registering again changes nothing. Where there is a champion, both are held against each other on
the test samples (`compare`), and the version's card, its tags and its run keep the verdicts. Before an alias leads to a
version, a real server of it is asked about some test samples (`golden`). Aliases: a version that fails a gate, or
answers otherwise than evaluate measured, gets none and a tag that says why; the first one that passes is `champion`;
later ones are `challenger`, until a person decides, or `promote: auto` where the comparison shows them to be better.
Experiments (`dvc exp run`) register without an alias, so no server is asked and nothing is compared.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from components.lib.dataset import WRITE_AGAIN, Dataset
from components.lib.digests import Sums, say_unverified
from components.lib.errors import DataError
from components.lib.model_dir import Model
from components.lib.output import output
from components.lib.places import Place
from components.lib.registry import CARD, CHAMPION, Registry, registered_name
from components.lib.same_data import identity, require_same_data
from components.lib.spec import TaskSpec
from components.lib.tracking import Run, run_of
from components.register import keeping
from components.register.cases import Cases, cases_of
from components.register.compare import Comparison, compare
from components.register.golden import asked
from components.register.telling import into_card, lines, sentence

DIFFERS = "no alias: the served model answers otherwise than evaluate measured"


def register(
    raw: Place, dataset: Path, private: Path, model: Path, evaluation: Path, out: Path, spec: TaskSpec
) -> None:
    """Register the evaluated model.

    Args:
        raw: the raw data, on this machine or on a server: the golden cases are asked as they came.
        dataset: what clean wrote: which samples are of the test split.
        private: what ingest wrote: the way back to the files.
        model: the model directory.
        evaluation: what evaluate wrote; its model_card.md, with the comparison, becomes the version's description and
            goes into it.
        out: a directory with receipt.json: name, digest and gates. The version's number stays in the registry: it
            differs from store to store, and equal work gives equal bytes. So do the milliseconds, and the champion:
            beside the directory, comparison.html shows what came of the comparison with it.
        spec: the task.

    Raises:
        DataError: the evaluation is of another model or dataset, or has no model card; there is no way back to the raw
            data; or the registered model of this name is of other data.
        ServerError: the raw data lie on a server that fails.
        ModelError: the version can't be served.
    """
    opened, evaluated = Model(model), Sums(evaluation, DataError, WRITE_AGAIN)
    say_unverified(Dataset(dataset).sums, opened.sums, evaluated)
    evaluated.require_all(".json", ".md", ".parquet")
    verdict = _verdict(evaluation, opened)
    card = evaluation / CARD
    if not card.is_file():
        raise DataError(
            str(card),
            expected="the model card that evaluate writes",
            found="no such file",
            todo="dvc repro evaluate",
        )
    name, run = registered_name(spec.task, synthetic=opened.info.synthetic), run_of(model, spec)
    registry = Registry(run, name)
    version = registry.find(opened.digest)
    if version is None:
        require_same_data(run.store, Dataset(dataset), spec)
    cases = comparison = None
    if _undecided(registry, version):
        cases = cases_of(raw, dataset, private, evaluation, opened.info, verdict["dataset_digest"], spec)
        comparison = _compared(registry, version, opened, dataset, evaluation, spec)
    kept = comparison or (keeping.kept(registry, version) if version else None)
    text = card.read_text(encoding="utf-8")
    text = into_card(text, kept) if kept else text
    if version is None:
        version = registry.add(opened, _tags(opened, verdict) | identity(Dataset(dataset), spec), text)
    registry.describe(version, text)
    if comparison:
        keeping.keep(registry, version, comparison, evaluation, synthetic=opened.info.synthetic)
    keeping.show(out.parent, kept, name, synthetic=opened.info.synthetic)
    answered = _ask(registry, version, run, cases) if cases else True
    decision = _decide(registry, version, verdict, spec, comparison, answered=answered)
    print(f"registered: {name} version {version}, {decision}")
    passed = verdict["passed"] and registry.tags(version).get("decision") != DIFFERS
    receipt = {"name": name, "model_digest": opened.digest, "passed": passed, "gates": verdict["gates"]}
    with output(out, {"model": opened.digest, "evaluation": verdict}) as partial:
        (partial / "receipt.json").write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")


def _verdict(evaluation: Path, model: Model) -> dict[str, Any]:
    """What evaluate found, of this very model."""
    verdict: dict[str, Any] = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
    if verdict["model_digest"] != model.digest:
        raise DataError(
            str(evaluation),
            expected=f"an evaluation of model {model.digest[:12]}",
            found=f"one of {verdict['model_digest'][:12]}",
            todo="dvc repro evaluate",
        )
    return verdict


def _undecided(registry: Registry, version: str | None) -> bool:
    """Whether an alias may be given now, for which the version must answer first."""
    if "DVC_EXP_NAME" in os.environ:
        return False
    return version is None or "decision" not in registry.tags(version)


def _compared(
    registry: Registry, version: str | None, model: Model, dataset: Path, evaluation: Path, spec: TaskSpec
) -> Comparison | None:
    """The model against the champion of this moment; None where there is none, or where it is this very version."""
    champion = registry.champion()
    if champion is None or champion == version:
        return None
    comparison = compare(registry, champion, model, Dataset(dataset), evaluation, spec)
    print("\n".join(lines(comparison)))
    return comparison


def _ask(registry: Registry, version: str, run: Run, cases: Cases) -> bool:
    """Ask the version about the golden cases, and say whether it passed; it and its run remember what came."""
    golden = asked(f"models:/{registry.name}/{version}", cases)
    print(golden)
    run.log_metrics(golden.metrics)
    for tag, value in golden.tags.items():
        registry.tag(version, tag, value)
    return golden.passed


def _tags(model: Model, verdict: dict[str, object]) -> dict[str, str]:
    return {
        "model_digest": model.digest, "dataset_digest": str(verdict["dataset_digest"]),
        "architecture": model.info.architecture, "synthetic": str(model.info.synthetic).lower(),
    }  # fmt: skip


def _decide(
    registry: Registry,
    version: str,
    verdict: dict[str, object],
    spec: TaskSpec,
    comparison: Comparison | None,
    *,
    answered: bool,
) -> str:
    """Give the version its alias, once; returns what was decided, in words."""
    if "DVC_EXP_NAME" in os.environ:
        return "no alias: an experiment moves none"
    earlier = registry.tags(version).get("decision")
    if earlier:
        # A person may have moved aliases since; running the step again must not move them back.
        return f"already there ({earlier})"
    champion = registry.champion()
    if not verdict["passed"]:
        registry.tag(version, "gates_failed", json.dumps(verdict["gates"])[:5000])
    if not answered:
        decision = DIFFERS
    elif not verdict["passed"]:
        decision = "no alias: a gate failed"
    elif champion is None:
        registry.set_alias(CHAMPION, version)
        decision = "champion: the first to pass"
    elif champion == version:
        decision = "champion already: a person made it so"
    elif spec.register_.promote == "auto" and _replaces(comparison, champion):
        registry.set_alias(CHAMPION, version)
        decision = f"champion after version {champion}: promote auto, non-inferior in all and superior"
    else:
        registry.set_alias("challenger", version)
        decision = f"challenger of version {champion}"
        if spec.register_.promote == "auto" and comparison is not None:
            decision += f"; not promoted: {sentence(comparison)}"[:4000]
    registry.tag(version, "decision", decision)
    return decision


def _replaces(comparison: Comparison | None, champion: str) -> bool:
    """Whether the version was shown to be better than the champion of this moment."""
    return comparison is not None and comparison.champion == champion and comparison.may_replace
