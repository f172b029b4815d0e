"""Labels that are one class, labels that mean "unknown", numbers of classes, and which class is the positive one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.ingest import ingest
from components.lib.dataset import Dataset
from components.lib.errors import DataError
from components.lib.kinds._labels import normal_form
from components.lib.kinds.binary import Binary
from components.lib.kinds.image import Image
from components.lib.kinds.multiclass import Multiclass
from components.lib.readers.npz import Archive
from components.lib.spec import TaskSpec
from components.lib.train_settings import Train

WORDS = st.text("abcdefghijkäöéß肺炎 ", min_size=1, max_size=8).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NORMAL", "Normal"), ("No Finding", "no_finding "), ("NO-FINDING", "No\u00a0Finding"), ("1", "1.0"),
        ("01", "1"), ("－1", "-1"), ("−1.0", "-1"), ("Mu\u0308de", "MÜDE"), ("ｙｅｓ", "yes"), ("肺炎 ", "肺炎"),
        ("nor\u200bmal", "normal"),
    ],
)  # fmt: skip
def test_one_class_in_two_spellings(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "-1"), ("10", "1-0"), ("A+", "A-"), ("T1 2", "T12"), ("<5", ">5"), ("1.5", "15"), ("肺炎", "非肺炎")],
)
def test_two_classes_stay_two(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@given(WORDS, st.randoms(use_true_random=False))
def test_a_label_is_known_however_its_capitals_and_blanks_are(word: str, random) -> None:  # type: ignore[no-untyped-def]
    spelt = "".join(random.choice([sign.lower(), sign.upper()]) for sign in word)
    spelt = f"{' ' * random.randrange(3)}{spelt.replace(' ', random.choice([' ', '_', '  ', '-']))}\t"
    kind = Binary(kind="binary", classes=("some other class", word))
    values = pd.Series([spelt, word, None], dtype=object)
    assert kind.problem(values) is None
    assert kind.column(values).tolist()[:2] == [word, word]
    assert kind.encode(values)[0][:, 0].tolist() == [1, 1, 0]


def test_spellings_and_unknown_labels_are_read_and_counted() -> None:
    kind = Multiclass(
        kind="multiclass", classes=("no", "yes", "N"), spellings={"yes": ("TRUE", "j")}, unknown=("-1", "uncertain")
    )
    values = pd.Series(["YES", "yes", "J", "-1.0", "Uncertain", "n", None, "No", 1.0], dtype=object)
    assert "'1' (1" in str(kind.problem(values))
    values = values[:-1]
    assert kind.problem(values) is None
    assert kind.column(values).fillna("").tolist() == ["yes", "yes", "yes", "", "", "N", "", "no"]
    assert kind.read_as(values) == (
        "1 labels are read as no: No (1)", "2 labels are read as yes: YES (1), J (1)",
        "1 labels are read as N: n (1)", "2 labels are read as unknown: -1.0 (1), Uncertain (1)",
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"spellings": {"maybe": ("m",)}}, {"spellings": {"yes": ("no",)}}, {"unknown": ("yes",)},
        {"spellings": {"yes": ("y",)}, "unknown": ("y",)}, {"positive": "Yes"}, {"others": ("Mass",)},
    ],
)  # fmt: skip
def test_a_label_with_two_meanings_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Binary.model_validate({"kind": "binary", "classes": ("no", "yes"), **settings})


def test_a_finding_among_several_of_a_cell() -> None:
    kind = Binary(
        kind="binary", classes=("no_effusion", "effusion"), finding="Effusion", unknown=("unclear",),
        others=("No Finding", "Mass", "Effusion (old)"),
    )  # fmt: skip
    cells = ["Effusion", "Mass| effusion ", "No Finding", "Effusion (old)|Mass", "unclear", "unclear|Effusion", None]
    held = kind.column(pd.Series(cells, dtype=object)).fillna("?").tolist()
    assert held == ["effusion", "effusion", "no_effusion", "no_effusion", "?", "effusion", "?"]
    assert kind.column(pd.Series(held[:4], dtype=object)).tolist() == held[:4]
    assert "Efusion|Mass" in str(kind.problem(pd.Series(["Efusion|Mass"])))
    (told,) = kind.read_as(pd.Series(cells, dtype=object))
    assert told == "Effusion among the findings of a cell: no_effusion 2, effusion 3, unknown 2"


def test_positive_turns_everything_round() -> None:
    random = np.random.default_rng(3)
    turned = Binary(kind="binary", classes=("malignant", "benign"), positive="malignant")
    plain = Binary(kind="binary", classes=("benign", "malignant"))
    truth = pd.Series(random.choice(["malignant", "benign"], 80, p=[0.3, 0.7]), name="finding")
    encoded, _ = turned.encode(truth)
    assert np.array_equal(encoded, plain.encode(truth)[0])
    assert encoded[truth == "malignant"].all()
    assert not encoded[truth == "benign"].any()
    output = np.clip(0.3 + 0.4 * encoded + random.normal(0, 0.2, (80, 1)), 0.01, 0.99)
    decision = turned.fit_decision(output, encoded, Train())
    assert decision == plain.fit_decision(output, encoded, Train())
    for ours, theirs in zip(
        turned.answer(output, decision).items(), plain.answer(output, decision).items(), strict=True
    ):
        assert ours[0] == theirs[0]
        assert ours[1].tolist() == theirs[1].tolist()
    called = turned.answer(output, decision)["label"]
    assert set(called[output[:, 0] >= decision["threshold"]]) == {"malignant"}
    ours, theirs = (kind.metrics(output, encoded, decision) for kind in (turned, plain))
    assert {name: (e.value, e.meaning) for name, e in ours.items()} == {
        name: (e.value, e.meaning) for name, e in theirs.items()
    }
    assert ours["recall"].meaning.startswith("Sensitivity: of 100 samples labelled malignant")
    for mine, other in zip(
        turned.charts(output, encoded, decision), plain.charts(output, encoded, decision), strict=True
    ):
        pd.testing.assert_frame_equal(mine.table, other.table)
    assert turned.answer_meanings == plain.answer_meanings
    assert turned.probability_of() == "probability of malignant"
    assert turned.shown_unit(output) == plain.shown_unit(output)


def archive(path: Path, first: int = 0) -> Path:
    random = np.random.default_rng(0)
    arrays = {}
    for prefix, count in (("train", 40), ("val", 20), ("test", 20)):
        arrays[f"{prefix}_images"] = random.integers(0, 255, (count, 8, 8), np.uint8)
        arrays[f"{prefix}_labels"] = (np.arange(count) % 2 + first)[:, None].astype(np.uint8)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(("first", "codes"), [(0, None), (1, (1, 2))])
def test_the_numbers_of_an_archive_follow_the_listed_order(
    tmp_path: Path, first: int, codes: tuple[int, ...] | None
) -> None:
    raw = archive(tmp_path / "a.npz", first)
    target = Binary(kind="binary", classes=("malignant", "benign"), positive="malignant")
    inputs = {"image": Image(kind="image", size=(8, 8), channels=1)}
    source = Archive(reader="npz", path=str(raw), codes=codes)
    table = source.samples(raw, inputs, {"finding": target})
    assert table["finding"].tolist()[:4] == ["malignant", "benign"] * 2
    with pytest.raises(DataError, match="each once"):
        Archive(reader="npz", path=str(raw), codes=(1,)).samples(raw, inputs, {"finding": target})


def test_ingest_writes_classes_and_says_how_it_read_the_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["yes", "Yes ", "NO", "no", "-1.0", ""]
    rows = "".join(f"P{i % 100},{i}.5,{words[i % 6]}\n" for i in range(300))
    (tmp_path / "a.csv").write_text(f"patient,age,died\n{rows}", encoding="utf-8")
    spec = TaskSpec.model_validate({
        "task": "deaths", "source": {"reader": "table", "path": str(tmp_path / "a.csv"), "public_key": True},
        "inputs": {"row": {"kind": "table", "numbers": ("age",)}},
        "targets": {"died": {"kind": "binary", "classes": ("no", "yes"), "unknown": ("-1",)}},
    })  # fmt: skip
    ingest(raw=tmp_path / "a.csv", dataset=tmp_path / "d", private=tmp_path / "p", spec=spec)
    assert Dataset(tmp_path / "d").samples()["died"].value_counts(dropna=False).to_dict() == {
        "yes": 100, "no": 100, np.nan: 100,
    }  # fmt: skip
    said = capsys.readouterr().out
    assert "died: 50 labels are read as no: NO (50)" in said
    assert "died: 50 labels are read as unknown: -1.0 (50)" in said
