"""Whatever is sent to the served model, it answers 200 or 4xx in JSON, and lives."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from asking import Answer, Caller, served
from dicoms import dicom
from films import encoded, film
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspaces import Workspace

GOOD = encoded(film(1, 32))
DEEP = film(2, 40).astype(np.uint16) * 257
FILES = (
    GOOD, encoded(film(3, 30), ".jpg"), encoded(film(4, 20), ".tif"), encoded(film(5, 20), ".bmp"), encoded(DEEP),
    encoded(np.dstack([film(6, 24)] * 3)), encoded(np.dstack([film(7, 24)] * 4)), dicom(DEEP),
    dicom(DEEP, BitsStored=12, WindowCenter="2000", WindowWidth="900"), dicom(np.dstack([film(8, 24)] * 3)),
    dicom(np.vstack([film(9, 24)] * 3), NumberOfFrames=3, Rows=24),
)  # fmt: skip


def mutated(raw: bytes, damage: int, seed: int) -> bytes:
    """Some bytes changed, and now and then the end missing, a piece doubled, or another file behind it."""
    chance, content = random.Random(seed), bytearray(raw)
    for _ in range(damage):
        content[chance.randrange(len(content))] = chance.randrange(256)
    cut = chance.randrange(len(content))
    other = [content, content[:cut], content + content[:cut], content[:cut] + content[cut // 2 :]]
    return bytes(other[chance.choice((0, 0, 0, 1, 2, 3))] if damage else content)


HUGE = (10**308, -(2**63), 2**63, 2**64, 10**400, 1e-320, float("nan"), float("inf"), -float("inf"))
NAMES = st.sampled_from(
    ["image", "image", "image", "image_frame", "Image", "", "0", "größe", "图像", "image ", "\ud800", "a" * 300]
)
ENCODED = st.builds(
    lambda *how: base64.b64encode(mutated(*how)).decode(),
    st.sampled_from(FILES), st.sampled_from((0, 0, 1, 2, 9)), st.integers(0, 10**6),
)  # fmt: skip
PICTURES = st.builds(
    lambda form, text: form.format(text),
    st.sampled_from(("{}", "{}", "{}", "data:image/png;base64,{}", "data:,{}", "data:{}", " {} ", "{}=", "{}%")),
    ENCODED,
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(width=32), st.sampled_from(HUGE), st.text(max_size=12)
)
NESTED = st.recursive(
    SCALARS, lambda of: st.lists(of, max_size=4) | st.dictionaries(NAMES, of, max_size=3), max_leaves=8
)
GRIDS = st.builds(
    lambda side, channels, value: np.full((side, side, channels)[: 2 + bool(channels)], value).tolist(),
    st.sampled_from((0, 1, 4, 32)), st.sampled_from((0, 1, 2, 3, 4, 9)), st.sampled_from((0, 7, -1, 300, 0.5, 1e9)),
)  # fmt: skip
CELLS = st.one_of(PICTURES, PICTURES, PICTURES, NESTED, GRIDS)
ROWS = st.dictionaries(NAMES, CELLS, max_size=3)
SPLITS = st.one_of(
    st.builds(lambda cells: {"columns": ["image"], "data": [[each] for each in cells]}, st.lists(CELLS, max_size=3)),
    st.fixed_dictionaries(
        {"data": st.lists(st.lists(CELLS, max_size=3), max_size=3)},
        optional={"columns": st.lists(NAMES, max_size=3), "index": NESTED},
    ),
    st.dictionaries(st.sampled_from(("columns", "data", "index", "more")), NESTED, max_size=4),
)
COLUMNS = st.one_of(st.dictionaries(NAMES, st.lists(CELLS, max_size=3), max_size=2), ROWS, st.lists(CELLS, max_size=3))
PARAMS = st.one_of(
    st.dictionaries(
        st.sampled_from(("threshold", "explain", "on_error", "finding_threshold", "thr", "")),
        st.one_of(NESTED, st.floats(0, 1), st.sampled_from(("row", "raise", "true"))), max_size=3,
    ),
    NESTED,
)  # fmt: skip
DATA = st.one_of(
    st.fixed_dictionaries({"dataframe_records": st.lists(ROWS, max_size=3) | NESTED}),
    st.fixed_dictionaries({"dataframe_split": SPLITS}),
    st.fixed_dictionaries({"inputs": COLUMNS | NESTED}),
    st.fixed_dictionaries({"instances": st.lists(ROWS, max_size=3) | COLUMNS | NESTED}),
)
PLAIN_DATA = st.builds(
    lambda cells: {"dataframe_records": [{"image": each} for each in cells]}, st.lists(PICTURES, min_size=1, max_size=2)
)
BODIES = st.one_of(
    DATA,
    PLAIN_DATA,
    st.builds(lambda data, params: {**data, "params": params}, PLAIN_DATA, PARAMS),
    st.builds(lambda data, params: {**data, "params": params}, DATA, PARAMS),
    st.builds(lambda one, other: {**one, **other}, DATA, DATA),
    st.dictionaries(NAMES | st.sampled_from(("signature_name", "params")), CELLS, max_size=3),
    NESTED,
)


@pytest.fixture(scope="module")
def url(tiny: Workspace) -> Iterator[str]:
    with served(tiny, "tiny_synthetic") as address:
        yield address


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    with Caller(url) as opened:
        yield opened


def require_an_answer(answer: Answer, body: Any) -> None:
    told = f"{json.dumps(body)[:2000]}\n→ {answer.status} {answer.text[:4000]}"
    assert answer.status == 200 or 400 <= answer.status < 500, told
    assert answer.kind == "application/json", told
    assert "Traceback" not in answer.text, told
    assert (answer.status == 200) == ("predictions" in answer.content), told
    assert (answer.status != 200) == ("message" in answer.content), told


def test_no_body_breaks_the_server(caller: Caller) -> None:
    met = Counter[int]()
    before = caller.pictures(GOOD)

    @settings(max_examples=1000, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(BODIES)
    def each_is_answered(body: Any) -> None:
        answer = caller.post(body)
        require_an_answer(answer, body)
        met[answer.status] += 1

    each_is_answered()
    assert before.status == 200
    assert caller.pictures(GOOD) == before
    assert met[200] > 20
    assert met[400] > 500


# What MLflow's handler does before or after the model is asked. docs/serving.md tells of each.
ENCODED_GOOD = base64.b64encode(GOOD).decode()
PLAIN = {"dataframe_records": [{"image": ENCODED_GOOD}]}
NESTED_DEEP = b'{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LONG_NUMBER = b'{"dataframe_records": [{"image": ' + b"1" * 5000 + b"}]}"
KNOWN = {
    "no content type": (json.dumps(PLAIN).encode(), None, 500, "Internal Server Error"),
    "endlessly nested": (NESTED_DEEP, "application/json", 500, "Internal Server Error"),
    "a number of 5,000 digits": (LONG_NUMBER, "application/json", 500, "Internal Server Error"),
    "another content type": (b"image", "text/plain", 415, "This predictor only supports"),
    "another character set": (b"{}", "application/json; charset=latin-1", 415, "only supports UTF-8"),
    "an empty CSV file": (b"", "text/csv", 400, "Traceback (most recent call last)"),
    "no Parquet file": (b"PAR1", "application/vnd.apache.parquet", 400, "Traceback (most recent call last)"),
    "the beginning of what was sent": (
        json.dumps({"dataframe_records": [{"image": "a-private-word%"}]}).encode(), "application/json", 400,
        "a-private-word",
    ),
    "a document for language models": (  # its answer has another form
        json.dumps({"prompt": "", "image": ENCODED_GOOD}).encode(), "application/json", 200, '[{"probability"',
    ),
    "an unknown param": (json.dumps({**PLAIN, "params": {"treshold": 1}}).encode(), "application/json", 200, "label"),
}  # fmt: skip


@pytest.mark.parametrize("known", KNOWN)
def test_what_mlflows_handler_does_is_known(url: str, caller: Caller, known: str) -> None:
    body, kind, status, sign = KNOWN[known]
    answer = caller.post(body, kind)
    assert (answer.status, sign in answer.text) == (status, True), answer
    assert "components/lib" not in answer.text  # no line of ours in a traceback
    with Caller(url) as another:  # with status 500 the server ends the connection
        assert another.pictures(GOOD).status == 200
