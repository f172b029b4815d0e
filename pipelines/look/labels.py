"""Labels as they stand in the data, brought to classes: spellings of one class, labels that mean "unknown", and cells
that list several findings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.lib.kinds._labels import counted_labels, normal_form, same_form
from pipelines.look.findings import Questions, counted


def _forms(text: str) -> frozenset[str]:
    return frozenset(normal_form(word) for word in text.split(","))


UNSURE = _forms(
    "?,??,unknown,unk,uncertain,unsure,not sure,unclear,equivocal,indeterminate,undetermined,inconclusive,questionable,"
    "cannot exclude,not assessable,nondiagnostic,not available,missing,tbd,to be determined,unklar,unsicher,fraglich,"
    "unbekannt,unbestimmt,nicht beurteilbar,nicht bestimmbar,keine angabe,k.a.,incertain,incertaine,indéterminé,"
    "indeterminee,douteux,équivoque,inconnu,inconnue,non précisé,nsp,incierto,incierta,indeterminado,dudoso,dudosa,"
    "equívoco,desconocido,desconocida,no determinado,sin dato,s/d,不确定,不確定,不明,不明确,不详,不詳,未知,待定,待查,"
    "可疑,不清楚,無法判斷,无法判断"
)
"""Labels that say that nobody knows."""
UNSURE_CODES = frozenset({"-1", "-9", "-99", "-999", "9", "99", "999"})
"""Numbers that mean "unknown" beside classes 0, 1 and 2, or beside words."""
YES = _forms(
    "yes,y,true,t,1,ja,j,wahr,oui,vrai,sí,si,verdadero,是,有,positive,pos,positiv,positif,positivo,阳性,陽性,+"
)
NO = _forms("no,n,false,f,0,nein,falsch,non,faux,falso,否,无,無,negative,neg,negativ,négatif,negativo,阴性,陰性,-")
SEPARATORS = "|;、；,，/"
MOST_FINDINGS = 60


@dataclass
class Labels:
    """Labels brought to classes.

    Args:
        counts: class to its number of samples.
        spellings: class to its other spellings.
        unknown: labels that mean "unknown", to their number of samples.
        found: sentences.
    """

    counts: dict[str, int]
    spellings: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)


def read_labels(counts: Mapping[str, int], questions: Questions) -> Labels:
    """Classes of labels and how often each stands there; the order of the labels changes nothing."""
    unknown = _unknown(counts, questions)
    kept = {label: counts[label] for label in sorted(counts) if label not in unknown}
    groups = list(same_form(kept).values())
    groups = _truth(groups, kept, questions)
    read = Labels({}, unknown=unknown)
    for group in groups:
        name = min(group, key=lambda label: (-kept[label], label))
        read.counts[name] = sum(kept[label] for label in group)
        if len(group) > 1:
            read.spellings[name] = [label for label in group if label != name]
            listed = counted_labels({label: kept[label] for label in group}, 8)
            read.found.append(f"one class in {len(group)} spellings, read as {name!r}: {listed}")
    if unknown:
        read.found.append(
            f"{counted(sum(unknown.values()), 'sample')} with labels that mean 'unknown': {counted_labels(unknown)}"
        )
    return read


def number_of_classes(counts: Mapping[str, int]) -> int:
    """How many classes there are, once spellings are one and labels that mean "unknown" are none."""
    return len(read_labels(counts, Questions()).counts)


def _unknown(counts: Mapping[str, int], questions: Questions) -> dict[str, int]:
    """Labels that mean "unknown", as far as two classes are left without them."""
    forms = {label: normal_form(label) for label in sorted(counts)}
    unsure = {label for label, form in forms.items() if form in UNSURE or not form}
    others = {form for label, form in forms.items() if label not in unsure and form not in UNSURE_CODES}
    if len(others) >= 2 and {*filter(_is_number, others)} <= {"0", "1", "2"}:
        unsure |= {label for label, form in forms.items() if form in UNSURE_CODES}
    if not unsure or len({form for label, form in forms.items() if label not in unsure}) < 2:
        return {}
    found = {label: counts[label] for label in sorted(unsure)}
    answer = questions.choose(
        f"What do the labels {counted_labels(found)} mean?", ["unknown", "classes of their own"], "unknown",
        "labels like these say that nobody knows",
    )  # fmt: skip
    return found if answer == "unknown" else {}


def _truth(groups: list[list[str]], counts: Mapping[str, int], questions: Questions) -> list[list[str]]:
    """yes, TRUE and 1 as one class, and no, FALSE and 0 as the other, where a column has nothing else."""
    yes = [group for group in groups if normal_form(group[0]) in YES]
    no = [group for group in groups if normal_form(group[0]) in NO]
    if len(groups) <= 2 or not yes or not no or len(yes) + len(no) != len(groups):
        return groups
    together = [sorted(label for group in side for label in group) for side in (no, yes)]
    listed = " and ".join(f"({counted_labels({label: counts[label] for label in side}, 8)})" for side in together)
    question = f"Are {listed} two classes in several spellings?"
    return together if questions.confirm(question, default=True, why="words for no and for yes") else groups


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d*)?", text) is not None


@dataclass(frozen=True)
class Several:
    """Cells that list findings.

    Args:
        separator: what stands between them.
        counts: finding, in its commonest spelling, to the number of cells that name it.
        cells: cells that name several.
    """

    separator: str
    counts: dict[str, int]
    cells: int

    def find(self, name: str) -> str | None:
        """The finding of that name, however it is spelt."""
        return next((each for each in self.counts if normal_form(each) == normal_form(name)), None)


def several_findings(counts: Mapping[str, int]) -> Several | None:
    """Findings that the cells of a column list, or None where each cell is one label.

    A separator counts where cells with it are put together from names that come back: alone, or with other names.
    """
    for separator in SEPARATORS:
        split = {cell: [part.strip() for part in cell.split(separator) if part.strip()] for cell in counts}
        several = {cell: parts for cell, parts in split.items() if len(parts) > 1}
        parts = Counter[str]()
        for cell, names in split.items():
            parts.update(dict.fromkeys(names, counts[cell]))
        if len(several) < 2 or len(parts) > MOST_FINDINGS or not _names(parts):
            continue
        alone = {normal_form(names[0]) for names in split.values() if len(names) == 1}
        partners = Counter(normal_form(name) for names in several.values() for name in {*names})
        recurring = sum(1 for name, number in partners.items() if number > 1 or name in alone)
        if recurring >= 2 and recurring * 2 >= len(partners):
            merged: dict[str, int] = {}
            for group in same_form(sorted(parts, key=lambda name: (-parts[name], name))).values():
                merged[group[0]] = sum(parts[name] for name in group)
            ordered = dict(sorted(merged.items(), key=lambda each: (-each[1], each[0])))
            return Several(separator, ordered, sum(counts[cell] for cell in several))
    return None


def _names(parts: Mapping[str, int]) -> bool:
    """Whether these are names, and no numbers, sentences, paths or dates."""
    return all(len(part) <= 60 and len(part.split()) <= 6 and not re.match(r"[\d.+-]+", part) for part in parts)
