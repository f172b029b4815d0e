"""Workspaces whose raw data lie on a server: DVC sees what changed, names no secret, and a look says what is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from films import encoded, film, patients, task, write_films
from kfp.dsl import Dataset
from servers import AWS, Bucket, Web
from workspaces import Workspace, digests, make_tiny

from components.clean import clean
from components.ingest import ingest
from components.lib.errors import DataError
from components.lib.places import place
from components.lib.spec import TaskSpec, load_spec
from pipelines import kubeflow
from pipelines.kubeflow_steps import raw_at
from pipelines.look import look
from pipelines.new import create
from pipelines.steps import mlproject, stages_of

SMALL = {"split": {"validation": 0.25, "test": 0.25}, "clean": {"shortcuts": "off", "suspects": 0}}


def text_of(path: str) -> str:
    """The text of a task on films at that place."""
    told = {"reader": "folder", "path": path, "index": "index.csv", "public_key": True}
    sections = dict.fromkeys(("augment", "train", "evaluate", "register")) | SMALL
    values = json.loads(task(source=told).model_dump_json(include={"task", "inputs", "targets"}))
    return yaml.safe_dump({**values, "source": told, **sections}, sort_keys=False)


def spec_of(folder: Path, path: str) -> TaskSpec:
    """That task."""
    (folder / "task.yaml").write_text(text_of(path))
    return load_spec(folder / "task.yaml")


@pytest.mark.accept
def test_dvc_on_s3(bucket: Bucket, tmp_path: Path) -> None:
    here = write_films(tmp_path / "films", patients(30))
    url = bucket.put_folder(here, "hospital/films")
    far = make_tiny(tmp_path / "far", text_of(url))
    assert "Running stage 'clean'" in far.run("dvc", "repro", "ingest", "clean").stdout
    spec = load_spec(far.path / "task.yaml")
    ingest(here, tmp_path / "ingested", tmp_path / "private", spec)
    clean(here, tmp_path / "ingested", tmp_path / "private", tmp_path / "cleaned", spec)
    assert digests(far.path / "data" / "cleaned") == digests(tmp_path / "cleaned")

    assert "Running stage" not in far.run("dvc", "repro", "ingest", "clean").stdout
    (one,) = sorted((here / "films").iterdir())[:1]
    bucket.put(f"hospital/films/films/{one.name}", encoded(film(999)))
    assert f"modified:           {url}" in far.run("dvc", "status", "ingest").stdout

    # Neither the credentials nor where the server is are written down.
    texts = b"".join(path.read_bytes() for path in far.path.rglob("*") if path.is_file())
    assert AWS["AWS_SECRET_ACCESS_KEY"].encode() not in texts
    assert bucket.endpoint.encode() not in texts


def test_dvc_watches_the_index_of_a_web_server(web: Web, tmp_path: Path) -> None:
    stages = stages_of(spec_of(tmp_path, web.url))
    assert stages["ingest"]["deps"][0] == stages["clean"]["deps"][0] == f"{web.url}/index.csv"
    assert f"--raw {web.url} " in stages["ingest"]["cmd"]


def test_a_url_is_quoted_for_the_shell(tmp_path: Path) -> None:
    stages = stages_of(spec_of(tmp_path, "s3://bucket/a b;rm -rf x"))
    assert "--raw 's3://bucket/a b;rm -rf x' " in stages["ingest"]["cmd"]


def test_mlflow_takes_a_url_for_text(tmp_path: Path) -> None:
    points = yaml.safe_load(mlproject("task.yaml", spec_of(tmp_path, "s3://bucket/films")))["entry_points"]
    assert points["ingest"]["parameters"]["raw"] == {"type": "string", "default": "s3://bucket/films"}
    assert points["ingest"]["parameters"]["task"]["type"] == "path"


def class_folders(folder: Path) -> Path:
    for number in range(20):
        path = folder / ("normal", "pneumonia")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(film(number)))
    return folder


@pytest.mark.parametrize("form", ["classes", "index", "set.zip", "stays.csv", "set.npz"])
@pytest.mark.parametrize("where", ["s3", "http"])
def test_a_look_says_the_same_as_of_data_here(form: str, where: str, bucket: Bucket, web: Web) -> None:
    data = web.folder / form
    if form == "classes":
        class_folders(data)
    elif form == "index":
        write_films(data, patients(20))
    elif form == "set.zip":
        shutil.make_archive(str(web.folder / "set"), "zip", class_folders(web.folder / "classes"))
    elif form == "stays.csv":
        rows = [f"{n % 7},{40 + 3 * n % 50},p{n},{('sick', 'well')[n % 2]}" for n in range(60)]
        data.write_text("\n".join(["dose,age,patient,outcome", *rows]) + "\n")
    else:
        arrays = {f"{split}_{what}": values for split in ("train", "val", "test") for what, values in {
            "images": np.zeros((9, 12, 12), np.uint8), "labels": np.arange(9)[:, None] % 2}.items()}  # fmt: skip
        np.savez(data, **arrays)
    if where == "http" and data.is_dir():
        with pytest.raises(DataError, match="web server can't list"):
            look(place(f"{web.url}/{form}/"))
        return
    far = bucket.put_folder(data, form) if data.is_dir() else bucket.put(form, data.read_bytes())
    url = far if where == "s3" else f"{web.url}/{form}"
    expected, found = look(data), look(place(url))
    assert found.values.pop("source") == expected.values.pop("source") | {"path": url}
    assert (found.values, found.found, found.why) == (expected.values, expected.found, expected.why)


def test_a_workspace_from_a_url(bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.put_folder(class_folders(tmp_path / "films"), "films")
    create(place(url), tmp_path / "space", "films")
    assert load_spec(tmp_path / "space" / "task.yaml").source.path == url
    assert f"- {url}" in (tmp_path / "space" / "dvc.yaml").read_text()


def test_a_secret_comes_into_no_file(tmp_path: Path) -> None:
    url = "https://user:hunter2@host/x.zip"
    done = Workspace(tmp_path).run("pipelines.new", url, "--into", str(tmp_path / "space"), check=False)
    assert done.returncode == 1
    assert "SpecError: a place of raw data" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert not any(tmp_path.iterdir())


def test_kubeflow_reads_from_the_server_what_it_does_not_bring(
    bucket: Bucket, web: Web, tmp_path: Path
) -> None:  # fmt: skip
    near = Dataset(name="raw", uri=str(tmp_path))
    assert raw_at(near) == tmp_path
    assert raw_at(Dataset(name="raw", uri="https://host/films.zip")) == place("https://host/films.zip")
    assert raw_at(Dataset(name="raw", uri="s3://bucket/films")) == place("s3://bucket/films")
    write_films(web.folder, patients(4))
    text = text_of(web.url)
    digest = kubeflow.arguments(text, web.url)["raw_digest"]
    (web.folder / "index.csv").write_text((web.folder / "index.csv").read_text() + "\n")
    assert kubeflow.arguments(text, web.url)["raw_digest"] != digest
    url = bucket.put_folder(web.folder, "films")
    before = kubeflow.arguments(text, url)
    assert before["raw"] == url
    bucket.put("films/index.csv", b"changed")
    assert kubeflow.arguments(text, url)["raw_digest"] != before["raw_digest"]
