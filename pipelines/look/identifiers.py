"""Columns that number things: patients, stays, orders, rows. They come back, and a network would learn them."""

from __future__ import annotations

import re

import pandas as pd

from components.lib.physiology_data import plain


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MANY = 20
"""Different values from which a column that is called an id is one, and no code of a few kinds."""
LAST = 200
"""The highest of numbers that may count visits."""
LONG = 6
"""Digits from which whole numbers of one length look like ids."""
THINGS = _words("""hadm stay subject patient pat encounter icustay icu visit admission hospitalization hospitalisation
    case fall aufnahme record episode account acct accession order specimen sample study series exam
    examination row index person participant individual member client mrn provider caregiver
    physician doctor nurse arzt transfer poe pharmacy item kontakt contact auftrag probe patienten
    falls sejour dossier ordre paciente historia clinica episodio ingreso medico muestra
    patientunitstay patienthealthsystemstay uniquepid enc vn invoice insurance versicherten
    versicherungs""")
NUMBERED = _words("""id ids nr no num number nbr nummer key uid uuid guid identifier identificador identifiant
    numero kennung kennzeichen ident pid""")
ALONE = _words("""id ids pidnum patnum patid subjid usubjid ptid ptnum sampleid uid uuid guid mrn pid hadmid stayid
    icustayid subjectid encounterid patientid patientnbr visitid caseid personid fallnummer fallnr
    fallid patnr patnummer patientennummer patientennr aufnahmenummer aufnahmenr kontaktnummer
    auftragsnummer probennummer versichertennummer versicherungsnummer patientunitstayid
    patienthealthsystemstayid uniquepid numerohistoria nhc nip ipp iep ndossier rowid recordid
    accession accessionnumber hospitalnumber""")
IF_MANY = _words("icustay hadm encounter subject stay csn visitoccurrence episode fall case person participant")
"""Names of things that are numbered, where there are many of them."""
CHINESE = ("住院号", "病历号", "病案号", "门诊号", "就诊号", "登记号", "编号", "流水号", "身份证", "病人号", "患者号",
           "检查号", "标本号", "床位号", "序号", "医保号")  # fmt: skip
KINDS = _words("""type kind class group category status disposition source level grade typ art grund tipo reason""")
"""Words that make a name that of a code for few things: `admission_type_id`."""
CODES = _words("""icd icd9 icd10 drg atc loinc cpt ops snomed zip zipcode plz postcode postleitzahl postal""")
"""Words of codes, which are no quantities though they are numbers."""


def is_identifier(name: str, known: pd.Series, patients: pd.Series | None) -> str:
    """Why a column is an id; empty where it isn't.

    Args:
        name: of the column.
        known: its cells as text, none of them null.
        patients: whose each cell is, by the same index; None: nobody says.
    """
    distinct, rows = known.nunique(), len(known)
    told = f"{distinct:,} values in {rows:,} rows"
    if distinct < 2:
        return ""
    words = plain(name).split()
    if _called_alone(words, name, known) or (distinct > MANY and "".join(words) in IF_MANY and _are_codes(known)):
        if distinct == rows:
            return "another number in every row: an id"
        return f"an id by its name ({told}): it numbers things, and says nothing of a new patient"
    few = bool({*words} & KINDS) and distinct <= max(MANY * 2, rows // 20)
    named = {*words} & NUMBERED and not few and not _counts(words) and not _in_order(known)
    if named and distinct > MANY and _are_codes(known):
        return f"called an id, with {told}"
    same_length = known.str.strip().str.len().nunique() == 1 and known.str.fullmatch(rf"\s*\d{{{LONG},}}\s*").all()
    if distinct <= MANY or patients is None or not _are_codes(known):
        return ""
    if not (same_length or known.str.contains(r"[^\d.\s+-]").all()):
        return ""
    whose = patients.reindex(known.index)
    pairs = pd.DataFrame({"value": known, "patient": whose}).dropna().drop_duplicates()
    belong = len(pairs) == pairs["value"].nunique()
    repeated = rows - distinct >= rows * 0.05
    if belong and repeated and distinct >= 0.5 * pairs["patient"].nunique():
        return f"each of its {told} belongs to one patient: an id"
    return ""


def is_code(name: str) -> bool:
    """Whether a name says a code, whose numbers are no quantities: ICD, ZIP."""
    return bool({*plain(name).split()} & CODES)


def _called_alone(words: list[str], name: str, known: pd.Series) -> bool:
    """Whether the name alone says an id: a thing and a number, `hadm_id`, `Fallnummer`, `住院号`."""
    if "".join(words) in ALONE or any(each in str(name) for each in CHINESE):
        return True
    if not words or not {*words} & THINGS or words[-1] not in NUMBERED or {*words} & KINDS or _counts(words):
        return False
    return words[-1] in {"id", "ids", "uid", "uuid", "guid", "key", "nbr"} or not _in_order(known)


def _in_order(known: pd.Series) -> bool:
    """1, 2, 3 …: the first, second, third visit, which may be an input."""
    numbers = pd.to_numeric(known, errors="coerce")
    return bool(numbers.notna().all() and numbers.min() <= 1 and numbers.max() <= LAST)


def _counts(words: list[str]) -> bool:
    """`number_of_visits`, `num_procedures`: how many, not which."""
    return words[0] in {"number", "num", "n", "no", "count", "anzahl", "nombre", "nb"} and len(words) > 1


def _are_codes(known: pd.Series) -> bool:
    """Whole numbers, or words without blanks."""
    return bool(known.str.fullmatch(re.compile(r"\s*(-?\d+(\.0*)?|\S{1,64})\s*")).all()) and not bool(
        known.str.fullmatch(r"\s*-?\d*\.(?=\d*[1-9])\d*\s*").any()
    )
