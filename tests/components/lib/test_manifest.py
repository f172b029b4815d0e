"""A registered version in which anything was changed is refused by name, before its code is run."""

from __future__ import annotations

import compileall
import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from workspaces import Workspace

from components.lib.errors import DataError, ModelError
from components.lib.manifest import MANIFEST, STRICT_VARIABLE, TAG, require_manifest, write_manifest
from components.lib.model_dir import Model
from components.lib.registry import Registry, fetch
from components.lib.server import direct_command, direct_environment, free_port, started
from components.lib.signing import FILE_VARIABLE, fingerprint, load_keys, make_key, public_text
from components.lib.spec import load_spec
from components.lib.tracking import client, run_of
from pipelines import sign
from pipelines.serve import guard_command

NAME = "tiny_synthetic"
KINDS = ("artifacts/model/model.onnx", "artifacts/model/model.json", "artifacts/model/development.npy", "MLmodel",
         "model.py", "requirements.txt", "constraints.txt", "code/components/lib/answers.py")  # fmt: skip
ADDED = ("code/sitecustomize.py", "code/components/lib/kinds/binary.pyc", "code/json.py",
         "größe; $(x).txt", "artifacts/model/model.onnx.data")  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hospital's key, its public half, and a stranger's key."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("hospital.key", "stranger.key"):
        make_key(folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FILE_VARIABLE, str(folder / "hospital.key"))
        (folder / "hospital.pub").write_text(public_text(load_keys()))
    return folder


