"""What a column's name says of it, whatever its capitals: "PatientID", "patient id" and "patient_id" are one."""

from __future__ import annotations

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILE = _words("""path file filename file_name filepath file_path image image_path image_file image_name img img_path
    img_name picture dicom dicom_path dcm film scan record""")
PATIENT = _words("""patient patient_id patientid patient_no patient_number patient_nr patient_key subject subject_id
    subjectid subject_no case_number person person_id personid participant participant_id mrn pid pat_id
    medical_record_number individual individual_id patient_nbr patientnbr subjid usubjid ptid
    patienten_nr patientennr patientennummer patienten_id patient_nummer pat_nr patnr proband probanden_nr probanden_id
    numero_patient n_patient no_patient id_patient ipp
    paciente id_paciente numero_paciente nhc historia_clinica numero_historia_clinica
    病人 病人编号 病人編號 病人号 病人id 患者 患者编号 患者編號 患者号 患者id 患者番号 病历号 病歷號 病案号""")
SPLIT = _words("split fold set subset partition usage side")
SEX = _words("sex gender patient_sex patient_gender geschlecht sexe genre sexo genero 性别 性別")
AGE = _words("""age age_years age_in_years patient_age age_at_scan age_at_exam alter alter_jahre edad 年龄 年齡 年齢""")
STUDY = _words("study study_id studyid accession accession_number examination exam_id")
SITE = _words("""site hospital hospital_id scanner scanner_id centre center clinic institution institute
    manufacturer site_id centre_id center_id""")
TARGET = _words("""target target_label label labels class classes diagnosis finding findings finding_labels outcome
    outcomes category dx grade result y disease pathology classification ground_truth gt
    ziel zielgrosse klasse diagnose befund befunde ergebnis erkrankung krankheit
    cible classe diagnostic resultat maladie etiquette
    objetivo clase diagnostico resultado enfermedad etiqueta hallazgo hallazgos
    标签 標籤 类别 類別 分类 分類 诊断 診斷 诊断结果 診斷結果 疾病 结果 結果 目标 目標""")
OUTCOME = TARGET | _words("""death died dead mortality survival survived alive readmitted readmission relapse
    recurrence progression price value score""")
"""Last words of names that say "this is what to predict"."""
_OUTCOME_WORDS = _words("""died dead death deaths expire expired alive event outcome outcomes survived tod tote tot
    gestorben lebt deces decede mort morte muerte muerto fallecido fallecida exitus egreso desenlace""")
_OUTCOME_STEMS = re.compile(
    r"mortalit|mortalid|surviv|deceas|readmi|rehospital|relaps|recurren|diagnos|dispositi|discharge_(loc|dest|stat)|"
    r"verstorb|sterb|todes|uberleb|ueberleb|wiederaufnahme|rezidiv|entlass|"
    r"survie|rechute|recidiv|rehospitalis|sortie|"
    r"fallec|defunc|superviv|reingreso|recaida|"
    r"死亡|去世|病死|存活|生存|预后|預後|结局|結局|转归|轉歸|诊断|診斷|出院|再入院|复发|復發"
)
_DISPOSITION = re.compile(r"dispositi|discharge_(loc|dest|stat)|entlass|sortie|egreso|出院")
_KNOWN_BEFORE = _words("""age years year since prior previous prev history family admission admitting referral number
    num n count baseline pre alter jahre seit vor familie anzahl aufnahme annees depuis avant famille nombre edad anos
    desde antes familia numero""")
"""Words of names that speak of an outcome and are known before it: age at diagnosis, previous relapse."""
_FINDINGS = re.compile(
    r"finding|pneumon|effusion|atelecta|cardiomegal|infiltrat|(^|_)(mass|nodule|nodules|lesion|lesions|edema|oedema)(_|$)|"
    r"pneumothora|consolidat|emphysem|fibrosis|pleural|hernia|fractur|opacit|covid|tubercul|cancer|carcinom|tumou?r|"
    r"melanom|malignan|stroke|sepsis|septic|infarct|haemorrhag|hemorrhag|metasta|retinopath|glaucom|arrhythm|"
    r"krebs|fraktur|blutung|schlaganfall|entzundung|hamorrhag|infarkt|"
    r"avc|epanchement|saignement|cancro|neumon|derrame|ictus|hemorrag|"
    r"肺炎|积液|積液|结节|結節|肿瘤|腫瘤|癌|骨折|出血|梗死|气胸|氣胸|感染|败血|敗血"
)
_NO_TARGET = _words("""view views position projection frontal lateral laterality side orientation plane viewpoint
    followup visit visits index idx number nr no num seq sequence series slice frame instance study exam accession
    date time year month day timestamp row line id ids uid uuid key code path file filename split fold set subset
    device scanner manufacturer kvp spacing width height rows columns version batch reader annotator
    ansicht lage seite aufnahme datum nummer besuch visite kontrolle zeit jahr
    vue incidence cote numero jour mois annee
    vista lado visita fecha proyeccion dia mes ano""")
_NO_TARGET_CJK = re.compile(
    r"编号|編號|序号|序號|日期|时间|時間|体位|體位|视图|視圖|侧别|側別|随访|隨訪|次数|次數|号$|號$"
)
PERSON = _words("""name names surname firstname first_name last_name lastname forename family_name full_name address
    street email e_mail phone telephone patient_name birthdate birth_date date_of_birth dob ssn""")
BOX = (_words("xmin ymin xmax ymax"), _words("bbox_x bbox_y bbox_w bbox_h"))
TIME = _words("time timestamp datetime charttime hour minute second t")
ID_WORDS = _words("id ids nr no number key code uid uuid case mrn hash")
CODE_WORDS = _words("type code kind group class category id ward department")

ROLES = {"patient": PATIENT, "study": STUDY, "split": SPLIT, "site": SITE, "sex": SEX, "age": AGE}


def plain(name: str) -> str:
    """A name in small letters without accents, with "_" between its words; other scripts stay."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFC", str(name)))
    folded = unicodedata.normalize("NFKD", spaced.casefold())
    bare = "".join(sign for sign in folded if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", bare)).strip("_")


def ascii_name(name: str) -> str:
    """A plain name as far as it is in Latin letters and digits."""
    return re.sub(r"[^a-z0-9]+", "_", plain(name)).strip("_")


def is_outcome(name: str) -> bool:
    """Whether a column is called like what comes out in the end: death, survival, readmission, a diagnosis."""
    called = plain(name)
    words = {*called.split("_")}
    return bool(words & _OUTCOME_WORDS or _OUTCOME_STEMS.search(called)) and not words & _KNOWN_BEFORE


def is_disposition(name: str) -> bool:
    """Whether a column is called like where somebody goes in the end: discharge_location, Entlassungsart."""
    called = plain(name)
    known = re.search(r"diagnos|诊断|診斷|mort|tod|deces", called)
    return is_outcome(name) and known is None and _DISPOSITION.search(called) is not None


def is_finding(name: str) -> bool:
    """Whether a column is called like a finding: Cardiomegaly, pleural effusion."""
    return _FINDINGS.search(plain(name)) is not None


def is_no_target(name: str) -> bool:
    """Whether a column is called like a view, a visit, a number, a date, or who and where: nobody predicts these."""
    called = plain(name)
    words = {*called.split("_")}
    if called in TARGET or is_outcome(name) or is_finding(name):
        return False
    follow = "follow_up" in called or "follow" in words
    taken = called in SEX | AGE | SITE | STUDY | PATIENT | SPLIT | FILE | PERSON
    return bool(words & _NO_TARGET) or follow or taken or _NO_TARGET_CJK.search(called) is not None


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
