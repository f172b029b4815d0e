"""The task file: one YAML a clinical task. This is its only reader, and its defaults live here.

`python -m components.lib.spec --schema` prints the JSON schema; `python -m components.lib.spec FILE` checks a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from pydantic import Field, ValidationError, model_validator

from components.lib.errors import SpecError, nearest
from components.lib.evaluate_settings import Evaluate, range_of
from components.lib.gate_names import gate_names, gate_words, wants_range
from components.lib.kinds import TARGET_KINDS, AnyInput, AnyTarget
from components.lib.phantoms import AnyPhantom
from components.lib.places import is_remote
from components.lib.reader_columns import readers_problem
from components.lib.readers import ATTRIBUTES, AnySource
from components.lib.register_settings import Register
from components.lib.settings import Settings, Share
from components.lib.settings import wrong as _wrong
from components.lib.spec_errors import explain
from components.lib.train_settings import Train
from components.lib.tune_settings import Tune
from components.lib.yaml_text import TwiceError, file_text, read_yaml

TASK_NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=TASK_NAME)]
SPLITS = ("train", "validation", "test")
LIMITED = ("patient", "site", "sex", "age")
"""Attributes of which a task may say how often they can be unknown."""
DATASET_COLUMNS = ("sample_id", "parent_id", "file", "row", *ATTRIBUTES, "device", "fold", "sha256", "synthetic")


def _files(folder: str) -> list[str]:
    """Names of the modules in a sibling package, listed without importing them (a served model has none)."""
    return sorted(p.stem for p in (Path(__file__).parents[1] / folder).glob("*.py") if not p.stem.startswith("_"))


class Limits(Settings):
    """What every side of the split should hold, looked at after ingest and again after clean."""

    policy: Literal["report", "fail"] = "report"
    """When a side holds less: a line on the receipt, since real sets are often small; or the run stops."""
    samples: Annotated[int, Field(ge=1)] = 10
    """Least samples of each side."""
    per_class: Annotated[int, Field(ge=1)] = 5
    """Least samples of each class on each side."""
    balance: Annotated[float, Field(ge=0, le=0.5)] = 0.01
    """Least share of each class among the samples of a side whose label is known."""
    missing: dict[Name, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Highest share of samples of a side in which it is unknown, by name: of targets, patient, site, sex, age.
    A target that isn't named: 0.5; others that aren't named: no limit."""


