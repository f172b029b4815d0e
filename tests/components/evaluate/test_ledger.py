"""The ledger of test splits, in a real MLflow store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import evaluated

from components.evaluate.ledger import line, open_test, ordinal, part, split_digest
from components.evaluate.part import Evaluated
from components.lib.model_dir import Model
from components.lib.openings import Opening, record
from components.lib.tracking import Run, client


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db")
        store = client()
        yield Run(store, store.create_run(store.create_experiment("looked_at")).info.run_id)


def of(folder: Path, labels: str = "nnpp", *, synthetic: bool = False) -> Evaluated:
    truth = ["normal" if label == "n" else "pneumonia" for label in labels]
    return evaluated(folder, outputs=[0.4, 0.2, 0.6, 0.8], truth=truth, synthetic=synthetic)


def another_model(made: Evaluated, folder: Path) -> Evaluated:
    shutil.copytree(made.network.path, folder)
    file = folder / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"epochs": 1', '"epochs": 2'), encoding="utf-8")
    return replace(made, network=Model(folder))


def test_models_are_numbered_by_first_opening_and_repeats_keep_theirs(tmp_path: Path, run: Run) -> None:
    first = of(tmp_path / "one")
    second = another_model(first, tmp_path / "two")
    assert open_test(run, first) == Opening(1, 1, 1)
    assert open_test(run, second) == Opening(2, 2, 2)
    again = open_test(run, first)
    assert again == Opening(1, 2, 3)
    assert run.store.get_run(run.id).data.tags["test.openings"] == "3"
    assert "1st model judged on these 4 rows; 3 times in all, for 2 models" in line(first, again)
    assert open_test(run, of(tmp_path / "other", "npnp")) == Opening(1, 1, 1)  # other truths, another version


def test_a_repeat_gives_the_same_page_though_others_came_between(tmp_path: Path) -> None:
    made = of(tmp_path)
    assert part(made, Opening(1, 1, 1)) == part(made, Opening(1, 7, 30))


def test_the_first_model_is_no_warning_and_later_ones_are_ever_stronger(tmp_path: Path) -> None:
    made = of(tmp_path)
    assert part(made, Opening(1, 1, 1)).warnings == ()
    told = [part(made, Opening(number, number, number)).warnings[0] for number in (2, 6, 23)]
    assert told[0].startswith("This is the 2nd model judged on these 4 rows. If this one was kept because")
    assert "intervals too narrow" in told[1]
    assert "a part of training" in told[2]


def test_synthetic_samples_are_not_counted(tmp_path: Path, run: Run) -> None:
    made = of(tmp_path, synthetic=True)
    assert open_test(run, made) is None
    assert "can be made anew" in str(part(made, None).sections[0].blocks[0])
    assert "synthetic" in line(made, None)


def test_the_digest_knows_the_test_samples_alone_in_any_order(tmp_path: Path) -> None:
    made = of(tmp_path / "one")
    turned = replace(made, samples=made.samples.iloc[::-1].assign(split="else", site="elsewhere"))
    assert split_digest(turned) == split_digest(made)
    changed = made.samples.assign(sha256=["x", *made.samples["sha256"][1:]])
    assert split_digest(replace(made, samples=changed)) != split_digest(made)


def test_many_at_once_all_get_a_number(run: Run) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: record(run, "f" * 64, f"{i:064d}"[::-1]), range(6)))
    assert all(1 <= each.number <= 6 for each in found)
    settled = [record(run, "f" * 64, f"{i:064d}"[::-1]) for i in range(6)]
    assert sorted(each.number for each in settled) == [1, 2, 3, 4, 5, 6]


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
