"""From a folder to a served model: ChestX-ray14's index, and an archive whose finding has the lower number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from asking import requests_of, served
from films import encoded, film
from reached import run_steps
from workspaces import Workspace

from components.lib.server import ask
from components.lib.spec import load_spec
from pipelines.look import Questions
from pipelines.new import create

pytestmark = [pytest.mark.accept, pytest.mark.xdist_group("tensorflow")]


def reach(data: Path, folder: Path, target: str | None, patch: pytest.MonkeyPatch) -> Workspace:
    """`pipelines.new` without an answer, then every step with a few epochs."""
    create(data, folder, "asked", Questions(target=target))
    spec = load_spec(folder / "task.yaml")
    train = spec.train.model_copy(update={"epochs": 4, "width": 8, "model": "cnn"})
    # Four epochs don't make a calibrated model, and one without an alias isn't served.
    evaluate = spec.evaluate.model_copy(update={"gates": {f"{next(iter(spec.targets))}.accuracy": 0.01}})
    spec = spec.model_copy(update={"train": train, "evaluate": evaluate})
    here = Workspace(folder)
    patch.setenv("MLFLOW_TRACKING_URI", here.store)
    patch.setenv("MEDPIPE_PATIENT_KEY", "0123456789abcdef" * 2)
    run_steps(data, here.path / "data", spec)
    return here


def predictions(here: Workspace) -> pd.DataFrame:
    """What evaluate predicted, and where each sample lies."""
    predicted = pd.read_parquet(here.path / "data/evaluation/predictions.parquet")
    return predicted.merge(pd.read_parquet(here.path / "data/private/sources.parquet"), on="sample_id")


def picture(number: int, *, bright: bool) -> np.ndarray:
    pixels = film(number, 40).copy()
    if bright:
        pixels[10:26, 10:26] = 250
    return pixels


def test_chest_xray14_from_its_folder_to_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, rows = np.random.default_rng(0), []
    (tmp_path / "cxr").mkdir()
    for i in range(240):
        name, ill = f"{i // 2 + 1:08d}_{i % 2:03d}.png", bool(draw.random() < 0.4)
        others = sorted(draw.choice(["Mass", "Nodule", "Fibrosis"], draw.integers(0, 3), replace=False))
        cell = "|".join([*(["Effusion"] if ill else []), *others]) or "No Finding"
        (tmp_path / "cxr" / name).write_bytes(encoded(picture(i, bright=ill)))
        rows.append((name, cell, i % 2, i // 2 + 1, "PA"))
    head = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "View Position"]
    pd.DataFrame(rows, columns=head).to_csv(tmp_path / "cxr" / "Data_Entry_2017.csv", index=False)
    here = reach(tmp_path / "cxr", tmp_path / "work", "Finding Labels=Effusion", monkeypatch)
    predicted = predictions(here)
    assert {*predicted["truth"]} == {"no Effusion", "Effusion"}
    assert "Effusion among the findings of a cell" in capsys.readouterr().out
    with served(here, "asked") as url:
        answers = ask(url, requests_of(here, predicted.head(8)))
    probabilities = [answer["probability"] for answer in answers]
    assert probabilities == pytest.approx(np.stack(predicted.head(8)["output"])[:, 0].tolist(), abs=1e-6)


def test_positive_reaches_the_answers_of_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, arrays = np.random.default_rng(1), {}
    for split, count in {"train": 160, "val": 60, "test": 80}.items():
        labels = draw.integers(1, 3, count)
        arrays[f"{split}_labels"] = labels[:, None]
        arrays[f"{split}_images"] = np.stack([picture(i, bright=label == 1) for i, label in enumerate(labels)])
    np.savez(tmp_path / "breastmnist.npz", **arrays)
    here = reach(tmp_path / "breastmnist.npz", tmp_path / "work", None, monkeypatch)
    said = capsys.readouterr().out
    assert "assumed, not confirmed: Which class is the finding" in said
    predicted = predictions(here)
    outputs = np.stack(predicted["output"])[:, 0]
    assert outputs[predicted["truth"] == "malignant"].mean() > outputs[predicted["truth"] == "normal_or_benign"].mean()
    report = (here.path / "data/evaluation/report.html").read_text(encoding="utf-8")
    assert "of 100 samples labelled malignant" in report
    with served(here, "asked") as url:
        answers = ask(url, requests_of(here, predicted.head(8)))
    assert [each["probability"] for each in answers] == pytest.approx(outputs[:8].tolist(), abs=1e-6)
