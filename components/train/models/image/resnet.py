"""A small residual net (He et al. 2016, doi:10.1109/CVPR.2016.90): three stages, batch normalisation, about 300,000
parameters at width 32."""

from __future__ import annotations

from typing import Any

import keras

from components.lib.train_settings import Train
from components.train.models._residual import block, convolution
from components.train.models.image._contrast import with_local_contrast


def features(pictures: Any, settings: Train) -> Any:
    """Standardised pictures (N, H, W, C) to a feature map (N, H/8, W/8, 4 × width); of less than 48 pixels, H/4."""
    x = with_local_contrast(pictures)
    # Small films are doubled, so that the stem sees edges between pixels; the stem halves every film, because a
    # full-size first stage would cost four times as much.
    if min(pictures.shape[1:3]) < 48:
        x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = convolution(x, settings.width, kernel=5, stride=2)
    for stage in range(3):
        x = block(x, settings.width * 2**stage, kernel=3, stride=1 if stage == 0 else 2)
    return x
