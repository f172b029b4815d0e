"""Smaller models of the one that was trained: one net taught by several, 8-bit numbers, or both after each other.

Each is judged against the full model on samples that neither learnt from, and served where it loses little enough. All
that is fitted (calibration, decision, sets) is fitted anew to what the smaller one says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from components.lib.digests import file_digest
from components.lib.model_dir import FULL, MOST_LOST, Attempt, FullModel, How, Smaller
from components.lib.output import scratch, write_bytes
from components.lib.spec import TaskSpec
from components.lib.summaries import evenly
from components.train.ensemble import ByFold, Judged, Logits, Made, export_mean, fit_targets, make
from components.train.export import TOLERANCE, export
from components.train.fit import LARGEST_PIECE
from components.train.members import Trained
from components.train.network import build_judged, judged_names
from components.train.quantise import MOST_SAMPLES, NotQuantisable, quantise
from components.train.samples import Development, Samples, weight_offsets

LATENCY = "latency.json"
"""Name in the scratch folder: milliseconds of one sample, by how a model was made, `full` among them."""
RUNS, WARM_UP, LONGEST_SECONDS = 50, 5, 2.0
ROUNDING = 1e-9


@dataclass(frozen=True)
class Served:
    """The model that is served, the full one it was made of, and what was tried between the two."""

    model: Made
    full: Made
    smaller: Smaller | None
    """None: nothing was asked for."""

    @property
    def is_student(self) -> bool:
        """Whether it is one net taught by the others."""
        return self.model.trained is not self.full.trained


def shrink(full: Made, student: Trained | None, development: Development, folder: Path) -> Served:
    """Try what `train.distil` and `train.quantise` ask for; leave model.onnx, and full.onnx where a smaller one is it.

    Args:
        full: the model, in `folder`.
        student: the net that was taught by all others, where there is one.
        development: the samples they were trained and judged on.
        folder: the model directory; its scratch folder gets `latency.json`.
    """
    quantised = development.spec.train.quantise == "int8"
    if student is None and not quantised:
        return Served(full, full, None)
    work, best, attempts = scratch(folder), full, []
    one = development.all.inputs(slice(0, 1))
    latency = {"full": milliseconds(full.file, one)}
    if student is not None:
        made = make([student], development, work / "distil.onnx")
        attempts.append(_judged("distil", made, best, full, development.spec))
        latency["distil"] = milliseconds(made.file, one)
        best = made if attempts[-1].kept else best
    if quantised:
        how: How = "int8" if best is full else "distil_int8"
        made_or_why = _quantised(best, development, work / "int8.onnx")
        if isinstance(made_or_why, Made):
            attempts.append(_judged(how, made_or_why, best, full, development.spec))
            latency[how] = milliseconds(made_or_why.file, one)
            best = made_or_why if attempts[-1].kept else best
        else:
            attempts.append(_not_made(how, best, full, development.spec, made_or_why))
    write_bytes(work / LATENCY, json.dumps(latency).encode())
    for each in attempts:
        print(told(each), flush=True)
    smaller = Smaller(full=_facts(full), attempts=tuple(attempts))
    return Served(*_in_place(best, full, folder), smaller)


def told(attempt: Attempt) -> str:
    """What became of an attempt, for the terminal."""
    words = {"distil": "one net taught by all", "int8": "in int8", "distil_int8": "one net taught by all, in int8"}
    lost = ", ".join(f"{name} {attempt.full_scores[name]:.4f} to {own:.4f}" for name, own in attempt.scores.items())
    size = f"; {attempt.bytes:,} bytes" if attempt.bytes is not None else ""
    verdict = "kept" if attempt.kept else f"REFUSED, the model before it is served: {attempt.refused}"
    return f"smaller model, {words[attempt.how]}: {verdict} (score {lost or 'unknown'}{size})"


def milliseconds(file: Path, one: Mapping[str, NDArray[np.float32]]) -> float:
    """Median time of an answer for ONE sample, as the network takes it, by ONNX Runtime on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    taken: list[float] = []
    begin = time.perf_counter()
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run(None, dict(one))
        taken.append(time.perf_counter() - start)
        if len(taken) > WARM_UP and time.perf_counter() - begin > LONGEST_SECONDS:
            break
    return 1000 * float(np.median(taken[WARM_UP:]))


def refusal(scores: Mapping[str, float], full_scores: Mapping[str, float]) -> str:
    """Why a smaller model of these scores isn't served in place of one of those, by target; empty: it may be."""
    for name, own in scores.items():
        lost = full_scores[name] - own
        if not lost <= MOST_LOST + ROUNDING:
            return (
                f"it loses {lost:.4f} of the score of {name}, {full_scores[name]:.4f} to {own:.4f}; at most "
                f"{MOST_LOST:g} is allowed"
            )
    return ""


def _judged(how: How, made: Made, before: Made, full: Made, spec: TaskSpec) -> Attempt:
    """The verdict on a model, against the full one on the samples that it was itself judged on."""
    whose = {name for each in made.judged.values() for name in each.samples.table["sample_id"]}
    scores, of_full = _scores(made, whose, spec), _scores(full, whose, spec)
    refused = refusal(scores, of_full)
    if made.bytes >= before.bytes:
        refused = f"its file is no smaller: {made.bytes:,} bytes, {before.bytes:,} before"
    return Attempt(how=how, bytes=made.bytes, parameters=made.parameters, scores=scores, full_scores=of_full,
                   refused=refused)  # fmt: skip


