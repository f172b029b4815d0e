"""inspection.html: what a data manager sees before anything is trained, and what nobody else may see."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import look as seen_in_browser
from browser import needs_chromium
from films import lay
from looks import needs

from components.lib.places import place
from components.lib.spec import load_spec
from pipelines.look import Questions, look
from pipelines.look.inspection import concerns, inspect
from pipelines.look.profiles import describe, form
from pipelines.new import create

pytestmark = pytest.mark.xdist_group("tensorflow")  # dvc.yaml is made from every step's function
NAMES = ("Mueller", "Okafor", "Lindqvist")


def stays(folder: Path, rows: int = 120) -> Path:
    """A table of stays: two of each patient, an outcome, an age, a ward and a column of free text."""
    random = np.random.default_rng(0)
    patient = np.arange(rows) // 2
    table = pd.DataFrame(
        {
            "patient_id": [f"{NAMES[p % 3]}-{p:04d}" for p in patient],
            "age": random.integers(20, 90, rows),
            "crp": random.normal(20, 5, rows).round(1),
            "ward": random.choice(["north", "south"], rows),
            "remark": [f"seen by {NAMES[p % 3]} on visit {i}" for i, p in enumerate(patient)],
            "died": random.choice(["no", "yes"], rows),
        }
    )
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "stays.csv", index=False)
    return folder / "stays.csv"


def page_of(data: Path, workspace: Path, *, samples: bool = False) -> str:
    """The page that the command leaves."""
    create(data, workspace, "own", Questions(), samples=samples)
    return (workspace / "inspection.html").read_text(encoding="utf-8")


def test_the_page_names_columns_roles_and_splits_and_no_patient(tmp_path: Path) -> None:
    page = page_of(stays(tmp_path / "data"), tmp_path / "work")
    assert not [name for name in NAMES if name in page]
    assert '<th scope="row">died</th><td class="short">target</td>' in page
    assert "A-9" in page or "a-9" in page  # the form of the patients' ids
    assert "free text" in page
    assert "median" in page
    assert "Rows of real patients are not shown unless you ask for them" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_shows_the_split_that_ingest_makes(tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    create(stays(tmp_path / "data"), workspace, "own", Questions())
    spec = load_spec(workspace / "task.yaml")
    found = inspect(look(place(spec.source.path), Questions()), spec, place(spec.source.path))
    assert (found.patients, found.unknown_patients, found.shared_patients) == (60, 0, 0)
    assert found.per_patient == (2, 2.0, 2)
    splits = found.splits.set_index("Split")
    assert splits.loc["all", "Samples"] == 120
    assert splits.loc[["train", "validation", "test"], "Samples"].sum() == 120
    assert splits.loc["all", "no"] + splits.loc["all", "yes"] == 120
    from components.ingest import ingest
    from components.lib.dataset import Dataset

    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"public_key": True})})
    ingest(raw=place(spec.source.path), dataset=tmp_path / "ingested", private=tmp_path / "private", spec=spec)
    assert Dataset(tmp_path / "ingested").info.counts == splits["Samples"].drop("all").to_dict()


def test_pictures_only_for_who_asks_and_for_nobody_else(tmp_path: Path) -> None:
    data = lay(tmp_path / "films", *(f"{name}/{n}.png" for name in ("normal", "nodule") for n in range(12)))
    page, file = page_of(data, tmp_path / "work"), tmp_path / "work/inspection.html"
    assert "data:image/png" not in page
    assert "--samples" in page
    asked = page_of(data, tmp_path / "work", samples=True)
    assert asked.count("data:image/png") == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "/inspection.html" in (tmp_path / "work/.gitignore").read_text(encoding="utf-8").splitlines()


def test_unknown_patients_and_copies_with_another_label_are_to_be_looked_at(tmp_path: Path) -> None:
    data = lay(tmp_path / "films", *(f"{name}/{n}.png" for name in ("normal", "nodule") for n in range(12)))
    (data / "nodule/copy.png").write_bytes((data / "normal/0.png").read_bytes())
    workspace = tmp_path / "work"
    create(data, workspace, "own", Questions())
    spec = load_spec(workspace / "task.yaml")
    found = inspect(look(data, Questions()), spec, data)
    assert found.contradicting == 1
    told = " ".join(concerns(found, spec))
    assert "No patient is known" in told
    assert "Of 1 sample there are copies with another label" in told
    assert "No patient is known" in (workspace / "inspection.html").read_text(encoding="utf-8")


def test_data_that_ingest_would_refuse_are_refused_on_the_page(tmp_path: Path) -> None:
    data, workspace = stays(tmp_path / "data"), tmp_path / "work"
    create(data, workspace, "own", Questions())
    text = (workspace / "task.yaml").read_text(encoding="utf-8")
    (workspace / "task.yaml").write_text(text.replace("- crp", "- lactate").replace("crp", "lactate"), encoding="utf-8")
    told = create(data, workspace, "own", Questions())
    assert any("ingest would stop at these data" in line for line in told)
    assert "can&#39;t be read as the task file says" in (workspace / "inspection.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("PAT-0042", "A-9"), ("7", "9"), ("7.0", "9.0"), ("person123_bacteria_4.jpeg", "a9_a_9.a"), ("Müller", "a"),
     ("张伟", "a"), ("patient00001/study1/view1_frontal.jpg", "a9/a9/a9_a.a"), ("1.2.840.10", "9.9.9.9")],
)  # fmt: skip
def test_a_form_says_nothing_of_who_it_is(value: str, expected: str) -> None:
    assert form(value) == expected


def test_a_value_of_few_rows_is_counted_not_shown() -> None:
    column = pd.Series(["yes"] * 50 + ["Mueller"] * 4 + [None] * 6)
    told = describe("smoker", column, "input", "")
    assert told.values == "yes (50), 1 other value"
    assert told.known == pytest.approx(0.9)


def test_a_column_that_names_people_is_shown_as_forms() -> None:
    told = describe(
        "name", pd.Series(["Mueller", "Okafor"] * 20), "not used", "called like something that names a person"
    )
    assert told.values == "such as a (40)"


@needs("brain_mri_4class")
def test_the_page_of_a_public_set(tmp_path: Path) -> None:
    from looks import REAL

    page = page_of(REAL / "brain_mri_4class", tmp_path / "work")
    assert "No patient is known" in page
    assert "meningioma (400)" in page
    assert "data:image" not in page


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_screen_and_a_phone(tmp_path: Path, width: int) -> None:
    page_of(stays(tmp_path / "data"), tmp_path / "work", samples=True)
    found = seen_in_browser(tmp_path / "work/inspection.html", tmp_path, width)
    assert found.console == ()
    assert found.widest <= width
    assert found.images == 8
    assert found.broken == 0


def test_words_for_unknown_are_not_known_on_the_page(tmp_path: Path) -> None:
    lines = ["age,chol,died", *(f"{20 + i % 60},{'?' if i % 4 == 0 else 150 + i},{i % 2}" for i in range(200))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    create(tmp_path / "t.csv", tmp_path / "work", "t", Questions())
    page = (tmp_path / "work/inspection.html").read_text(encoding="utf-8")
    row = page[page.index(">chol<") :][:600]
    assert "75.0%" in row
    assert "?" not in row
    assert "Near duplicates" not in page
