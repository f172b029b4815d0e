"""A champion from a real registry and a challenger, asked about the same test samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rivals import CLASSES, NAME, TARGET, Rivals, calibrated
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from components.lib.development import FILE, write_development
from components.lib.kinds.binary import Binary
from components.lib.model_dir import Model, TargetFigures
from components.lib.registry import Registry
from components.lib.tracking import client, run_of
from components.register.compare import Comparison, compare
from components.register.telling import into_card, markdown, sentence

OTHER_DATA = {"lineage": {"cleaned": "0" * 64}}
Measured = Callable[..., Comparison]


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Rivals:
    return calibrated(tmp_path_factory.mktemp("rivals") / "data", {"old": 1.35, "good": 2.3, "weak": 0.5})


@pytest.fixture(scope="module")
def measured(rivals: Rivals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """Registers a champion, each under a name of its own, and compares a challenger with it."""
    folder, challengers, registries = tmp_path_factory.mktemp("store"), dict[str, Model](), dict[Path, Registry]()

    def measure(challenger: str, champion: Model, **settings: Any) -> Comparison:
        if champion.path not in registries:
            registries[champion.path] = Registry(run_of(champion.path, rivals.task()), f"{NAME}_{len(registries)}")
            registries[champion.path].add(champion, {"model_digest": champion.digest}, "# Card\n")
        if challenger not in challengers:
            challengers[challenger] = rivals.model(challenger, folder / challenger)
            rivals.evaluated(challengers[challenger], folder / f"evaluation {challenger}")
        evaluation, task = folder / f"evaluation {challenger}", rivals.task(**settings)
        return compare(registries[champion.path], "1", challengers[challenger], rivals.data, evaluation, task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield measure


@pytest.fixture(scope="module")
def old(rivals: Rivals, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A champion of the same data, without a record of what it was developed on."""
    return rivals.model("old", tmp_path_factory.mktemp("old") / "champion", development=None)


def first_always(first: str, *others: str) -> list[Any]:
    """Cases of which the first is tried every time, the others in acceptance."""
    return [first, *(pytest.param(each, marks=pytest.mark.accept) for each in others)]


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {row.name: row.verdict for row in comparison.rows}


def test_a_weak_challenger_is_inferior_on_the_samples_of_both(
    rivals: Rivals, measured: Measured, tmp_path: Path
) -> None:
    found = measured("weak", rivals.model("old", tmp_path / "champion", threshold=0.3))
    assert (found.overall, found.may_replace, found.refused, found.unsure) == ("inferior", False, "", "")
    table = pd.read_csv(rivals.folder / "raw/rows.csv")
    samples = rivals.data.samples()
    test = samples.loc[samples["split"] == "test"]
    assert (found.samples, found.of, found.leaked) == (len(test), len(test), 0)
    way = pd.read_parquet(rivals.folder / "private/sources.parquet").set_index("sample_id")
    raw = table.iloc[way.loc[test["sample_id"], "row"].to_numpy()]
    truth = raw[TARGET] == CLASSES[1]
    rows = {row.name: row for row in found.rows}
    for name, place in (("old", "champion"), ("weak", "challenger")):
        assert getattr(rows["auc"], place) == pytest.approx(roc_auc_score(truth, raw[name]), abs=1e-6)
    # Each at its own operating point.
    for name, place, at in (("old", "champion", 0.3), ("weak", "challenger", 0.5)):
        called = expit(raw[name]) >= at
        assert getattr(rows["sensitivity"], place) == pytest.approx(called[truth].mean(), abs=1e-6)
    assert rows["auc"].high < -0.05
    assert "site " in rows["worst_group"].note
    assert "inferior to version 1 in AUC" in sentence(found)


def test_a_better_challenger_may_replace_the_champion(measured: Measured, old: Model) -> None:
    found = measured("good", old)
    assert {*verdicts(found).values()} <= {"non-inferior", "superior"}
    assert found.may_replace
    # Sensitivity can be bought with specificity: it alone shows no superiority.
    assert verdicts(found)["sensitivity"] == "non-inferior"


def test_a_model_that_answers_as_the_champion_is_equal_and_nothing_to_promote(
    rivals: Rivals, measured: Measured, old: Model, tmp_path: Path
) -> None:
    found = measured("old", old, promote="auto")
    assert found.same
    assert {*verdicts(found).values()} == {"non-inferior"}
    assert {(row.difference, row.low, row.high) for row in found.rows} == {(0.0, 0.0, 0.0)}
    assert (found.overall, found.may_replace) == ("non-inferior", False)
    expected = f"the same answers as version 1 on all {found.of} test samples: equal, nothing to promote."
    assert expected in sentence(found)
    assert expected in markdown(found)
    # Another operating point makes other calls of the same answers.
    moved = measured("old", rivals.model("old", tmp_path / "champion", threshold=0.3))
    assert not moved.same
    assert verdicts(moved)["sensitivity"] == "inferior"


@pytest.mark.accept
def test_the_margin_is_the_task_files_or_said_to_be_assumed(rivals: Rivals, measured: Measured, tmp_path: Path) -> None:
    champion = rivals.model("good", tmp_path / "champion")
    strict = measured("weak", champion)
    assert "margin is 0.05" in markdown(strict)
    assert "assumed: the task file doesn't state `register.margin`" in markdown(strict)
    assert strict.overall == "inferior"
    lenient = measured("weak", champion, margin=0.99)
    assert "assumed" not in markdown(lenient)
    assert lenient.overall == "non-inferior"
    assert not lenient.may_replace


