"""What a living person's measurements can be: by the name of a column, in its unit.

Names are English, German, French, Spanish and Chinese. A value outside `low` to `high` is an error of measurement, of
the unit or of entry, or stands for "unknown"; these are no reference ranges of health. The bounds are wider than what
has been survived and are rounded outwards. Public facts behind them: 13.7 °C was survived (Gilbert et al. 2000,
doi:10.1016/S0140-6736(00)01021-7), as was 46.5 °C (Slovis, Anderson & Casolaro 1982, Ann Emerg Med 11:269); limits
for outliers have been published for the MIMIC-III benchmark (Harutyunyan et al. 2019, doi:10.1038/s41597-019-0103-9);
factors between units follow from molar masses. `usual` says between which values the median of a column lies: by it a
unit is recognised that no name says, and a column that only sounds like the variable (a flag, a score, a z-value)
isn't.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SENTINELS = frozenset(
    [-1.0, *(float(sign + digit * count) for sign in ("", "-") for digit in "789" for count in range(1, 7))]
)
"""Numbers that are often written for "unknown": -1, 9, 99, 999, -999, 8888 and their like."""


@dataclass(frozen=True)
class Unit:
    """A unit in which a variable is written, and what is possible in it."""

    name: str
    low: float
    high: float
    usual: tuple[float, float]


@dataclass(frozen=True)
class Variable:
    """A variable of the body."""

    name: str
    units: tuple[Unit, ...]
    names: tuple[str, ...]
    """As `plain` gives them, the English one first."""


def _variable(name: str, names: str, *units: tuple[str, float, float, float, float]) -> Variable:
    """A variable; names with a bar between them, units as (name, low, high, usual low, usual high)."""
    spelt = tuple(plain(each) for each in (name, *names.split("|")))
    return Variable(name, tuple(Unit(u, low, high, (a, b)) for u, low, high, a, b in units), spelt)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def plain(text: str) -> str:
    """Small letters without accents, words apart: "GlukoseNüchtern" and "glukose_nuchtern" are one."""
    spaced = re.sub(r"(?<=[a-zäöüß]{2})(?=[A-ZÄÖÜ])", " ", str(text))
    bare = "".join(c for c in unicodedata.normalize("NFKD", spaced.casefold()) if not unicodedata.combining(c))
    bare = bare.replace("μ", "u")
    return " ".join(re.sub(r"[^\w%/]|_", " ", bare).split())


UNIT_WORDS = {
    "mg/dl": "mg/dl|mg dl|mgdl|mg%", "mmol/l": "mmol/l|mmol l|mmoll|mmol|meq/l|meq l",
    "µmol/l": "umol/l|umol l|umoll|umol", "g/dl": "g/dl|g dl|gdl", "g/l": "g/l|g l",
    "°C": "c|celsius|degc|deg c|grad celsius|grad c|摄氏度", "°F": "f|fahrenheit|degf|deg f", "kg": "kg|kilogramm|kilos"
              "|公斤",
    "lb": "lb|lbs|pounds", "cm": "cm|厘米", "m": "m|meter|metres|metros", "in": "in|inch|inches", "mmHg": "mmhg|mm hg",
    "kPa": "kpa", "%": "%|percent|prozent", "/min": "/min|bpm|per minute|pro minute|min 1",
    "years": "years|yrs|jahre|jahren|ans|anos|岁", "mm": "mm", "kg/m²": "kg/m2|kg m2|kg/m 2|kg m 2",
    "10⁹/l": "10 9/l|10 9 l|g/l|gpt/l|k/ul|k ul|10 3/ul|10^9/l", "/µl": "/ul|ul|cells/ul", "µU/ml": "uu/ml|mu/l|uiu/ml",
}  # fmt: skip
"""Unit to how names of columns write it."""
NEUTRAL = _words("""mean avg average min max minimum maximum first last baseline admission initial adm level levels
    value values serum plasma total arterial venous lab labs vital vitals result at on in of the patient pt wert
    mittelwert fasting random resting ruhe nuchtern nuechtern peak worst median lowest highest moyen moyenne valeur
    valor medio media minimo maximo invasive noninvasive apache d1 h1 day hour 24h 48h 入院 最高 最低 平均""")
"""Words of a name that leave a variable what it is."""
OTHER = _words("""change delta diff difference loss gain drop fall count n num number times flag missing given
    dose intake medication drug treatment therapy transfused transfusion std sd var variance variability slope trend
    score z zscore log ratio normalized normalised scaled standardized history hx family disorder birth urine urinary
    csf ideal fetal foetal target range percentile rank category cat class group level_cat is has abnormal high
    low measured veranderung differenz anzahl urin geburt perte nombre urinaire naissance perdida cambio orina
    nacimiento""")
"""Words of a name that make something else of it: a change, a count, a dose."""
OTHER_CHINESE = ("用药", "史", "次数", "变化", "是否", "下降", "尿", "差", "出生", "治疗", "评分")

VARIABLES = (
    _variable("glucose", "glc|gluc|plasma glucose|blood glucose|blood sugar|fasting glucose|fpg|fbs|bgl|glukose"
              "|blutzucker"
              "|bz|nuchternglukose|glycemie|glucose sanguin|glucemia|glucosa|azucar en sangre|血糖|葡萄糖|空腹血糖",
              ("mg/dl", 5, 3000, 55, 350), ("mmol/l", 0.3, 165, 2.45, 22), ("g/l", 0.05, 30, 0.55, 2.4)),
    _variable("systolic blood pressure", "sbp|bps|sysbp|sysabp|nisysabp|systolic|systolic bp|bp systolic|ap hi|trestbps"
              "|resting bp|resting blood pressure|rr systolisch|blutdruck systolisch|rr sys|sys bp"
              "|systolischer blutdruck"
              "|systole|systolic pressure|tension arterielle systolique|tension arterial sistolica|sistolica|systolique"
              "|pas|pression systolique|pression arterielle systolique|tension systolique|presion sistolica"
              "|presion arterial sistolica|tas|收缩压", ("mmHg", 20, 350, 70, 200), ("kPa", 3, 47, 9.5, 27)),
    _variable("diastolic blood pressure", "dbp|bpd|diasbp|diasabp|nidiasabp|diastolic|diastolic bp|bp diastolic|ap lo"
              "|rr diastolisch|blutdruck diastolisch|rr dia|dia bp|diastolischer blutdruck|diastole|pad"
              "|pression diastolique|diastolic pressure"
              "|tension arterielle diastolique|tension arterial diastolica|diastolica|diastolique"
              "|pression arterielle diastolique|presion diastolica|presion arterial diastolica|tad|舒张压",
              ("mmHg", 5, 250, 35, 130), ("kPa", 0.7, 33, 5, 17)),
    _variable("mean arterial pressure", "map|mbp|mean bp|mean blood pressure|nimap|mittlerer arterieller druck|mad"
              "|mittlerer blutdruck|pam|pression arterielle moyenne|presion arterial media|平均动脉压",
              ("mmHg", 10, 300, 45, 150), ("kPa", 1.4, 40, 6, 20)),
    _variable("blood pressure", "bp|bloodpressure|blutdruck|pression arterielle|tension arterielle|presion arterial"
              "|血压",
              ("mmHg", 10, 350, 40, 200), ("kPa", 1.4, 47, 5, 27)),
    _variable("heart rate", "hr|pulse|pulse rate|heartrate|pulserate|bpm|thalach|hrt|herzfrequenz|puls|hf|pulsfrequenz"
              "|frequence cardiaque|pouls|fc|frecuencia cardiaca|pulso|心率|脉搏", ("/min", 10, 400, 40, 200)),
    _variable("respiratory rate", "rr|resp rate|resprate|respiration rate|breathing rate|respiratoryrate|resp"
              "|atemfrequenz"
              "|frequence respiratoire|frecuencia respiratoria|呼吸频率|呼吸率", ("/min", 1, 150, 6, 60)),
    _variable("oxygen saturation", "spo2|sao2|o2sat|o2 sat|o2 saturation|sats|sauerstoffsattigung|saettigung"
              "|sauerstoffsaettigung|saturation en oxygene|saturation|saturacion|saturacion de oxigeno"
              "|血氧饱和度|血氧|氧饱和度",
              ("%", 10, 100, 70, 100), ("share", 0.1, 1, 0.7, 1)),
    _variable("temperature", "temp|body temperature|bodytemp|temp c|temp f|fever temperature|temperatur"
              "|korpertemperatur|koerpertemperatur|temperature corporelle|temperatura|temperatura corporal|体温|温度",
              ("°C", 13, 47, 33, 42), ("°F", 55, 117, 92, 107)),
    _variable("height", "body height|stature|bodyheight|ht|korpergrosse|koerpergroesse|grosse|groesse|taille|estatura"
              "|talla|altura|身高", ("cm", 20, 275, 40, 210), ("m", 0.2, 2.75, 0.4, 2.1), ("in", 8, 108, 40, 80)),
    _variable("weight", "body weight|bodyweight|wt|korpergewicht|koerpergewicht|gewicht|poids|peso|peso corporal|体重",
              ("kg", 0.3, 650, 2, 200), ("lb", 0.6, 1430, 100, 400)),
    _variable("body mass index", "bmi|bodymassindex|quetelet|body mass|korpermasseindex|imc"
              "|indice de masse corporelle|indice de masa corporal|体质指数|体重指数|身体质量指数",
              ("kg/m²", 5, 260, 13, 60)),
    _variable("creatinine", "creat|crea|scr|serum creatinine|kreatinin|serumkreatinin|krea|creatininemie|creatinina"
              "|肌酐", ("mg/dl", 0.05, 60, 0.3, 12), ("µmol/l", 5, 5500, 25, 1100)),
    _variable("urea nitrogen", "bun|blood urea nitrogen|harnstoff stickstoff|尿素氮",
              ("mg/dl", 0.5, 400, 4, 120), ("mmol/l", 0.2, 145, 1.5, 3.9)),
    _variable("urea", "serum urea|harnstoff|uree|尿素", ("mg/dl", 1, 900, 12, 250), ("mmol/l", 0.2, 150, 2, 11.9)),
    _variable("sodium", "na|serum na|serum sodium|natrium|natremie|sodio|natremia|血钠"
              "|钠", ("mmol/l", 80, 220, 120, 160)),
    _variable("potassium", "k|serum k|serum potassium|kalium|kaliemie|potasio|血钾|钾", ("mmol/l", 0.5, 20, 2.5, 7)),
    _variable("chloride", "serum chloride|chlorid|chlorure|cloruro|血氯", ("mmol/l", 40, 200, 80, 130)),
    _variable("calcium", "serum calcium|kalzium|calcemie|calcio|血钙", ("mg/dl", 1, 30, 5.1, 14),
              ("mmol/l", 0.25, 8, 0.7, 3.6)),
    _variable("magnesium", "serum magnesium|magnesemie|magnesio|血镁", ("mg/dl", 0.1, 30, 1.25, 4),
              ("mmol/l", 0.05, 12, 0.4, 1.24)),
    _variable("bicarbonate", "hco3|bikarbonat|bicarbonato|碳酸氢盐", ("mmol/l", 1, 80, 10, 45)),
    _variable("haemoglobin", "hemoglobin|hb|hgb|hamoglobin|haemoglobine|hemoglobine|hemoglobina|血红蛋白",
              ("g/dl", 1, 30, 4, 20), ("g/l", 10, 300, 40, 200), ("mmol/l", 0.6, 19, 2.5, 3.9)),
    _variable("haematocrit", "hematocrit|hct|hkt|hamatokrit|haematokrit|hematocrite|hematocrito|红细胞压积"
              "|血细胞比容",
              ("%", 3, 85, 15, 65), ("share", 0.03, 0.85, 0.15, 0.65)),
    _variable("platelets", "plt|platelet|platelet count|plt count|thrombocytes|thrombozyten|plaquettes|plaquetas"
              "|trombocitos"
              "|血小板",
              ("10⁹/l", 1, 5000, 20, 900), ("/µl", 1000, 5_000_000, 20_000, 900_000)),
    _variable("leucocytes", "wbc|wbc count|white blood cells|white blood cell count|white cell count|leukocytes"
              "|leukozyten|leuko|leucocitos|globules blancs|白细胞", ("10⁹/l", 0.01, 1500, 1.5, 60),
              ("/µl", 10, 1_500_000, 1500, 60_000)),
    _variable("cholesterol", "chol|total cholesterol|cholesterin|gesamtcholesterin|colesterol|胆固醇|总胆固醇",
              ("mg/dl", 20, 2000, 90, 400), ("mmol/l", 0.5, 52, 2.3, 10.5)),
    _variable("triglycerides", "triglyceride|trig|triglyzeride|trigliceridos|甘油三酯", ("mg/dl", 5, 30_000, 40, 1000),
              ("mmol/l", 0.05, 340, 0.4, 11)),
    _variable("insulin", "serum insulin|insuline|insulina|胰岛素", ("µU/ml", 0.1, 5000, 2, 400)),
    _variable("skin thickness", "skinthickness|triceps|skinfold|skin fold|triceps skinfold|skin|hautdicke"
              "|hautfaltendicke"
              "|pli cutane|pliegue cutaneo|皮褶厚度", ("mm", 0.5, 150, 5, 70)),
    _variable("lactate", "serum lactate|laktat|lactat|lactato|acide lactique|乳酸", ("mmol/l", 0.05, 60, 0.5, 12)),
    _variable("albumin", "serum albumin|albumine|albumina|白蛋白", ("g/dl", 0.2, 8, 1.5, 6), ("g/l", 2, 80, 15, 60)),
    _variable("blood ph", "ph|arterial ph|ph arteriell|ph wert|ph arteriel|ph arterial|酸碱度", ("", 6, 8.5, 6.9, 7.8)),
    _variable("pao2", "po2|sauerstoffpartialdruck", ("mmHg", 5, 800, 35, 400), ("kPa", 0.7, 107, 4.5, 34)),
    _variable("paco2", "pco2|kohlendioxidpartialdruck", ("mmHg", 4, 300, 15, 110), ("kPa", 0.5, 40, 2, 14)),
    _variable("fio2", "inspired oxygen fraction", ("share", 0.2, 1, 0.2, 1), ("%", 20, 100, 20, 100)),
    _variable("glasgow coma scale", "gcs|glasgow|gcs total|echelle de glasgow|escala de glasgow|格拉斯哥昏迷评分",
              ("points", 3, 15, 3, 15)),
    _variable("waist", "waist circumference|waist cm|taillenumfang|bauchumfang|tour de taille"
              "|circunferencia de cintura|腰围",
              ("cm", 20, 400, 45, 160), ("in", 8, 160, 24, 44)),
    _variable("age", "age years|age in years|patient age|age at admission|anchor age|alter|patientenalter"
              "|alter in jahren|alter jahre|age ans|edad|edad anos|年龄|岁", ("years", 0, 120, 1, 95)),
)  # fmt: skip
