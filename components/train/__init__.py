"""Step `train`: fits the network and everything else that is fitted, and writes the model directory.

Only this package imports TensorFlow, so nothing is imported here. Before anything imports Keras, its back end is
settled here (what KERAS_BACKEND names, else TensorFlow) and its home: the user's ~/.keras/keras.json is another
project's, and one that Keras can't take would end in a traceback.
"""

import os
from pathlib import Path

HOME = "medpipe"
"""Folder of our own in Keras' home, where no keras.json but Keras' own defaults lies."""

if not os.environ.get("KERAS_BACKEND"):
    os.environ["KERAS_BACKEND"] = "tensorflow"
if Path(os.environ.get("KERAS_HOME", "")).name != HOME:  # processes that we start have it already
    os.environ["KERAS_HOME"] = str(Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / HOME)