def leaking(rivals: Rivals, place: Path, chosen: pd.Series, key: str | None, **columns: Any) -> Model:
    """A champion of other data, developed on some of the test samples."""
    samples = rivals.data.samples()
    learnt = samples[(samples["split"] != "test") | chosen].assign(split="train", **columns)
    rivals.model("old", place / "first")
    record = write_development(place / "first", learnt, key)
    (place / "first" / FILE).rename(place / FILE)
    model = rivals.model("old", place / "second", development=record, **OTHER_DATA)
    (place / FILE).rename(model.path / FILE)
    return model


def test_test_samples_that_the_champion_learnt_from_are_named_and_left_out(
    rivals: Rivals, measured: Measured, tmp_path: Path
) -> None:
    samples, key = rivals.data.samples(), rivals.data.info.key_fingerprint
    test = samples[samples["split"] == "test"]
    patient = test["patient"].value_counts().index[0]
    chosen = samples["sample_id"].isin(test["sample_id"].iloc[:40]) | (samples["patient"] == patient)
    whose = test["patient"].isin(samples.loc[chosen, "patient"])
    found = measured("good", leaking(rivals, tmp_path, chosen, key))
    assert found.leaked == whose.sum() > 40
    assert found.samples == len(test) - found.leaked
    assert f"developed on {found.leaked} of these {len(test)} test samples" in found.notes[0]
    assert found.may_replace


@pytest.mark.accept
def test_rows_of_a_table_that_are_equal_are_another_patients_where_patients_are_known(
    rivals: Rivals, measured: Measured, tmp_path: Path
) -> None:
    samples, key = rivals.data.samples(), rivals.data.info.key_fingerprint
    strangers = [hashlib.sha256(str(i).encode()).hexdigest()[:32] for i in range(len(samples))]
    every = pd.Series(True, index=samples.index)
    learnt = pd.Series(strangers, index=samples.index)
    assert measured("good", leaking(rivals, tmp_path, every, key, patient=learnt)).leaked == 0


@pytest.mark.accept
def test_too_few_remain(rivals: Rivals, measured: Measured, tmp_path: Path) -> None:
    samples, key = rivals.data.samples(), rivals.data.info.key_fingerprint
    kept = samples[samples["split"] == "test"].iloc[:30]["patient"]
    found = measured("good", leaking(rivals, tmp_path, ~samples["patient"].isin(kept), key))
    assert 0 < found.samples < 80
    assert found.overall == "not judged"
    assert not found.may_replace
    assert "too few" in sentence(found)


@pytest.mark.parametrize(
    "case",
    first_always("no record", "another key", "no patient then"),
)
def test_what_isnt_known_of_a_champion_promotes_nothing(
    rivals: Rivals, measured: Measured, tmp_path: Path, case: str
) -> None:
    samples = rivals.data.samples()
    nobody = pd.Series(False, index=samples.index)
    if case == "no record":
        champion = rivals.model("old", tmp_path / "champion", development=None, **OTHER_DATA)
    elif case == "another key":
        champion = leaking(rivals, tmp_path, nobody, "0123456789ab")
    else:
        champion = leaking(rivals, tmp_path, nobody, None, patient=None)
    found = measured("good", champion)
    assert found.overall == "superior"
    assert not found.may_replace
    assert "learnt from test samples isn't known" in sentence(found)


@pytest.mark.parametrize(
    "case",
    first_always("classes", "targets", "inputs", "file"),
)
def test_what_can_not_be_compared_is_refused_by_name(
    rivals: Rivals, measured: Measured, tmp_path: Path, case: str
) -> None:
    spec, target = rivals.task(), Binary(kind="binary", classes=CLASSES, positive=CLASSES[0])
    fitted = TargetFigures(scaling={}, decision={"threshold": 0.5}, validation_score=0.5)
    changed: dict[str, Any] = {
        "classes": {"targets": {TARGET: target}},
        "targets": {"targets": {"other": spec.targets[TARGET]}, "fitted": {"other": fitted}},
        "inputs": {"inputs": {"rows": spec.inputs["rows"].model_copy(update={"missing": "reject"})}},
    }.get(case, {})
    champion = rivals.model("old", tmp_path / "champion", **changed)
    if case == "file":
        text = (champion.path / "model.json").read_text(encoding="utf-8")
        (champion.path / "model.json").write_text(text.replace('"format": 3', '"format": 1'), encoding="utf-8")
    found = measured("good", champion)
    words = {
        "classes": f"its target {TARGET} is binary ({CLASSES[1]}, {CLASSES[0]}), the challenger's binary",
        "targets": f"its targets are other, the challenger's {TARGET}",
        "inputs": "its inputs are others: inputs.rows",
        "file": "it can't be opened",
    }[case]
    assert words in found.refused
    assert (found.overall, found.may_replace, found.rows) == ("not comparable", False, ())
    assert f"Not comparable with version 1: {found.refused}." in markdown(found)


def test_the_table_is_in_what_the_registry_shows_of_a_long_card(rivals: Rivals, measured: Measured, old: Model) -> None:
    found = measured("weak", old)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    told = into_card("# Model card: x\n\nlinear.\n\n## Intended use\n\n" + "long " * 2000, found)
    registry = Registry(run_of(old.path, rivals.task()), f"{NAME}_0")
    registry.describe("1", told)
    described = client().get_model_version(f"{NAME}_0", "1").description
    for row in found.rows:
        assert f"| {row.title} | " in described
        assert row.verdict in described
