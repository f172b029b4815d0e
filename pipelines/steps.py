"""The one table of steps, and the files made from it.

python -m pipelines.steps            write dvc.yaml and MLproject of this checkout
python -m pipelines.steps --check    say whether they are fresh
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import yaml

from components.lib.made_files import write_or_check
from components.lib.params import named_task
from components.lib.places import is_remote
from components.lib.shell_words import quoted
from components.lib.spec import TaskSpec, load_spec
from components.lib.tracking import CHECKOUT

RAW = "raw"
TASK = "${task}"
"""What DVC fills in from params.yaml."""
MADE = "# Made from pipelines/steps.py: python -m pipelines.steps\n"


@dataclass(frozen=True)
class Step:
    """One step, the same everywhere: code, command line, DVC, MLproject, Kubeflow."""

    name: str
    inputs: dict[str, str]
    """Parameter of the step to where DVC finds it; `raw` is the task's source.path."""
    outputs: dict[str, str]
    """Parameter of the step to where DVC puts it."""
    sections: tuple[str, ...]
    """Sections of the task file that it depends on."""
    module: str
    """Where its function is; named apart from the package where importing the package must stay cheap."""
    code: tuple[str, ...]
    """Code it runs, beside components/lib."""
    gpu: bool = False
    """Runs on a GPU where there is one."""
    optional: tuple[str, ...] = ()
    """Sections it depends on where the task file has them. Other sections must be there for DVC, if only as null."""

    @property
    def function(self) -> Callable[..., None]:
        """The plain function of this step."""
        function: Callable[..., None] = getattr(import_module(self.module), self.name)
        return function

    def paths(self, raw: str, data: str = "data") -> dict[str, str]:
        """Where each parameter's data lie, with the task's raw data and the folder of everything else."""
        everything = {**self.inputs, **self.outputs}
        return {name: raw if path == RAW else path.replace("data", data, 1) for name, path in everything.items()}

    def command(self, task: str, raw: str, data: str = "data") -> list[str]:
        """The words of the command line that every front end runs."""
        options = [word for name, path in self.paths(raw, data).items() for word in (f"--{name}", path)]
        return ["python", "-m", f"components.{self.name}", "--task", task, *options]


PHANTOM = Step(
    "phantom", inputs={}, outputs={"out": RAW}, sections=("phantom",),
    module="components.phantom.step", code=("components/phantom",),
)  # fmt: skip
STEPS = (
    Step("ingest", inputs={"raw": RAW}, outputs={"dataset": "data/ingested", "private": "data/private"},
         sections=("task", "source", "inputs", "targets", "split"),
         module="components.ingest", code=("components/ingest",)),
    Step("clean", inputs={"raw": RAW, "dataset": "data/ingested", "private": "data/private"},
         outputs={"out": "data/cleaned"}, sections=("source", "inputs", "targets", "split", "clean"),
         module="components.clean", code=("components/clean",)),
    Step("augment", inputs={"dataset": "data/cleaned"}, outputs={"out": "data/augmented"},
         sections=("inputs", "targets", "split", "augment"), module="components.augment", code=("components/augment",)),
    Step("train", inputs={"dataset": "data/cleaned", "augmented": "data/augmented"}, outputs={"model": "data/model"},
         sections=("inputs", "targets", "augment", "train"), module="components.train.step",
         code=("components/train",), gpu=True),
    Step("evaluate", inputs={"dataset": "data/cleaned", "model": "data/model"}, outputs={"out": "data/evaluation"},
         sections=("inputs", "targets", "evaluate"), module="components.evaluate", code=("components/evaluate",),
         optional=("assumed",)),
    Step("register",
         inputs={"raw": RAW, "dataset": "data/cleaned", "private": "data/private", "model": "data/model",
                 "evaluation": "data/evaluation"},
         outputs={"out": "data/registered"}, sections=("task", "source", "inputs", "register"),
         module="components.register", code=("components/register", "serving/model.py")),
)  # fmt: skip
# The way from a sample back to a patient's file stays on this machine: not in DVC's cache, never pushed.
UNCACHED = "data/private"


def steps_of(spec: TaskSpec) -> tuple[Step, ...]:
    """The steps of a task, in order; a task with a `phantom` makes its raw data first."""
    return (PHANTOM, *STEPS) if spec.phantom else STEPS


