"""One patient, one id: ids in a normal form, so that 7, 7.0 and 0007 are one patient in every split.

The normal form is a fixed function of the id alone (docs/decisions/017-patient-ids-in-a-normal-form.md): no patient
changes splits when data are added, and two datasets give one patient one pseudonym. Nothing here shows an id: people
see the form of one, `9.0` for 7.0 and `Aa9` for Ab7.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

import pandas as pd

PatientIds = Literal["normal", "exact"]
_WORDS = """
anon anonym anonyme anonymous anonymized anonymised anonymisiert anonimo anonimizado anonymiser anonymizer patient
patientid patientname patientin deidentified deidentifie pseudonymised pseudonymized unknown unbekannt inconnu inconnue
desconocido desconocida none null nil na nan nobody noname noid unnamed dummy test xxx redacted removed hidden
confidential subject 匿名 未知 不详 患者 病人
"""
NOBODY = {"", *_WORDS.split()}
"""Ids that stand for nobody in particular: letters and digits alone, without accents, in small letters."""
PLACEHOLDERS = {"0", "-0001", "99", "999", "9999", "99999", "999999", "X", "XX"}
"""Normal forms that stand for nobody where far more samples have them than have any other."""
DIGITS = 4
"""Least digits of a number inside an id with letters: PAT7, PAT007 and PAT0007 are one."""
MANY = 20
"""Samples (examinations, where they are known) from which on one id for more than half of them stands for nobody."""
CROWDED = 10
"""How many times as many samples as the middle one of the other ids such an id must have."""
ACCEPTED = 0.2
"""Share of samples of unknown patients up to which `split.by: patient` runs without a word in the task file."""
SHOWN = 3
"""Forms of an id that are shown."""
LONGEST_FORM = 24
DASHES = dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0x2043, 0x30FC, ord("_")], "-")
SPREADSHEET = re.compile(r"\d\.\d+E\+?\d{2,}")
"""A long number as a spreadsheet shortens it: different patients share the form."""


def normal(patient: str) -> str:
    """The normal form of an id.

    Unicode is composed (NFKC, any script's digits as 0 to 9), letters are capitals; blanks, quotes around it and the
    fraction of a whole number (7.0) go, dashes and underscores are one sign. A number has no leading zeros; a number
    inside an id with other signs has at least `DIGITS` digits, filled with zeros.
    """
    text, before = _once(patient), patient
    while text != before:  # a sign that goes may leave two that compose
        text, before = _once(text), text
    return text


def _once(patient: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", str(patient)).casefold()).upper()
    text = "".join(sign for sign in text if not sign.isspace() and unicodedata.category(sign) not in ("Cf", "Cc"))
    text = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
    text = text.strip("'\"`´’‘“”").translate(DASHES)
    text = re.sub(r"(?<![\d.])(\d+)\.0+$", r"\1", text)
    if re.fullmatch(r"\d+", text):
        return text.lstrip("0") or "0"
    return re.sub(r"\d+", lambda run: run[0].lstrip("0").zfill(DIGITS), text)


def spellings(patient: str) -> re.Pattern[bytes]:
    """What finds an id in bytes, as a word: as it is, and with other capitals, zeros in front or .0 behind."""
    loose = "".join(
        f"0*{re.escape(run.lstrip('0') or '0')}" if run.isdigit() else "[-_]" if run == "-" else re.escape(run)
        for run in re.findall(r"[0-9]+|[^0-9]", normal(patient))
    )
    exact, anyhow = re.escape(patient.encode()), loose.encode()
    return re.compile(rb"(?<!\w)(?:" + exact + rb"|" + anyhow + rb"(?:\.0+)?)(?!\w)", re.IGNORECASE)


def form(patient: str) -> str:
    """What an id looks like, without what it says: 9 for a digit, A and a for letters, zeros in front kept."""
    signs = []
    zeros = True
    for sign in patient[:LONGEST_FORM]:
        if sign.isdecimal():
            leading = zeros and unicodedata.decimal(sign) == 0
            signs.append("0" if leading else "9" if sign.isascii() else "９")
            zeros = leading
        else:
            # What follows a decimal point isn't in front: 7.0 is 9.0.
            zeros = sign not in ".,"
            signs.append("A" if sign.isupper() else "a" if sign.isalpha() else "␣" if sign.isspace() else sign)
            if sign in ".," and re.fullmatch(r"0+", patient[len(signs) :]):
                signs += "0" * len(patient[len(signs) : LONGEST_FORM])
                break
    return "".join(signs) + ("…" if len(patient) > LONGEST_FORM else "")


def is_nobody(patient: str) -> bool:
    """Whether an id is a word that stands for nobody: ANONYMOUS, Patient, unknown."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", patient).casefold() if sign.isalnum()) in NOBODY


