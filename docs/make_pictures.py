"""The pictures of the README: screenshots of the real thing in headless Chromium, from synthetic data.

    make demo && make demo TASK=ecg_rhythm && python docs/make_pictures.py
    python docs/make_pictures.py ecg      one of them

Needs Chromium on the PATH (Debian's package `chromium`). Writes docs/pictures/{report,run,graph,ecg}.png.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
import yaml
from mlflow import MlflowClient

from components.lib.errors import MedpipeError
from components.lib.server import free_port
from components.lib.tracking import CHECKOUT, tracking_uri

PICTURES = CHECKOUT / "docs" / "pictures"


def main(*names: str) -> None:
    """Make those named, or all four."""
    PICTURES.mkdir(exist_ok=True)
    makers = {"report": report, "run": run, "graph": graph, "ecg": ecg}
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise MedpipeError("pictures", expected=f"names among {', '.join(makers)}", found=unknown[0], todo="name one")
    for name in names or makers:
        makers[name]()


def report() -> None:
    """The top of the report on synthetic films."""
    _require_synthetic(CHECKOUT, "make demo")
    screenshot(f"file://{CHECKOUT}/data/evaluation/report.html", "report", 1000, 1500)


def run() -> None:
    """The same run on MLflow's page."""
    _require_synthetic(CHECKOUT, "make demo")
    saved = json.loads((CHECKOUT / "data" / "run.json").read_text(encoding="utf-8"))
    experiment = MlflowClient(tracking_uri()).get_run(saved["run_id"]).info.experiment_id
    port = free_port()
    server = subprocess.Popen(
        ["mlflow", "server", "--backend-store-uri", tracking_uri(), "--host", "127.0.0.1", "--port", str(port),
         "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait(f"http://127.0.0.1:{port}/health")
        screenshot(f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs/{saved['run_id']}", "run", 1500, 1400)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)


def graph() -> None:
    """The Kubeflow graph of the default task."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "graph.html"
        page.write_text(_graph_page(Path(folder)), encoding="utf-8")
        screenshot(f"file://{page}", "graph", 1400, 170)


def ecg() -> None:
    """Two traces of the report on synthetic ECGs, with what the model looked at, as the report shows them."""
    workspace = CHECKOUT / "work" / "ecg_rhythm"
    _require_synthetic(workspace, "make demo TASK=ecg_rhythm")
    text = (workspace / "data/evaluation/report.html").read_text(encoding="utf-8")
    (style,) = re.findall(r"<style>.*?</style>", text, re.DOTALL)
    right = text.partition("<h3>Surest of those called right</h3>")[2].partition("<h3>")[0]
    figures = [
        figure
        for name in ("ventricular", "atrial_fibrillation")
        for figure in re.findall(r"<figure>.*?</figure>", right, re.DOTALL)
        if f"called {name}," in figure
    ]
    if len(figures) != 2:
        raise MedpipeError(str(workspace), expected="two cases", found=f"{len(figures)}", todo="look at the report")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "ecg.html"
        beside = (
            "<style>body{display:flex;gap:12px;max-width:none;margin:0;padding:8px}figure{margin:0;width:460px}</style>"
        )
        page.write_text(f"<!doctype html><meta charset=utf-8>{style}{beside}{''.join(figures)}", encoding="utf-8")
        screenshot(f"file://{page}", "ecg", 950, 440)


def _require_synthetic(workspace: Path, command: str) -> None:
    """Refuse to show real patients.

    Raises:
        MedpipeError: the dataset isn't synthetic, or not there.
    """
    info = workspace / "data/cleaned/dataset.json"
    found = json.loads(info.read_text(encoding="utf-8"))["synthetic"] if info.is_file() else None
    if not found:
        told = "none" if found is None else "others"
        raise MedpipeError(str(info.parent), expected="synthetic samples", found=told, todo=command)


def screenshot(url: str, name: str, width: int, height: int) -> None:
    """Open a page in Chromium and keep what it shows."""
    browser = shutil.which("chromium")
    if browser is None:
        raise MedpipeError("pictures", expected="chromium on the PATH", found="none", todo="install Debian's chromium")
    command = [browser, "--headless", "--disable-gpu", f"--window-size={width},{height}", "--hide-scrollbars",
               f"--screenshot={PICTURES / name}.png", "--virtual-time-budget=15000"]  # fmt: skip
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium refuses to run as root otherwise
    subprocess.run([*command, url], check=True, capture_output=True, timeout=120)
    print(f"wrote docs/pictures/{name}.png")


def wait(url: str) -> None:
    """Until the server answers, a minute at most."""
    for _ in range(120):
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    raise MedpipeError(url, expected="an answer within a minute", found="none", todo="make ui, and read what it prints")


def _graph_page(folder: Path) -> str:
    """The Kubeflow graph as a page, drawn from the compiled YAML: tasks in order of dependence, with their outputs."""
    compiled = folder / "pipeline.yaml"
    subprocess.run([sys.executable, "-m", "pipelines.kubeflow", "compile", "--out", str(compiled)], check=True)
    document = next(iter(yaml.safe_load_all(compiled.read_text(encoding="utf-8"))))
    tasks = document["root"]["dag"]["tasks"]
    boxes = []
    for name in ordered({task: {*tasks[task].get("dependentTasks", [])} for task in tasks}):
        component = document["components"][tasks[name]["componentRef"]["name"]]
        outputs = component.get("outputDefinitions", {}).get("artifacts", {})
        titles = {key: value["artifactType"]["schemaTitle"] for key, value in outputs.items()}
        kinds = [f"{key}: {title.removeprefix('system.')}" for key, title in titles.items()]
        lines = "".join(f"<li>{html.escape(kind)}</li>" for kind in kinds)
        boxes.append(f"<div><h2>{html.escape(name)}</h2><ul>{lines}</ul></div>")
    style = (
        "body{font:14px sans-serif;display:flex;align-items:flex-start;gap:34px;padding:24px;background:#fff}"
        "div{border:1px solid #456;border-radius:6px;padding:8px 12px;position:relative;background:#f4f7fa}"
        "div+div::before{content:'→';position:absolute;left:-26px;top:8px}h2{font-size:16px;margin:0}"
        "ul{margin:6px 0 0;padding-left:16px;color:#345}"
    )
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(boxes)}"


def ordered(needs: dict[str, set[str]]) -> list[str]:
    """Tasks so that each stands behind what it needs."""
    done: list[str] = []
    while len(done) < len(needs):
        ready = sorted(task for task in needs if task not in done and needs[task] <= {*done})
        done += ready[:1]
    return done


if __name__ == "__main__":
    main(*sys.argv[1:])
