"""The test-set log counts by overlap of samples, in a real MLflow store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluations import evaluated

from components.evaluate.ledger import line, open_test, part, split_digest
from components.evaluate.part import Evaluated
from components.lib.model_dir import Model
from components.lib.openings import FOLDER, Opening, record
from components.lib.sample_prints import SamplePrints
from components.lib.tracking import Run, client

N = 624


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        store = client()
        yield Run(store, store.create_run(store.create_experiment("looked_at")).info.run_id)


def films(word: str, count: int = N, *, each: int = 2, patients: bool = True) -> pd.DataFrame:
    """A test split of films, some of each patient."""
    whose = [f"{word} patient {i // each}" if patients else None for i in range(count)]
    return pd.DataFrame({"sha256": [f"{word} {i}" for i in range(count)], "patient": whose})


def opened(run: Run, table: pd.DataFrame, model: str) -> Opening:
    return record(run, SamplePrints.of(table), model.ljust(64, "0"))


def of(folder: Path, labels: str = "nnpp", *, synthetic: bool = False) -> Evaluated:
    truth = ["normal" if label == "n" else "pneumonia" for label in labels]
    return evaluated(folder, outputs=[0.4, 0.2, 0.6, 0.8], truth=truth, synthetic=synthetic)


def another_model(made: Evaluated, folder: Path) -> Evaluated:
    shutil.copytree(made.network.path, folder)
    file = folder / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"epochs": 1', '"epochs": 2'), encoding="utf-8")
    return replace(made, network=Model(folder))


def test_other_models_are_counted_and_a_repeat_says_what_the_first_time_said(tmp_path: Path, run: Run) -> None:
    first = of(tmp_path / "one")
    second = another_model(first, tmp_path / "two")
    assert open_test(run, first) == Opening(4)
    assert open_test(run, second) == Opening(4, 1, 4, 0, 0, 2, 2)
    again = open_test(run, first)
    assert again == Opening(4, models_so_far=2, openings=3)
    assert run.store.get_run(run.id).data.tags["test.openings"] == "3"
    assert part(first, again) == part(first, Opening(4))
    assert line(first, again) == (
        "This MLflow store knows of no other model that was evaluated on any of these 4 rows before; opened 3 times in "
        "all, for 2 models"
    )
    # A label corrected, or unknown: still the same samples.
    other = of(tmp_path / "other", "npnp")
    third = replace(another_model(other, tmp_path / "three"), samples=first.samples)
    file = third.network.path / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"epochs": 2', '"epochs": 3'), encoding="utf-8")
    found = open_test(run, replace(third, network=Model(third.network.path)))
    assert found is not None
    assert (found.models, found.seen) == (2, 4)


def test_a_film_left_out_and_data_that_grew_do_not_begin_anew(run: Run) -> None:
    whole = films("grown")
    for model in ("a", "b", "c"):
        opened(run, whole, f"grown {model}")
    grown = pd.concat([whole.iloc[4:], films("grown new", 4)])  # 620 old ones, and 4 of new patients
    found = opened(run, grown, "grown d")
    assert found.told("films") == "620 of these 624 films were evaluated for 3 other models before."
    less = opened(run, whole.iloc[1:], "grown e")
    assert less.told("films") == "All these 623 films were evaluated for 4 other models before."


def test_another_film_of_the_same_patients_is_named(run: Run) -> None:
    opened(run, films("twin", 40), "twin a")
    retaken = films("twin", 40).assign(sha256=[f"retaken {i}" for i in range(40)])
    found = opened(run, pd.concat([retaken.iloc[:10], films("twin", 40).iloc[20:]]), "twin b")
    assert (found.seen, found.of_patients) == (20, 10)
    assert found.told("films") == (
        "30 of these 30 films were evaluated for 1 other model before, or are of patients of whom other films were "
        "(10)."
    )


def test_strangers_are_not_counted(run: Run) -> None:
    opened(run, films("here"), "here a")
    assert opened(run, films("elsewhere", patients=False), "elsewhere a") == Opening(N)
    assert opened(run, films("elsewhere", patients=False), "elsewhere b").models == 1
    # Who is unknown isn't one and the same patient.
    assert opened(run, films("a third", patients=False), "third a") == Opening(N)


def test_the_same_model_on_grown_data_is_no_other_model(run: Run) -> None:
    opened(run, films("alone"), "alone a")
    assert opened(run, films("alone").iloc[3:], "alone a") == Opening(N - 3)


def test_two_at_the_same_moment_do_not_both_say_nobody_was_here(run: Run) -> None:
    table, models = films("at once", 50), [f"at once {i}" for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda model: opened(run, table, model), models))
    assert sum(each.models == 0 for each in found) <= 1
    assert all(each.models <= 3 for each in found)
    again = [opened(run, table, model) for model in models]
    assert [each.models for each in again] == [each.models for each in found]
    assert {each.models_so_far for each in again} == {4}


def test_an_older_log_is_counted_and_what_nobody_knows_is_said(tmp_path: Path, run: Run) -> None:
    made = of(tmp_path / "made", "pnpn")
    made = replace(made, samples=made.samples.assign(sha256=[f"old {i}" for i in range(4)]))
    # An experiment of its own: an older split of the same task may have been these samples.
    store = run.store
    own = Run(store, store.create_run(store.create_experiment("older")).info.run_id)
    experiment = store.get_run(own.id).info.experiment_id
    store.set_experiment_tag(
        experiment, f"test_split.{split_digest(made)[:16]}.{'e' * 16}", '{"number": 1, "openings": 2}'
    )
    found = open_test(own, made)
    assert found is not None
    assert (found.models, found.seen, found.unlisted, found.openings) == (1, 4, 0, 3)
    store.set_experiment_tag(experiment, f"test_split.{'0' * 16}.{'f' * 16}", '{"number": 1, "openings": 1}')
    other = films("of the older task", 30)
    found = opened(own, other, "older b")
    assert (found.models, found.unlisted) == (0, 2)  # both old splits are none of these, or nobody knows
    assert found.told("films").endswith(
        "Of 2 models of this task nobody knows any more on which films: it may have been these."
    )
    assert part(made, found).warnings


def test_a_list_that_is_gone_is_no_clean_slate(run: Run) -> None:
    store = run.store
    lost = Run(store, store.create_run(store.create_experiment("lost")).info.run_id)
    opened(lost, films("lost"), "lost a")
    root = store.get_run(lost.id).info.artifact_uri.removeprefix("file://")
    shutil.rmtree(Path(root) / FOLDER)
    found = opened(lost, films("lost").iloc[1:], "lost b")
    assert (found.models, found.unlisted) == (0, 1)


def test_words_grow_with_the_models_and_few_samples_are_no_warning(tmp_path: Path) -> None:
    made = of(tmp_path)
    assert part(made, Opening(4)).warnings == ()
    told = [part(made, Opening(4, models, 4)).warnings[0] for models in (1, 5, 22)]
    assert told[0].startswith("All these 4 rows were evaluated for 1 other model before. If this one was kept because")
    assert "intervals too narrow" in told[1]
    assert "a part of training" in told[2]
    few = part(made, Opening(400, 30, 3))
    assert few.warnings == ()
    assert "So few can hardly have flattered the figures." in str(few.sections[0].blocks[0])


def test_synthetic_samples_are_not_counted(tmp_path: Path, run: Run) -> None:
    made = of(tmp_path, synthetic=True)
    assert open_test(run, made) is None
    assert "can be made anew" in str(part(made, None).sections[0].blocks[0])
    assert "synthetic" in line(made, None)


def test_lists_are_small_in_any_order_and_hold_no_name() -> None:
    table = films("Müller; $(rm)")
    made = SamplePrints.of(table)
    packed = made.packed()
    assert len(packed) < 5 * (N + N // 2) + 40
    assert b"ller" not in packed
    assert SamplePrints.of(table.sample(frac=1, random_state=1)).packed() == packed
    back = SamplePrints.unpacked(packed)
    assert made.seen(back).all()
    assert made.of_seen_patients(back).all()
    assert len(np.unique(made.samples)) == N
    for broken in (packed[:-1], b"", b"<html>", packed.replace(b"set-1", b"set-2", 1)):
        with pytest.raises(ValueError, match="not a list"):
            SamplePrints.unpacked(broken)
