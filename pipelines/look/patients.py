"""Whose files are, by the names of files and folders: an expression for `source.patient_from`, with its evidence."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.lib.readers._tables import SPLIT_NAMES
from pipelines.look.findings import Questions, counted


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PERSON = _words("""patient patients pat pt person subject subj sub participant proband individual case mrn pid anon
    volunteer patientin paciente sujeto sujet persona kranker fall cas caso animal donor spender""")
"""Words that stand before a patient's number, in small letters."""
OTHERS = _words("""study studies series serie ses session visit scan view slice slices image images img imgs picture
    pictures frame part batch folder dataset data set fold split grade class klasse stage type level score birads
    gleason kl label day week month year sequence seq""")
"""Words before a number that is no patient's."""
VIEWS = _words("left right l r od os ou ap pa lat lateral frontal cc mlo dorsal plantar links rechts")
"""Words behind a patient's number that tell the pictures of one patient apart."""
LEAST = 5
"""Groups from which on names say something."""
MOST_PATTERNS = 8
DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
TOKENS = re.compile(r"[^\W\d_]+|\d+|[\W_]")
MASK = re.compile(r"[-_ .](?:mask|seg|segmentation|label|gt|annotation)s?(?:[-_ .]?\d+)?$", re.IGNORECASE)
SHARES = (0.2, 0.25)


@dataclass(frozen=True)
class Proposal:
    """An expression that takes the patient out of a path, and what speaks for it.

    Args:
        pattern: for `source.patient_from`.
        patients: the group of each path, None where it doesn't match.
        strong: whether it may be taken without an answer.
        sentence: the evidence.
        shared: groups that would be in more than one split if each file were split by itself.
    """

    pattern: str
    patients: tuple[str | None, ...]
    strong: bool
    sentence: str
    shared: int

    @property
    def groups(self) -> int:
        """Patients, and files without one, each of which counts as one."""
        return len({*self.patients} - {None}) + self.patients.count(None)


def proposed(
    names: Sequence[str], labels: Sequence[str | None], questions: Questions, sides: Sequence[str | None] = ()
) -> tuple[Proposal | None, list[str]]:
    """The patients that paths name, if somebody agrees or the evidence is strong; and sentences about it.

    Args:
        names: relative paths of the samples.
        labels: the class of each, None where unknown.
        questions: asked, or told what was assumed.
        sides: the given split of each, where it is kept.
    """
    found = _find(names, labels, sides)
    if found is None:
        return None, []
    question = f"Do the names of files and folders say whose they are ({found.sentence})?"
    why = "one number for several files" if found.strong else "the evidence is weak"
    if questions.confirm(question, default=found.strong, why=why):
        return found, [f"patients are in the paths: {found.sentence}; source.patient_from: {found.pattern}"]
    return None, [f"paths may name patients: {found.sentence}; if they do, write source.patient_from: {found.pattern}"]


def _find(names: Sequence[str], labels: Sequence[str | None], sides: Sequence[str | None]) -> Proposal | None:
    for pattern, sure in [*_of_folders(names), *_of_files(names)]:
        taken = [match["patient"] if (match := re.search(pattern, name)) else None for name in names]
        sizes = Counter(each for each in taken if each)
        if len(sizes) < LEAST or max(sizes.values()) * 2 > len(names) or sum(sizes.values()) * 2 < len(names):
            continue
        if sum(size > 1 for size in sizes.values()) < 3:
            continue
        return _judged(pattern, taken, sizes, names, labels, sides, sure=sure)
    return None


def _judged(
    pattern: str, taken: list[str | None], sizes: Counter[str], names: Sequence[str], labels: Sequence[str | None],
    sides: Sequence[str | None], *, sure: bool,
) -> Proposal:  # fmt: skip
    held: dict[str, set[str]] = defaultdict(set)
    where: dict[str, set[str]] = defaultdict(set)
    counters: dict[str, list[int]] = defaultdict(list)
    made = _sides(names) if not sides else [side or "" for side in sides]
    for patient, name, label, side in zip(taken, names, labels, made, strict=True):
        if patient:
            held[patient] |= {label} if label else set()
            where[patient].add(side)
            counters[patient] += [int(last[-1]) for last in [re.findall(r"\d+", PurePosixPath(name).stem)] if last]
    several = [patient for patient, size in sizes.items() if size > 1]
    agree = sum(len(held[patient]) == 1 for patient in several)
    restarts = sum(min(numbers, default=9) <= 1 for numbers in counters.values())
    shared = sum(len(each) > 1 for each in where.values())
    strong = sure or restarts >= 0.8 * len(sizes) or agree >= 0.9 * len(several)
    if sides and shared * 2 > len(sizes):
        strong = False  # numbers that start again in every split
    low, high = min(sizes.values()), max(sizes.values())
    told = f"{counted(len(sizes), 'patient')} in {counted(sum(sizes.values()), 'file')}, "
    told += f"{low} each" if low == high else f"{low} to {high} each"
    told += f"; {agree:,} of {len(several):,} with several files have one class" if any(labels) else ""
    told += (
        f"; {shared:,} of {len(sizes):,} are in more than one of the given splits"
        if sides
        else f"; {shared:,} of {len(sizes):,} patients would be in more than one split if each file counted as one"
    )
    if lacking := taken.count(None):
        told += f"; {counted(lacking, 'file')} without one"
    return Proposal(pattern, tuple(taken), strong, told, shared)


