"""Which of two classes is the finding: by words that deny it or mean health, in five languages.

What isn't certain is not decided: `Verdict.certain` is False then, and somebody has to be asked.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from components.lib.kinds._labels import normal_form

Says = Literal["healthy", "finding", "both", "nothing"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEALTHY = _words("""
    normal normals healthy negative neg benign absent absence false none control controls ctrl ctl wnl unremarkable
    unaffected uninfected uninvolved uninjured undiseased asymptomatic afebrile inactive noncase notumor nofinding
    nofindings nodisease alive survived survivor survivors disease_free gesund gesunde gesunder gesundes normale
    normaler normales normalbefund negativ negative negativer unauffallig unauffaellig unauffallige gutartig
    gutartige benigne kontrolle kontrollen kontrollgruppe lebend uberlebt ueberlebt regelrecht falsch beschwerdefrei
    asymptomatisch nicht_betroffen sain saine sains saines normaux normale normales negatif negatifs negatives benin
    benins benignes temoin temoins controle controles indemne indemnes faux survie asymptomatique absente sano sana
    sanos sanas normales negativo negativa negativos negativas benigno benigna benignos benignas ausente ausencia
    control controles falso asintomatico asintomatica normale negativo sano saudavel benigno
""")
"""Words of the class that nobody looks for."""
FINDING = _words("""
    positive pos abnormal pathologic pathological malignant diseased sick ill present true yes affected infected
    symptomatic active died dead deceased nonsurvivor unhealthy positiv positive auffallig auffaellig pathologisch
    bosartig boesartig maligne krank erkrankt ja wahr betroffen verstorben gestorben tot ungesund positif anormal
    anormale pathologique malin maligne malade oui vrai decede atteint positivo positiva anormal patologico maligno
    maligna enfermo enferma si verdadero fallecido fallecida muerto
""")
"""Words of the class that is looked for, as far as they are no names of diseases."""
DENYING = _words("""
    no non not without kein keine keinen keiner keines keinem ohne nicht nein sans aucun aucune pas rien sin ningun
    ninguno ninguna nada senza nao
""")
WEAK = _words("case cases patient patients fall falle faelle kranke cas caso casos paciente pacientes patienten")
"""Words of the class that is looked for where nothing else stands beside them."""
REST = _words("other others rest clean hc cn nc andere anderes sonstige sonstiges autre autres otro otros 其他 其它")
"""Words that make a class the default for the healthy one, and no more."""
BESIDE = _words("with mit avec con com has having")
"""What "without" replaces."""
ALONE = _words("true false wahr falsch vrai faux verdadero falso present none ja si oui yes")
"""Words that say nothing beside others: a true lumen and a false one."""
NO_HEALTH = {("normal", "pressure"), ("normal", "tension"), ("triple", "negative"), ("control", "birth")}
"""Words that name a disease together."""
GLUED = ("non", "not", "no", "un", "kein", "nicht", "ohne", "sans", "sin", "a", "an", "in")
"""What denies a word that it is written together with, where the rest is the other class."""
FREE = ("free", "frei")
SHORT = {"n": {"y", "p", "j", "s", "o"}, "f": {"t", "v"}, "0": set[str](), "-": {"+"}, "nein": {"ja"}}
"""Single signs that deny, and the other class beside which they do."""
UNDECIDED = _words("or and oder und ou et y e o vs versus")
"""Words that join two classes: normal_or_benign."""
GOOD = _words("""
    recovered recovery remission cured cure stable controlled response responder responders respond well known clear
    certain sure usual complete improved healed discharged stabil geheilt genesen remission vollstandig gueri stable
    complet curado estable completo vaccinated treated specific differentiated typical resolved
""")
"""What may be wanted or unwanted: to deny one of them decides nothing."""
TERMS = _words("""
    small hodgkin specific union invasive obstructive ischemic ischaemic proliferative alcoholic tuberculous
    convulsive traumatic epileptic compliance adherence toxic seminoma seminomatous melanoma typical st stemi
    keratinizing erosive muscle insulin functioning hodgkins kleinzelliges kleinzellig alkoholische obstruktiv
    proliferative petites alcoholica microcitico responder responders
