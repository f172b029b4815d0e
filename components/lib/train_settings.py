"""`train:` of the task file: the network and how it is fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.lib.settings import Settings, Share


class Threshold(Settings):
    """How the operating point is fitted on validation."""

    method: Literal["youden", "sensitivity", "fixed"] = "youden"
    """`youden`: best sensitivity + specificity, the point nearest 0.5 within one standard error of it."""
    sensitivity: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Lowest sensitivity, for that method."""
    value: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The threshold, for `fixed`."""


class Train(Settings):
    """The network and how it is fitted."""

    model: str | None = None
    """An architecture: one of the files in components/train/models/<kind of the input>; null: the kind's own."""
    width: Annotated[int, Field(ge=4)] = 32
    """Channels of the first stage, or units of a hidden layer; later stages double it."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Most epochs; early stopping may end before."""
    patience: Annotated[int, Field(ge=1)] = 5
    """Epochs without a validation score as good as the best before stopping."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Validation scores this close are alike, and the later epoch is kept: its learning rate is lower."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Samples a step. Reduce to 32, 16, 8 if memory runs out."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Peak of the cosine schedule (AdamW)."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    """Decoupled weight decay."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Keeps a net from being too sure. Only for targets with classes."""
    dropout_rate: Share = 0.3
    """Before the head."""
    class_weights: Literal["balanced", "none"] = "balanced"
    """Weigh every class alike, however rare. Only for targets with classes."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 where the processor computes in it, else float32."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """`gpu` stops when none is visible; it never falls back."""
    threshold: Threshold = Threshold()
    """The operating point. Only for binary targets."""
    seed: int = 1
    """Weights, order and augmentation."""
