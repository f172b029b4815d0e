"""Great Expectations' own Data Docs site about a dataset, on request.

    python -m components.lib.validate --task TASK --dataset data/cleaned --out docs-site

The pages carry the time of day and load scripts from the network, so no step writes them; the one-page summary beside
every dataset (`validation.html`) needs neither.
"""

from __future__ import annotations

from pathlib import Path

from components.lib.cli import run_step
from components.lib.dataset import Dataset
from components.lib.spec import TaskSpec
from components.lib.validate.gate import data_docs
from components.lib.validate.suites import augmented_suite, cleaned_suite, ingested_suite


def site(dataset: Path, out: Path, spec: TaskSpec) -> None:
    """Write the Data Docs site about an ingested, a cleaned or an augmented dataset.

    Args:
        dataset: what ingest, clean or augment wrote.
        out: the folder for the site.
        spec: the task.
    """
    opened = Dataset(dataset)
    suites = {"ingest": ingested_suite, "clean": cleaned_suite, "augment": augmented_suite}
    suite = suites[opened.info.step](spec)
    print(f"wrote {data_docs(opened.samples(), suite, out)}")


if __name__ == "__main__":
    run_step(site)
