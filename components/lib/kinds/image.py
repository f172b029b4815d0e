"""Two-dimensional pictures: films, photographs, slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.lib.errors import SeveralPictures, Unusable
from components.lib.kinds import _image_corruptions, _image_requests, _image_summary
from components.lib.kinds._decode import LONGEST_SIDE, SHORTEST_SIDE, check_size, decode, on_black
from components.lib.kinds._eight_bits import eight_bits
from components.lib.kinds._origin import ORIGIN, origin
from components.lib.kinds.base import Array, Cleaned, Corruption, Explained, Fitted, InputKind, RequestColumn
from components.lib.settings import Settings

if TYPE_CHECKING:
    import keras

Side = Annotated[int, Field(ge=8, le=2048)]
Fraction = Annotated[float, Field(ge=0, le=0.5)]

# A film whose grey values, on the 0..255 scale, spread less than this shows nothing.
BLANK_SPREAD = 2.0


class ImagePolicy(Settings):
    """Online augmentation of pictures; 0 switches one off. Light by default: heavy policies cost accuracy on films."""

    translation: Fraction = 0.08
    """Largest shift, as a share of height and width."""
    rotation: Fraction = 0.03
    """Largest rotation, in turns (0.03 is 11 degrees)."""
    zoom: Fraction = 0.1
    """Largest change of scale."""
    brightness: Fraction = 0.1
    """Largest change of brightness, as a share of the grey scale."""
    contrast: Fraction = 0.2
    """Largest change of contrast."""
    sharpness: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Largest blur and sharpening. Nets lean on the sharpness of a scanner unless they see others."""
    horizontal_flip: bool = False
    """Mirror left and right. Not for chest films: the heart has a side."""


