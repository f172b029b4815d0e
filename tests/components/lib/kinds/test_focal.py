"""The focal loss of targets with classes: what Lin et al. 2017 define, (1 - p)^gamma times the cross-entropy."""

from __future__ import annotations

import numpy as np
import pytest

from components.lib.kinds.base import Array
from components.lib.kinds.binary import Binary
from components.lib.kinds.multiclass import Multiclass
from components.lib.train_settings import Train

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
BINARY = Binary(kind="binary", classes=("normal", "pneumonia"))
MULTICLASS = Multiclass(kind="multiclass", classes=("normal", "bacterial", "viral"))
LOGITS = {1: np.float32([[2.0], [-1.0], [0.3]]), 3: np.float32([[2.0, 0.1, -1.0], [0.2, 0.1, 0.4], [-3.0, 1.0, 1.0]])}
TRUTH = {1: np.float32([[1], [1], [0]]), 3: np.eye(3, dtype=np.float32)}


def losses(kind: Binary | Multiclass, **settings: object) -> Array:
    """The loss of each sample alone."""
    loss = kind.loss(Train.model_validate({"label_smoothing": 0.0, **settings}))
    pairs = zip(TRUTH[kind.units], LOGITS[kind.units], strict=True)
    return np.array([float(loss(truth[None], logits[None])) for truth, logits in pairs])


@pytest.mark.parametrize("kind", [BINARY, MULTICLASS])
def test_it_is_cross_entropy_played_down_by_what_is_sure(kind: Binary | Multiclass) -> None:
    plain = losses(kind)
    np.testing.assert_allclose(losses(kind, loss="focal", focal_gamma=0.0), plain, rtol=1e-5)
    of_truth = np.exp(-plain)
    np.testing.assert_allclose(losses(kind, loss="focal"), (1 - of_truth) ** 2 * plain, rtol=1e-4)
    np.testing.assert_allclose(losses(kind, loss="focal", focal_gamma=0.5), (1 - of_truth) ** 0.5 * plain, rtol=1e-4)
