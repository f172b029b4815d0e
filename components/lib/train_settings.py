"""`train:` of the task file: the network and how it is fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema, WithJsonSchema, model_validator
from pydantic_core import core_schema

from components.lib.settings import Settings, Share, wrong

Least = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _number_or_auto(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    """A whole number from 1, or the word `auto`: of a plain union pydantic would tell two errors, with places in it."""
    return core_schema.no_info_wrap_validator_function(
        lambda value, number: value if value == "auto" else number(value),
        handler(Annotated[int, Field(ge=1)]),
        serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
    )


Count = Annotated[
    int | Literal["auto"],
    GetPydanticSchema(_number_or_auto),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]


RARE = 0.1
"""Share of positives in validation below which `threshold.method: auto` is `sensitivity`."""


class Threshold(Settings):
    """How the operating point is fitted on validation."""

    method: Literal["auto", "youden", "sensitivity", "cost", "fixed"] = "auto"
    """`youden`: best sensitivity + specificity, within one standard error of it the point nearest the share of
    positives, where theory has it. `cost`: least expected cost, with the same care. `auto`: `youden`, but `sensitivity`
    where less than a tenth of validation is positive, since there `youden` takes a miss for as bad as nine false alarms
    and more; the report then shows the choice as assumed. The report shows what the other methods would have chosen."""
    sensitivity: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Lowest sensitivity on validation, for that method."""
    miss_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """What a miss costs, in false alarms, for `cost`: 10 if one would rather have ten false alarms than one miss."""
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of positives where the model will be used, for `cost`. Null: as in validation."""
    value: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The threshold, for `fixed`."""

    def chosen(self, prevalence: float) -> Literal["youden", "sensitivity", "cost", "fixed"]:
        """The method, what is left to the data decided.

        Args:
            prevalence: share of positives in validation, 0..1.
        """
        if self.method != "auto":
            return self.method
        return "sensitivity" if prevalence < RARE else "youden"


