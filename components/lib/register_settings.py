"""`register:` of the task file: what happens to a version that passes its gates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.lib.settings import Settings


class Register(Settings):
    """What happens to a version that passes its gates."""

    promote: Literal["manual", "auto"] = "manual"
    """`manual`: a passing version is challenger while there is a champion, and a person decides. `auto`: it becomes
    champion where it is non-inferior to the champion in every measure and superior in one; else it is challenger.
    Either way both are compared on the same test samples, and the verdicts stand in the card, the registry and MLflow.
    """
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How much worse than the champion a version may be and still count as non-inferior, as a share of each measure's
    scale: .05 of AUC, sensitivity and specificity; of net benefit, of the Brier score, of calibration and of errors .05
    of the distance between a useless model and a perfect one."""
    other_data: Literal["refuse", "accept"] = "refuse"
    """Data that share no samples with those of the earlier versions of the registered model, and lie elsewhere:
    `refuse` stops training and registering, since two data sets may have been given one name."""
    golden_cases: Annotated[int, Field(ge=1)] = 20
    """Test samples that a really started server of the version is asked about, as they came, before it gets an alias:
    it must answer as evaluate measured, to 1e-6. Chosen evenly over the test split."""
