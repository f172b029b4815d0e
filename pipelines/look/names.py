"""What a column's name says of it, whatever its capitals: "PatientID", "patient id" and "patient_id" are one."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILE = _words("""path file filename file_name filepath file_path image image_path image_file image_name img img_path
    img_name picture dicom dicom_path dcm film scan record""")
PATIENT = _words("""patient patient_id patientid patient_no patient_number patient_nr patient_key subject subject_id
    subjectid subject_no case_number person person_id personid participant participant_id mrn pid pat_id
    medical_record_number individual individual_id""")
SPLIT = _words("split fold set subset partition usage side")
SEX = _words("sex gender patient_sex patient_gender")
AGE = _words("age age_years age_in_years patient_age age_at_scan age_at_exam")
STUDY = _words("study study_id studyid accession accession_number examination exam_id")
SITE = _words("""site hospital hospital_id scanner scanner_id centre center clinic institution institute
    manufacturer site_id centre_id center_id""")
TARGET = _words("""target label labels class classes diagnosis finding findings outcome category dx grade result y
    disease pathology classification""")
OUTCOME = TARGET | _words("""death died dead mortality survival survived alive readmitted readmission relapse
    recurrence progression price value score""")
"""Last words of names that say "this is what to predict"."""
PERSON = _words("""name names surname firstname first_name last_name lastname forename family_name full_name address
    street email e_mail phone telephone patient_name birthdate birth_date date_of_birth dob ssn""")
BOX = (_words("xmin ymin xmax ymax"), _words("bbox_x bbox_y bbox_w bbox_h"))
TIME = _words("time timestamp datetime charttime hour minute second t")
ID_WORDS = _words("id ids nr no number key code uid uuid case mrn hash")
CODE_WORDS = _words("type code kind group class category id ward department")

ROLES = {"patient": PATIENT, "study": STUDY, "split": SPLIT, "site": SITE, "sex": SEX, "age": AGE}


def plain(name: str) -> str:
    """A name in small letters with "_" between its words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name))
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def last_word(name: str) -> str:
    """The last word of a name: what it is a kind of."""
    return plain(name).rpartition("_")[2]


def is_date(text: str) -> bool:
    """Whether a text is a date, with or without a time: 2020-12-31, 1/22/2020, 31.12.20 08:15."""
    return _DATE.fullmatch(text.strip()) is not None


_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))"
    r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp][Mm])?(Z|[+-]\d{2}:?\d{2})?)?"
)
