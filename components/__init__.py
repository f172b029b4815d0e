"""The steps of a medpipe pipeline, one package (or file) each, and `lib`, what they share.

Importing it switches off the telemetry and the chatter of the libraries below, for this process and those it starts.
That is done here because each library decides when it is imported.
"""

import os

_SILENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "ORT_DISABLE_TELEMETRY": "1",  # since 1.29 ONNX Runtime sends figures of every session, from native code
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # its default, but unsaid TensorFlow tells us so twice
}
for _name, _value in _SILENT.items():
    os.environ.setdefault(_name, _value)
