"""Tables with one sample a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from looks import REAL, cleaned, needs, refusal, spec_of

from pipelines.look import Questions, look


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_PATIENT_KEY", "k" * 32)


def stays(rows: int = 300, **columns: Any) -> pd.DataFrame:
    """A ward's table: every column is as a hospital could have it; None takes one out."""
    chance = np.random.default_rng(3)
    table = {
        "stay_id": np.arange(rows) + 1000,
        "patient": [f"P{n}" for n in chance.integers(0, rows // 2, rows)],
        "surname": [f"Mueller{n}" for n in range(rows)],
        "age": chance.integers(20, 95, rows),
        "Gender": chance.choice(["m", "f"], rows),
        "ward": chance.choice(["cardiology", "surgery", "geriatrics"], rows),
        "creatinine": np.round(chance.lognormal(4.4, 0.4, rows), 1),
        "admitted": [f"2024-0{1 + n % 9}-1{n % 9}" for n in range(rows)],
        "remark": [f"came in the morning, case {n}, feels well" for n in range(rows)],
        "unit": ["mg"] * rows,
        "readmitted": chance.choice(["no", "yes"], rows, p=[0.7, 0.3]),
        **columns,
    }
    return pd.DataFrame({name: values for name, values in table.items() if values is not None})


def saved(table: pd.DataFrame, path: Path, separator: str = ",") -> Path:
    """The table as a file of the format that its name says."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, sep=separator)
    return path


@pytest.mark.parametrize(
    ("name", "separator"), [("s.csv", ","), ("s.csv", ";"), ("s.csv.gz", "\t"), ("s.parquet", ",")]
)
def test_a_table_of_every_format_runs(tmp_path: Path, name: str, separator: str) -> None:
    draft = look(saved(stays(), tmp_path / name, separator))
    assert draft.values["source"].get("format", {}).get("delimiter", ",") == separator
    assert draft.values["inputs"]["row"]["numbers"] == ["age", "creatinine"]
    assert [*draft.values["inputs"]["row"]["categories"]] == ["Gender", "ward"]
    assert draft.values["targets"] == {"readmitted": {"kind": "binary", "classes": ["no", "yes"]}}
    assert draft.values["split"]["by"] == "patient"
    assert draft.values["source"]["columns"] == {"sex": "Gender"}
    data = cleaned(tmp_path / name, tmp_path / "work")
    assert sum(data.info.counts.values()) == 300


def test_what_is_left_out_is_said_with_the_reason_and_without_a_value(tmp_path: Path) -> None:
    draft = look(saved(stays(), tmp_path / "s.csv"))
    told = "\n".join(draft.found)
    for sentence in (
        "left out: 'stay_id': another number in every row: an id",
        "left out: 'patient': the patient",
        "left out: 'surname': called like something that names a person",
        "left out: 'admitted': dates (100% of the cells)",
        "left out: 'remark': free text",
        "left out: 'unit': the same in every row",
    ):
        assert sentence in told
    assert "left out: admitted: dates" in draft.why["inputs.row"]
    assert "Mueller" not in str(draft)
    assert "P17" not in str(draft)


def test_columns_that_are_nearly_the_target_are_left_out(tmp_path: Path) -> None:
    table = stays()
    table["came_back"] = table["readmitted"].map({"no": 0, "yes": 1})
    table["days_to_return"] = np.where(table["readmitted"] == "yes", 5.5, 400.5) + np.arange(300) / 300
    told = "\n".join(look(saved(table, tmp_path / "s.csv"), Questions(target="readmitted")).found)
    assert "left out: 'came_back': nearly the target itself: it names the class in 100.0% of the rows" in told
    assert "left out: 'days_to_return': nearly the target itself: it tells the classes apart alone" in told


def test_a_number_that_is_the_target_in_another_unit_is_left_out(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    days = chance.gamma(2, 4, 300).round(2)
    table = stays(readmitted=None, hours=(days * 24).round(1), length=days)
    draft = look(saved(table, tmp_path / "s.csv"))
    assert draft.values["targets"] == {"length": {"kind": "regression", "minimum": 0}}
    assert "hours" not in draft.values["inputs"]["row"]["numbers"]
    assert "their correlation is 1.000" in "\n".join(draft.found)
    assert any("assumed: Which column is to be predicted? length (the last column" in line for line in draft.found)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("outcome", ["0", "1"], {"kind": "binary", "classes": ["0", "1"]}),
        ("diagnosis", ["c", "a", "b"], {"kind": "multiclass", "classes": ["a", "b", "c"]}),
        ("grade", ["2", "10", "1"], {"kind": "multiclass", "classes": ["1", "2", "10"]}),
        ("target", [f"{n}.5" for n in range(40)], {"kind": "regression", "minimum": 0}),
        ("outcome", [f"{n}" for n in range(-30, 30)], {"kind": "regression"}),
    ],
)
def test_the_kind_of_a_target_goes_by_its_values(
    tmp_path: Path, column: str, values: list[str], expected: dict[str, Any]
) -> None:
    table = stays(readmitted=None)
    table.insert(0, column, [values[n % len(values)] for n in range(300)])
    draft = look(saved(table, tmp_path / "s.csv"))
    assert draft.values["targets"] == {column: expected}
    spec_of(draft, tmp_path / "work")


@pytest.mark.parametrize(
    ("events", "names"), [(9, ("no", "yes")), (9, ("Überlebt; (a)", "† $tot")), (60, ("no", "yes"))]
)
def test_a_rare_finding_gets_a_threshold_that_is_written_down_and_assumed(
    tmp_path: Path, events: int, names: tuple[str, str]
) -> None:
    column = np.array(names, object)[(np.random.default_rng().permutation(300) < events).astype(int)]
    draft = look(saved(stays(readmitted=None, died=column), tmp_path / "s.csv"), Questions(target="died"))
    written = draft.values["train"].get("threshold")
    assumed = [each for each in draft.assumed if "must the threshold find?" in each]
    if events == 60:
        assert (written, assumed) == (None, [])
        return
    assert written == {"method": "sensitivity", "sensitivity": 0.95}
    (sentence,) = assumed
    finding = next(iter(draft.values["targets"].values())).get(
        "positive", draft.values["targets"]["died"]["classes"][1]
    )
    assert (
        f"100 samples labelled {finding} must the threshold find? 95 (3.0% of the samples are labelled {finding}"
        in sentence
    )
    assert "see `assumed`" in draft.why["train.threshold"]
    assert spec_of(draft, tmp_path).train.threshold.method == "sensitivity"


def test_the_target_can_be_named_and_must_be_there(tmp_path: Path) -> None:
    data = saved(stays(), tmp_path / "s.csv")
    draft = look(data, Questions(target="creatinine"))
    assert draft.values["targets"]["creatinine"]["kind"] == "regression"
    error = refusal(data, Questions(target="creatinin"))
    assert error.where == "--target"
    assert "creatinine" in error.expected


def test_the_target_is_asked_for_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = saved(stays().rename(columns={"readmitted": "back"}), tmp_path / "s.csv")
    answers = iter(["nobody", "ward"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    draft = look(data, Questions(ask=True))
    assert [*draft.values["targets"]] == ["ward"]
    out = capsys.readouterr().out
    assert "Which column is to be predicted?" in out
    assert "'nobody' is none of them." in out
    assert not any(line.startswith("assumed") for line in draft.found)


def test_a_site_is_reported_by_and_never_fed_to_the_network(tmp_path: Path) -> None:
    draft = look(saved(stays(hospital=[f"H{n % 4}" for n in range(300)]), tmp_path / "s.csv"))
    assert draft.values["source"]["columns"]["site"] == "hospital"
    assert "hospital" not in draft.values["inputs"]["row"]["categories"]
    assert any("a network would learn the hospital" in line for line in draft.found)


def test_codes_are_categories_and_counts_are_numbers(tmp_path: Path) -> None:
    table = stays(admission_type=[n % 4 for n in range(300)], children=[n % 5 for n in range(300)])
    row = look(saved(table, tmp_path / "s.csv"), Questions(target="readmitted")).values["inputs"]["row"]
    assert "admission_type" in row["categories"]
    assert "children" in row["numbers"]


def test_empty_cells_and_unknown_targets(tmp_path: Path) -> None:
    table = stays()
    table.loc[:9, "readmitted"] = None
    table.loc[20:60, "creatinine"] = None
    draft = look(saved(table, tmp_path / "s.csv"))
    assert "10 rows without a class: they teach nothing" in draft.found
    assert "creatinine" in draft.values["inputs"]["row"]["numbers"]


def test_cells_that_are_no_number_are_counted(tmp_path: Path) -> None:
    table = stays().astype({"creatinine": str})
    table.loc[:1, "creatinine"] = "see lab"
    found = look(saved(table, tmp_path / "s.csv")).found
    assert any(line.startswith("'creatinine': 2 cells no number, cleaning leaves such rows out") for line in found)
    assert "see lab" not in str(found)
    assert "see lab" not in str(found)


def test_columns_of_lists_are_left_out(tmp_path: Path) -> None:
    table = stays(curve=[[1, 2]] * 300, when=pd.Timestamp("2024-01-31"))
    told = "\n".join(look(saved(table, tmp_path / "s.parquet"), Questions(target="readmitted")).found)
    assert "left out: 'curve': lists or bytes" in told
    assert "left out: 'when': the same in every row" in told


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    table = stays(patient=None, set=[("train", "val", "test")[n % 3] for n in range(300)])
    draft = look(saved(table, tmp_path / "s.csv"), Questions(target="readmitted"))
    assert draft.values["split"] == {"by": "patient", "unknown_patients": "accept", "method": "given"}
    assert draft.values["source"]["columns"]["split"] == "set"


def test_a_given_split_without_validation_is_kept_and_completed(tmp_path: Path) -> None:
    table = stays(patient=None, set=[("TRAIN", "TRAIN", "TEST")[n % 3] for n in range(300)])
    saved(table, tmp_path / "s.csv")
    draft = look(tmp_path / "s.csv", Questions(target="readmitted"))
    assert draft.values["split"] == {
        "by": "patient",
        "unknown_patients": "accept",
        "method": "given",
        "validation": 0.15,
    }
    assert "made from train" in draft.why["split"]
    counts = cleaned(tmp_path / "s.csv", tmp_path / "work", Questions(target="readmitted")).info.counts
    assert counts["test"] == 100
    assert 15 <= counts["validation"] <= 50


def test_the_one_table_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()
    saved(stays(), tmp_path / "ward" / "stays.csv")
    draft = look(tmp_path / "ward")
    assert (draft.values["source"]["path"], draft.values["source"]["file"]) == (str(tmp_path / "ward"), "stays.csv")
    assert sum(cleaned(tmp_path / "ward", tmp_path / "work").info.counts.values()) == 300
    saved(stays(), tmp_path / "ward" / "more.csv")
    assert refusal(tmp_path / "ward").found.startswith("2 tables")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Readmitted", "readmitted"),
        ("In-hospital death", "in_hospital_death"),
        ("age", "age_known"),
        ("7_days", "target_7_days"),
        ("Ward", "ward_known"),  # there is a column `ward`, too
        ("стан", "target"),
    ],
)
def test_a_target_that_is_called_otherwise_in_the_task(tmp_path: Path, name: str, called: str) -> None:
    table = stays().drop(columns="age" if name == "age" else [])
    draft = look(saved(table.rename(columns={"readmitted": name}), tmp_path / "s.csv"), Questions(target=name))
    assert draft.values["source"]["columns"]["targets"] == {called: name}
    assert [*draft.values["targets"]] == [called]
    assert cleaned(tmp_path / "s.csv", tmp_path / "work", Questions(target=name)).samples()[called].nunique() == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b\n", "the names of the columns, and nothing below"),
        ("a,b,a\n1,2,3\n", "a twice"),
        ("remark\nthis is one\nthat is two\n", "none but the target"),
        ("a,b\n1,2,3\n", "3"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    assert refusal(tmp_path / "s.csv").found.startswith(found)


def test_series_over_time_are_refused(tmp_path: Path) -> None:
    wide = pd.DataFrame({"country": ["a", "b"], **{f"1/{n}/2020": [n, n] for n in range(1, 15)}})
    assert "14 columns that are dates, beside country" in refusal(saved(wide, tmp_path / "w.csv")).found
    long = pd.DataFrame({"stay": [1, 1], "charttime": ["00:10", "00:20"], "item": ["HR", "HR"], "value": [60, 61]})
    assert "measurements over time, a line each" in refusal(saved(long, tmp_path / "l.csv")).found


def test_a_folder_of_series_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(5):
        (tmp_path / "set" / f"13254{number}.txt").write_text("Time,Parameter,Value\n00:00,Age,74\n")
    (tmp_path / "outcomes.csv").write_text("RecordID,death\n1,0\n")
    error = refusal(tmp_path)
    assert error.found.startswith("5 files of measurements over time, a line each (Time, Parameter, Value)")
    assert "13254" not in str(error)


@needs("california_housing.csv")
def test_house_prices(tmp_path: Path) -> None:
    draft = look(REAL / "california_housing.csv")
    assert draft.values["targets"] == {"median_house_value": {"kind": "regression", "minimum": 0}}
    assert len(draft.values["inputs"]["row"]["numbers"]) == 8
    assert draft.values["inputs"]["row"]["categories"] == {"ocean_proximity": None}
    assert "assumed: Which column is to be predicted? median_house_value (its name says so)" in draft.found
    assert sum(cleaned(REAL / "california_housing.csv", tmp_path / "work").info.counts.values()) == 20640


@needs("epidemic")
def test_an_epidemic() -> None:
    for data in (REAL / "epidemic", REAL / "epidemic" / "time_series_covid19_deaths_global.csv"):
        assert refusal(data).found.startswith("1,143 columns that are dates, beside Province, Country, Lat, Lon")


@needs("icu_physionet2012")
def test_stays_in_intensive_care() -> None:
    error = refusal(REAL / "icu_physionet2012")
    assert error.found.startswith("1,500 files of measurements over time, a line each (Time, Parameter, Value)")
    assert "irregular series, which can't be trained on yet" in error.found
    assert len(look(REAL / "icu_physionet2012" / "Outcomes-a.txt").values["targets"]) == 1