def _sides(names: Sequence[str]) -> list[str]:
    """Where each file would go by itself."""
    found = []
    for name in names:
        position = int.from_bytes(hashlib.sha256(f"7:{name}".encode()).digest()[:8]) / 2**64
        found.append("test" if position < SHARES[1] else "validation" if position < sum(SHARES) else "train")
    return found


def _of_folders(names: Sequence[str]) -> list[tuple[str, bool]]:
    """The highest level of folders that is called like patients."""
    parts = [name.split("/")[:-1] for name in names]
    for level in range(max(map(len, parts), default=0)):
        values = {part[level] for part in parts if len(part) > level}
        deep = sum(len(part) > level for part in parts)
        if deep * 2 >= len(names) and looks_like_patients(values):
            dated = sum(DATE.search(re.split(r"[-_]", value)[-1]) is not None for value in values) * 5 >= 4 * len(
                values
            )
            group = r"[^/]+?(?=[-_](?:19|20)\d{6}/)" if dated else "[^/]+"
            above = f"(?:[^/]+/){{{level}}}" if level > 1 else "[^/]+/" * level
            return [(f"^{above}(?P<patient>{group})" + ("" if dated else "/"), True)]
    return []


def looks_like_patients(values: Collection[str]) -> bool:
    """Whether folders are called like patients: a number in each, after one word or none, and no grade or series."""
    named = [value for value in values if value.lower() not in SPLIT_NAMES]
    numbered = [value for value in named if re.search(r"\d", value)]
    if len(numbered) < max(3, 0.8 * len(named)):
        return False
    words = Counter(_word(value) for value in numbered)
    word, often = words.most_common(1)[0]
    if word in PERSON:
        return True
    if word in OTHERS:
        return False
    padded = sum(re.search(r"(?<!\d)(?:0\d|\d{3,})", value) is not None for value in numbered) * 5 >= 4 * len(numbered)
    return len(numbered) >= LEAST and padded and (often * 5 >= 4 * len(numbered) or len(numbered) > 20)


def _word(value: str) -> str:
    """The word before the first number."""
    before = re.findall(r"[^\W\d_]+", value[: match.start()] if (match := re.search(r"\d", value)) else value)
    return before[-1].lower() if before else ""


def _of_files(names: Sequence[str]) -> list[tuple[str, bool]]:
    """What comes before a counter in the names of files, as one expression with alternatives."""
    shapes: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for name in names:
        tokens = TOKENS.findall(PurePosixPath(name).stem)
        shapes[tuple("#" if token.isdigit() else token for token in tokens)].append(tokens)
    starts: Counter[tuple[str, ...]] = Counter()
    sure = 0
    every = {tuple(tokens) for held in shapes.values() for tokens in held}
    for shape, held in shapes.items():
        place, known = _number(shape, held, every)
        if place is not None:
            starts[shape[: place + 1]] += len(held)
            sure += len(held) * known
    if not starts or sum(starts.values()) * 2 < len(names):
        return []
    patterns = sorted({_pattern(start) for start in starts}, key=lambda text: (-len(text), text))
    if len(patterns) > MOST_PATTERNS:
        patterns = sorted({_pattern(start, general=True) for start in starts}, key=lambda text: (-len(text), text))
    if len(patterns) > MOST_PATTERNS:
        return []
    group = "|".join(patterns)
    return [(rf"(?:^|/)(?P<patient>{group})(?!\d)[^/]*$", sure * 2 > len(names))]


def _number(
    shape: tuple[str, ...], held: list[list[str]], every: Collection[tuple[str, ...]]
) -> tuple[int | None, bool]:
    """Which token is the number that the patient's ends with, and whether a word says so; None where none is."""
    numbers = [place for place, sign in enumerate(shape) if sign == "#"]
    for place in numbers:
        words = [token.lower() for token in shape[max(0, place - 2) : place] if token.isalpha()]
        if words and words[-1] in PERSON:
            return place, True
    for place in numbers:
        last = place == numbers[-1]
        if last and not any(token.isalpha() for token in shape[place + 1 :]):
            return None, False
        different = {tuple(tokens[: place + 1]) for tokens in held}
        if len(different) >= min(LEAST, len(held)) and len(different) > 1 and not _dates(held, numbers, place):
            behind = {token.lower() for token in shape[place + 1 :] if token.isalpha()}
            return place, last and behind <= VIEWS
    return None, False


def _dates(held: list[list[str]], numbers: list[int], place: int) -> bool:
    """Whether the numbers up to here are parts of a date."""
    told = ["".join(tokens[each] for each in numbers if each <= place) for tokens in held]
    dates = sum(re.fullmatch(r"(?:19|20)\d\d(?:\d\d){0,2}", each) is not None for each in told)
    return dates * 10 >= 9 * len(told) and len({each[:4] for each in told}) < 30


def _pattern(start: tuple[str, ...], *, general: bool = False) -> str:
    return "".join(
        r"\d+" if sign == "#" else r"[^\W\d_]+" if general and sign.isalpha() else re.escape(sign) for sign in start
    ).replace(r"\-", "-")


def masks_among(names: Sequence[str]) -> int:
    """How many pictures are outlines of others: `scan_mask.tif` beside `scan.tif`."""
    stems = {str(PurePosixPath(name).with_suffix("")) for name in names}
    return sum(found is not None and stem[: found.start()] in stems for stem in stems for found in [MASK.search(stem)])
