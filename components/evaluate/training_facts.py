"""How the model was trained, line by line, for the report and the card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.lib.kinds._classes import spoken
from components.lib.model_dir import ModelInfo, Training
from components.lib.numbers import number

OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD with Nesterov momentum of 0.9"}
UNKNOWN = "not part of this model: it was trained by an earlier version of medpipe"


def training_facts(info: ModelInfo) -> list[tuple[str, str]]:
    """What, and how; one line where the model doesn't say."""
    told = info.training
    if told is None:
        return [("Training", UNKNOWN)]
    settings = told.settings
    return [
        ("Seed" if len(told.seeds) == 1 else "Seeds", ", ".join(map(str, told.seeds))),
        ("Initialisation", _initialisation(told)),
        ("Optimizer", _optimizer(settings, told.batch_size)),
        ("Loss", _loss(info, settings)),
        ("Class weights", _weights(told)),
        ("Regularisation", _regularisation(settings)),
        ("Early stopping", _stopping(info, told)),
        *((f"Augmentation of {name}", _policy(each)) for name, each in told.augmentation.items()),
        ("Copies added by augment", f"{told.copies:,}" if told.copies else "none"),
    ]


def _initialisation(told: Training) -> str:
    drawn = ", ".join(told.initialisers) or "constants"
    pretrained = told.settings.get("pretrained") or {}
    if told.settings.get("model") != "pretrained" or not (pretrained.get("weights") or pretrained.get("download")):
        return f"drawn at random ({drawn})"
    source = "ImageNet weights of Keras" if pretrained["download"] else "a file of weights"
    return f"{pretrained['backbone']} from {source}, the head drawn at random ({drawn})"


def _optimizer(settings: Mapping[str, Any], batch: int) -> str:
    name = OPTIMIZERS.get(settings["optimizer"], settings["optimizer"])
    warm = f" after {settings['warmup_epochs']} epochs of warm-up" if settings["warmup_epochs"] else ""
    decay = "" if settings["optimizer"] == "adam" else f", weight decay {settings['weight_decay']:g}"
    size = f", {batch} samples a step" if batch else ""
    return f"{name}, learning rate {settings['learning_rate']:g}, {settings['schedule']} schedule{warm}{decay}{size}"


def _loss(info: ModelInfo, settings: Mapping[str, Any]) -> str:
    if not any(kind.class_names for kind in info.targets.values()):
        return "that of the target's kind"
    focal = f"focal, gamma {settings['focal_gamma']:g}"
    loss = focal if settings["loss"] == "focal" else "cross-entropy"
    smooth = settings["label_smoothing"]
    return f"{loss}, label smoothing {smooth:g}" if smooth else loss


def _weights(told: Training) -> str:
    if not told.class_weights:
        return "none"
    return "; ".join(
        f"{target}: " + ", ".join(f"{spoken(name)} {number(weight)}" for name, weight in held.items())
        for target, held in told.class_weights.items()
    )


def _regularisation(settings: Mapping[str, Any]) -> str:
    named = {
        "dropout": "dropout_rate", "L1": "l1", "L2": "l2", "mixup": "mixup", "gradient norm at most": "clip_norm",
        "weights averaged with momentum": "ema",
    }  # fmt: skip
    return ", ".join(f"{name} {settings[key]:g}" for name, key in named.items() if settings.get(key)) or "none"


def _stopping(info: ModelInfo, told: Training) -> str:
    settings, kept = told.settings, [each.epochs for each in info.members] or [info.epochs]
    at_most = f"at most {told.most_epochs} epochs, " if told.most_epochs else ""
    which = f"epoch {kept[0]}" if len(set(kept)) == 1 else f"epochs {min(kept)} to {max(kept)}"
    return (
        f"{at_most}ended after {settings['patience']} without a better validation score; the last epoch within "
        f"{settings['tolerance']:g} of the best one is kept: {which}"
    )


def _policy(policy: Mapping[str, Any]) -> str:
    """What a policy does; what it is set to not do at all is left out."""
    return ", ".join(_setting(name, value) for name, value in policy.items() if _does(value)) or "none"


def _does(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_does, value))
    return value not in (None, False, 0, "", "off", "none")


def _setting(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if value is True:
        return words
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return f"{words} {' to '.join(map(str, value))}"
    return f"{words} {value}"