class Image(InputKind):
    """A picture as PNG, JPEG, TIFF, BMP or DICOM, or an array; cleaned to uint8 (height, width, channels)."""

    kind: Literal["image"]
    size: tuple[Side, Side]
    """Height and width that every picture is brought to, pixels."""
    channels: Literal[1, 3] = 1
    """1: grey; 3: colour (RGB)."""
    resize: Literal["pad", "stretch"] = "pad"
    """`pad` keeps the proportions and fills up with black; `stretch` doesn't."""

    policy_class: ClassVar[type[Settings]] = ImagePolicy
    raw_types: ClassVar[tuple[type, ...]] = (bytes, np.ndarray)
    default_model: ClassVar[str] = "resnet"
    noun: ClassVar[str] = "films"
    hides: ClassVar[bool] = True
    # For DICOM; every other format is OpenCV's.
    serving_packages: ClassVar[tuple[str, ...]] = ("pillow", "pybase64", "pydicom", "python-gdcm")
    quality_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "mean": (0.0, 255.0),
        "spread": (BLANK_SPREAD, 128.0),
        "sharpness": (0.0, 1e7),
        "height": (SHORTEST_SIDE, LONGEST_SIDE),
        "width": (SHORTEST_SIDE, LONGEST_SIDE),
        "bits": (1.0, 16.0),
    }
    origin_columns: ClassVar[Mapping[str, str]] = ORIGIN

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.size, self.channels)

    @property
    def dtype(self) -> str:
        return "uint8"

    def clean(self, raw: bytes | Array) -> Cleaned:
        """Decode, bring to 8 bits and `channels`, refuse blank films, resize.

        Args:
            raw: an encoded picture (`_decode` says which), or an array (H, W) or (H, W, 1|3|4), uint8 or uint16, RGB;
                a fourth channel is transparency, and black is what shines through.
        """
        pixels = decode(raw) if isinstance(raw, bytes) else np.asarray(raw)
        if pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.shape[2:] not in ((), (1,), (3,), (4,)):
            raise Unusable(f"unreadable: an array of shape {pixels.shape}; (height, width) or with 1, 3 or 4 channels")
        height, width = pixels.shape[:2]
        check_size(height, width)
        if pixels.shape[2:] == (4,) and pixels.dtype in (np.uint8, np.uint16):
            pixels = on_black(pixels)
        bits = pixels.dtype.itemsize * 8
        scaled = self._channels(eight_bits(pixels))
        resized = self._resize(scaled)
        # Before resizing, since padding adds contrast; and after, since fine noise averages out.
        figures = self.figures(resized)
        own_spread = figures["spread"]
        spread = own_spread if resized is scaled else min(math.sqrt(_moments(scaled)[1]), own_spread)
        if spread < BLANK_SPREAD:
            raise Unusable(f"blank: grey values spread {spread:.1f} of 255")
        quality = {**figures, "height": float(height), "width": float(width), "bits": float(bits)}
        return Cleaned(resized.reshape(self.shape), quality)

    def origin(self, raw: bytes | Array) -> dict[str, str | None]:
        return origin(raw)

    def figures(self, cleaned: Array) -> dict[str, float]:
        """Mean and spread of the grey values, and how their Laplacian varies."""
        pixels = np.asarray(cleaned)
        mean, variance = _moments(pixels)
        # Of 8-bit values it is whole and fits into 16 bits.
        sharpness = _moments(np.asarray(cv2.Laplacian(pixels, cv2.CV_16S)))[1]
        return {"mean": mean, "spread": math.sqrt(variance), "sharpness": sharpness}

    def to_network(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float32]:
        """uint8 (N, H, W, C) to float32 in 0..1."""
        # In one pass: the same bits as a float32 copy divided, without the copy.
        return np.divide(cleaned, np.float32(255), dtype=np.float32)

    def standardise(self, inputs: Any) -> Any:
        """Each picture to mean 0 and standard deviation 1: exposure and site say nothing about disease."""
        import keras

        mean = keras.ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(inputs - mean), axis=(1, 2, 3), keepdims=True)
        return (inputs - mean) / keras.ops.sqrt(variance + 1e-6)

    def summary_words(self, fitted: Fitted) -> Mapping[str, tuple[str, str]]:
        return _image_summary.words(self.channels)

    def summary(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float64]:
        return _image_summary.summary(cleaned)

    @property
    def corruptions(self) -> Mapping[str, Corruption]:
        return _image_corruptions.CORRUPTIONS

    def strangers(self, cleaned: Array, generator: np.random.Generator) -> Mapping[str, Array]:
        return _image_corruptions.strangers(np.asarray(cleaned), generator)

    def hide(self, cleaned: Array, places: NDArray[np.bool_]) -> Array:
        """Filled as if what is around them went on there."""
        return _image_corruptions.hide(np.asarray(cleaned), places)

    def request_columns(self, name: str) -> tuple[RequestColumn, ...]:
        return _image_requests.columns(name)

    def from_request(self, name: str, row: Mapping[str, Any]) -> bytes | Array:
        return _image_requests.requested(name, row)

    def clean_request(self, name: str, row: Mapping[str, Any]) -> Cleaned:
        try:
            return super().clean_request(name, row)
        except SeveralPictures as several:
            raise Unusable(_image_requests.which(name, several)) from None

    def to_request(self, name: str, raw: bytes | Array) -> dict[str, Any]:
        return _image_requests.sent(name, raw)

    def random_layers(self, policy: Any, seed: int) -> Sequence[keras.layers.Layer]:
        import keras

        from components.lib.kinds._image_layers import RandomAffine, RandomSharpness

        layers: list[keras.layers.Layer] = []
        common = {"value_range": (0, 1), "dtype": "float32"}
        if policy.horizontal_flip:
            layers.append(keras.layers.RandomFlip("horizontal", seed=seed, dtype="float32"))
        if policy.translation or policy.rotation or policy.zoom:
            layers.append(
                RandomAffine(policy.translation, policy.rotation, policy.zoom, seed=seed + 1, dtype="float32")
            )
        if policy.brightness:
            layers.append(keras.layers.RandomBrightness(policy.brightness, seed=seed + 2, **common))
        if policy.contrast:
            layers.append(keras.layers.RandomContrast(policy.contrast, seed=seed + 3, **common))
        if policy.sharpness:
            layers.append(RandomSharpness(policy.sharpness, seed=seed + 4, dtype="float32"))
        return layers

    def random_copy(self, cleaned: Array, policy: Any, generator: np.random.Generator) -> Array:
        """One copy under the same policy, by OpenCV: shifted, turned, scaled, lighter or darker."""
        height, width = self.size
        scale = 1 + generator.uniform(-policy.zoom, policy.zoom)
        angle = 360 * generator.uniform(-policy.rotation, policy.rotation)
        matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale), np.float64)
        matrix[:, 2] += generator.uniform(-policy.translation, policy.translation, 2) * np.array([width, height])
        moved = cv2.warpAffine(np.asarray(cleaned), matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        if policy.horizontal_flip and generator.random() < 0.5:
            moved = cv2.flip(moved, 1)
        values = moved.reshape(self.shape).astype(np.float32)
        contrast = 1 + generator.uniform(-policy.contrast, policy.contrast)
        brightness = 255 * generator.uniform(-policy.brightness, policy.brightness)
        changed = (values - values.mean()) * contrast + values.mean() + brightness
        result: Array = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        return result

    def picture(self, cleaned: Array, evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
        """The film, and beside it the same film under a translucent heat map."""
        from components.lib.kinds._films import film

        pixels = np.asarray(cleaned, np.uint8)
        return film(pixels[..., 0] if self.channels == 1 else pixels, evidence, strongest)

    def legend(self, what: str, *, explained: Explained) -> str:
        if explained == "none":
            return "The model has no map of where it looked; the films are shown alone."
        how = "class-activation map" if explained == "class_activation_map" else "hiding one place after the other"
        return (
            f"Left the film as the network sees it; right, warm where a place speaks {what} ({how}, all "
            "films on one scale). The map is coarse: it shows where the network looked, not the outline of a finding."
        )

    def _channels(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W), (H, W, 1) or (H, W, 3) RGB to (H, W) or (H, W, 3)."""
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if self.channels == 1 and pixels.ndim == 3:
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        if self.channels == 3 and pixels.ndim == 2:
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
        return pixels

    def _resize(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        target_height, target_width = self.size
        if (height, width) == self.size:
            return pixels
        if self.resize == "stretch":
            return _scaled(pixels, target_height, target_width)
        scale = min(target_height / height, target_width / width)
        inner_height = min(target_height, max(1, round(height * scale)))
        inner_width = min(target_width, max(1, round(width * scale)))
        inner = _scaled(pixels, inner_height, inner_width)
        if inner.shape[:2] == self.size:
            return inner
        top, left = (target_height - inner_height) // 2, (target_width - inner_width) // 2
        padded = cv2.copyMakeBorder(
            inner, top, target_height - inner_height - top, left, target_width - inner_width - left,
            cv2.BORDER_CONSTANT, value=(0, 0, 0),
        )  # fmt: skip
        return np.asarray(padded, np.uint8)


def _moments(pixels: Array) -> tuple[float, float]:
    """Mean and variance, from whole numbers: exact up to the last rounding, and quicker than NumPy's."""
    count, total = pixels.size, int(sum(cv2.sumElems(pixels)))
    squares = round(cv2.norm(pixels, cv2.NORM_L2SQR))  # whole, but for its last rounding
    return total / count, max(count * squares - total * total, 0) / (count * count)


def _scaled(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize; area averaging when shrinking, so that fine lines don't alias."""
    shrinking = height * width < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)
