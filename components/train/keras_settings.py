"""Keras' own settings, the same whatever the user's ~/.keras/keras.json says: that file is another project's."""

from __future__ import annotations

import keras


def settle() -> None:
    """Set what networks are built with: the values that Keras has without a file. The back end is settled before Keras
    is imported (`components.train`)."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
