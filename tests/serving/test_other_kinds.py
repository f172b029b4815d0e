"""Tables and signals behind a really started `mlflow models serve`."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from asking import requests_of, served
from scipy.signal import resample_poly
from serving_examples import run_all
from workspaces import Workspace

from components.lib.dataset import Dataset
from components.lib.kinds.table import Row
from components.lib.model_dir import Model
from components.lib.outside import distance, nearer
from components.lib.server import ask
from serving.reference_data import REFUSED

SAMPLES_A_SECOND = 250
"""Of the phantom's records; the tiny task takes 100."""


@pytest.fixture(scope="module")
def table(tiny_table: Workspace) -> Iterator[str]:
    with served(tiny_table, "tiny_table", direct=False) as address:
        yield address


@pytest.fixture(scope="module")
def ecg(tiny_ecg: Workspace) -> Iterator[str]:
    with served(tiny_ecg, "tiny_ecg_synthetic", direct=False) as address:
        yield address


def evaluated(workspace: Workspace) -> pd.DataFrame:
    """Test samples: sample_id, file, row and what evaluate predicted, in the order of the cleaned dataset."""
    predicted = pd.read_parquet(workspace.path / "data/evaluation/predictions.parquet")
    sources = pd.read_parquet(workspace.path / "data/private/sources.parquet")
    samples, _ = Dataset(workspace.path / "data/cleaned").select("test", [])
    assert list(predicted["sample_id"]) == list(samples["sample_id"])
    return predicted.merge(sources, on="sample_id", how="left", validate="one_to_one")


def refused(url: str, body: dict[str, Any] | str) -> str:
    """The server's sentence about a request that it must refuse."""
    content = body if isinstance(body, str) else json.dumps(body)
    response = requests.post(
        f"{url}/invocations", data=content, headers={"Content-Type": "application/json"}, timeout=30
    )
    assert response.status_code == 400, response.text
    assert "Traceback" not in response.text
    message: str = response.json()["message"]
    return message


# A row of a table.

PERSON = {"age": 59, "bmi": 32.1, "blood_pressure": 101, "glucose": 87, "sex": "2"}


def test_the_table_is_answered_as_evaluate_measured(table: str, tiny_table: Workspace) -> None:
    samples = evaluated(tiny_table)
    answers = pd.DataFrame(ask(table, requests_of(tiny_table, samples)))
    known = np.array([output[0] for output in samples["output"]])
    assert len(answers) == len(samples) > 50
    assert np.abs(answers["prediction"] - known).max() < 1e-6 * np.abs(known).max()
    assert (answers["low"] < answers["prediction"]).all()
    assert (answers["prediction"] < answers["high"]).all()
    assert set(answers["model_version"]) == {"1"}


