"""How long the search for near duplicates takes, what memory it needs, and what it finds of altered copies.

    python -m benchmarks.near_duplicates [PICTURES]      default 100,000; exit status 1 when the goal is missed

Pictures of 64 by 64 that resemble each other as chest films do: one body, varied, and smooth noise. One in a thousand
has an altered copy on another side of the split.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.dataset import ArrayInfo, Dataset, DatasetWriter
from components.lib.kinds.image import Image
from components.lib.validate.near_duplicates import near_pairs
from components.lib.validate.pictures import Pictures

GOAL, SIDE, ROWS = 120.0, 64, 2048
Picture = NDArray[np.uint8]


def jpeg(picture: Picture, quality: int) -> Picture:
    """A picture once through JPEG."""
    content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.uint8)


def resized(picture: Picture, cut: int, side: int) -> Picture:
    """A picture with `cut` pixels less on each side, brought to another side and back."""
    inner = picture[cut : SIDE - cut, cut : SIDE - cut]
    small = cv2.resize(inner, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


ALTERED = {
    "brightness and contrast": lambda picture: cv2.convertScaleAbs(picture, alpha=0.85, beta=12),
    "gamma 0.8": lambda picture: (255 * (picture / 255) ** 0.8).astype(np.uint8),
    "JPEG, quality 30": lambda picture: jpeg(picture, 30),
    "half the size and back": lambda picture: resized(picture, 0, SIDE // 2),
    "crop of 1 pixel": lambda picture: resized(picture, 1, SIDE),
    "crop of 2 pixels": lambda picture: resized(picture, 2, SIDE),
    "mirrored left to right": lambda picture: picture[:, ::-1],
    "mirrored top to bottom": lambda picture: picture[::-1],
    "upside down": lambda picture: picture[::-1, ::-1],
    "inverted": lambda picture: 255 - picture,
    "inverted, mirrored, JPEG 50": lambda picture: jpeg(np.ascontiguousarray(255 - picture[:, ::-1]), 50),
}


def pictures(count: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Bodies with two lungs, each a little different, and smooth noise (count, 64, 64)."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    made = np.empty((count, SIDE, SIDE), np.uint8)
    for place in range(count):
        wide, high, apart, tilt = generator.normal((0.3, 0.6, 0.42, 0), (0.03, 0.05, 0.03, 0.05)).tolist()
        lungs = sum(np.exp(-((((x + tilt * y - s * apart) / wide) ** 2 + (y / high) ** 2) ** 2)) for s in (-1, 1))
        coarse = generator.standard_normal((12, 12), dtype=np.float32)
        cloud = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        fine = generator.standard_normal((SIDE, SIDE), dtype=np.float32)
        made[place] = np.clip(190 - 130 * lungs + 6.5 * cloud + 2 * fine, 1, 255)
    return made


def planted(folder: Path, count: int) -> tuple[Dataset, dict[tuple[int, int], str]]:
    """A cleaned dataset of so many pictures, and its pairs: rows to the alteration."""
    generator, writer = np.random.default_rng(0), DatasetWriter(folder)
    pairs, kept, names = {}, {}, list(ALTERED)
    parts = range(0, count, ROWS)
    for index, start in enumerate(parts):
        made = pictures(min(ROWS, count - start), generator)
        for row in range(len(made)):
            number = start + row
            if number % 1000 == 0:
                kept[number] = made[row].copy()
            original = number - 500  # half a thousand later stands the copy
            if original in kept:
                name = names[original // 1000 % len(names)]
                made[row], pairs[original, number] = ALTERED[name](kept.pop(original)), name
        numbers = np.arange(start, start + len(made))
        table = pd.DataFrame({"sample_id": [f"s{n:06d}" for n in numbers], "patient": [f"p{n}" for n in numbers]})
        table["split"], table["sha256"] = np.where(numbers % 1000 < 400, "train", "test"), table["sample_id"]
        writer.write_part(index, table, {"image": made[..., None]})
    info = {"image": ArrayInfo(shape=(SIDE, SIDE, 1), dtype="uint8", kind="image")}
    writer.finish(
        task="benchmark", step="clean", parts=len(parts), arrays=info, synthetic=True, targets={}, key_fingerprint=None,
        lineage={},
    )  # fmt: skip
    return Dataset(folder), pairs


def main(count: int) -> int:
    """Make the pictures, search, print the table and the figure against its goal."""
    with tempfile.TemporaryDirectory() as folder:
        dataset, pairs = planted(Path(folder), count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, busy = time.monotonic(), time.process_time()
        kind = Image(kind="image", size=(SIDE, SIDE))
        found = pd.concat(list(near_pairs(Pictures(dataset, "image", kind), dataset.samples())) or [pd.DataFrame()])
        seconds, busy = time.monotonic() - start, time.process_time() - busy
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    hits = {(int(one), int(two)) for one, two in found[["first", "second"]].to_numpy()} if len(found) else set()
    print("| altered copies | planted | found |\n|---|---|---|")
    for name in ALTERED:
        these = {pair for pair, alteration in pairs.items() if alteration == name}
        print(f"| {name} | {len(these)} | {len(these & hits)} |")
    print(f"| pairs that were not planted | | {len(hits - {*pairs})} |")
    reached = seconds <= GOAL
    print(
        f"{count:,} pictures: {seconds:.1f} s, goal at most {GOAL:.0f} s ({busy:.1f} s of processors); "
        f"{memory:.0f} MB more memory, mapped files included: "
        f"{'reached' if reached else 'not reached'}"
    )
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
