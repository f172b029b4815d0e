"""Raw data full of names, and the search for a name in whatever spelling and encoding a program may write it."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import json
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import dicoms
import films
import pydicom

PATIENTS = 20
# Field of the raw data to the word planted in it, which occurs nowhere else.
PLANTED = {
    "patient": "Quastenhuber", "patient, Polish": "Żółtowrońska", "patient, Cyrillic": "Жаворонковский",
    "patient, Chinese": "山田花子丸", "patient, decomposed": unicodedata.normalize("NFD", "Çağlayangilé"),
    "file": "Wolkensteiner", "file, German": "Müßigbrodtäcker", "folder": "Ölmützerhöfe",
    "file that is missing": "Vermisstova", "file that is damaged": "Kaputtnikov", "column name": "Ottokarinsky",
    "column address": "Lindwurmgasse", "column age": "Achtzigjahrova",
    "header PatientName": "Dikomczyk", "header PatientID": "Kennzifferov",
    "header ReferringPhysicianName": "Überweisinger", "header StudyDescription": "Befundowa",
    "header InstitutionName": "Krankenhausova", "header of the wrong form": "Falschformat",
    "comment of a record": "Kommentarov", "name of a record": "Rekordhalter", "name of a table": "Tabellinski",
    "column sex": "Geschlechtova",
}  # fmt: skip
SEX = "column sex"
PEOPLE = [name for field, name in PLANTED.items() if field.startswith("patient")]
IDS = [f"{PEOPLE[n % len(PEOPLE)]}, Ida-{n:02d}" for n in range(PATIENTS)]


def found_in(texts: Iterable[tuple[str, bytes]], fields: Collection[str]) -> dict[str, set[str]]:
    """Field to the texts in which its word is found, however it is written."""
    words = {field: spellings(PLANTED[field]) for field in fields}
    if "patient" in words:
        words["patient"] = words["patient"] | {word for one in IDS for word in plain_hashes(one)}
    found: dict[str, set[str]] = {}
    for name, text in texts:
        small = text.lower()
        for field, many in words.items():
            if any(word in small or word in text for word in many):
                found.setdefault(field, set()).add(name)
    return found


def spellings(word: str) -> set[bytes]:
    """A word in every spelling and encoding in which a program may write it."""
    cases = {case(word) for case in (str, str.lower, str.upper, str.casefold, str.title)}
    cases |= {unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases}
    found = set[bytes]()
    for each in cases:
        encoded = [each.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
        encoded += [each.encode("latin-1")] if each.isascii() or _is_latin(each) else []
        encoded += [quote(each).encode(), json.dumps(each)[1:-1].encode(), html.escape(each).encode()]
        encoded += [each.encode("ascii", "xmlcharrefreplace"), repr(each.encode())[2:-1].encode()]
        found.update(encoded, *(packed(one) for one in encoded[:3]))
        found.update(one.hex().encode() for one in encoded[:1])
    return found


def _is_latin(word: str) -> bool:
    return all(ord(sign) < 256 for sign in word)


def packed(content: bytes) -> set[bytes]:
    """What stands in Base64 where this content does, wherever it begins."""
    found = set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + content)
        # The first and the last signs depend on the neighbours, too.
        whole = text[(0, 2, 3)[before] : 4 * ((before + len(content)) // 3)]
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def plain_hashes(text: str) -> set[bytes]:
    """Hashes without a key: whoever has a list of names can turn them back."""
    return {hashlib.new(name, text.encode()).hexdigest().encode() for name in ("md5", "sha1", "sha256")}


def header(patient: str, number: int, **more: str) -> bytes:
    """A DICOM film that says whose it is in many places, one of them of the wrong form."""
    wrong = PLANTED["header of the wrong form"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pydicom.config.disable_value_validation():
            return dicoms.dicom(
                films.film(1000 + number, 40), SOPInstanceUID=f"1.2.3.{number}", StudyInstanceUID=f"1.2.4.{number}",
                SpecificCharacterSet="ISO_IR 192", PatientName=f"{PLANTED['header PatientName']}^Ida",
                PatientID=patient, ReferringPhysicianName=PLANTED["header ReferringPhysicianName"],
                StudyDescription=PLANTED["header StudyDescription"], InstitutionName=PLANTED["header InstitutionName"],
                PatientBirthDate=wrong, PatientAge=wrong, BurnedInAnnotation="NO",
                ImageType=["ORIGINAL", "PRIMARY"],
                **more,
            )  # fmt: skip


def lay_films(raw: Path) -> list[dict[str, str]]:
    """Films with an index, some of them DICOM, one damaged of each sort, one missing; returns the rows."""
    rows = []
    for number in range(2 * PATIENTS):
        word = PLANTED["file, German" if number % 4 else "file"]
        suffix = "dcm" if number % 10 == 9 else "png"
        path = f"{PLANTED['folder']} {number % 3}/{word} {number:02d}.{suffix}"
        rows.append({
            "path": path, "patient": IDS[number // 2], "finding": films.CLASSES[number % 2],
            "site": "north" if number % 3 else "south", "sex": "F" if number % 4 < 2 else "M", "age": str(40 + number),
            "name": f"Ida {PLANTED['column name']}", "address": f"{PLANTED['column address']} {number}",
        })  # fmt: skip
    rows[0]["age"], rows[1]["sex"] = PLANTED["column age"], f"F, {PLANTED[SEX]}"
    rows[4]["path"] = f"{PLANTED['folder']} 0/{PLANTED['file that is missing']}.png"
    rows[6]["path"] = f"{PLANTED['folder']} 0/{PLANTED['file that is damaged']}.png"
    rows[8]["path"] = f"{PLANTED['folder']} 0/{PLANTED['file that is damaged']}.dcm"
    contents = {
        row["path"]: header(PLANTED["header PatientID"], number)
        for number, row in enumerate(rows) if row["path"].endswith(".dcm")
    }  # fmt: skip
    contents[rows[8]["path"]] = contents[rows[8]["path"]][:-400]
    name = PLANTED["file that is damaged"].encode()
    contents[rows[6]["path"]] = films.encoded(films.film(6))[:60] + name * 9
    films.write_films(raw, rows, films=contents)
    (raw / rows[4]["path"]).unlink()
    return rows


def write_index(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """A CSV table with the names of its columns."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
