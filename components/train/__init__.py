"""Step `train`: fits the network and everything else that is fitted, and writes the model directory.

Only this package imports TensorFlow, so nothing is imported here. Keras' back end is settled here, before anything
imports Keras: what KERAS_BACKEND names, else TensorFlow, whatever the user's ~/.keras/keras.json says.
"""

import os

if not os.environ.get("KERAS_BACKEND"):
    os.environ["KERAS_BACKEND"] = "tensorflow"
