"""What the lock says reaches the bill of materials; what bandit knows as a hole fails lint."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\tbandit "))


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_the_bill_of_materials_has_every_locked_package_with_its_digests(tmp_path: Path, variant: str) -> None:
    lock, bill = ROOT / "requirements" / f"{variant}.txt", tmp_path / "sbom.json"
    command = ["cyclonedx-py", "requirements", str(lock), "--output-reproducible", "-o", str(bill), "--no-validate"]
    subprocess.run(command, check=True, capture_output=True)
    made = json.loads(bill.read_text(encoding="utf-8"))
    locked = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    assert len(locked) > 100
    assert sorted((each["name"], each["version"]) for each in made["components"]) == sorted(locked)
    assert all(each["externalReferences"][0]["hashes"] for each in made["components"])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("import pickle; pickle.loads(b'')", "B301"),
        ("import yaml; yaml.load('', Loader=yaml.Loader)", "B506"),
        ("import subprocess; subprocess.run('ls ' + input(), shell=True)", "B602"),
        ("import os; os.system('ls ' + input())", "B605"),
        ("eval(input())", "B307"),
    ],
)
def test_lint_knows_holes(tmp_path: Path, line: str, code: str) -> None:
    (tmp_path / "hole.py").write_text(f"{line}\n")
    command = LINT.split()[: LINT.split().index("-r") + 1]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert code in done.stdout