""")
"""Words that "non" makes a disease of its own with."""
HEADS = re.compile(
    r"carcinom|karzinom|cancer|krebs|lymphom|tumou?r|diseas|erkrank|maladie|enfermed|cardiomyop|retinopath|pneumon|"
    r"arthrit|mycobact|leuk|infarct|infarkt|syndrom|hepat|steato|stroke|adenoma|hernia|fractur"
)
"""Last words of names of diseases."""

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_CJK_HEALTHY = re.compile(
    r"正常|健康|阴性|陰性|良性|对照|對照|存活|生存|健常|無症状|无症状|未见|未見|没有|沒有|(异常|異常|所見)なし|なし$"
)
_CJK_FINDING = re.compile(r"异常|異常|阳性|陽性|恶性|惡性|悪性|患病|患者|病人|死亡|有病")
_CJK_DENIED = re.compile(r"(非|不|亚|亞|未|无|無)(正常|健康|良性|存活|生存)")
_CJK_DENYING = re.compile(r"^(无|無|非|未|没有|沒有|否|不是)|(?<=[\W_])(无|無|非|未|没有|沒有|否|不是)")
_CJK_TERMS = re.compile(
    r"非(小细胞|小細胞|典型|特异|特異|霍奇金|酒精|结核|結核|甾体|梗阻|增殖|增生|浸润|浸潤|缺血)|未(分化|定|知|愈|明|成熟)|"
    r"正常(压|壓|眼)|不(明|确定|確定|详|詳|稳定|穩定|全|良|典型|张|張|孕|整|齐)|无(力|菌)|無(力|菌)"
)
_CJK_DENIALS = ("非", "无", "無", "未", "没有", "沒有", "不", "未见", "未見", "否")


@dataclass(frozen=True)
class Verdict:
    """Which of two classes is the healthy one.

    Args:
        healthy: the name; where nothing says it, the first one in the order of their normal forms.
        certain: whether the names themselves say it.
        why: the reason, for people.
    """

    healthy: str
    certain: bool
    why: str


def verdict(one: str, other: str) -> Verdict:
    """Which of two different class names is the healthy one; the order of the two changes nothing."""
    first, second = sorted((one, other), key=lambda name: (normal_form(name), name))
    denied = {name: denies(name, against) for name, against in ((first, second), (second, first))}
    says = {first: _says(first, second), second: _says(second, first)}
    if _joined(first) or _joined(second):
        return _unclear(first, second, says, "a name joins two classes")
    for name, against in ((first, second), (second, first)):
        if denied[name] and not denied[against]:
            return _of_denial(name, against, says, first, second, denied[name])
    healthy = [name for name in (first, second) if says[name] == "healthy"]
    finding = [name for name in (first, second) if says[name] == "finding"]
    if len(healthy) == 1 and says[_not(healthy[0], first, second)] in ("finding", "nothing"):
        return Verdict(healthy[0], True, "its name means health, or denies a finding")
    if numbered := _numbers(first, second):
        return numbered
    if len(finding) == 1 and not healthy and says[_not(finding[0], first, second)] == "nothing":
        return Verdict(_not(finding[0], first, second), False, f"{finding[0]} is called like a finding")
    return _unclear(first, second, says, "neither name says it" if not healthy else "both names could mean health")


def means_health(name: str) -> bool:
    """Whether a class among several is called like the healthy one."""
    return _says(name, "") == "healthy"


def _of_denial(
    name: str, against: str, says: dict[str, Says], first: str, second: str, how: str
) -> Verdict:  # fmt: skip
    """`name` denies `against`: it is the healthy one, unless what it denies is health."""
    if says[against] == "healthy":
        return Verdict(against, True, f"{name} denies it")
    if how == "unsure" and says[name] == "healthy":
        return Verdict(name, True, f"it denies {against}")
    if how == "unsure" or {*tokens(against)} & GOOD:
        return _unclear(first, second, says, f"{name} denies {against}, which may be wanted or unwanted")
    return Verdict(name, True, f"it denies {against}")


def _unclear(first: str, second: str, says: dict[str, Says], why: str) -> Verdict:
    """A default for the question: what sounds healthier, else the first."""
    order = ("healthy", "both", "nothing", "finding")
    rank = {name: (order.index(says[name]), not {*tokens(name)} & REST) for name in (first, second)}
    healthy = first if rank[first] <= rank[second] else second
    return Verdict(healthy, False, why)


def _not(name: str, first: str, second: str) -> str:
    return second if name == first else first


def _joined(name: str) -> bool:
    words = tokens(name)
    return any(word in UNDECIDED for word in words[1:-1]) or bool(re.search(r"[或及和與与/&+]", name[1:-1]))


def _numbers(first: str, second: str) -> Verdict | None:
    """0 beside another number is the healthy one; other numbers are codes that nobody can guess."""
    values = {name: normal_form(name) for name in (first, second)}
    if not all(re.fullmatch(r"-?\d+(\.\d+)?", value) for value in values.values()):
        return None
    for name, other in ((first, second), (second, first)):
        if values[name] == "0" and float(values[other]) > 0:
            return Verdict(name, True, "0 is the healthy one")
    lower, _ = sorted((first, second), key=lambda name: float(values[name]))
    return Verdict(lower, False, "codes; the larger one is the default")


def tokens(name: str) -> list[str]:
    """The words of a name in small letters without accents; `CT_NonCOVID` gives ct, non, covid."""
    spaced = re.sub(r"(?<=[a-z0-9à-ÿ])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", unicodedata.normalize("NFC", name))
    plain = unicodedata.normalize("NFKD", spaced.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.findall(r"[^\W_]+", plain)


def denies(name: str, other: str) -> str:
    """Whether a name is the other one and a word that denies it: "" no, "sure", or "unsure"."""
    if _CJK.search(name + other):
        return _denies_cjk(name, other)
    mine, theirs = tokens(name), tokens(other)
    rest = [word for word in mine if word not in DENYING]
    if len(mine) > 1 and mine[-1] in FREE and mine[:-1] == theirs:
        return "sure"
    if len(rest) < len(mine) and "".join(rest) == "".join(word for word in theirs if word not in BESIDE):
        place = next(i for i, word in enumerate(mine) if word in DENYING)
        after = mine[place + 1 :]
        is_term = mine[place] == "non" and (bool({*after[:1]} & TERMS) or (len(after) > 1 and _is_disease(after[-1])))
        return "unsure" if is_term else "sure"
    for place, word in enumerate(mine):
        for start in GLUED:
            cut = word.removeprefix(start).removeprefix("-")
            if cut == word or len(cut) < 3 or [*mine[:place], cut, *mine[place + 1 :]] != theirs:
                continue
            return "sure" if start not in ("a", "an", "in") and cut not in TERMS | GOOD else "unsure"
        for end in FREE:
            if word.endswith(end) and [*mine[:place], word.removesuffix(end), *mine[place + 1 :]] == theirs:
                return "sure"
    return ""


def _denies_cjk(name: str, other: str) -> str:
    mine, theirs = normal_form(name).replace(" ", ""), normal_form(other).replace(" ", "")
    for denial in _CJK_DENIALS:
        for place in (found.start() for found in re.finditer(denial, mine)):
            if mine[:place] + mine[place + len(denial) :] == theirs.removeprefix("有"):
                return "unsure" if _CJK_TERMS.search(mine) else "sure"
    return ""


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_disease(word: str) -> bool:
    return HEADS.search(word) is not None


def _says(name: str, other: str) -> Says:
    """What a name says by itself; what it denies counts the other way round."""
    if _CJK.search(name):
        return _says_cjk(name)
    words, sign = tokens(name), normal_form(name)
    if sign in SHORT:
        beside = SHORT[sign]
        fits = normal_form(other) in beside or (sign == "0" and other != "" and _float(other) is None)
        return "healthy" if fits or sign == "nein" else "nothing"
    if {*pairwise(words)} & NO_HEALTH:
        return "nothing"
    found, denied, bare = set[Says](), False, False
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in FREE and (following in ("of", "from", "von") or (place and not following)):
            found.add("healthy")
        elif word in DENYING and not (word == "non" and following in TERMS):
            denied, bare = True, True
        elif word in ALONE and len(words) > 1:
            continue
        elif word in HEALTHY or _free(word):
            found.add("finding" if denied else "healthy")
            bare = False
        elif word in FINDING:
            found.add("healthy" if denied else "finding")
            bare = False
    if bare:
        found.add(_bare(words, tokens(other)))
    if not found and {*words} & WEAK:
        return "finding"
    return "both" if len(found) > 1 else found.pop() if found else "nothing"


def _bare(words: list[str], other: list[str]) -> Says:
    """A word that denies something which is neither health nor a finding by itself: "no tumor"."""
    place = next(i for i, word in enumerate(words) if word in DENYING)
    after = words[place + 1 :]
    if not after and place:  # "age no": nothing is denied
        return "nothing"
    if not {*words[:place]} <= {*other}:  # "pneumonia without effusion": something is there
        return "nothing"
    if after and (after[0].isdigit() or {*after} & GOOD):
        return "nothing"
    if words[place] == "non" and len(after) > 1 and _is_disease(after[-1]):
        return "nothing"
    return "healthy"


def _free(word: str) -> bool:
    return any(word.endswith(end) and len(word) > len(end) + 3 for end in FREE)


def _says_cjk(name: str) -> Says:
    if _CJK_TERMS.search(name):
        return "nothing"
    if _CJK_DENIED.search(name):
        return "finding"
    if re.search(r"(无|無|未见|未見|没有|沒有|非|なし)", name) and (
        _CJK_FINDING.search(name) or _CJK_DENYING.search(name) or _CJK_HEALTHY.search(name)
    ):
        return "healthy"
    healthy = bool(_CJK_HEALTHY.search(name) or _CJK_DENYING.search(name))
    finding = bool(_CJK_FINDING.search(name)) or name in ("是", "有")
    if healthy and finding:
        return "both"
    return "healthy" if healthy else "finding" if finding else "nothing"
