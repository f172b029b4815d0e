"""The model registry: one version per model digest, and the aliases champion and challenger."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

from components.lib.model_dir import OUT_OF_FOLD, Model
from components.lib.tracking import CHECKOUT, Run, tracking_uri

# What a served version imports; versions and everything below them come from the lock.
SERVING_PACKAGES = (
    "mlflow", "onnxruntime", "numpy", "pandas", "pyarrow", "opencv-python-headless", "pydantic", "pyyaml",
    "uvloop", "httptools",
)  # fmt: skip


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

    def add(self, model: Model, tags: dict[str, str]) -> str:
        """Log the model into its run and register it; returns the version."""
        mlflow.set_tracking_uri(tracking_uri())
        with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=self._run.id):
            code, served = _serving_code(Path(folder)), Path(folder) / "model"
            # Predictions of single samples stay on this machine.
            shutil.copytree(model.path, served, ignore=shutil.ignore_patterns(OUT_OF_FOLD))
            with warnings.catch_warnings():
                # MLflow wishes for type hints and an input example; the signature below says it all.
                warnings.simplefilter("ignore", UserWarning)
                logged = mlflow.pyfunc.log_model(
                    name=self.name, python_model=str(CHECKOUT / "serving" / "model.py"), code_paths=[str(code)],
                    artifacts={"model": str(served)}, signature=signature(model),
                    pip_requirements=requirements(model),
                )  # fmt: skip
        try:
            self._store.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._store.create_model_version(
            self.name, logged.model_uri, self._run.id, tags=tags, model_id=logged.model_id
        )
        return str(version.version)

    def tag(self, version: str, name: str, value: str) -> None:
        """Set a tag of a version."""
        self._store.set_model_version_tag(self.name, version, name, value)

    def tags(self, version: str) -> dict[str, str]:
        """Tags of a version."""
        return dict(self._store.get_model_version(self.name, version).tags)

    def aliases(self) -> dict[str, str]:
        """Alias to version."""
        return {name: str(version) for name, version in self._store.get_registered_model(self.name).aliases.items()}

    def set_alias(self, alias: str, version: str) -> None:
        """Point an alias at a version."""
        self._store.set_registered_model_alias(self.name, alias, version)


def signature(model: Model) -> ModelSignature:
    """Columns in and out, as the kinds name them."""
    info = model.info
    columns = [column for name, kind in info.inputs.items() for column in kind.request_columns(name)]
    inputs = [
        ColSpec(AnyType() if each.type == "any" else each.type, each.name, required=each.required) for each in columns
    ]
    outputs = [
        ColSpec(column_type, column if len(info.targets) == 1 else f"{name}_{column}")
        for name, kind in info.targets.items() for column, column_type in kind.answer_types.items()
    ]  # fmt: skip
    return ModelSignature(Schema(inputs), Schema([*outputs, ColSpec("string", "model_version")]))


def requirements(model: Model) -> list[str]:
    """The serving packages, and those of the model's kinds of input, pinned as the lock pins them."""
    lock = (CHECKOUT / "requirements" / "cpu.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE))
    further = sorted({name for kind in model.info.inputs.values() for name in kind.serving_packages})
    return [f"{name}=={pins[name]}" for name in (*SERVING_PACKAGES, *further)]


def _serving_code(folder: Path) -> Path:
    """A copy of the code a version needs: `components.lib`, without the steps."""
    package = folder / "components"
    source = CHECKOUT / "components"
    shutil.copytree(source / "lib", package / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "__init__.py", package / "__init__.py")
    return package
