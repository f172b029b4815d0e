"""`python -m components.evaluate --help`: the step; with --data the external validation of a registered model."""

import sys

from components.lib.cli import run, run_step
from components.lib.errors import SpecError

ONLY_STEP = "--dataset"


def given(option: str) -> bool:
    """Whether the command line has an option."""
    return any(word == option or word.startswith(f"{option}=") for word in sys.argv[1:])


def refuse_both() -> None:
    """Say which of the two commands takes what."""
    raise SpecError(
        "python -m components.evaluate",
        expected="--dataset, to judge a model on its own test split; or --data, to judge it on another hospital's data",
        found="both",
        todo="leave out one of them; docs/commands.md shows both commands",
    )


if __name__ == "__main__":
    if given("--data") and given(ONLY_STEP):
        sys.argv[1:] = []
        run(refuse_both)
    elif given("--data"):
        from components.evaluate.external import main

        run(main)
    else:
        from components.evaluate import evaluate

        run_step(evaluate)