@dataclass(frozen=True)
class Identified:
    """Who samples are of.

    Args:
        ids: one a sample: the normal form, or as it stood; null where nobody knows.
        sentences: what people should know of it, free of ids.
        joined: patients whose ids are written in several ways.
        nobody: samples whose id stands for nobody in particular.
    """

    ids: pd.Series
    sentences: tuple[str, ...] = ()
    joined: int = 0
    nobody: int = 0


def identify(patients: pd.Series, units: pd.Series | None = None, how: PatientIds = "normal") -> Identified:
    """Who samples are of, and what there is to say about their ids.

    Args:
        patients: ids as the source has them, null where unknown.
        units: examinations, null where unknown: of one id with many samples they tell a patient with many slices
            from an anonymiser's word for everybody.
        how: `normal`, or `exact`: ids that differ in any sign are different patients.
    """
    raw = patients.map(str, na_action="ignore").astype("object")
    known = raw.dropna()
    spellings = pd.Series(known.unique(), dtype="object")
    normals = dict(zip(spellings, spellings.map(normal), strict=True))
    several = spellings.groupby(spellings.map(normals)).agg(list)
    several = several[several.map(len) > 1]
    sentences = []
    if len(several):
        done = "treated as one" if how == "normal" else "kept apart, as source.patient_ids: exact says"
        sentences.append(
            f"Patient ids written in several ways: {_count(len(several), 'patient')}; {_forms(several)}; {done}"
        )
    shortened = sum(bool(SPREADSHEET.fullmatch(each.strip().upper())) for each in spellings)
    if shortened:
        sentences.append(
            f"Patient ids shortened by a spreadsheet (9.99E+99): {_count(shortened, 'id')}; different patients may "
            "share one: export the table again with the ids as text"
        )
    if how == "exact":
        return Identified(raw.where(raw.notna(), None), tuple(sentences), len(several))
    names = raw.map(normals, na_action="ignore").astype("object")
    empty = {each for each in spellings if is_nobody(each)} | {each for each in spellings if not normals[each]}
    crowd = _for_everybody(names[~raw.isin(empty)], units)
    nobody = (raw.isin(empty) | (names.isin([crowd]) if crowd is not None else False)).to_numpy(bool)
    if count := int(nobody.sum()):
        sentences.append(
            f"Patient ids that stand for nobody: one id for {count:,} of {len(raw):,} samples, as an anonymiser writes "
            "it; these patients are unknown"
            if crowd is not None
            else f"Patient ids that stand for nobody (such as ANONYMOUS): {count:,} of {len(raw):,} samples; these "
            "patients are unknown"
        )
    return Identified(names.where(names.notna() & ~nobody, None), tuple(sentences), len(several), count)


def _for_everybody(names: pd.Series, units: pd.Series | None) -> str | None:
    """The id that more than half of many samples have, where no other has nearly as many; None without one."""
    table = pd.DataFrame({"id": names.dropna()})
    if units is not None and units.notna().any():
        # A hundred slices of one examination are one patient; a hundred examinations under one id hardly are.
        table["unit"] = units.reindex(table.index).astype("object").fillna(pd.Series(table.index, table.index))
        table = table.drop_duplicates()
    counts = table["id"].value_counts()
    for name, count in counts.items():
        others = counts.drop(name)
        crowded = count >= MANY and count >= CROWDED * (float(others.median()) if len(others) else 0.0)
        if crowded and (count * 2 > counts.sum() or name in PLACEHOLDERS):
            return str(name)
        if count < MANY:
            break
    return None


def _forms(several: pd.Series) -> str:
    """`9` and `9.0`: the forms of ids that are one patient, those of most patients."""
    together = several.map(lambda each: tuple(sorted({form(one) for one in each}, key=lambda one: (len(one), one))))
    shown = next(iter(together.value_counts().index[:1]))
    if len(shown) == 1:
        return f"`{shown[0]}` in several encodings of its letters, or with other letters"
    more = "" if len(shown) <= SHOWN else " …"
    return " and ".join(f"`{one}`" for one in shown[:SHOWN]) + more


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