class Pretrained(Settings):
    """The backbone of `model: pretrained`, a net of keras.applications, and where its weights come from."""

    backbone: Literal["MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0", "DenseNet121", "ResNet50"] = (
        "MobileNetV3Small"
    )
    """Of 0.9, 3.0, 5.9, 7.0 and 23.6 million parameters."""
    weights: Annotated[str, Field(min_length=1)] | None = None
    """A file of the backbone's weights without its top: .weights.h5, .keras or .h5. Null: weights drawn at random."""
    download: bool = False
    """Fetch Keras' ImageNet weights from its authors' server, the only case in which training uses the network."""
    frozen_epochs: Annotated[int, Field(ge=0)] = 2
    """So many epochs fit the head alone, at a constant learning rate. Weights drawn at random are never frozen."""
    learning_rate_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Of `train.learning_rate` once the backbone is fitted too. Weights drawn at random get the whole rate."""

    @property
    def has_weights(self) -> bool:
        """Whether the backbone starts from something learnt."""
        return self.download or self.weights is not None

    @property
    def frozen(self) -> int:
        """Epochs in which the backbone stays as it is."""
        return self.frozen_epochs if self.has_weights else 0

    @model_validator(mode="after")
    def _one_source(self) -> Pretrained:
        if self.download and self.weights is not None:
            raise wrong("train.pretrained.download", "false, since `weights` names a file", "true")
        if self.frozen_epochs and "frozen_epochs" in self.model_fields_set and not self.has_weights:
            found = "neither: a frozen backbone of random weights has nothing to tell"
            raise wrong("train.pretrained.frozen_epochs", "`weights: FILE` or `download: true` beside it", found)
        return self


class Train(Settings):
    """The network and how it is fitted."""

    model: str | None = None
    """An architecture: one of the files in components/train/models/<kind of the input>; null: the kind's own."""
    pretrained: Pretrained = Pretrained()
    """The backbone, for `model: pretrained`."""
    width: Annotated[int, Field(ge=4)] = 32
    """Channels of the first stage, or units of a hidden layer; later stages double it. A backbone has its own."""
    epochs: Count = 10
    """Most epochs; early stopping may end before. `auto`: as many as make about 1,000 steps, from 10 to 200."""
    patience: Annotated[int, Field(ge=1)] = 5
    """Epochs without a validation score as good as the best before stopping."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Validation scores this close are alike, and the later epoch is kept: its learning rate is lower."""
    batch_size: Count = 64
    """Samples a step. Reduce to 32, 16, 8 if memory runs out. `auto`: the largest of 4, 8 … 128 that leaves 10 steps an
    epoch and takes a quarter of the memory at most."""
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """`adam` is AdamW without weight decay; `sgd` has Nesterov's momentum of .9, and wants a higher learning rate."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Peak of the schedule."""
    schedule: Literal["cosine", "linear", "exponential", "constant"] = "cosine"
    """How the learning rate falls until the last epoch: `cosine` and `linear` to 0, `exponential` to a hundredth."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs in which the learning rate rises to its peak, before the schedule."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    """Decoupled weight decay, of AdamW and SGD; biases and normalisations have none."""
    l1: Least = 0.0
    """Sum of the kernels' absolute values times this, added to the loss."""
    l2: Least = 0.0
    """Sum of the kernels' squares times this, added to the loss. With AdamW `weight_decay` does it better."""
    clip_norm: Least = 0.0
    """Longest gradient, over all weights together; 0: whatever it is."""
    ema: Share = 0.0
    """Momentum of averaged weights, which are then what is validated and kept: .99 spans about 100 steps. 0: none."""
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """`focal` plays down what the net is sure of already. Only for targets with classes."""
    focal_gamma: Least = 2.0
    """How much, for `focal`; 0 is cross-entropy. Only for targets with classes."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Keeps a net from being too sure. Only for targets with classes."""
    mixup: Least = 0.0
    """Train on mixtures of two samples, their share drawn from Beta(mixup, mixup); 0: on samples as they are."""
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
    coverage: Share = 0.9
    """Share of cases, of every class alike, whose prediction set shall hold the truth; where the set isn't the answer
    alone the model abstains. 0: no sets. Only for targets with classes; a number has `coverage` in its target."""
    seed: int = 1
    """Weights, order and augmentation."""
    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """Nets of one model, with seed, seed + 1 …: their mean is served. Training and answers take so much longer."""
    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """As `split.folds`, for cross-validation: each fold has nets of its own, which learn from all other folds and are
    judged on it; the mean of all of them is served. 0: nets learn from train and are judged on validation."""
    distil: bool = False
    """Teach one net to answer as the mean of all of them does, and serve that one, unless it loses more than .005 of
    the score on validation. Only with `seeds` of 2 and more, or `folds`."""
    distil_temperature: Annotated[float, Field(ge=1, le=100)] = 2.0
    """The logits that are compared are divided by it: the higher, the more the less likely classes tell. Only with
    `distil`, for targets with classes."""
    distil_hard_weight: Share = 0.5
    """Weight of the labels in what that net learns from; the rest is the answer of the others. Only with `distil`."""
    quantise: Literal["none", "int8"] = "none"
    """`int8`: compute convolutions and dense layers in whole numbers of 8 bits, and serve that, unless it loses more
    than .005 of the score on validation: a file of about a quarter, and of nets that aren't tiny a quicker answer."""

    @property
    def frozen_epochs(self) -> int:
        """Epochs at the start in which a backbone stays as it is; 0 for nets without one."""
        return self.pretrained.frozen if self.model == "pretrained" else 0

    @model_validator(mode="after")
    def _together(self) -> Train:
        """Refuse keys that have no use beside others, and lengths that don't fit into training."""
        told = self.model_fields_set
        if "focal_gamma" in told and self.loss != "focal":
            raise wrong("train.focal_gamma", "`train.loss: focal` beside it", self.loss)
        if "weight_decay" in told and self.weight_decay and self.optimizer == "adam":
            raise wrong("train.weight_decay", "`train.optimizer: adamw` or `sgd` beside it", "adam, which has none")
        if "pretrained" in told and self.model != "pretrained":
            raise wrong("train.pretrained", "`train.model: pretrained` beside it", str(self.model))
        if "width" in told and self.model == "pretrained":
            raise wrong("train.width", "no such key: a backbone has its own width", str(self.width))
        self._check_distillation()
        if self.epochs != "auto":
            self._check_lengths(self.epochs)
        return self

    def _check_distillation(self) -> None:
        if self.distil and self.seeds == 1 and not self.folds:
            expected = "`train.seeds` of 2 and more, or `train.folds`, beside it"
            raise wrong("train.distil", expected, "one net alone, which has nobody to learn from")
        for key in ("distil_temperature", "distil_hard_weight"):
            if key in self.model_fields_set and not self.distil:
                raise wrong(f"train.{key}", "`train.distil: true` beside it", "false")

    def _check_lengths(self, epochs: int) -> None:
        left = epochs - self.frozen_epochs
        if left < 0:
            found = f"{self.frozen_epochs} of {epochs}"
            raise wrong("train.pretrained.frozen_epochs", "no more epochs than train.epochs", found)
        if self.warmup_epochs and self.warmup_epochs >= left:
            frozen = f" after {self.frozen_epochs} frozen ones" if self.frozen_epochs else ""
            found = f"{self.warmup_epochs} of {left} epochs{frozen}"
            raise wrong("train.warmup_epochs", "fewer epochs than training has, so that the peak is reached", found)
