"""One table of steps: every step has its places, and the committed files are what the table makes."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.lib.errors import MedpipeError
from components.lib.spec import TaskSpec, load_spec
from pipelines import steps
from pipelines.steps import PHANTOM, RAW, STEPS, Step, dvc_yaml, main, steps_of

pytestmark = pytest.mark.xdist_group("tensorflow")  # the table imports every step
ROOT = Path(__file__).parents[2]
TASK = "pipelines/tasks/chest_xray_pneumonia.yaml"
SPEC = load_spec(ROOT / TASK)
every_step = pytest.mark.parametrize("step", [PHANTOM, *STEPS], ids=lambda step: step.name)


def committed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@every_step
def test_its_code_is_a_package_or_file_of_its_name(step: Step) -> None:
    package = ROOT / "components" / step.name
    assert (package / "__main__.py").is_file() or package.with_suffix(".py").is_file()
    assert all((ROOT / place).exists() for place in step.code)
    assert any(place.startswith(f"components/{step.name}") for place in step.code)


@every_step
def test_its_function_takes_its_inputs_its_outputs_and_the_task(step: Step) -> None:
    parameters = list(inspect.signature(step.function).parameters)
    assert step.function.__name__ == step.name
    assert sorted(parameters) == sorted([*step.inputs, *step.outputs, "spec"])
    assert parameters[-1] == "spec"


@every_step
def test_its_sections_are_sections_of_the_task_file(step: Step) -> None:
    assert {*step.sections, *step.optional} <= sections()


def test_every_section_is_of_some_step() -> None:
    used = {section for step in (PHANTOM, *STEPS) for section in (*step.sections, *step.optional)}
    assert sections() - used == {"objective", "tune"}  # one has one value yet, the other is of `make tune` alone


def sections() -> set[str]:
    return {field.alias or name for name, field in TaskSpec.model_fields.items()}


@every_step
def test_it_is_a_stage_of_dvc(step: Step) -> None:
    stage = committed("dvc.yaml")["stages"][step.name]
    assert stage["cmd"].startswith(f"python -m components.{step.name} --task ${{task}} ")
    for name, path in {**step.inputs, **step.outputs}.items():
        assert f"--{name} {SPEC.source.path if path == RAW else path}" in stage["cmd"]
    assert {*step.code, "components/lib"} <= {*stage["deps"]}


@every_step
def test_it_is_an_entry_point_of_mlflow(step: Step) -> None:
    entry = committed("MLproject")["entry_points"][step.name]
    assert [*entry["parameters"]] == ["task", *step.inputs, *step.outputs]
    assert entry["command"].startswith(f"python -m components.{step.name} ")
    assert all(f"--{name} {{{name}}}" in entry["command"] for name in entry["parameters"])


def test_a_step_reads_what_an_earlier_one_wrote() -> None:
    written = {RAW}
    for step in STEPS:
        assert {*step.inputs.values()} <= written
        written |= {*step.outputs.values()}


def test_no_two_steps_write_to_one_place() -> None:
    places = [place for step in (PHANTOM, *STEPS) for place in step.outputs.values()]
    assert len({*places}) == len(places)


def test_the_committed_files_are_fresh() -> None:
    main(check=True)


def test_a_stale_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("params.yaml", TASK, "dvc.yaml", "MLproject"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(steps, "CHECKOUT", tmp_path)
    (tmp_path / "MLproject").write_text("# by hand\n")
    with pytest.raises(MedpipeError) as caught:
        main(check=True)
    assert (caught.value.where, caught.value.todo) == ("MLproject", "python -m pipelines.steps")
    main()
    assert (tmp_path / "MLproject").read_bytes() == (ROOT / "MLproject").read_bytes()


def test_only_a_phantom_makes_its_own_data() -> None:
    own = SPEC.model_copy(update={"phantom": None})
    assert [step.name for step in steps_of(SPEC)] == ["phantom", *(step.name for step in steps_of(own))]
    assert "phantom" not in yaml.safe_load(dvc_yaml(TASK, own, absolute=False))["stages"]


def test_the_way_back_to_patients_files_is_never_cached() -> None:
    outs = committed("dvc.yaml")["stages"]["ingest"]["outs"]
    assert {"data/private": {"cache": False}} in outs


def test_a_workspace_elsewhere_names_code_by_absolute_files() -> None:
    stages = yaml.safe_load(dvc_yaml("task.yaml", SPEC, absolute=True))["stages"]
    code = [dep for stage in stages.values() for dep in stage["deps"] if not dep.startswith("data/")]
    assert all(Path(dep).is_absolute() and Path(dep).suffix == ".py" and Path(dep).is_file() for dep in code)
