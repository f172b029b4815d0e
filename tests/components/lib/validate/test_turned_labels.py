"""A site that codes its classes the other way round is named, one that is merely hard or small is not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.lib.validate.turned_labels import turned


def test_the_site_whose_labels_are_turned_round_is_named() -> None:
    generator = np.random.default_rng()
    site = generator.permutation(np.repeat(["Süd;$(x)", "Nord", "West", "tiny"], [300, 300, 300, 12]))
    ill = generator.random(len(site)) < 0.3
    score = 1 / (1 + np.exp(-generator.normal(np.where(ill, 1.0, -1.0), 1)))
    score = np.where(site == "West", generator.random(len(site)), score)  # hard, not turned
    labels = np.where((site == "Nord") | (site == "tiny"), ~ill, ill).astype(np.intp)
    output = np.stack([1 - score, score], axis=1)
    (line,) = turned(pd.DataFrame({"site": site}), "sepsis", output, labels)
    assert line.startswith(
        "labels turned? site Nord: a model of all samples ranks its 300 samples against their sepsis"
    )
    assert turned(pd.DataFrame({"site": site}), "sepsis", output, ill.astype(np.intp)) == []
    assert turned(pd.DataFrame({"sex": site}), "sepsis", output, labels) == []
