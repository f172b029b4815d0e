"""The model registry: one version per model digest, and the aliases champion and challenger."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.lib.answers import ERROR, MODEL_VERSION, answer_columns, parameters
from components.lib.errors import ModelError, nearest
from components.lib.manifest import MANIFEST, TAG, drop_caches, require_manifest, warn_without, write_manifest
from components.lib.model_dir import FULL, OUT_OF_FOLD, Model, model_digest
from components.lib.tracking import CHECKOUT, Run, client, tracking_uri

# What a served version imports; versions and everything below them come from the lock.
SERVING_PACKAGES = (
    "mlflow", "onnxruntime", "numpy", "pandas", "pyarrow", "opencv-python-headless", "pydantic", "pyyaml",
    "uvloop", "httptools",
)  # fmt: skip
CARD = "model_card.md"
CHAMPION = "champion"
LONGEST = 5000
"""Characters of a version's description that MLflow's databases hold."""


class Registry:
    """The versions of one registered model."""

    def __init__(self, run: Run, name: str) -> None:
        self.name = name
        self._run, self._store = run, run.store

    def find(self, digest: str) -> str | None:
        """The version that holds the model of this digest, or None."""
        found = self._store.search_model_versions(f"name='{self.name}'")
        versions = [int(version.version) for version in found if version.tags.get("model_digest") == digest]
        return str(max(versions)) if versions else None

    def add(self, model: Model, tags: dict[str, str], card: str) -> str:
        """Log the model and its card (Markdown) into its run and register it; returns the version."""
        mlflow.set_tracking_uri(tracking_uri())
        with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=self._run.id):
            code, served, wanted = _serving_code(Path(folder)), Path(folder) / "model", requirements(model)
            described = Path(folder) / CARD
            described.write_text(card, encoding="utf-8")
            # Predictions of single samples stay on this machine; the full model behind a smaller one isn't served.
            shutil.copytree(model.path, served, ignore=shutil.ignore_patterns(OUT_OF_FOLD, FULL))
            with warnings.catch_warnings():
                # MLflow wishes for type hints and an input example; the signature below says it all.
                warnings.simplefilter("ignore", UserWarning)
                logged = mlflow.pyfunc.log_model(
                    name=self.name, python_model=str(CHECKOUT / "serving" / "model.py"), code_paths=[str(code)],
                    artifacts={"model": str(served), "card": str(described)}, signature=signature(model),
                    pip_requirements=[*wanted, f"-c {_constraints(wanted, Path(folder))}"],
                )  # fmt: skip
            made = Path(folder) / "made"
            made.mkdir()
            _download(logged.model_uri, made)
            tags = tags | {TAG: self._put_manifest(logged.model_id, made)}
        try:
            self._store.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._store.create_model_version(
            self.name, logged.model_uri, self._run.id, tags=tags, model_id=logged.model_id
        )
        return str(version.version)

    def sign(self, version: str, folder: Path) -> None:
        """Give a version a manifest of the files that were fetched into a folder, signed where there is a key."""
        stored = self._store.get_model_version(self.name, version)
        model = stored.model_id or stored.source.removeprefix("models:/")
        self.tag(version, TAG, self._put_manifest(model, folder))

    def _put_manifest(self, model: str, folder: Path) -> str:
        """Put the manifest of a folder beside the files of a logged model; returns its SHA-256."""
        digest = write_manifest(folder, self.name)
        self._store.log_model_artifact(model, str(folder / MANIFEST))
        return digest

    def describe(self, version: str, card: str) -> None:
        """Make the card the version's description, as much of it as the store holds; the whole is in the version."""
        rest = "\n\n… the whole card: model_card.md among the version's artifacts"
        whole = card if len(card) <= LONGEST else card[: LONGEST - len(rest)].rsplit("\n", 1)[0] + rest
        self._store.update_model_version(self.name, version, whole)

    def tag(self, version: str, name: str, value: str) -> None:
        """Set a tag of a version."""
        self._store.set_model_version_tag(self.name, version, name, value)

    def tags(self, version: str) -> dict[str, str]:
        """Tags of a version."""
        return dict(self._store.get_model_version(self.name, version).tags)

    def aliases(self) -> dict[str, str]:
        """Alias to version."""
        return {name: str(version) for name, version in self._store.get_registered_model(self.name).aliases.items()}

    def champion(self) -> str | None:
        """The version that the alias champion leads to, or None."""
        known = self._store.search_registered_models(f"name='{self.name}'")
        return next((str(each.aliases[CHAMPION]) for each in known if CHAMPION in each.aliases), None)

    def run(self, version: str) -> Run:
        """The run that a version was logged into."""
        return Run(self._store, self._store.get_model_version(self.name, version).run_id)

    def set_alias(self, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._store.set_registered_model_alias(self.name, alias, version)


def registered_name(task: str, *, synthetic: bool) -> str:
    """Name in the registry: the task's; models of synthetic data carry it."""
    return f"{task}_synthetic" if synthetic else task


ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


def fetch(address: str, folder: Path, *, signed: bool = True) -> tuple[Path, str]:
    """Download a registered version.

    Args:
        address: models:/NAME@ALIAS or models:/NAME/VERSION.
        folder: an empty folder to download into.
        signed: refuse one that the hospital's key hasn't signed, where there is one.

    Returns:
        its model directory below the folder, and NAME/VERSION.

    Raises:
        ModelError: the address is none, there is no such version, or what came isn't what was registered: a file was
            changed, is missing or was added, or the manifest isn't the one of the registry or of the hospital's key.
    """
    told = ADDRESS.fullmatch(address)
    if told is None:
        raise ModelError(
            address,
            expected="models:/NAME@ALIAS or models:/NAME/VERSION",
            found="neither",
            todo="make ui shows the registry",
        )
    store, name, alias = client(), told["name"], told["alias"]
    try:
        version = (
            store.get_model_version_by_alias(name, alias) if alias else store.get_model_version(name, told["version"])
        )
    except MlflowException:
        raise ModelError(address, **_not_there(store, name, alias)) from None
    where = f"models:/{name}/{version.version}"
    _download(where, folder)
    drop_caches(folder)
    if not require_manifest(folder, where, registered=version.tags.get(TAG), name=name, signed=signed):
        warn_without(where)
    model = folder / "artifacts" / "model"
    registered = version.tags.get("model_digest")
    if not (model / "model.json").is_file() or model_digest(model) != registered:
        raise ModelError(
            where,
            expected=f"the model that was registered, digest {str(registered)[:12]}",
            found="another one, or none",
            todo="register it again: dvc repro register",
        )
    return model, f"{name}/{version.version}"


def _download(address: str, folder: Path) -> None:
    mlflow.set_tracking_uri(tracking_uri())
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder))