class Split(Settings):
    """How samples come to train, validation or test."""

    by: Literal["patient", "sample"] = "patient"
    """What may not be torn apart. Where the patient is unknown, each examination or sample counts as one."""
    unknown_patients: Literal["refuse", "accept"] = "refuse"
    """For `by: patient`, when no patient is known, or more than a fifth of the samples have none: ingest stops, or goes
    on and says at the top of every page that one patient may be in several splits."""
    method: Literal["hash", "stratified", "given", "site", "time"] = "hash"
    """`hash`: SHA-256 of seed and patient; nobody changes sides when data are added. `stratified`: every class of the
    first target that has classes alike on all sides; added data may move patients. `given`: the source's own splits;
    where it has train and test alone, validation is made from train. `site`: whole sites are held out. `time`: by
    `source.columns.date`, the latest patients are test, those before them validation; a patient's first sample
    counts."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of all patients for validation. For `given` it counts only where the source has no validation, and is a
    share of train's patients, chosen as by `hash`."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of patients for test (not for `given`)."""
    validation_sites: tuple[str, ...] = ()
    """Sites that are validation (method site). Empty: the smallest ones, up to the share of `validation`."""
    test_sites: tuple[str, ...] = ()
    """Sites that are test (method site). Empty: the smallest ones, up to the share of `test`."""
    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """Folds of the samples of train and validation, for cross-validation: patients whole, classes alike. 0: none."""
    seed: int = 7
    """Another seed, another split."""
    shared_patients: Literal["report", "drop_from_train", "fail"] = "fail"
    """When a patient, or a study, stands on two sides (a given split and one by site can do that)."""
    exact_duplicates: Literal["report", "drop_from_train", "fail"] | None = None
    """When the same content stands on two sides. Null: `drop_from_train`, but `report` for tables, where two patients
    may well have equal rows."""
    near_duplicates: Literal["report", "drop_from_train", "fail"] = "report"
    """When a picture stands on two sides that is the same but for brightness, noise, compression, a mirror,
    inversion, a shift or a crop."""
    limits: Limits = Limits()
    """How many samples each side should hold, of which classes, and how much may be unknown."""

    @model_validator(mode="after")
    def _leaves_train(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must leave a share for train (their sum is below 1)")
        return self

    @model_validator(mode="after")
    def _belongs(self) -> Split:
        """Refuse what the chosen method has no use for."""
        if self.folds == 1:
            raise _wrong("split.folds", "0, or 2 and more", "1")
        for key, sites in (("validation_sites", self.validation_sites), ("test_sites", self.test_sites)):
            if sites and self.method != "site":
                raise _wrong(f"split.{key}", "`split.method: site`, which alone holds sites out", self.method)
        both = sorted({*self.validation_sites} & {*self.test_sites})
        if both:
            raise _wrong("split.validation_sites", "sites that are no test sites", ", ".join(both))
        return self


class Clean(Settings):
    """What cleaning may reject before it stops the run, and what it looks for in what is left."""

    maximum_rejected: Share = 0.05
    """Highest share of unusable samples."""
    shortcuts: Literal["report", "fail", "off"] = "report"
    """When a plain model can tell the classes from the edges of the pictures, their size or their site."""
    giveaways: Literal["report", "fail", "off"] = "report"
    """When a column of a table tells a target so well that it may be filled in only once the answer is known."""
    allowed: tuple[str, ...] = ()
    """Columns that are known when the question is asked, however well they tell the target: they are no giveaways."""
    suspects: Annotated[int, Field(ge=0, le=1000)] = 20
    """At most so many samples are listed whose label looks wrong; 0: none is looked for."""
    thumbnails: bool = False
    """Show suspected labels and near duplicates as pictures on the page of clean. Pictures of synthetic and of public
    data (`source.public_key`) are shown in any case."""


class Offline(Settings):
    """Copies that the augment step writes to disk."""

    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Bring every rarer class up to this share of the commonest one; 0 writes nothing."""
    seed: int = 7
    """Seed of the copies."""


class Augment(Settings):
    """Augmentation: online in training, offline by the augment step."""

    online: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Per input, the policy of its kind; absent: the kind's default."""
    offline: Offline = Offline()
    """Copies on disk."""


class TaskSpec(Settings):
    """One clinical task."""

    task: Name
    """Name of the task, of its experiment and of its registered model."""
    assumed: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = ()
    """What nobody has confirmed: choices that `pipelines.new` made because nobody answered. Training, the evaluation
    report and the model card repeat each sentence. Remove a sentence once it is confirmed; keep the key, empty."""
    objective: Literal["supervised"] = "supervised"
    """What kind of learning."""
    phantom: AnyPhantom | None = None
    """Make synthetic raw data at source.path first."""
    source: AnySource
    inputs: Annotated[dict[Name, AnyInput], Field(min_length=1)]
    """Named inputs of the network."""
    targets: Annotated[dict[Name, AnyTarget], Field(min_length=1)]
    """Named targets."""
    split: Split = Split()
    clean: Clean = Clean()
    augment: Augment = Augment()
    train: Train = Train()
    tune: Tune = Tune()
    evaluate: Evaluate = Evaluate()
    register_: Annotated[Register, Field(alias="register")] = Register()

    @model_validator(mode="after")
    def _consistent(self) -> TaskSpec:
        reserved = {"test", "gates"} & {*self.targets}
        if reserved:
            raise _wrong(f"targets.{min(reserved)}", "another name", "a name that metrics.json uses itself")
        for name in self.augment.online:
            if name not in self.inputs:
                found = f"no such input{nearest(name, self.inputs)}"
                raise _wrong(f"augment.online.{name}", f"one of {', '.join(self.inputs)}", found)
            self._check_policy(name)
        for gate in self.evaluate.gates:
            target, _, metric = gate.partition(".")
            if target not in self.targets or not metric:
                expected = f"TARGET.METRIC with a target of this task: {', '.join(self.targets)}"
                raise _wrong(f"evaluate.gates.{gate}", expected, f"no such target{nearest(target, self.targets)}")
            self._check_metric(gate, target, metric)
        self._check_targets()
        if problem := readers_problem(self.source, self.targets, self.inputs, self.evaluate.ordered):
            raise _wrong(*problem)
        self._check_allowed()
        self._check_source()
        self._check_split()
        self._check_train()
        return self

    def _check_metric(self, gate: str, target: str, metric: str) -> None:
        """Refuse a gate on a figure that is never measured of such a target: after training it would be late."""
        kind = self.targets[target]
        if metric not in gate_names(kind):
            found = f"no such metric{nearest(metric, gate_names(kind))}"
            raise _wrong(f"evaluate.gates.{gate}", gate_words(target, kind), found)
        if wants_range(metric) and range_of(self.evaluate.gates[gate]) is None:
            expected = "a range, since too much is as bad as too little: [0.8, 1.25] or {overlaps: [0.8, 1.25]}"
            raise _wrong(f"evaluate.gates.{gate}", expected, f"the number {self.evaluate.gates[gate]}")

    def _check_source(self) -> None:
        """Refuse a reader whose samples the input can't take, and a phantom that the source doesn't own up to."""
        for name, kind in self.inputs.items():
            if not issubclass(self.source.raw_type, kind.raw_types):
                expected = f"a reader whose samples an input of kind {kind.kind} takes (inputs.{name})"
                raise _wrong("source.reader", expected, self.source.reader)
        if self.phantom is None:
            return
        if is_remote(self.source.path):
            expected = "a path of this machine, since the task has a `phantom:` that makes the data"
            raise _wrong("source.path", expected, "a place on a server")
        if self.source.synthetic != self.phantom.synthetic:
            told = str(self.phantom.synthetic).lower()
            found = str(self.source.synthetic).lower()
            raise _wrong("source.synthetic", f"{told}, since the task has `phantom: {self.phantom.kind}`", found)
        if not self.source.public_key:
            raise _wrong("source.public_key", "true, since the task has a `phantom:`", "false")

    def _check_split(self) -> None:
        """Refuse a method of splitting that lacks what it goes by."""
        if self.split.method == "stratified" and not any(kind.class_names for kind in self.targets.values()):
            raise _wrong("split.method", "another method, since no target has classes", "stratified")
        columns = getattr(self.source, "columns", None)
        if self.split.method == "time" and (columns is None or columns.date is None):
            found = "none" if columns is not None else f"the reader {self.source.reader}, which knows no dates"
            raise _wrong("source.columns.date", "the column of dates, for `split.method: time`", found)
        known = (*self.targets, *LIMITED)
        for name in self.split.limits.missing:
            if name not in known:
                found = f"none of that name{nearest(name, known)}"
                raise _wrong(f"split.limits.missing.{name}", f"one of {', '.join(known)}", found)

    def _check_train(self) -> None:
        """Refuse an architecture that isn't for this input, and settings that no target of the task uses."""
        for kind in self.inputs.values():
            known = _files(f"train/models/{kind.kind}")
            if self.train.model and known and self.train.model not in known:
                found = f"{self.train.model}{nearest(self.train.model, known)}"
                raise _wrong("train.model", f"one of {', '.join(known)}, for an input of kind {kind.kind}", found)
        if self.train.folds == 1:
            raise _wrong("train.folds", "0, or 2 and more", "1")
        if self.train.folds and self.train.folds != self.split.folds:
            expected = f"folds that ingest has made: set split.folds: {self.train.folds} too"
            raise _wrong("train.folds", expected, f"split.folds: {self.split.folds}")
        used = {key for target in self.targets.values() for key in target.train_settings}
        every = {key for target in TARGET_KINDS for key in target.train_settings}
        for key in sorted((every - used) & self.train.model_fields_set):
            kinds = ", ".join(sorted({target.kind for target in self.targets.values()}))
            raise _wrong(f"train.{key}", f"no such key: a {kinds} target has no use for it", "a value")
        if self.augment.offline.balance and not any(target.class_names for target in self.targets.values()):
            raise _wrong("augment.offline.balance", "0, since no target has classes", str(self.augment.offline.balance))

    def _check_targets(self) -> None:
        """Refuse targets under a name that a dataset's own columns have, or that an input reads."""
        called = self._check_mapping()
        for target in self.targets:
            if target in DATASET_COLUMNS:
                raise _wrong(f"targets.{target}", "another name", "a column that every dataset has itself")
            for name, kind in self.inputs.items():
                if {target, called.get(target)} & {column.name for column in kind.request_columns(name)}:
                    found = f"a column that inputs.{name} reads: the network would be told the answer"
                    raise _wrong(f"targets.{target}", "a target that is no input", found)

    def _check_allowed(self) -> None:
        """Refuse a column that no input has: a misspelt one would still be asked about."""
        known = [column for kind in self.inputs.values() if kind.kind == "table" for column in kind.columns]
        for column in self.clean.allowed:
            if column not in known:
                found = f"none of that name{nearest(column, known)}"
                raise _wrong(f"clean.allowed.{column}", "a column of an input that is a table", found)

    def _check_mapping(self) -> Mapping[str, str]:
        """`source.columns.targets`, refused where it speaks of no target, of no table, or of the patient."""
        columns = getattr(self.source, "columns", None)
        called: Mapping[str, str] = columns.targets if columns is not None else {}
        for target, column in called.items():
            key = f"source.columns.targets.{target}"
            if target not in self.targets:
                found = f"no such target{nearest(target, self.targets)}"
                raise _wrong(key, f"one of {', '.join(self.targets)}", found)
            if getattr(self.source, "index", "") is None:
                raise _wrong(key, "`source.index`, the table that has the column", "none")
            if columns is not None and column == columns.patient:
                raise _wrong(key, "a target that isn't the patient", column)
        return called

    @property
    def assumption_lines(self) -> tuple[str, ...]:
        """`assumed:` as a program prints it."""
        return tuple(f"assumed, not confirmed: {sentence}" for sentence in self.assumed)

    @property
    def split_rules(self) -> Split:
        """`split:` with every choice made: what is left to the kinds of input is asked of them."""
        same = all(kind.equal_is_same for kind in self.inputs.values())
        chosen = self.split.exact_duplicates or ("drop_from_train" if same else "report")
        return self.split.model_copy(update={"exact_duplicates": chosen})

    @property
    def model_name(self) -> str:
        """The architecture: `train.model`, or the input kind's own."""
        return self.train.model or next(iter(self.inputs.values())).default_model

    def _check_policy(self, name: str) -> None:
        """Say what is wrong with a policy in the words of the task file, not of the policy's own class."""
        try:
            self.policy(name)
        except ValidationError as error:
            problem = error.errors()[0]
            key, known = ".".join(map(str, problem["loc"])), list(self.inputs[name].policy_class.model_fields)
            expected, found = problem["msg"], str(problem["input"])[:80]
            if problem["type"] == "extra_forbidden":
                expected, found = f"one of {', '.join(known)}", f"unknown key {key!r}{nearest(key, known)}"
            raise _wrong(f"augment.online.{name}.{key}", expected, found) from None

    def policy(self, name: str) -> Settings:
        """The online augmentation policy of one input, its kind's defaults filled in."""
        kind = self.inputs[name].policy_class
        return kind.model_validate_json(json.dumps(self.augment.online.get(name, {})))


def load_spec(path: Path) -> TaskSpec:
    """Read and check a task file.

    Raises:
        SpecError: the file is missing, no YAML, larger than any task, or has a wrong value or an unknown key.
    """
    try:
        values = json.loads(json.dumps(read_yaml(file_text(path)), default=str))
    except OSError as error:
        raise SpecError(
            str(path),
            expected="a readable task file",
            found=error.strerror or str(error),
            todo="name another file with --task, or in params.yaml under `task:`",
        ) from None
    except TwiceError as twice:
        raise SpecError(
            f"{path}, {twice.key}",
            expected="every key of a section once",
            found=f"{twice.key!r} in line {twice.lines[0]} and again in line {twice.lines[1]}",
            todo="keep one of the two: of both, the last would count, and nobody would see it",
        ) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the last two: keys that are dates, circles
        found = " ".join(str(error).split())
        raise SpecError(
            str(path), expected="YAML in UTF-8, with words as keys", found=found, todo="mend what it names"
        ) from None
    if not isinstance(values, dict):
        raise SpecError(
            str(path),
            expected="a mapping that starts with `task: name`",
            found=type(values).__name__,
            todo="start from pipelines/tasks/chest_xray_pneumonia.yaml",
        )
    # A section that is null means its defaults: DVC needs the section to be there.
    values = {key: value for key, value in values.items() if value is not None}
    try:
        return TaskSpec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise explain(path, error, TaskSpec) from None


def main(file: Annotated[Path | None, typer.Argument()] = None, schema: bool = False) -> None:
    """Check a task FILE, or print the JSON schema of all task files with --schema."""
    if schema:
        print(json.dumps(TaskSpec.model_json_schema(), indent=2))
    elif file is None:
        raise SpecError(
            "python -m components.lib.spec",
            expected="a task file or --schema",
            found="neither",
            todo="python -m components.lib.spec pipelines/tasks/chest_xray_pneumonia.yaml",
        )
    else:
        print(f"{file}: {load_spec(file).task} is a valid task")


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
