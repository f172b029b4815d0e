"""What a training took: wall time, processor and GPU seconds, and energy, measured where the machine tells it.

Totals are kept in the step's scratch folder after every epoch, so that a training that was killed and went on counts
what it took before.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from components.lib.output import write_bytes

# Rated power of a server processor divided by its cores; models on sale lie between 4 and 15 W. An assumption, and
# told as one: a processor's own counters are read where they can be.
WATTS_PER_BUSY_CORE = 10.0
POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Amounts:
    """Amounts used so far."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of this process and its finished children, user and system."""
    gpu_seconds: float = 0.0
    """Seconds for which GPUs were held, times their number."""
    cpu_joules: float = 0.0
    gpu_joules: float = 0.0

    @property
    def watt_hours(self) -> float:
        """Energy of processor and GPUs; memory, disks and cooling are not in it."""
        return (self.cpu_joules + self.gpu_joules) / 3600

    def plus(self, other: Amounts, sign: int = 1) -> Amounts:
        """Sum, or with sign -1 difference."""
        return Amounts(**{f.name: getattr(self, f.name) + sign * getattr(other, f.name) for f in fields(self)})


class Usage:
    """Counts from when it is made.

    Args:
        file: totals of an interrupted run of the same work, and where they are kept.
        gpus: how many GPUs training holds.
    """

    def __init__(self, file: Path, gpus: int = 0) -> None:
        self._file, self._gpus = file, gpus
        self._before = Amounts(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else Amounts()
        self._package = package_joules(POWERCAP)
        self.energy: Literal["measured", "estimated"] = "estimated" if self._package is None else "measured"
        self._gpu_joules = gpu_joules(gpus)
        if gpus and self._gpu_joules is None:
            self.energy = "estimated"
        self._start = self._now()

    def keep(self) -> Amounts:
        """Totals until now, written down."""
        total = self._before.plus(self._now().plus(self._start, -1))
        write_bytes(self._file, json.dumps(asdict(total)).encode())
        return total

    def metrics(self) -> dict[str, float]:
        """Totals until now as metrics of a run."""
        total = self.keep()
        figures = {
            "usage.wall_seconds": total.wall_seconds,
            "usage.cpu_seconds": total.cpu_seconds,
            "usage.energy_watt_hours": total.watt_hours,
        }
        return figures | ({"usage.gpu_seconds": total.gpu_seconds} if self._gpus else {})

    def text(self) -> str:
        """Totals until now in one line."""
        total = self.keep()
        gpu = f"{total.gpu_seconds:.0f} GPU seconds, " if self._gpus else ""
        how = {
            "measured": "by the machine's counters",
            "estimated": f"estimated at {WATTS_PER_BUSY_CORE:.0f} W a busy core",
        }
        return (
            f"took: {total.wall_seconds:.0f} s, {total.cpu_seconds:.0f} processor seconds, {gpu}"
            f"{total.watt_hours:.2f} Wh ({how[self.energy]})"
        )

    def _now(self) -> Amounts:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = time.monotonic()
        cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        package = None if self._package is None else self._package()
        gpu = 0.0 if self._gpu_joules is None else self._gpu_joules()
        return Amounts(wall, cpu, wall * self._gpus, cpu * WATTS_PER_BUSY_CORE if package is None else package, gpu)


def package_joules(powercap: Path) -> Callable[[], float] | None:
    """A counter of the energy of all processor packages in joules (RAPL), or None where it can't be read.

    The counters count for the whole machine and start again at their range: a turn is noticed if they are read once
    within it, which takes minutes at full load.
    """
    domains = sorted(powercap.glob("intel-rapl:[0-9]")) or sorted(powercap.glob("amd-rapl:[0-9]"))
    try:
        last = [int((domain / "energy_uj").read_text()) for domain in domains]
        ranges = [int((domain / "max_energy_range_uj").read_text()) for domain in domains]
    except OSError:  # readable for root alone on most systems
        return None
    if not domains:
        return None
    turned = [0] * len(domains)

    def count() -> float:
        for index, domain in enumerate(domains):
            value = int((domain / "energy_uj").read_text())
            turned[index] += value < last[index]
            last[index] = value
        return sum(t * r + v for t, r, v in zip(turned, ranges, last, strict=True)) / 1e6

    return count


def gpu_joules(gpus: int) -> Callable[[], float] | None:
    """A counter of the energy of the first `gpus` NVIDIA cards in joules (NVML), or None where there is none."""
    if not gpus:
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        cards = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(gpus)]
        for card in cards:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(card)
    except ImportError:
        return None
    except pynvml.NVMLError:  # no driver, or a card older than Volta
        return None
    return lambda: sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(card) for card in cards) / 1000