@pytest.mark.parametrize("empty", [["bmi"], ["sex"], ["age", "blood_pressure", "glucose", "sex"]])
@pytest.mark.parametrize("form", ["records", "split"])
def test_a_null_cell_counts_as_missing(table: str, tiny_table: Workspace, empty: list[str], form: str) -> None:
    person = {**PERSON, **dict.fromkeys(empty)}
    content: Any = [person, PERSON]
    if form == "split":
        content = {"columns": [*person], "data": [[*person.values()], [*PERSON.values()]]}
    response = requests.post(f"{table}/invocations", json={f"dataframe_{form}": content}, timeout=30)
    assert response.status_code == 200, response.text
    model = Model(tiny_table.path / "data/model")
    cleaned = np.stack([model.info.inputs["record"].clean(Row(row)).array for row in (person, PERSON)])
    expected = model.predict({"record": cleaned})["progression"][:, 0]
    found = [answer["prediction"] for answer in response.json()["predictions"]]
    assert np.allclose(found, expected, rtol=1e-6, atol=0)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sex": "3"}, "row 0, column sex: unknown category; known: 1, 2"),
        ({"age": 17}, "row 0, column age: outside its range, 18 to 110"),
        (dict.fromkeys(PERSON), "row 0, every column is missing"),
        ({"bmi": 1e200}, "row 0, column bmi: infinite, or beyond 1e+100"),
    ],
)
def test_a_row_that_cannot_be_is_a_400_with_our_sentence(table: str, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(table, {"dataframe_records": [{**PERSON, **changes}]})


def test_the_row_that_is_wrong_is_named(table: str) -> None:
    assert "row 1, column age" in refused(table, {"dataframe_records": [PERSON, {**PERSON, "age": 1000}]})


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e999"])
def test_an_infinite_number_is_a_400(table: str, number: str) -> None:
    body = json.dumps({"dataframe_records": [PERSON]}).replace("32.1", number)
    assert "row 0, column bmi: infinite, or beyond 1e+100" in refused(table, body)


def test_text_where_a_number_belongs_is_a_400(table: str) -> None:
    assert "bmi" in refused(table, {"dataframe_records": [{**PERSON, "bmi": "a lot"}]})


def test_a_misspelt_column_is_named_as_missing(table: str) -> None:
    person = {("bmmi" if column == "bmi" else column): value for column, value in PERSON.items()}
    message = refused(table, {"dataframe_records": [person]})
    assert "missing" in message
    assert "'bmi'" in message


@pytest.mark.parametrize(("row", "sentence"), REFUSED["table"])
def test_what_the_page_says_of_tables_is_so(table: str, row: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(table, {"dataframe_records": [row]})


def test_the_examples_of_the_page_for_tables(table: str, tmp_path: Path) -> None:
    assert run_all("An input of `kind: table`", table, tmp_path) == 1


def test_a_threshold_is_refused_where_nothing_is_decided_by_one(table: str, ecg: str) -> None:
    body = {"dataframe_records": [PERSON], "params": {"threshold": 0.5}}
    assert refused(table, body).endswith("params, threshold: the model decides by none; leave it out")
    assert "the model decides by none" in refused(ecg, {"inputs": {"ecg": ["bm8="]}, "params": {"threshold": 0.5}})


def test_a_row_of_a_table_that_cannot_be_does_not_spoil_the_others(table: str) -> None:
    rows = [{**PERSON, "age": 17}, PERSON]
    body = {"dataframe_records": rows, "params": {"on_error": "row"}}
    bad, good = requests.post(f"{table}/invocations", json=body, timeout=30).json()["predictions"]
    assert bad == {**dict.fromkeys(good), "error": "column age: outside its range, 18 to 110"}
    (alone,) = ask(table, {column: [value] for column, value in PERSON.items()})
    assert good == {**alone, "error": None}


def test_how_far_out_a_row_lies_is_told(table: str, tiny_table: Workspace) -> None:
    far = {**PERSON, "bmi": 90.0, "glucose": 400}
    rows = ask(table, {column: [PERSON[column], far[column]] for column in PERSON})
    model = Model(tiny_table.path / "data/model")
    kind, fitted = model.info.inputs["record"], model.info.fitted_inputs["record"]
    cleaned = np.stack([kind.clean(Row(row)).array for row in (PERSON, far)])
    outside = model.info.outside["record"]
    expected = nearer(distance(kind.summary(cleaned, fitted), outside), outside)
    assert np.allclose([row["outside"] for row in rows], expected, rtol=0, atol=1e-9)
    assert rows[1]["warnings"] == "record: farther out than every training sample"


def test_no_row_is_a_400(table: str) -> None:
    message = refused(table, {"dataframe_split": {"columns": [*PERSON], "data": []}})
    assert "no rows: send at least one row" in message


# A window of an electrocardiogram.


def probabilities(answers: list[dict[str, Any]]) -> np.ndarray:
    """Of each class (N, classes), in the order of the task."""
    columns = [column for column in answers[0] if column.startswith("probability_")]
    return np.array([[answer[column] for column in columns] for answer in answers])


def outputs(samples: pd.DataFrame) -> np.ndarray:
    return np.stack(samples["output"].to_list())


def test_the_ecg_is_answered_as_evaluate_measured(ecg: str, tiny_ecg: Workspace) -> None:
    samples = evaluated(tiny_ecg)
    answers = ask(ecg, requests_of(tiny_ecg, samples))
    assert len(answers) == len(samples) > 50
    assert np.abs(probabilities(answers) - outputs(samples)).max() < 1e-6
    assert [answer["label"] for answer in answers] == list(samples["label"])
    for answer in answers:
        assert set(filter(None, answer["prediction_set"].split(" | "))) <= set(samples["truth"])
        assert answer["abstain"] == (answer["prediction_set"] != answer["label"])


def test_a_plain_array_is_taken_at_the_models_rate(ecg: str, tiny_ecg: Workspace) -> None:
    _, arrays = Dataset(tiny_ecg.path / "data/cleaned").select("test", ["ecg"])
    answers = ask(ecg, {"ecg": arrays["ecg"][:5].tolist()})
    assert np.abs(probabilities(answers) - outputs(evaluated(tiny_ecg))[:5]).max() < 1e-6


def test_a_signal_of_another_rate_is_resampled(ecg: str, tiny_ecg: Workspace) -> None:
    samples = evaluated(tiny_ecg).head(5)
    signals = requests_of(tiny_ecg, samples)["ecg"]
    for signal in signals:
        assert (signal["rate"], signal["unit"]) == (SAMPLES_A_SECOND, "mV")
        signal["values"] = (1000 * resample_poly(signal["values"], 2, 1, padtype="line")).tolist()
        signal |= {"rate": 2 * SAMPLES_A_SECOND, "unit": "uV"}
    assert np.abs(probabilities(ask(ecg, {"ecg": signals})) - outputs(samples)).max() < 0.02


def test_leads_are_known_by_name(ecg: str, tiny_ecg: Workspace) -> None:
    samples = evaluated(tiny_ecg).head(3)
    signals = requests_of(tiny_ecg, samples)["ecg"]
    for signal in signals:
        signal["values"] = [[v1, 0.1 * place % 1, ii] for place, (ii, v1) in enumerate(signal["values"])]
        signal["leads"] = ["v1", "V5", "II"]
    assert np.abs(probabilities(ask(ecg, {"ecg": signals})) - outputs(samples)).max() < 1e-6


def packed(folder: Path, record: str, *suffixes: str) -> str:
    """A ZIP of a record's files, base64-encoded."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix in suffixes:
            archive.write(folder / f"{record}{suffix}", f"{record}{suffix}")
    return base64.b64encode(content.getvalue()).decode()


def test_a_whole_packed_record_is_cut_at_the_moment_named(ecg: str, tiny_ecg: Workspace) -> None:
    samples = evaluated(tiny_ecg).groupby("file").head(2)
    signals = [
        {"wfdb": packed(tiny_ecg.path / "data/raw", s.file, ".hea", ".dat"), "at": s.row / SAMPLES_A_SECOND}
        for s in samples.itertuples()
    ]
    assert np.abs(probabilities(ask(ecg, {"ecg": signals})) - outputs(samples)).max() < 1e-6


def test_a_packed_record_alone_is_cut_in_its_middle(ecg: str, tiny_ecg: Workspace) -> None:
    zipped = packed(tiny_ecg.path / "data/raw", evaluated(tiny_ecg)["file"].iloc[0], ".hea", ".dat")
    alone, told = ask(ecg, {"ecg": [zipped, {"wfdb": zipped, "at": 5.0}]})  # of ten seconds
    assert alone == told


WAVE = np.sin(np.arange(200) / 7)[:, None] * (0.5, 1.0)


@pytest.mark.parametrize(
    ("signal", "sentence"),
    [
        ((WAVE * (1, 0)).tolist(), "flat: a lead spreads 0.0000 mV"),
        (np.clip(3 * WAVE, -1, 1).tolist(), "clipped: "),
        ((1000 * WAVE).tolist(), "up to 20 is plausible: check the unit"),
        (WAVE[:150].tolist(), "wrong length: expected 200 values (2 s at 100 Hz), found 150: name the rate"),
        ({"values": WAVE.tolist(), "rate": 40}, "wrong rate: 40 Hz"),
        ({"values": WAVE.tolist(), "leads": ["II", "V5"]}, "missing lead: expected V1, found "),
        ({"values": WAVE.tolist(), "rat": 100}, "found 'rat'; nearest: rate"),
        ({"values": [["a", "b"]] * 200}, "expected numbers, (T,) or (T, leads) with as many in every row"),
        ({"values": WAVE.tolist(), "rate": 100, "at": 50}, "expected `at` between 1 and 1 s"),
        (7, "found one number"),
        (None, "found nothing"),
        ("%%%", "is no valid base64; send a ZIP of one WFDB record"),
        (base64.b64encode(b"no zip").decode(), "expected a ZIP file of one WFDB record, found something else"),
    ],
)
def test_a_signal_that_shows_no_heart_is_a_400_with_our_sentence(ecg: str, signal: Any, sentence: str) -> None:
    message = refused(ecg, {"dataframe_records": [{"ecg": signal}]})
    told = message.partition("row 0, column 'ecg': ")[2]  # MLflow puts a sentence of its own before ours
    assert sentence in told, message


def test_a_packed_header_without_its_signal_is_a_400(ecg: str, tiny_ecg: Workspace) -> None:
    header = packed(tiny_ecg.path / "data/raw", evaluated(tiny_ecg)["file"].iloc[0], ".hea", ".atr")
    message = refused(ecg, {"dataframe_records": [{"ecg": header}]})
    assert "row 0, column 'ecg': expected the signal files that the header names in the ZIP, found 1 missing" in message


@pytest.mark.parametrize(("row", "sentence"), REFUSED["signal"])
def test_what_the_page_says_of_signals_is_so(ecg: str, row: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(ecg, {"dataframe_records": [row]})


def test_the_examples_of_the_page_for_signals(ecg: str, tiny_ecg: Workspace, tmp_path: Path) -> None:
    source = evaluated(tiny_ecg)["file"].iloc[0]
    for suffix in (".hea", ".dat"):
        content = (tiny_ecg.path / "data/raw" / f"{source}{suffix}").read_bytes()
        renamed = content.replace(Path(source).name.encode(), b"record") if suffix == ".hea" else content
        (tmp_path / f"record{suffix}").write_bytes(renamed)
    np.save(tmp_path / "trace.npy", np.sin(np.arange(500) / 11)[:, None] * (0.5, 1.0))
    assert run_all("An input of `kind: signal`", ecg, tmp_path) == 2


def test_signals_go_as_columns_too(ecg: str, tiny_ecg: Workspace) -> None:
    samples = evaluated(tiny_ecg).head(2)
    packed_whole = [packed(tiny_ecg.path / "data/raw", file, ".hea", ".dat") for file in samples["file"]]
    for signals in (requests_of(tiny_ecg, samples)["ecg"], packed_whole):
        response = requests.post(f"{ecg}/invocations", json={"inputs": {"ecg": signals}}, timeout=30)
        assert response.status_code == 200, response.text
        assert response.json()["predictions"] == ask(ecg, {"ecg": signals})


def test_the_map_of_a_trace_is_a_png(ecg: str, tiny_ecg: Workspace) -> None:
    _, arrays = Dataset(tiny_ecg.path / "data/cleaned").select("test", ["ecg"])
    body = {"dataframe_records": [{"ecg": arrays["ecg"][0].tolist()}], "params": {"explain": True}}
    (row,) = requests.post(f"{ecg}/invocations", json=body, timeout=30).json()["predictions"]
    assert base64.b64decode(row["map"], validate=True).startswith(b"\x89PNG")
