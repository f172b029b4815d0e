"""Where a comparison is kept: with the version, in its run, and on a page of the workspace.

The champion is the store's and no declared input of the step, so that no output of DVC may hold anything of it. The
page in the workspace lies beside the outputs, as run.json does, and is written again from the version's run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.lib.output import write_bytes
from components.lib.page import with_section
from components.lib.registry import CARD, Registry
from components.register.compare import Comparison
from components.register.telling import comparison_page, into_card, metrics, section, sentence, tags

FOLDER, JSON, PAGE = "comparison", "comparison.json", "comparison.html"
REPORT, OF_EVALUATE = "report.html", "evaluation"
AFTER_VERDICT = "In plain words"
"""The section of the report that follows the verdict."""


def keep(registry: Registry, version: str, comparison: Comparison, evaluation: Path, *, synthetic: bool) -> None:
    """Tags of the version; metrics, tags and artifacts of its run, its report and its card with the comparison in them.

    Args:
        registry: of the version.
        version: the challenger.
        comparison: with the champion.
        evaluation: what evaluate wrote.
        synthetic: whether the page says that it is of synthetic data.
    """
    for name, value in tags(comparison).items():
        registry.tag(version, name, value)
    run = registry.run(version)
    run.log_metrics(metrics(comparison))
    run.set_tags({"comparison": comparison.overall, "comparison.sentence": sentence(comparison)[:5000]})
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / JSON).write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(comparison_page(comparison, registry.name, synthetic=synthetic), encoding="utf-8")
        for name in (JSON, PAGE):
            run.log_file(folder / name, FOLDER)
        card = (evaluation / CARD).read_text(encoding="utf-8")
        (folder / CARD).write_text(into_card(card, comparison), encoding="utf-8")
        run.log_file(folder / CARD, OF_EVALUATE)
        if (evaluation / REPORT).is_file():
            html = (evaluation / REPORT).read_text(encoding="utf-8")
            (folder / REPORT).write_text(with_section(html, section(comparison), AFTER_VERDICT), encoding="utf-8")
            run.log_file(folder / REPORT, OF_EVALUATE)


def kept(registry: Registry, version: str) -> Comparison | None:
    """The comparison that a version's run keeps; None: it has none."""
    text = registry.run(version).text(f"{FOLDER}/{JSON}")
    return None if text is None else Comparison.model_validate_json(text)


def show(folder: Path, comparison: Comparison | None, name: str, *, synthetic: bool) -> None:
    """The page in the workspace; without a comparison the page of an earlier one goes.

    Args:
        folder: of the step's outputs.
        comparison: what to show.
        name: of the registered model.
        synthetic: whether the page says that it is of synthetic data.
    """
    if comparison is None:
        (folder / PAGE).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / PAGE, comparison_page(comparison, name, synthetic=synthetic).encode())
