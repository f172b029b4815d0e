"""MedMNIST archives (.npz)."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

from components.lib.errors import DataError
from components.lib.readers.npz import read_array, splits_of
from pipelines.look.choices import kept_split, numbered_classes, trained_on, training
from pipelines.look.findings import Draft, Questions, counted, refused
from pipelines.look.pictures import image_input
from pipelines.look.refusals import volumes

# Class names that MedMNIST v2 documents for its sets (Yang et al. 2023, doi:10.1038/s41597-022-01721-8).
MEDMNIST_CLASSES = {
    "pneumoniamnist": ["normal", "pneumonia"],
    "breastmnist": ["malignant", "normal_or_benign"],
}


def look_at_archive(data: Path, questions: Questions) -> Draft:
    """A MedMNIST archive: its splits and labels are its own; nothing is asked.

    Raises:
        DataError: no such archive, volumes, several findings a picture, or one class.
    """
    images = read_array(data, "train_images")
    shape = images.shape
    splits = splits_of(data)
    labels = {prefix: read_array(data, f"{prefix}_labels") for prefix in splits}
    if len(shape) == 5 or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise volumes(f"{data}, train_images", f"an array of shape {shape}: volumes")
    if len(shape) not in (3, 4):
        raise DataError(
            f"{data}, train_images",
            expected="pictures (N, H, W) or (N, H, W, 3)",
            found=f"an array of shape {shape}",
            todo="use a MedMNIST archive of pictures",
        )
    several = max(array.shape[1] if array.ndim == 2 else 1 for array in labels.values())
    if several > 1:
        raise DataError(
            f"{data}, labels",
            expected="one label a picture",
            found=f"{several}: several findings at once, which are not read yet",
            todo="write one .npz for each finding, its labels (N, 1)",
        )
    counts = Counter(int(label) for array in labels.values() for label in array.reshape(-1).tolist())
    if len(counts) < 2:
        raise DataError(
            f"{data}, labels",
            expected="labels of at least two classes",
            found=counted(len(counts), "class", "classes"),
            todo="use a MedMNIST archive, or a folder of pictures",
        )
    classes, codes = numbered_classes(counts, questions, _documented(data.stem, len(counts)))
    sizes = " / ".join(str(len(array)) for array in labels.values())
    found = [
        f"a MedMNIST archive: {sizes} pictures of {shape[1]}×{shape[2]} for {' / '.join(splits.values())}, "
        "its splits kept" + ("" if "val" in splits else "; it has no validation, which is made from train"),
        *classes.found,
        "no patient ids: overlap between splits can't be excluded",
    ]
    channels = 3 if len(shape) == 4 and shape[3] == 3 else 1
    size = (min(int(shape[1]), 64), min(int(shape[2]), 64))
    inputs, why = image_input(size, channels, f"{data.stem} {' '.join(classes.names)}")
    split, why_split = kept_split(splits.values(), "sample")
    settings, why_train = training(trained_on(len(labels["train"]), splits.values()), "image", classes)
    why = {
        **why,
        "source.reader": "MedMNIST's arrays, as they are",
        "inputs.image.size": "as the archive has them"
        if size == shape[1:3]
        else f"the archive has {shape[1]}×{shape[2]}",
        "targets.finding.classes": classes.why,
        "split.by": "no patient ids",
        "split.method": "the archive's own splits" if "val" in splits else why_split,
        **why_train,
    }
    values = {
        "source": {"reader": "npz", "path": str(data.resolve()), **codes},
        "inputs": inputs["inputs"],
        "targets": {"finding": classes.target},
        "split": split,
        "augment": inputs["augment"],
        "train": settings,
    }
    if size != shape[1:3]:
        found.append(f"pictures are brought to {size[0]}×{size[1]}")
    return Draft(values, found, why)


def _documented(name: str, count: int) -> list[str] | None:
    """The names of the classes, of a set that MedMNIST documents here."""
    return next((c for known, c in MEDMNIST_CLASSES.items() if known in name.lower() and len(c) == count), None)


def is_medmnist(data: Path) -> bool:
    """Whether an .npz has MedMNIST's arrays; one that can't be opened counts, its error says more."""
    try:
        with zipfile.ZipFile(data) as archive:
            held = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return True
    return any(name.startswith(("train_", "val_", "test_")) for name in held)


def other_arrays(data: Path) -> DataError:
    """The error for an .npz with other arrays."""
    with zipfile.ZipFile(data) as archive:
        held = archive.namelist()
    return refused(
        data,
        expected="the arrays train_images, train_labels, val_images, val_labels, test_images, test_labels",
        found=f"{counted(len(held), 'array')} of other names",
        todo="save the arrays under these names",
    )
