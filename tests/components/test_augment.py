"""Step `augment`: copies of rarer classes in train, nowhere else, and the same ones each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from films import SIDE, film, task

from components.augment import augment
from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.digests import SUMS
from components.lib.kinds.image import Image
from components.lib.spec import TaskSpec

RARE = ["normal"] * 8 + ["pneumonia"] * 2 + [None]
"""Findings of each split."""


def cleaned(folder: Path, findings: Sequence[str | None] = RARE, parts: int = 2) -> Path:
    """A cleaned dataset with these findings in every split, dealt over the parts."""
    path = folder / "cleaned"
    path.mkdir(parents=True)
    rows = [(split, finding) for finding in findings for split in ("train", "validation", "test")]
    for part in range(parts):
        chosen = range(part, len(rows), parts)
        samples = pd.DataFrame({"sample_id": [f"s{i:03d}" for i in chosen], "patient": None,
                                "split": [rows[i][0] for i in chosen]})  # fmt: skip
        samples["finding"] = pd.Series([rows[i][1] for i in chosen], dtype="str")
        done = [Image(kind="image", size=(SIDE, SIDE)).clean(film(i)) for i in chosen]
        samples = samples.join(pd.DataFrame([each.quality for each in done]).add_prefix("image_"))
        DatasetWriter(path).write_part(part, samples, {"image": np.stack([each.array for each in done])})
    DatasetWriter(path).finish(
        task="chest_test", step="clean", parts=parts, synthetic=True, targets={}, key_fingerprint=None, lineage={},
        arrays={"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")},
    )  # fmt: skip
    return path


def balanced(balance: float = 1.0, seed: int = 7) -> TaskSpec:
    return task(augment={"offline": {"balance": balance, "seed": seed}})


def run(source: Path, out: Path, spec: TaskSpec) -> Dataset:
    augment(source, out, spec)
    return Dataset(out)


def test_nothing_asked_for_nothing_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added = run(cleaned(tmp_path), tmp_path / "out", task())
    assert added.parts == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [SUMS, "dataset.json"]
    assert "no copies asked for (augment.offline.balance)" in capsys.readouterr().out


@pytest.mark.parametrize(("balance", "wanted"), [(0.25, 2), (0.5, 4), (0.6, 5), (1.0, 8)])
def test_the_rarer_class_reaches_its_share(tmp_path: Path, balance: float, wanted: int) -> None:
    added = run(cleaned(tmp_path), tmp_path / "out", balanced(balance)).samples()
    assert Counter(added.get("finding", [])) == Counter({"pneumonia": wanted - 2})


def test_copies_are_of_train_and_name_their_parent(tmp_path: Path) -> None:
    source = cleaned(tmp_path)
    added = run(source, tmp_path / "out", balanced()).samples()
    parents = Dataset(source).samples().set_index("sample_id").loc[added["parent_id"]]
    assert set(parents["split"]) == set(added["split"]) == {"train"}
    assert set(parents["finding"]) == {"pneumonia"}
    assert Counter(added["parent_id"]) == dict.fromkeys(set(added["parent_id"]), 3)  # each of the two, in turn
    assert sorted(added["sample_id"]) == sorted(f"{p}-a{n}" for p in set(added["parent_id"]) for n in (1, 2, 3))


def test_copies_differ_from_their_parent_and_from_each_other(tmp_path: Path) -> None:
    source = cleaned(tmp_path)
    _, arrays = run(source, tmp_path / "out", balanced()).select("train", ["image"])
    originals = np.concatenate([part.array("image") for part in Dataset(source).parts])
    together = [picture.tobytes() for picture in (*arrays["image"], *originals)]
    assert len(set(together)) == len(together)


def test_equal_settings_give_equal_copies(tmp_path: Path) -> None:
    source = cleaned(tmp_path)
    first = run(source, tmp_path / "first", balanced()).info
    assert run(source, tmp_path / "again", balanced()).info == first
    assert run(source, tmp_path / "other", balanced(seed=8)).info.digest != first.digest


def test_all_classes_alike_nothing_to_do(tmp_path: Path) -> None:
    added = run(cleaned(tmp_path, ["normal", "pneumonia"] * 3), tmp_path / "out", balanced())
    assert added.samples().empty
