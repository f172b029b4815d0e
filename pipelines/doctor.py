"""`make doctor`: what is installed, which devices there are, where everything lies, and what mends what is missing.

python -m pipelines.doctor [WORKSPACE]     exit status 1 when something is missing that `make demo` needs, or a
                                           registered version answers wrongly

It uses the standard library alone, so that it runs where nothing is installed. It creates nothing and shows no key.
"""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import quote, urlsplit

from components.lib.errors import MedpipeError
from components.lib.plain_path import store_uri as sqlite_uri
from components.lib.pseudonyms import KEY_VARIABLE, fingerprint, key_file, load_key
from components.lib.shell_words import quoted
from components.lib.visible import visible
from pipelines.old_versions import old_versions, without_manifest

CHECKOUT = Path(__file__).resolve().parents[1]
# The environment takes 2.5 GB, a demo's data and runs less than one.
FREE_GIGABYTES = 4


@dataclass(frozen=True)
class Line:
    """One line of the report: a name, what was found, and the command that mends it, if it needs mending."""

    name: str
    found: str
    mend: str = ""
    needed: bool = False
    """`make demo` can't do without it; only meant where there is something to mend."""
    wrong: bool = False
    """It gives wrong answers."""


@dataclass(frozen=True)
class Registered:
    """One registered model: how many versions, and which one each alias names."""

    name: str
    versions: int
    aliases: Mapping[str, str]


def report(workspace: Path) -> dict[str, list[Line]]:
    """Everything there is to say, by heading; a mending command where something is missing."""
    return {
        "installed": [*_platform(), *_environment()],
        "devices": [*_devices()],
        "data": [*_data(workspace)],
        "DVC": [*_dvc(workspace)],
        "MLflow": [*_mlflow()],
        "patients": [*_key()],
    }


def _platform() -> Iterator[Line]:
    version = platform.python_version()
    right = sys.version_info[:2] == (3, 11)
    wrong = "" if right else "install Python 3.11 with venv, then make setup PYTHON=/path/to/python3.11"
    yield Line("Python", f"{version}, {sys.prefix}", wrong, needed=True)
    known = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    yield Line("platform", f"{platform.system()} {platform.machine()}, {platform.release()}",
               "" if known else "use Linux on x86-64: the lock holds its packages alone", needed=True)  # fmt: skip
    for program in ("git", "make"):
        place = shutil.which(program)
        yield Line(program, place or "not found", "" if place else f"sudo apt-get install {program}", needed=True)
    free = shutil.disk_usage(CHECKOUT).free
    short = "" if free > FREE_GIGABYTES * 1e9 else "make gc shows what can be freed"
    yield Line("free disk", size_text(free), short, needed=True)


