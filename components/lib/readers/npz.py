"""MedMNIST archives: {train,val,test}_images and {train,val,test}_labels, (N,) or (N, 1); val may be left out.

Images are pictures (N, H, W) or (N, H, W, 1|3), or volumes (N, D, H, W), uint8 or uint16; whether volumes are taken is
for the task's input to say. A last axis of 1 or 3 is one of colours. Label k, from 0, is the k-th class of the task's
one target, unless `codes` says otherwise. The archive names no patients; its splits are in the `split` column. It may
lie on S3 or a web server.
Format: Yang et al., Scientific Data 2023, doi:10.1038/s41597-022-01721-8.
"""

from __future__ import annotations

import math
import struct
import threading
import zipfile
import zlib
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from components.lib.errors import DataError
from components.lib.kinds import Array, TargetKind
from components.lib.places import Place
from components.lib.readers._archives import LARGE, MOST_RATIO
from components.lib.readers._codes import class_of_codes
from components.lib.readers.base import ATTRIBUTES, Inputs, Load, Source, Targets

DAMAGED = (
    OSError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    KeyError,
    struct.error,
    MemoryError,
)
"""What reading a damaged, encrypted or oddly packed archive raises; NotImplementedError is a RuntimeError."""
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


class Archive(Source):
    """A MedMNIST archive (.npz) of pictures or volumes."""

    reader: Literal["npz"]
    codes: tuple[int, ...] | None = None
    """The label of each class, in the order of the target's classes; null: 0, 1, …"""

    raw_type: ClassVar[type] = np.ndarray

    def samples(self, raw: Place, inputs: Inputs, targets: Targets) -> pd.DataFrame:
        """One row a picture or volume, in the archive's order.

        Also DataError for objects inside, a label without a class, and volumes where the input takes pictures.
        """
        if len(targets) != 1:
            raise DataError(
                "targets",
                expected="one target: a MedMNIST archive has one label a picture",
                found=f"{len(targets)}: {', '.join(targets)}",
                todo="keep one, or use the folder reader",
            )
        ((name, target),) = targets.items()
        frames = []
        for prefix, split in splits_of(raw).items():
            images, labels = read_array(raw, f"{prefix}_images"), read_array(raw, f"{prefix}_labels")
            _check_shape(images, inputs, f"{raw}, {prefix}_images")
            if labels.ndim == 2 and labels.shape[1] == 1:
                labels = labels[:, 0]
            if labels.shape != images.shape[:1]:
                raise DataError(
                    f"{raw}, {prefix}_labels",
                    expected=f"one label for each of {len(images)} pictures",
                    found=f"an array of shape {labels.shape}",
                    todo="check how the archive was made",
                )
            frames.append(pd.DataFrame({
                "file": f"{prefix}_images", "row": np.arange(len(images)), "split": split,
                name: self._class_names(labels, target, f"{raw}, {prefix}_labels"),
            }))  # fmt: skip
        table = pd.concat(frames, ignore_index=True)
        return table.assign(**{column: None for column in ATTRIBUTES if column not in table})

    def opener(self, raw: Place, inputs: Inputs) -> Load:
        """Reads one picture (H, W) or (H, W, C), or volume (D, H, W); each split is unpacked once a process."""
        unpacked: dict[str, Array] = {}
        unpacking = threading.Lock()

        def load(file: str, row: int) -> Array:
            with unpacking:
                if file not in unpacked:
                    unpacked[file] = read_array(raw, file)
            picture: Array = unpacked[file][row]
            return picture

        return load

    def _class_names(self, labels: Array, target: TargetKind, where: str) -> list[str | None]:
        named = class_of_codes(np.unique(labels).tolist(), target, self.codes, where)
        return [named[label] for label in labels.tolist()]


def splits_of(raw: Place) -> dict[str, str]:
    """Prefix of the arrays to split; without validation where the archive has neither array of it."""
    try:
        with raw.open("rb") as file, zipfile.ZipFile(file) as archive:
            lacking = not {"val_images.npy", "val_labels.npy"} & {*archive.namelist()}
    except DAMAGED:  # reading an array will say what is wrong
        lacking = False
    return {prefix: split for prefix, split in SPLIT_NAMES.items() if not (lacking and prefix == "val")}


def _check_shape(images: Array, inputs: Inputs, where: str) -> None:
    """Refuse what are neither pictures nor volumes, and volumes for an input that takes something else."""
    volumes = images.ndim == 4 and images.shape[3] not in (1, 3)
    if images.ndim not in (3, 4):
        raise DataError(
            where,
            expected="pictures (N, H, W) or (N, H, W, 3), or volumes (N, D, H, W)",
            found=f"an array of shape {images.shape}",
            todo="use a MedMNIST archive",
        )
    # An input kind that takes volumes says so; pictures are all that others take of an archive.
    refusing = [f"{name}, of kind {kind.kind}" for name, kind in inputs.items() if not kind.volumes]
    if volumes and refusing:
        raise DataError(
            where,
            expected=f"pictures (N, H, W) or (N, H, W, 3), for input {refusing[0]}",
            found=f"volumes: an array of shape {images.shape}",
            todo="volumes need an input of kind volume, which doesn't exist yet; use a set of pictures",
        )


def _require_whole(packed: zipfile.ZipFile, member: str) -> None:
    """Refuse an array whose header states other bytes than the archive holds: NumPy makes room for what it states.

    Raises:
        ValueError: it does, or it shrank to less than an array of pictures shrinks to.
    """
    told = packed.getinfo(member)
    if told.file_size > LARGE and told.file_size > MOST_RATIO * told.compress_size:
        raise ValueError(f"an array that shrank to less than 1/{MOST_RATIO}: it may be a bomb")
    with packed.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        stated, held = math.prod(shape) * kind.itemsize, told.file_size - file.tell()
    if not kind.hasobject and stated != held:
        raise ValueError(f"an array whose header states {stated:,} bytes, of which {held:,} are there")


def read_array(raw: Place, name: str) -> Array:
    """One array of the archive; nothing is ever unpickled.

    Raises:
        DataError: no archive, no such array, or objects inside.
    """
    try:
        with raw.open("rb") as file, zipfile.ZipFile(file) as packed:  # a plain .npy would load as something else
            if f"{name}.npy" in packed.namelist():
                _require_whole(packed, f"{name}.npy")
        with raw.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if name not in archive:
                raise DataError(
                    str(raw),
                    expected=f"the arrays {{train,val,test}}_{{images,labels}}, here {name}",
                    found=", ".join(archive.files) or "an empty archive",
                    todo="use a MedMNIST archive",
                )
            array: Array = archive[name]
            return array
    except DAMAGED as error:
        raise DataError(
            f"{raw}, {name}",
            expected="a readable .npz archive of plain arrays",
            found=" ".join(str(error).split())[:160],
            todo="check the path and the download; arrays of Python objects are refused",
        ) from None