def dvc_yaml(task: str, spec: TaskSpec, *, absolute: bool) -> str:
    """The text of dvc.yaml.

    Args:
        task: path of the task file, as params.yaml names it.
        spec: the task.
        absolute: name the code by absolute path, file by file, for a workspace outside the checkout. (A folder outside
            a workspace would bring Python's own caches into its hash: .dvcignore doesn't reach there.)
    """
    stages = stages_of(spec, absolute=absolute)
    plots: list[Any] = [
        {"Training": {"x": "epoch", "y": {"data/model/curves.csv": ["loss", "validation_loss"]}}},
        {"Validation score": {"x": "epoch", "y": {"data/model/curves.csv": "validation_score"}}},
    ]
    for target, kind in spec.targets.items():
        plots += [{f"data/evaluation/{target}_{chart}.csv": dict(how)} for chart, how in kind.dvc_plots.items()]
    document = {"stages": stages, "metrics": ["data/evaluation/metrics.json"], "plots": plots}
    return MADE + yaml.safe_dump(document, sort_keys=False, width=120)


def stages_of(spec: TaskSpec, *, absolute: bool = False) -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml by name; `absolute` as for `dvc_yaml`."""
    return {step.name: _stage(step, spec, absolute=absolute) for step in steps_of(spec)}


def mlproject(task: str, spec: TaskSpec) -> str:
    """The text of MLproject: an entry point a step, and `main` for all of them."""
    whole = {
        "task": {"type": "path", "default": task},
        "raw": {"type": "string", "default": spec.source.path},
        "data": {"type": "string", "default": "data"},
    }
    command = "python -m pipelines.run --task {task} --raw {raw} --data {data}"
    entries: dict[str, Any] = {"main": {"parameters": whole, "command": command}}
    for step in steps_of(spec):
        parameters = {"task": {"type": "path", "default": task}}
        for name, path in step.paths(spec.source.path).items():
            # A path must be there when MLflow starts the step; an output need not, and a URL is no path.
            plain = name in step.outputs or is_remote(path)
            parameters[name] = {"type": "string" if plain else "path", "default": path}
        words = [f"python -m components.{step.name}", *(f"--{name} {{{name}}}" for name in parameters)]
        entries[step.name] = {"parameters": parameters, "command": " ".join(words)}
    document = {"name": "medpipe", "python_env": "python_env.yaml", "entry_points": entries}
    return MADE + yaml.safe_dump(document, sort_keys=False, width=200)


def _stage(step: Step, spec: TaskSpec, *, absolute: bool) -> dict[str, Any]:
    raw = spec.source.path
    outs: list[Any] = []
    for path in step.outputs.values():
        place = escaped(raw) if path == RAW else path
        outs.append({place: {"cache": False}} if path == UNCACHED else place)
    # Raw data on a server are a dependency like any other: DVC asks the server for its version of them.
    inputs = [spec.source.watched if path == RAW else path for path in step.inputs.values()]
    words = step.command(TASK, raw)
    start = words.index(TASK) + 1
    return {
        "cmd": " ".join([*words[:start], *(escaped(quoted(word)) for word in words[start:])]),
        "deps": list(map(escaped, [*inputs, *_code([*step.code, "components/lib"], absolute=absolute)])),
        "params": [{TASK: [*step.sections, *(name for name in step.optional if name in spec.model_fields_set)]}],
        "outs": outs,
    }


def escaped(text: str) -> str:
    """A text of dvc.yaml in which DVC fills in nothing."""
    return text.replace("${", r"\${")


def unescaped(text: str) -> str:
    """What DVC makes of a text that `escaped` wrote."""
    return text.replace(r"\${", "${")


def _code(places: list[str], *, absolute: bool) -> list[str]:
    if not absolute:
        return places
    files = [sorted(p.rglob("*.py")) if (p := CHECKOUT / place).is_dir() else [p] for place in places]
    return [str(file) for group in files for file in group]


def main(check: bool = False) -> None:
    """Write dvc.yaml and MLproject of this checkout, or with --check say whether they are fresh."""
    file = named_task(CHECKOUT)
    task, spec = file.relative_to(CHECKOUT).as_posix(), load_spec(file)
    made = {"dvc.yaml": dvc_yaml(task, spec, absolute=False), "MLproject": mlproject(task, spec)}
    write_or_check(
        {CHECKOUT / name: text for name, text in made.items()},
        source="pipelines/steps.py", command="python -m pipelines.steps", check=check,
    )  # fmt: skip


if __name__ == "__main__":
    from components.lib.cli import run

    run(main)