def _environment() -> Iterator[Line]:
    """medpipe's packages against the lock; which variant is told by TensorFlow's own package."""
    present = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in metadata.distributions()}
    gpu = "tensorflow" in present
    variant = "gpu" if gpu else "cpu"
    # make takes the environment for ready as long as its stamp is there.
    mend = f"rm -f .venv/ready-{variant} && make setup{' VARIANT=gpu' if gpu else ''}"
    lock = (CHECKOUT / "requirements" / f"{variant}.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, flags=re.MULTILINE))
    missing = [name for name in pins if name not in present]
    other = [f"{name} {present[name]} ({pin})" for name, pin in pins.items() if present.get(name, pin) != pin]
    yield Line("variant", variant + ("" if {"tensorflow", "tensorflow-cpu"} & {*present} else ", not installed"))
    told = f"{len(pins) - len(missing) - len(other)} of {len(pins)} packages as locked"
    if missing:
        told += f"; missing: {_few(missing)}"
    if other:
        told += f"; other version (locked): {_few(other)}"
    yield Line("environment", told, mend if missing or other else "", needed=True)
    stub = Path(sysconfig.get_path("purelib")) / "medpipe.pth"
    linked = stub.is_file() and Path(stub.read_text(encoding="utf-8").strip()) == CHECKOUT
    yield Line("medpipe", "found from every workspace" if linked else "not found outside the checkout",
               "" if linked else mend, needed=True)  # fmt: skip


def _devices() -> Iterator[Line]:
    yield Line("cores", str(len(os.sched_getaffinity(0))))
    memory = re.findall(r"^(?:MemTotal|MemAvailable):\s+(\d+)", _text(Path("/proc/meminfo")), flags=re.MULTILINE)
    if len(memory) == 2:
        total, free = (size_text(int(kilobytes) * 1024) for kilobytes in memory)
        yield Line("memory", f"{total}, {free} free")
    flags = re.search(r"\b(avx512_bf16|amx_bf16)\b", _text(Path("/proc/cpuinfo")))
    told = f"yes ({flags[0]})" if flags else "no: training on the processor is in float32, about half as fast"
    yield Line("bfloat16", told)
    cards = _gpus()
    use = "make setup VARIANT=gpu" if cards and not _has("tensorflow") else ""
    if _has("tensorflow") and not cards:
        use = "nvidia-smi must answer: install NVIDIA's driver, or make setup for the processor"
    yield Line("GPU", "; ".join(cards) or "none seen", use)


def _gpus() -> list[str]:
    """GPUs as the driver names them; TensorFlow, which takes seconds to import, isn't asked."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=3).stdout
        return [line.strip() for line in said.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError):
        cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        named = [re.search(r"Model:\s*(.+)", _text(card)) for card in cards]
        return [f"{match[1]} (nvidia-smi doesn't answer)" for match in named if match]


def _data(workspace: Path) -> Iterator[Line]:
    yield Line("workspace", str(workspace))
    task = re.search(r"^task:\s*(\S+)", _text(workspace / "params.yaml"), flags=re.MULTILINE)
    if not task or not (workspace / "dvc.yaml").is_file():
        lacking = "params.yaml" if not task else "dvc.yaml"
        yield Line("pipeline", f"no {lacking}", "python -m pipelines.new DATA", needed=True)
        return
    file = workspace / task[1]
    if not file.is_file():
        yield Line("task file", f"{task[1]}: no such file", f"edit {workspace / 'params.yaml'}", needed=True)
        return
    yield Line("task file", task[1])
    yield _raw(workspace, file)
    written = {p.name: disk_size(p) for p in sorted((workspace / "data").glob("*")) if p.is_dir() and p.name != "raw"}
    told = ", ".join(f"{name} {size_text(size)}" for name, size in written.items())
    yield Line("written", told or "nothing yet", "" if told else _inside(workspace, "dvc repro"))


def _raw(workspace: Path, task: Path) -> Line:
    """The raw data of a task; a phantom's are made by the first step."""
    if not _has("yaml"):
        return Line("raw data", "unknown: PyYAML isn't installed")
    from components.lib.yaml_text import read_yaml_file

    try:
        values = read_yaml_file(task)
    except MedpipeError as error:
        return Line("raw data", f"unknown: the task file holds {error.found}", "mend the task file", needed=True)
    place = (values.get("source") or {}).get("path") if isinstance(values, dict) else None
    if not place:
        return Line("raw data", "the task file names no source.path", "see docs/task-file.md", needed=True)
    if "://" in place:
        return Line("raw data", "on a server, which isn't asked here")
    raw = workspace / place
    if raw.exists():
        return Line("raw data", f"{place}, {size_text(disk_size(raw))}")
    if values.get("phantom"):
        return Line("raw data", f"{place}: not made yet; dvc repro makes it")
    pulled = Path(f"{raw}.dvc").exists()
    mend = f"dvc pull {quoted(place)}.dvc" if pulled else "put the films there, or change source.path in the task file"
    return Line("raw data", f"{place}: not there", mend, needed=True)


def _dvc(workspace: Path) -> Iterator[Line]:
    if not (workspace / ".dvc").is_dir():
        yield Line("folder", "no .dvc", _inside(workspace, "dvc init --no-scm"), needed=True)
        return
    cache = cache_folder(workspace)
    yield Line("cache", f"{cache}, {size_text(disk_size(cache))}")
    told = remotes(workspace)
    words = ", ".join(f"{name} ({place})" for name, place in told.items())
    yield Line("remote", words or "none: data are on this machine alone", "" if told else
               "dvc remote add -d NAME /path/or/url, then dvc push")  # fmt: skip
    stages = len(re.findall(r"^    cmd:", _text(workspace / "dvc.yaml"), flags=re.MULTILINE))
    done = len(re.findall(r"^    cmd:", _text(workspace / "dvc.lock"), flags=re.MULTILINE))
    yield Line("stages", f"{done} of {stages} have run; dvc status says which are out of date")


def dvc_config(workspace: Path) -> dict[str, dict[str, str]]:
    """DVC's settings of a workspace: the user's, then the repository's, then the local ones."""
    parser = configparser.ConfigParser(interpolation=None)
    home = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser()
    parser.read([home / "dvc" / "config", workspace / ".dvc" / "config", workspace / ".dvc" / "config.local"], "utf-8")
    return {section: dict(parser[section]) for section in parser.sections()}


def cache_folder(workspace: Path) -> Path:
    """Where DVC keeps the contents of this workspace's outputs."""
    named = dvc_config(workspace).get("cache", {}).get("dir")
    return (workspace / ".dvc" / (named or "cache")).resolve()


def remotes(workspace: Path) -> dict[str, str]:
    """Remote to where it is, the default one marked; who logs in there is left out."""
    config = dvc_config(workspace)
    default = config.get("core", {}).get("remote")
    found = {}
    for section, values in config.items():
        if match := re.fullmatch(r"['\"]*remote \"(.+?)\"['\"]*", section):
            place = re.sub(r"(?<=://)[^/@]*@", "", values.get("url", "?"))
            found[match[1]] = f"{place}, default" if match[1] == default else place
    return found


def store_uri() -> str:
    """Where MLflow's store is; the same place as `components.lib.tracking` names, which needs MLflow to be there."""
    parts = CHECKOUT.parts
    home = Path(*parts[: parts.index(".dvc")]) if ".dvc" in parts else CHECKOUT
    return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(home)


def store_file() -> Path | None:
    """The SQLite file of the store; None for a server."""
    uri = store_uri()
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _mlflow() -> Iterator[Line]:
    file, uri = store_file(), store_uri()
    shown = re.sub(r"(?<=://)[^/@]*@", "", uri)
    if file is None:
        yield from _server(uri, shown)
        return
    if not file.is_file():
        yield Line("store", f"{shown}: not there yet; the first training makes it")
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=2)) as store:
            ((runs,),) = store.execute("select count(*) from runs where lifecycle_stage = 'active'")
            models = [Registered(name, count, dict(store.execute(
                "select alias, version from registered_model_aliases where name = ?", (name,))))
                for name, count in store.execute(
                    "select m.name, count(v.version) from registered_models m"
                    " left join model_versions v on v.name = m.name group by m.name order by m.name").fetchall()
            ]  # fmt: skip
            old, bare = [*old_versions(store)], without_manifest(store)
    except sqlite3.Error as error:
        yield Line("store", f"{shown}: {error}", f"mlflow db upgrade {uri}")
        return
    yield Line("store", f"{shown}, {size_text(file.stat().st_size)}, {runs} runs")
    yield Line("artifacts", f"{file.parent / 'mlruns'}, {size_text(disk_size(file.parent / 'mlruns'))}")
    yield from _registry(models)
    for name, versions in bare.items():
        found = f"no manifest in {', '.join(versions)}: whether their files were changed can't be told"
        yield Line(f"{name}, older versions", found, f"python -m pipelines.sign version {name}/{versions[-1]}")
    for each in old:
        led = f", {' and '.join(each.aliases)}" if each.aliases else ""
        yield Line(f"{each.name} version {each.version}{led}", each.why, each.mend, wrong=True)