def _not_made(how: How, before: Made, full: Made, spec: TaskSpec, why: str) -> Attempt:
    whose = {name for each in before.judged.values() for name in each.samples.table["sample_id"]}
    return Attempt(how=how, bytes=None, parameters=before.parameters, scores={},
                   full_scores=_scores(full, whose, spec), refused=why)  # fmt: skip


def _scores(made: Made, whose: set[str], spec: TaskSpec) -> dict[str, float]:
    """Score of every target over these samples, by their sample_id, as far as the model was judged on them."""
    found = {}
    for name, kind in spec.targets.items():
        said, truth = [], []
        for each in made.judged.values():
            rows = each.samples.known[name] & each.samples.table["sample_id"].isin(whose).to_numpy()
            said.append(each.mean[name][rows])
            truth.append(each.samples.targets[name][rows])
        answers = np.asarray(kind.activation(np.concatenate(said), made.targets[name].scaling))
        found[name] = kind.score(answers, np.concatenate(truth))
    return found


def _quantised(full: Made, development: Development, file: Path) -> Made | str:
    """The same nets in int8, calibrated on their own answers; or why there are none.

    What is served gives one answer, calibrated; what it is fitted to are the logits of each fold's nets. So they
    are quantised as two graphs, whose bodies are the same nets with the same ranges.
    """
    spec, fitted, work = development.spec, development.all.fitted, file.parent
    learnt = development.taught() if full.trained[0].member.student else development.all
    groups = [[core for core, net in zip(full.cores, full.trained, strict=True) if net.member.fold == fold]
              for fold in full.judged]  # fmt: skip
    example = next(iter(full.judged.values())).samples.inputs(slice(0, 16))
    try:
        logits = work / "logits.onnx"
        export(build_judged(groups, spec, fitted), judged_names(len(groups), spec), example, work / "float.onnx")
        quantise(work / "float.onnx", _calibration(development.all), logits)
        judged = _answers(logits, full.judged, spec)
        targets = fit_targets(judged, spec, fitted, weight_offsets(learnt))
        names = export_mean(work / "float.onnx", full.cores, full.judged, spec, targets)
        quantise(work / "float.onnx", _calibration(development.all), file)
    except NotQuantisable as why:
        return str(why)
    made = replace(full, file=file, judged=judged, targets=targets, names=names)
    return made if _alike(made, logits, example, spec) else "its two graphs, to judge and to serve, answer otherwise"


def _calibration(samples: Samples) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Training samples, evenly over their order, a few at a time."""
    rows = evenly(np.arange(len(samples)), MOST_SAMPLES)
    at_once = int(np.clip(LARGEST_PIECE // samples.numbers, 1, 32))
    for start in range(0, len(rows), at_once):
        yield samples.inputs(rows[start : start + at_once])


def _answers(logits: Path, judged: ByFold, spec: TaskSpec) -> ByFold:
    """By fold, what its nets say of it in int8."""
    session = ort.InferenceSession(logits, providers=["CPUExecutionProvider"])
    found: ByFold = {}
    for position, (fold, each) in enumerate(judged.items()):
        wanted = judged_names(position + 1, spec)[-len(spec.targets) :]
        rows = int(np.clip(LARGEST_PIECE // each.samples.numbers, 1, 256))
        starts = range(0, len(each.samples), rows)
        pieces = [session.run(wanted, each.samples.inputs(slice(start, start + rows))) for start in starts]
        values: Logits = {
            name: np.concatenate([piece[place] for piece in pieces]) for place, name in enumerate(spec.targets)
        }
        found[fold] = Judged(each.samples, [values])
    return found


def _alike(made: Made, logits: Path, example: Mapping[str, NDArray[np.float32]], spec: TaskSpec) -> bool:
    """Whether the graph that is served says what the one says that it was judged by."""
    groups = len(made.judged)
    asked = ort.InferenceSession(logits, providers=["CPUExecutionProvider"])
    said = dict(zip(judged_names(groups, spec), asked.run(judged_names(groups, spec), dict(example)), strict=True))
    served = ort.InferenceSession(made.file, providers=["CPUExecutionProvider"])
    for name, kind in spec.targets.items():
        mean = np.mean([said[f"{name}_of_{group}"] for group in range(groups)], axis=0)
        expected = np.asarray(kind.activation(mean, made.targets[name].scaling))
        (found,) = served.run([name], dict(example))
        if not np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            return False
    return True


def _facts(full: Made) -> FullModel:
    return FullModel(bytes=full.bytes, parameters=full.parameters, nets=len(full.trained),
                     digest=file_digest(full.file), fitted=full.targets)  # fmt: skip


def _in_place(best: Made, full: Made, folder: Path) -> tuple[Made, Made]:
    """The files under the names that they keep; the served model and the full one."""
    if best is full:
        (folder / FULL).unlink(missing_ok=True)  # of an interrupted run
        return full, full
    moved = replace(full, file=full.file.replace(folder / FULL))
    return replace(best, file=best.file.replace(folder / "model.onnx")), moved
