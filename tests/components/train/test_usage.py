"""What a training took is counted, also over a restart."""

import time
from pathlib import Path

import pytest

from components.train.usage import WATTS_PER_BUSY_CORE, Usage, package_joules


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_counts_wall_time_and_processor_time(tmp_path: Path):
    usage = Usage(tmp_path / "usage.json")
    busy(0.1)
    time.sleep(0.1)
    figures = usage.metrics()
    assert 0.1 <= figures["usage.cpu_seconds"] < 0.19
    assert figures["usage.wall_seconds"] >= 0.2
    assert "usage.gpu_seconds" not in figures


def test_a_restart_adds_to_what_was_used_before(tmp_path: Path):
    first = Usage(tmp_path / "usage.json")
    busy(0.1)
    before = first.keep()
    busy(0.1)  # after the last word that was kept: lost with the kill
    again = Usage(tmp_path / "usage.json").keep()
    assert before.cpu_seconds <= again.cpu_seconds < before.cpu_seconds + 0.09


def test_energy_is_estimated_from_busy_cores_where_no_counter_is_readable(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("components.train.usage.POWERCAP", tmp_path / "none")
    usage = Usage(tmp_path / "usage.json")
    busy(0.1)
    figures = usage.metrics()
    expected = figures["usage.cpu_seconds"] * WATTS_PER_BUSY_CORE / 3600
    assert figures["usage.energy_watt_hours"] == pytest.approx(expected, rel=0.1)
    assert "estimated at 10 W a busy core" in usage.text()


def write_counter(domain: Path, microjoules: int) -> None:
    domain.mkdir(exist_ok=True)
    (domain / "energy_uj").write_text(f"{microjoules}\n")
    (domain / "max_energy_range_uj").write_text("1000000000\n")


def test_counters_of_the_processor_are_summed_and_their_turn_is_noticed(tmp_path: Path):
    write_counter(tmp_path / "intel-rapl:0", 999_000_000)
    write_counter(tmp_path / "intel-rapl:1", 5_000_000)
    count = package_joules(tmp_path)
    assert count is not None
    start = count()
    write_counter(tmp_path / "intel-rapl:0", 2_000_000)  # past its range
    write_counter(tmp_path / "intel-rapl:1", 6_000_000)
    assert count() - start == pytest.approx(3 + 1)


def test_energy_is_measured_where_the_counters_are(tmp_path: Path, monkeypatch):
    powercap = tmp_path / "powercap"
    powercap.mkdir()
    write_counter(powercap / "intel-rapl:0", 0)
    monkeypatch.setattr("components.train.usage.POWERCAP", powercap)
    usage = Usage(tmp_path / "usage.json")
    write_counter(powercap / "intel-rapl:0", 7_200_000)
    assert usage.metrics()["usage.energy_watt_hours"] == pytest.approx(0.002)
    assert "by the machine's counters" in usage.text()


def test_a_gpu_is_counted_while_it_is_held(tmp_path: Path):
    usage = Usage(tmp_path / "usage.json", gpus=2)
    time.sleep(0.05)
    figures = usage.metrics()
    assert figures["usage.gpu_seconds"] == pytest.approx(2 * figures["usage.wall_seconds"], rel=0.2)
