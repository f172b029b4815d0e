"""Keras' own settings, the same whatever the user's files and variables say: those are another project's."""

from __future__ import annotations

import keras


def settle() -> None:
    """Set what networks are built and trained with: the values that Keras has without a file, and without
    KERAS_MAX_EPOCHS and KERAS_MAX_STEPS_PER_EPOCH, which would cut a training short. The back end, and where Keras
    looks for its file, are settled before it is imported (`components.train`)."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
