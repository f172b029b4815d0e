"""A backbone of keras.applications, with weights from a file, from Keras' authors, or drawn at random.

With learnt weights it is frozen at first, while the head finds its place, and then fitted at a lower learning rate. Its
batch normalisations stay frozen all along: small batches would wash out what they know (as Keras' guide on transfer
learning has it). With weights drawn at random all of it is trained from the start.

EfficientNet's first version isn't among them: it keeps the mean and deviation of its pictures outside its weights, so
that the exported network would answer otherwise.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
from keras import ops

from components.lib.digests import file_digest
from components.lib.errors import ModelError
from components.lib.train_settings import Pretrained, Train

LEAST = 32
LOCAL = False
"""Its strides add up to 32, and what a place of the map knows reaches over most of the film."""
# Over ImageNet, of pixels in 0..1: those that its models are published with, averaged over the three colours.
MEAN, DEVIATION = 0.449, 0.226


def features(pictures: Any, settings: Train) -> Any:
    """Standardised pictures (N, H, W, 1 or 3) to a feature map (N, H/32, W/32, the backbone's channels).

    Grey pictures get three equal colours.
    """
    chosen = settings.pretrained
    x = ops.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures
    if x.shape[-1] != 3:
        raise ModelError(
            "train.model: pretrained",
            expected="pictures of 1 or 3 channels, as its backbones were trained on",
            found=f"{x.shape[-1]} channels",
            todo="set inputs.NAME.channels to 1 or 3, or choose another train.model",
        )
    return _backbone(chosen, tuple(x.shape[1:]))(_as_trained_on(x, chosen.backbone))


def _as_trained_on(pictures: Any, backbone: str) -> Any:
    """Pictures (N, H, W, 3) of mean 0 and deviation 1 as the backbone knows ImageNet's.

    EfficientNetV2 and DenseNet know them with mean 0 and deviation 1, ResNet50 with mean 0, in 0..255 and blue first,
    the MobileNets in 0..255: what Keras' `preprocess_input` makes of pictures, the means of the colours taken as one.
    """
    match backbone:
        case "ResNet50":
            return 255 * DEVIATION * ops.flip(pictures, axis=-1)
        case "MobileNetV3Small" | "MobileNetV3Large":
            return 255 * (MEAN + DEVIATION * pictures)
        case _:
            return pictures


def load(core: keras.Model, settings: Train) -> None:
    """Put the weights of the file, or the downloaded ones, into the backbone.

    Raises:
        ModelError: there is no such file, it holds weights of another net, or the download failed.
    """
    backbone, chosen = backbone_of(core), settings.pretrained
    if chosen.download:
        backbone.set_weights(_downloaded(chosen))
    elif chosen.weights is not None:
        _read(backbone, chosen.backbone, Path(chosen.weights))


def freeze(core: keras.Model, settings: Train, *, frozen: bool) -> None:
    """Train the head alone, or the backbone too; of learnt weights without its batch normalisations."""
    backbone = backbone_of(core)
    backbone.trainable = not frozen
    if settings.pretrained.has_weights:
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def sources(settings: Train) -> dict[str, str]:
    """What the weights are made from, for the lineage: the SHA-256 of the file.

    Raises:
        ModelError: there is no such file.
    """
    file = settings.pretrained.weights
    if file is None:
        return {}
    require_file(Path(file))
    return {"pretrained": file_digest(Path(file))}


def backbone_of(core: keras.Model) -> keras.Model:
    """The backbone inside a network: the one layer that is a network itself."""
    (found,) = (layer for layer in core.layers if isinstance(layer, keras.Model))
    return found


def _backbone(chosen: Pretrained, shape: tuple[int, ...], weights: str | None = None) -> keras.Model:
    make = getattr(keras.applications, chosen.backbone)
    more = {"include_preprocessing": False} if chosen.backbone == "EfficientNetV2B0" else {}
    return make(include_top=False, weights=weights, input_shape=shape, **more)


def _read(backbone: keras.Model, name: str, file: Path) -> None:
    require_file(file)
    try:
        with warnings.catch_warnings():
            # A layer that finds no weights in the file is but a warning to Keras, and would stay random.
            warnings.simplefilter("error", UserWarning)
            # Weights alone, of whatever else the file holds: nothing in it is run.
            backbone.load_weights(file)
    except (UserWarning, ValueError, KeyError, OSError, AttributeError, TypeError, IndexError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(
            f"train.pretrained.weights: {file.name}",
            expected=f"the weights of {name} without its top, as .weights.h5, .keras or .h5",
            found=said or type(error).__name__,
            todo="name the file of this backbone (include_top=False), or set train.pretrained.backbone to the file's",
        ) from None


def require_file(file: Path) -> None:
    """Refuse weights that aren't there.

    Raises:
        ModelError: no such file.
    """
    if not file.is_file():
        raise ModelError(
            f"train.pretrained.weights: {file.name}",
            expected="a file",
            found="no such file",
            todo="give its path, absolute or from the workspace on; or set download: true, to fetch ImageNet's",
        )


def _downloaded(chosen: Pretrained) -> list[Any]:
    try:
        return list(_backbone(chosen, (224, 224, 3), "imagenet").get_weights())
    except Exception as error:  # Keras raises nothing narrower when a download fails
        raise ModelError(
            "train.pretrained.download: true",
            expected=f"the weights of {chosen.backbone} from Keras' authors",
            found=" ".join(str(error).split())[:200],
            todo="let this machine reach the network, or name a file of them in train.pretrained.weights",
        ) from None
