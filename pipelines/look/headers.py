"""Whose the DICOM files in an archive are, as its reader will find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.lib.errors import Unusable
from components.lib.readers._dicom_headers import Header, header_in
from pipelines.look.findings import counted
from pipelines.look.sources import Files


@dataclass(frozen=True)
class Owners:
    """Of how many patients files are, and how many files are of nobody known."""

    patients: int
    unknown: int

    @property
    def by(self) -> str:
        """What may not be torn apart."""
        return "patient" if self.patients else "sample"

    @property
    def groups(self) -> int:
        """Patients, and files without one, each of which counts as one."""
        return self.patients + self.unknown

    @property
    def sentence(self) -> str:
        """What is known of them."""
        if not self.patients:
            return "no patient ids: each file counts as one patient, overlap can't be excluded"
        rest = f"; {counted(self.unknown, 'file')} without one: each counts as a patient" if self.unknown else ""
        return (
            f"headers name {counted(self.patients, 'patient')}{rest}; split by patient; patients become pseudonyms "
            "under your key: python -m components.lib.pseudonyms makes one"
        )


def owners(files: Files, names: Sequence[str]) -> Owners:
    """Who files are of: of DICOM in an archive their headers say it, of others nothing does.

    Args:
        files: where they lie.
        names: the pictures among them.
    """
    scans = [name for name in names if PurePosixPath(name).suffix.lower() in (".dcm", ".dicom")]
    told = [_header(files, name) for name in scans] if files.packed else []
    known = [header.patient for header in told if header and header.patient]
    return Owners(len({*known}), len(names) - len(known))


def _header(files: Files, name: str) -> Header | None:
    try:
        return header_in(files.read(name), name)
    except (OSError, Unusable):
        return None
