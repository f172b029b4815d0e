"""A small residual net over time (He et al. 2016, doi:10.1109/CVPR.2016.90, in one dimension): three stages, batch
normalisation, about 240,000 parameters at width 32."""

from __future__ import annotations

from typing import Any

from components.lib.train_settings import Train
from components.train.models._residual import block, convolution


def features(signal: Any, settings: Train) -> Any:
    """Standardised signals (N, T, C) to a feature map (N, T/8, 4 × width)."""
    x = convolution(signal, settings.width, kernel=15, stride=2)
    for stage in range(3):
        x = block(x, settings.width * 2**stage, kernel=7, stride=1 if stage == 0 else 2)
    return x
