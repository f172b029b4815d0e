"""With and without suspected labels: what was planted leaves, the rest is measured, and the words fit the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluations import SUGAR, TARGET, evaluated
from sklearn.metrics import roc_auc_score

from components.evaluate.suspected import TITLE, part
from components.lib.validate.labels import OfTest, write


def test_metrics_without_them_are_those_of_the_other_samples(tmp_path: Path) -> None:
    generator = np.random.default_rng()
    ill = generator.random(200) < 0.4
    probability = np.clip(generator.normal(0.3 + 0.4 * ill, 0.15), 0.01, 0.99)
    wrong = generator.choice(200, 12, replace=False)
    told = ill.copy()
    told[wrong] ^= True
    looked = evaluated(tmp_path, outputs=probability, truth=np.where(told, "pneumonia", "normal").tolist())
    suspected = np.isin(np.arange(200), wrong)
    rows = pd.DataFrame({"sample_id": looked.samples["sample_id"], "target": TARGET, "suspected": suspected})
    write(OfTest(rows, {}), looked.data.path)
    found = part(looked)
    (section,) = found.sections
    assert section.title == TITLE
    expected = roc_auc_score(ill[~suspected], looked.results[0].output[~suspected, 0])
    text = " ".join(map(str, section.blocks))
    assert f"{expected:.3f}" in text
    assert "Without suspected labels (n 188)" in text
    assert "of 200 labels in test 12 are suspected to be wrong." in text
    assert "the best that corrected labels could give" in text
    assert found.limits[0].startswith("Finding: of 200 labels in test 12 are suspected")


@pytest.mark.parametrize("suspected", [0, None])
def test_none_suspected_and_none_looked_for_are_told_apart(tmp_path: Path, suspected: int | None) -> None:
    looked = evaluated(tmp_path, outputs=[0.2, 0.8] * 30, truth=["normal", "pneumonia"] * 30)
    if suspected is not None:
        ids = looked.samples["sample_id"]
        rows = pd.DataFrame({"sample_id": ids, "target": TARGET, "suspected": False})
        write(OfTest(rows, {}), looked.data.path)
    found = part(looked)
    assert found.warnings == ()
    if suspected is None:
        assert (found.sections, found.limits) == ((), ())
    else:
        assert "none is suspected to be wrong" in str(found.sections[0].blocks[0])
        assert len(found.sections[0].blocks) == 1


def test_labels_that_a_plain_model_can_not_judge_are_said_to_be_unjudged(tmp_path: Path) -> None:
    looked = evaluated(tmp_path, outputs=[0.2, 0.8] * 30, truth=["normal", "pneumonia"] * 30)
    nobody = pd.DataFrame({"sample_id": [], "target": [], "suspected": []})
    write(OfTest(nobody, {TARGET: "a plain model is too weak"}), looked.data.path)
    found = part(looked)
    (section,) = found.sections
    assert found.limits == ("Finding: which labels are wrong isn't judged: a plain model is too weak.",)
    assert len(section.blocks) == 1


def test_a_target_without_classes_has_none(tmp_path: Path) -> None:
    looked = evaluated(tmp_path, kind=SUGAR, outputs=np.linspace(80, 200, 60), truth=np.linspace(90, 190, 60).tolist())
    assert part(looked).sections == ()
