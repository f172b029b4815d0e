"""What is read of a DICOM header, and no more.

The tags here are the whitelist. Of those that the Basic Application Level Confidentiality Profile (DICOM PS3.15, Annex
E, Table E.1-1) would remove, patient, study, series and accession number only join and split samples inside ingest;
institution and station leave it as a keyed pseudonym; dates order samples there, and leave it as an age; age and sex
stay, as in the Retain Patient Characteristics Option. Names, addresses, descriptions, comments, devices, private
elements and everything else are never read. Manufacturer and model, which the profile keeps, leave it as a number
(device-1, device-2 …), since a hospital may write anything there: the audit asks whether the machine tells the classes.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import stat
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas as pd

from components.lib.errors import Unusable
from components.lib.kinds._dicom import DEFLATED, is_dicom, only_unusable, parsed
from components.lib.parallel import each_sample
from components.lib.patient_ids import is_nobody
from components.lib.places import Place, Remote, readers
from components.lib.progress import progress
from components.lib.pseudonyms import PUBLIC_KEY, load_key, pseudonym
from components.lib.readers._tables import with_attributes

BURNED_IN_TAGS = ("BurnedInAnnotation", "SOPClassUID", "Modality", "ConversionType", "ImageType")
DEVICE_TAGS = ("Manufacturer", "ManufacturerModelName")
HEADER_TAGS = (
    "PatientID", "IssuerOfPatientID", "PatientSex", "PatientAge", "PatientBirthDate", "StudyDate", "InstitutionName",
    "StationName", *DEVICE_TAGS, "StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber", "Rows", "SOPClassUID",
)  # fmt: skip
STORAGE = "1.2.840.10008.5.1.4.1.1"
DOUBTFUL = (f"{STORAGE}.7", f"{STORAGE}.6", f"{STORAGE}.3")
"""SOP classes whose pictures often show text: secondary captures, and ultrasound of one or several frames."""
OLDEST = 90
"""Years; who is older counts as 90: 45 CFR 164.514(b)(2)(i)(C), HIPAA's safe harbour."""
HEAD = 2048

SiteFrom = Literal["institution", "station"]


@dataclass(frozen=True)
class Header:
    """What ingest needs of one file; None where the file doesn't say."""

    file: str
    patient: str | None = None
    institution: str | None = None
    station: str | None = None
    sex: str | None = None
    age: float | None = None
    date: str | None = None
    study: str | None = None
    series: str | None = None
    accession: str | None = None
    patient_id: str | None = None
    device: str | None = None
    """Manufacturer and model."""
    has_picture: bool = True
    """False: a report, a plan, a directory. A file that can't be read counts as a picture, so that it is missed."""


def headers(folder: Place, files: list[str], *, every: bool = False) -> list[Header]:
    """The headers of the DICOM files among these, in their order.

    Args:
        folder: the files' paths are relative to it.
        files: any.
        every: an empty header for a file that isn't DICOM or isn't there; else it is left out.
    """
    found = each_sample(partial(_header, folder), files, workers=readers(folder))
    told = zip(files, progress(found, "headers", total=len(files)), strict=True)
    return [one or Header(file) for file, one in told if one or every]


def _header(folder: Place, file: str) -> Header | None:
    """One file's header; None for what is no DICOM file."""
    try:
        # A server is asked when the file is opened; one here that is no plain file could be waited for, for ever.
        there = isinstance(folder, Remote) or (folder / file).is_file()
        return read_header(folder, file) if there else None
    except (FileNotFoundError, IsADirectoryError):
        return None
    except (OSError, Unusable):
        return Header(file)  # who reads the whole file will say what is wrong with it


def read_header(folder: Place, file: str) -> Header | None:
    """One file's header, its pixels left alone; None where the file isn't DICOM.

    Raises:
        OSError: it can't be opened.
        Unusable: it is DICOM, and damaged.
    """
    import pydicom

    if not stat.S_ISREG((folder / file).stat().st_mode):  # a pipe would be waited for; whoever reads it says what it is
        return None
    with (folder / file).open("rb") as opened:
        head = opened.read(HEAD)
        if not is_dicom(head):
            return None
        opened.seek(0)
        with only_unusable():
            if DEFLATED.encode() in head:  # which pydicom would unpack without a limit
                dataset = parsed(opened.read(), HEADER_TAGS, stop_before_pixels=True)
            else:
                dataset = pydicom.dcmread(
                    opened, force=True, stop_before_pixels=True, specific_tags=list(HEADER_TAGS)
                )  # fmt: skip
            return _of(dataset, file)


def header_in(content: bytes, file: str) -> Header | None:
    """As `read_header`, of a file whose bytes are at hand."""
    if not is_dicom(content[:HEAD]):
        return None
    with only_unusable():
        return _of(parsed(content, HEADER_TAGS, stop_before_pixels=True), file)