def _server(uri: str, shown: str) -> Iterator[Line]:
    """What a tracking server says of its registry; two seconds are enough for one that lives."""
    mend = "start the server, or unset MLFLOW_TRACKING_URI to use the store of this checkout"
    if urlsplit(uri).scheme not in ("http", "https"):
        yield Line("store", f"{shown}: only MLflow itself can look into it")
        return
    address = f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/search?max_results=100"
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310  # nosec B310  # see above
            found = json.load(answer).get("registered_models", [])
    except (OSError, ValueError) as error:
        yield Line("store", f"{shown}: doesn't answer ({error})", mend, needed=True)
        return
    yield Line("store", f"{shown}, a server")
    yield from _registry([
        Registered(model["name"], max((int(v["version"]) for v in model.get("latest_versions", [])), default=0),
                   {alias["alias"]: alias["version"] for alias in model.get("aliases", [])})
        for model in found
    ])  # fmt: skip


def _registry(models: list[Registered]) -> Iterator[Line]:
    if not models:
        yield Line("registry", "no model yet", "make demo")
    for model in models:
        aliases = ", ".join(f"{alias} is {version}" for alias, version in sorted(model.aliases.items()))
        many = "1 version" if model.versions == 1 else f"{model.versions} versions"
        yield Line(model.name, f"{many}; {aliases or 'no champion'}")