def _not_there(store: mlflow.MlflowClient, name: str, alias: str | None) -> dict[str, str]:
    """What the registry has instead of a version that isn't there."""
    todo = "make ui shows the registry; MLFLOW_TRACKING_URI says which store is asked"
    known = sorted(each.name for each in store.search_registered_models())
    if name not in known:
        return {
            "expected": "a registered model of that name",
            "found": f"none among {', '.join(known) or 'none at all'}{nearest(name, known)}",
            "todo": todo,
        }
    if alias:
        aliases = store.get_registered_model(name).aliases
        there = ", ".join(f"{each} (version {number})" for each, number in sorted(aliases.items()))
        return {"expected": f"a version with the alias {alias}", "found": f"aliases: {there or 'none'}", "todo": todo}
    versions = sorted(int(each.version) for each in store.search_model_versions(f"name='{name}'"))
    return {"expected": "a version of that number", "found": f"versions {', '.join(map(str, versions))}", "todo": todo}


def signature(model: Model) -> ModelSignature:
    """Columns in and out, as the kinds name them, and the params of a request.

    Columns that are there only when a request asks for them (maps, errors) are no required ones.
    """
    info = model.info
    columns = [column for name, kind in info.inputs.items() for column in kind.request_columns(name)]
    inputs = [
        ColSpec(AnyType() if each.type == "any" else each.type, each.name, required=each.required) for each in columns
    ]
    always, everything = answer_columns(info), answer_columns(info, explain=True)
    outputs = [
        ColSpec(column_type, name, required=name in always or name in MODEL_VERSION)
        for name, column_type in {**everything, **MODEL_VERSION, **ERROR}.items()
    ]
    params = ParamSchema([ParamSpec(each.name, each.type, each.default) for each in parameters(info)])
    return ModelSignature(Schema(inputs), Schema(outputs), params)


def requirements(model: Model) -> list[str]:
    """The serving packages, and those of the model's kinds of input, pinned as the lock pins them."""
    pins = _pins()
    kinds = model.info.inputs.values()
    drawn = {name for kind in kinds if model.info.explain != "none" for name in kind.map_packages}
    further = sorted(drawn.union(*(kind.serving_packages for kind in kinds)))
    return [f"{name}=={pins[name]}" for name in (*SERVING_PACKAGES, *further)]


def _constraints(wanted: list[str], folder: Path) -> Path:
    """A file that pins what the requirements need in their turn, as the lock does: next year they install what they do
    today.
    """
    found: set[str] = set()
    left = [line.partition("==")[0] for line in wanted]
    while left:
        name = left.pop()
        needed = [Requirement(line) for line in metadata.requires(name) or ()]
        names = {canonicalize_name(each.name) for each in needed if each.marker is None or each.marker.evaluate()}
        left += names - found
        found |= names
    pins = _pins()
    file = folder / "constraints.txt"
    file.write_text("".join(f"{name}=={pins[name]}\n" for name in sorted(found & pins.keys())), encoding="utf-8")
    return file


def _pins() -> dict[str, str]:
    """Every package of the lock, and its version."""
    lock = (CHECKOUT / "requirements" / "cpu.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock, flags=re.MULTILINE))


def _serving_code(folder: Path) -> Path:
    """A copy of the code a version needs: `components.lib`, without the steps."""
    package = folder / "components"
    source = CHECKOUT / "components"
    shutil.copytree(source / "lib", package / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "__init__.py", package / "__init__.py")
    return package