def described(found: list[Header], *, site: SiteFrom | None, public_key: bool) -> pd.DataFrame:
    """One row a file with what its header says; site as a keyed pseudonym, the device as a number.

    Args:
        found: the headers.
        site: what it is taken from; None: it stays unknown.
        public_key: the site is pseudonymised with the public key, not the hospital's.
    """
    names = [field.name for field in dataclasses.fields(Header)]
    table = pd.DataFrame([dataclasses.asdict(one) for one in found], columns=names).astype("object")
    numbers = pd.factorize(table["device"])[0]
    table["device"] = [f"device-{number + 1}" if number >= 0 else None for number in numbers]
    if site is not None and table[site].notna().any():
        key = PUBLIC_KEY if public_key else load_key()
        table["site"] = table[site].map(
            lambda name: f"site-{pseudonym(key, f'site {name.casefold()}')[:8]}", na_action="ignore"
        )
    return with_attributes(table)


def _of(dataset: Any, file: str) -> Header:
    patient_id = _text(dataset, "PatientID")
    if patient_id is not None and (patient_id == "0" or is_nobody(patient_id)):
        # Taken for one patient, they would all go to one split.
        patient_id = None
    issuer = _text(dataset, "IssuerOfPatientID")
    studied = _text(dataset, "StudyDate")
    sex = (_text(dataset, "PatientSex") or "").upper()
    return Header(
        file=file,
        # Two hospitals may give one number to two people: PS3.3 C.7.1.1.
        patient=f"{issuer}\\{patient_id}" if issuer and patient_id else patient_id,
        patient_id=patient_id,
        institution=_text(dataset, "InstitutionName"),
        station=_text(dataset, "StationName"),
        sex=sex if sex in ("F", "M", "O") else None,
        date=studied if _date(studied) else None,
        age=age(_text(dataset, "PatientAge"), _text(dataset, "PatientBirthDate"), studied),
        study=_text(dataset, "StudyInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        accession=_text(dataset, "AccessionNumber"),
        device=" ".join(filter(None, (_text(dataset, name) for name in DEVICE_TAGS))) or None,
        has_picture="Rows" in dataset
        or _should_have(_text(dataset, "SOPClassUID") or _text(dataset.file_meta, "MediaStorageSOPClassUID")),
    )


def _should_have(kind: str | None) -> bool:
    """Whether a file of this SOP class without rows is a picture that was cut off, rather than a report or a plan."""
    from pydicom.uid import UID

    return kind is None or "Image Storage" in UID(kind).name


def age(stated: str | None, born: str | None, studied: str | None) -> float | None:
    """Years, at most 90, from an age string ("045Y", "018M", PS3.5 6.2), else from two dates ("19500131").

    Years are whole from 2 on, as they are stated; below, months count.
    """
    match = re.fullmatch(r"(\d{1,3})([DWMY])", (stated or "").upper())
    if match:
        years = int(match[1]) * {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}[match[2]]
    elif (birth := _date(born)) and (study := _date(studied)) and study >= birth:
        months = 12 * (study.year - birth.year) + study.month - birth.month - (study.day < birth.day)
        years = months / 12
    else:
        return None
    return min(float(math.floor(years)) if years >= 2 else round(years, 2), float(OLDEST))


def refuse_burned_in(dataset: Any) -> None:
    """Refuse a picture that says, or lets expect, that text stands in its pixels, which may name the patient.

    That is so where BurnedInAnnotation is YES; and, where it doesn't say, for ultrasound, secondary captures, digitised
    films and screen shots (PS3.15 E.3.1, Clean Pixel Data Option).

    Args:
        dataset: with `BURNED_IN_TAGS`.

    Raises:
        Unusable: likely burned-in text.
    """
    told = (_text(dataset, "BurnedInAnnotation") or "").upper()
    kind = _text(dataset, "SOPClassUID") or ""
    image_type = (_text(dataset, "ImageType") or "").upper()
    doubtful = (
        any(kind == root or kind.startswith(f"{root}.") for root in DOUBTFUL)
        or _text(dataset, "Modality") == "US"
        or _text(dataset, "ConversionType") is not None
        or "SCREEN SAVE" in image_type
    )
    if told == "YES" or (told != "NO" and doubtful):
        raise Unusable("likely burned-in text: the picture may show a name; burned_in: keep takes it nevertheless")


def _text(dataset: Any, keyword: str) -> str | None:
    """A value as text without blanks and padding around it; None where there is none."""
    value = dataset.get(keyword)
    text = "" if value is None else str(value).strip(" \0\t\r\n")
    return text or None


def _date(text: str | None) -> datetime.date | None:
    try:
        return datetime.datetime.strptime((text or "")[:8], "%Y%m%d").date()
    except ValueError:
        return None