@pytest.fixture(scope="module")
def store(tiny: Workspace, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def at_home(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of this module, and no key but the one that a test names."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(FILE_VARIABLE, raising=False)


def registered(tiny: Workspace) -> str:
    """A new version of the tiny films' model."""
    model = Model(tiny.path / "data/model")
    registry = Registry(run_of(model.path, load_spec(tiny.path / "task.yaml")), NAME)
    return registry.add(model, {"model_digest": model.digest}, "# Card\n")


@pytest.fixture(scope="module")
def unsigned(tiny: Workspace, store: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        patch.setenv("HOME", "/nonexistent")
        return registered(tiny)


@pytest.fixture(scope="module")
def signed(tiny: Workspace, store: str, keys: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        patch.setenv(FILE_VARIABLE, str(keys / "hospital.key"))
        return registered(tiny)


def stored(version: str) -> Path:
    """Where the store keeps the files of a version."""
    model = client().get_model_version(NAME, version).source.removeprefix("models:/")
    return Path(client().get_logged_model(model).artifact_location.removeprefix("file://"))


@contextmanager
def changed(file: Path, content: bytes | None) -> Iterator[None]:
    """A file with another content, or none, while the block runs."""
    before = file.read_bytes() if file.is_file() else None
    try:
        if content is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield
    finally:
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)


def flipped(file: Path) -> bytes:
    """A file's content with one bit of one byte turned."""
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1
    return bytes(content)


def test_a_version_as_it_was_registered_is_fetched_in_silence(
    unsigned: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "version").mkdir()
    fetch(f"models:/{NAME}/{unsigned}", tmp_path / "version")
    assert "manifest" not in capfd.readouterr().err


@pytest.mark.parametrize("name", KINDS)
def test_one_bit_of_any_file_is_noticed(unsigned: str, tmp_path: Path, name: str) -> None:
    file = stored(unsigned) / name
    with changed(file, flipped(file)), pytest.raises(ModelError, match=f"found: +{name} was changed"):
        fetch(f"models:/{NAME}/{unsigned}", tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_noticed(unsigned: str, tmp_path: Path, name: str) -> None:
    with changed(stored(unsigned) / name, None), pytest.raises((ModelError, mlflow.MlflowException), match=name):
        fetch(f"models:/{NAME}/{unsigned}", tmp_path)


@pytest.mark.parametrize("name", ADDED)
def test_a_file_that_was_added_is_noticed(unsigned: str, tmp_path: Path, name: str) -> None:
    with changed(stored(unsigned) / name, b"import os"), pytest.raises(ModelError) as told:
        fetch(f"models:/{NAME}/{unsigned}", tmp_path)
    assert told.value.found == f"{name} was added"


def test_what_python_compiled_in_the_store_is_not_taken_along(unsigned: str, tmp_path: Path) -> None:
    code = stored(unsigned) / "code"
    assert compileall.compile_dir(code, quiet=2)
    try:
        fetch(f"models:/{NAME}/{unsigned}", tmp_path)
    finally:
        for each in [*code.rglob("__pycache__")]:
            shutil.rmtree(each)
    assert not [*tmp_path.rglob("__pycache__")]


def test_a_manifest_made_again_is_not_the_one_that_the_registry_names(unsigned: str, tmp_path: Path) -> None:
    folder = stored(unsigned)
    with changed(folder / "code/sitecustomize.py", b"import os"), changed(folder / MANIFEST, b"{}"):
        write_manifest(folder, NAME)
        (tmp_path / "again").mkdir()
        with pytest.raises(ModelError, match=r"another manifest\.json"):
            fetch(f"models:/{NAME}/{unsigned}", tmp_path / "again")
    with changed(folder / MANIFEST, None), pytest.raises(ModelError, match="none"):
        fetch(f"models:/{NAME}/{unsigned}", tmp_path)


@pytest.mark.parametrize("key", ["", "stranger.key"])
def test_who_can_write_to_files_and_registry_is_found_out_by_the_signature(
    signed: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    folder, before = stored(signed), client().get_model_version(NAME, signed).tags[TAG]
    with changed(folder / "code/sitecustomize.py", b"import os"), changed(folder / MANIFEST, b"{}"):
        if key:
            monkeypatch.setenv(FILE_VARIABLE, str(keys / key))
        try:
            client().set_model_version_tag(NAME, signed, TAG, write_manifest(folder, NAME))
            monkeypatch.setenv(FILE_VARIABLE, str(keys / "hospital.pub"))
            with pytest.raises(ModelError, match="a signature of the key"):
                fetch(f"models:/{NAME}/{signed}", tmp_path)
        finally:
            client().set_model_version_tag(NAME, signed, TAG, before)


def test_a_signature_is_of_one_content_and_one_name(signed: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(keys / "hospital.pub"))
    folder = stored(signed)
    assert require_manifest(folder, "it", name=NAME)
    content = json.loads((folder / MANIFEST).read_text())
    other = {**content, "files": {**content["files"], "MLmodel": "0" * 64}}
    with changed(folder / MANIFEST, json.dumps(other).encode()), pytest.raises(ModelError, match="another content"):
        require_manifest(folder, "it")
    with pytest.raises(ModelError, match=f"the manifest of {NAME}"):
        require_manifest(folder, "it", name="another")


def test_an_unsigned_version_is_refused_where_there_is_a_key_until_it_is_signed(
    tiny: Workspace, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registered(tiny)
    monkeypatch.setenv(FILE_VARIABLE, str(keys / "hospital.key"))
    with pytest.raises(ModelError, match=r"found: +none(.|\n)*pipelines\.sign version"):
        fetch(f"models:/{NAME}/{version}", tmp_path)
    sign.version(f"{NAME}/{version}")
    (tmp_path / "again").mkdir()
    monkeypatch.setenv(FILE_VARIABLE, str(keys / "hospital.pub"))
    fetch(f"models:/{NAME}/{version}", tmp_path / "again")


def test_a_version_from_before_manifests_is_served_with_a_warning(
    tiny: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registered(tiny)
    (stored(version) / MANIFEST).unlink()
    client().delete_model_version_tag(NAME, version, TAG)
    (tmp_path / "version").mkdir()
    fetch(f"models:/{NAME}/{version}", tmp_path / "version")
    assert f"models:/{NAME}/{version} was registered before" in capfd.readouterr().err
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    (tmp_path / "strict").mkdir()
    with pytest.raises(ModelError, match=MANIFEST):
        fetch(f"models:/{NAME}/{version}", tmp_path / "strict")


@pytest.mark.parametrize("guarded", [False, True])
def test_a_changed_version_is_not_served(unsigned: str, tmp_path: Path, guarded: bool) -> None:
    version, empty, port = tmp_path / "version", tmp_path / "empty", free_port()
    version.mkdir()
    empty.mkdir()
    fetch(f"models:/{NAME}/{unsigned}", version)
    file = version / "artifacts/model/curves.csv"
    file.write_bytes(flipped(file))
    words = guard_command(version, port, 1) if guarded else direct_command(port)
    with (
        pytest.raises(ModelError, match=r"curves\.csv was changed"),
        started(words, port, {**os.environ, **direct_environment(version)}, empty),
    ):
        pass


def test_a_link_is_no_file_of_a_version(unsigned: str, tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    fetch(f"models:/{NAME}/{unsigned}", tmp_path / "version")
    file = tmp_path / "version/requirements.txt"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"requirements\.txt was changed"):
        require_manifest(tmp_path / "version", "it")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 100_000, b'{"format": 1, "name": "a", "files": [1]}',
                                     b'{"format": 1, "name": "a", "files": {}, "signature": "no"}'])  # fmt: skip
def test_a_manifest_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match="can't be read"):
        require_manifest(tmp_path, "it")


def test_the_key_is_made_once_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "at home" / "schlüssel.key"
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    sign.key(public=tmp_path / "public")
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    sign.key()
    assert path.read_bytes() == content
    assert "PRIVATE" not in capsys.readouterr().out + (tmp_path / "public").read_text()
    path.chmod(0o640)
    with pytest.raises(DataError, match="chmod 600"):
        load_keys()


def test_a_key_inside_the_repository_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(Path(__file__).with_name("signing.key")))
    with pytest.raises(DataError, match="outside the repository"):
        sign.key()


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_file_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "key"))
    with pytest.raises(DataError, match="no such file"):
        load_keys()
    (tmp_path / "key").write_text(content)
    with pytest.raises(DataError, match="Ed25519"):
        load_keys()


def test_keys_of_one_file_are_all_trusted_and_the_first_private_one_signs(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tmp_path / "both"
    both.write_bytes((keys / "stranger.key").read_bytes() + (keys / "hospital.pub").read_bytes())
    both.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(both))
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "MLmodel").write_text("a")
    write_manifest(tmp_path / "version", "a")
    loaded = load_keys()
    assert loaded is not None
    told = json.loads((tmp_path / "version" / MANIFEST).read_text())["key"]
    assert [told] == [fingerprint(each) for each in loaded.trusted[:1]]
    monkeypatch.setenv(FILE_VARIABLE, str(keys / "hospital.pub"))
    with pytest.raises(ModelError, match="another key"):
        require_manifest(tmp_path / "version", "it")