def _key() -> Iterator[Line]:
    """Whether there is a key, by fingerprint alone. Synthetic films and MedMNIST archives need none."""
    place = KEY_VARIABLE if KEY_VARIABLE in os.environ else str(key_file())
    try:
        yield Line("key", f"{place}, fingerprint {fingerprint(load_key())}")
    except (MedpipeError, OSError) as error:
        found = error.found if isinstance(error, MedpipeError) else str(error.strerror)
        yield Line("key", f"{place}: {found}; only real patients need one", "python -m components.lib.pseudonyms")


def size_text(count: float) -> str:
    """Bytes as people say them: 0 B, 87.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def disk_size(path: Path) -> int:
    """Bytes of a file or of everything below a folder; 0 where nothing is. What vanishes meanwhile isn't counted."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size if path.exists() else 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _has(module: str) -> bool:
    """Whether a package is installed; `tensorflow` means the variant with CUDA, which has the same module."""
    if module == "tensorflow":
        return any(str(d.metadata["Name"]).lower() == module for d in metadata.distributions())
    return importlib.util.find_spec(module) is not None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _inside(workspace: Path, command: str) -> str:
    """A command for a workspace, as typed from here."""
    place = os.path.relpath(workspace)
    return command if place == "." else f"cd {quoted(place)} && {command}"


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 0 when nothing is missing that `make demo` needs, and no registered version answers wrongly."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.doctor", description="What is installed, what is missing."
    )
    parser.add_argument("workspace", nargs="?", type=Path, default=CHECKOUT, help="default: the checkout")
    found = report(parser.parse_args(arguments).workspace.resolve())
    width = max(len(line.name) for lines in found.values() for line in lines)
    for heading, lines in found.items():
        print(f"{heading}")
        for line in lines:
            print(visible(f"  {line.name:<{width}}  {line.found}"))
    mending = [line for lines in found.values() for line in lines if line.mend]
    needed, wrong = ([line for line in mending if getattr(line, which)] for which in ("needed", "wrong"))
    others = [line for line in mending if not (line.needed or line.wrong)]
    titles = ("missing", "answers wrongly: don't use it", "not needed by make demo")
    for title, some in zip(titles, (needed, wrong, others), strict=True):
        if some:
            print(f"{title}")
            for line in some:
                print(visible(f"  {line.name:<{width}}  {line.mend}"))
    print("make demo has what it needs" if not needed else f"make demo lacks {', '.join(line.name for line in needed)}")
    return 1 if needed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
