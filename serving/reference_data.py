"""What docs/serving.md takes for examples: settings of a kind of each sort, and what is refused with which words.

The prose is serving/page.md. The tests send everything that is refused to a really started server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"image": "image", "signal": "ecg", "table": "record"}
"""What the example of each kind of input is called."""
INPUTS: Mapping[str, Mapping[str, Any]] = {
    "image": {"size": [32, 32]},
    "signal": {"seconds": 2.0, "rate": 100, "leads": ["II", "V1"]},
    "table": {
        "numbers": ["age", "bmi", "blood_pressure", "glucose"],
        "categories": {"sex": ["1", "2"]},
        "ranges": {"age": [18, 110]},
    },
}
"""Settings of an input of each kind."""
TARGETS: Mapping[str, Mapping[str, Any]] = {
    "binary": {"classes": ["normal", "pneumonia"]},
    "multiclass": {"classes": ["normal", "atrial_fibrillation"]},
    "regression": {"unit": "points"},
}

REFUSED: Mapping[str, tuple[tuple[dict[str, Any], str], ...]] = {
    "image": (
        ({"image": "%%%"}, "row 0, column 'image': is no valid base64; send the file's bytes, base64-encoded"),
        ({"image": "bm8gcGljdHVyZQ=="}, "row 0, column 'image': unreadable: text, not a picture"),
        (
            {"image": [[0, 1], [2]]},
            "row 0, column 'image': expected an array (height, width) or (height, width, channels), every row as long "
            'as the others, of whole numbers from 0 to 255; of 16 bits as {"values": [[…]], "bits": 16}',
        ),
        (
            {"image": None},
            "row 0, column 'image': expected a PNG, JPEG, TIFF, BMP or DICOM file as a base64 string, or",
        ),
        ({"image": {"values": [[0]], "bit": 16}}, "expected the keys values, bits, found 'bit'; nearest: bits"),
        (
            {"image": "bm8=", "image_frame": 0},
            "row 0, column 'image': expected a whole number from 1 under 'image_frame'",
        ),
    ),
    "signal": (
        ({"ecg": [[0.1, 0.2]]}, "row 0, column 'ecg': wrong length: expected 200 values (2 s at 100 Hz), found 1"),
        ({"ecg": {"values": [[0.1, 0.2]], "rat": 100}}, "found 'rat'; nearest: rate"),
        ({"ecg": "bm8="}, "row 0, column 'ecg': expected a ZIP file of one WFDB record, found something else"),
    ),
    "table": (
        (
            {"age": 17, "bmi": 32.1, "blood_pressure": 101, "glucose": 87, "sex": "2"},
            "row 0, column age: outside its range, 18 to 110",
        ),
        (
            {"age": 59, "bmi": 32.1, "blood_pressure": 101, "glucose": 87, "sex": "3"},
            "row 0, column sex: unknown category; known: 1, 2",
        ),
        ({"bmi": 32.1, "blood_pressure": 101, "glucose": 87, "sex": "2"}, "Model is missing inputs ['age']."),
    ),
}
"""Rows that are refused, by kind of input, and what is said of them."""

WRONG_PARAMS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"threshold": 1.5}, "params, threshold of finding: expected a number from 0 to 1, found 1.5"),
    ({"on_error": "skip"}, "params, on_error: expected raise or row, found 'skip'"),
    ({"threshold": "half"}, "Invalid parameters found"),
)
"""Params that are refused, of a model with the binary target `finding`."""

NONSENSE: tuple[tuple[str, int, str, str], ...] = (
    ("no `Content-Type`", 500, "text: Internal Server Error", "415"),
    ("JSON nested more than some 900 deep", 500, "text: Internal Server Error", "400"),
    ("a number of more than 4,300 digits", 500, "text: Internal Server Error", "400"),
    ("a content type other than JSON, CSV or Parquet", 415, "a sentence that lists the three", "415, Parquet too"),
    ("another character set than UTF-8", 415, "a sentence", "415"),
    ("no JSON, or a list", 400, "a sentence, and the whole body behind it", "400, the sentence alone"),
    ("none, or two, of the four forms", 400, "a sentence that lists them", "400"),
    (
        "an empty CSV, or a damaged Parquet file",
        400,
        "a sentence, and MLflow's own traceback",
        "400, the sentence alone",
    ),
    ("any row that is refused", 400, "before our sentence, the beginning of what was sent", "400, the sentence alone"),
    ("a column or a param that the model doesn't know", 200, "the answer, as if it were not there", "200"),
    ("`prompt`, `input` or `messages` beside the columns", 200, "the answer as a list, without `predictions`", "200"),
    ("`GET /invocations`", 405, "a sentence", "405"),
    (
        "a request that takes longer than 60 s",
        504,
        "a sentence; MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT sets the seconds; the work goes on",
        "504 after `work_seconds`, and the work ends",
    ),
    ("a body of any size, a header that never ends", 200, "an answer, once all is there", "413, 408 or 431"),
    ("a connection on which nothing is sent", 200, "nothing: it stays open for ever", "408, and closed"),
)
"""What is sent, the status, what comes back, and the status behind the guard."""
