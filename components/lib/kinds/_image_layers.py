"""Keras layers for online augmentation that Keras itself lacks, or has with an artefact. Imported in training alone.

Both draw from a `SeedGenerator`, work in float32 on pictures (N, H, W, C) in 0..1, and do nothing outside training.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class RandomAffine(keras.layers.Layer):  # type: ignore[misc]
    """Shift, rotation and scale in ONE interpolation.

    Keras' three layers one after another resample three times; on small films the blur of that is a cue of its own, and
    the sharp films of validation then look foreign to the network.

    Args:
        translation: largest shift, as a share of height and width.
        rotation: largest rotation, in turns.
        zoom: largest relative change of scale.
        seed: of the random numbers.
    """

    def __init__(self, translation: float, rotation: float, zoom: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.translation, self.rotation, self.zoom = translation, rotation, zoom
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Altered pictures of the same shape."""
        if not training:
            return pictures
        count, height, width = ops.shape(pictures)[0], pictures.shape[1], pictures.shape[2]
        shift_y = self._uniform(count, self.translation) * height
        shift_x = self._uniform(count, self.translation) * width
        angle = self._uniform(count, self.rotation) * 2 * math.pi
        scale = 1 / (1 + self._uniform(count, self.zoom))
        cosine, sine = ops.cos(angle) * scale, ops.sin(angle) * scale
        # Output (x, y) is read at the turned, scaled and shifted place, seen from the middle of the picture.
        x, y = (width - 1) / 2, (height - 1) / 2
        zero = ops.zeros_like(angle)
        transforms = ops.stack(
            [
                cosine, -sine, x - cosine * x + sine * y + shift_x,
                sine, cosine, y - sine * x - cosine * y + shift_y,
                zero, zero,
            ],
            axis=1,
        )  # fmt: skip
        return ops.image.affine_transform(pictures, transforms, interpolation="bilinear", fill_mode="nearest")

    def _uniform(self, count: Any, largest: float) -> Any:
        return keras.random.uniform((count,), -largest, largest, seed=self.generator)


class RandomSharpness(keras.layers.Layer):  # type: ignore[misc]
    """Blur or sharpen: x + a (x - blurred x), a uniform in ± `strength`, blurred by a 3 × 3 binomial kernel.

    Keras' layer of this name pads with black, which frames every sharpened film in white.

    Args:
        strength: largest a, 0..1 and above.
        seed: of the random numbers.
    """

    def __init__(self, strength: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strength = strength
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """Altered pictures of the same shape, in 0..1."""
        if not training:
            return pictures
        padded = ops.pad(pictures, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
        rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
        blurred = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
        amount = keras.random.uniform(
            (ops.shape(pictures)[0], 1, 1, 1), -self.strength, self.strength, seed=self.generator
        )
        return ops.clip(pictures + amount * (pictures - blurred), 0, 1)
