"""What every input kind answers. A kind is its settings plus what follows from them.

Steps ask this class; no step says `if kind == "image"`. Keras is imported inside the few methods that training alone
calls, so that evaluating and serving never load it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._records import Array, Cleaned, Corruption, Explained, Fitted, Raw, RequestColumn
from components.lib.settings import Settings

if TYPE_CHECKING:
    import keras


class InputKind(Settings, ABC):
    """An input of the network: how one sample is cleaned, fitted, augmented, shown and asked for by HTTP."""

    kind: str

    policy_class: ClassVar[type[Settings]]
    """Settings of this kind's online augmentation."""
    raw_types: ClassVar[tuple[type, ...]]
    """What `clean` takes; readers say what they give."""
    default_model: ClassVar[str]
    """The architecture where `train.model` names none: a file in components/train/models/<kind>."""
    quality_ranges: ClassVar[Mapping[str, tuple[float, float]]]
    """Quality columns that `clean` writes, with the range each must lie in."""
    origin_columns: ClassVar[Mapping[str, str]] = {}
    """What `origin` tells, by name, in words for people."""
    serving_packages: ClassVar[tuple[str, ...]] = ()
    """What a served version of this kind imports beside what every version does."""
    map_packages: ClassVar[tuple[str, ...]] = ()
    """What it imports beside that where its answers hold maps: `picture` needs them."""
    volumes: ClassVar[bool] = False
    """Whether `clean` takes arrays with a depth, (D, H, W)."""
    equal_is_same: ClassVar[bool] = True
    """Whether equal content means one and the same sample; two patients may well have equal rows of a table."""
    noun: ClassVar[str]
    """What people call samples of this kind, in the plural: films, traces, rows."""
    hides: ClassVar[bool] = False
    """Whether `hide` can hide places of a sample, so that a network without a map can be asked where it looked."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one cleaned sample."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """NumPy dtype of a cleaned sample, as text that `np.dtype` takes."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what an array knows by position alone, in order: the fields of a row, the leads of a signal."""
        return ()

    @abstractmethod
    def clean(self, raw: Raw) -> Cleaned:
        """Decode, check and bring one sample to `shape`; the same code in the pipeline and in serving.

        Raises:
            Unusable: with the reason, when the sample can't be used.
        """

    def origin(self, raw: Raw) -> dict[str, str | None]:
        """How one raw sample was made and stored, in a word each (None: unknown): what no network should go by.

        Args:
            raw: what `clean` took without refusing it.

        Returns:
            a word for each of `origin_columns`: of a list, a figure or a digest, never text that the file holds.
        """
        return dict.fromkeys(self.origin_columns)

    @property
    def replaces(self) -> bool:
        """Whether the settings let `clean` take something else for what a sample holds; `replaced` says where."""
        return False

    def replaced(self, raw: Raw) -> dict[str, str]:
        """Name of a cell to why something else was taken for it: `unknown`, `censored` or `masked`.

        Args:
            raw: what `clean` took without refusing it.
        """
        return {}

    def figures(self, cleaned: Array) -> dict[str, float]:
        """Those of the quality figures that a cleaned sample alone can tell: of a copy, others are its parent's."""
        return {}

    def fit(self, pieces: Iterable[Array]) -> dict[str, Any]:
        """What must be learnt from training samples before a network can read this input: scales, categories.

        Args:
            pieces: the cleaned training samples, some (n, *shape) at a time. A kind that learns nothing reads none.
        """
        return {}

    def network_shape(self, fitted: Fitted) -> tuple[int, ...]:
        """Shape of one sample as the network takes it."""
        return self.shape

    @abstractmethod
    def to_network(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float32]:
        """Cleaned samples (N, *shape) as the network's float32 input (N, *network_shape)."""

    def standardise(self, inputs: Any) -> Any:
        """Keras, inside the graph: what is done to every sample alone before the architecture sees it."""
        return inputs

    def features(self, network_input: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """The network's input (N, *network_shape) as columns (N, F) for the report's baselines; None: no baselines."""
        return None

    def summary_words(self, fitted: Fitted) -> Mapping[str, tuple[str, str]]:
        """What `summary` tells, in its order: name of a figure to what more and what less of it mean, for people."""
        return {}

    def summary(self, cleaned: Array, fitted: Fitted) -> NDArray[np.float64]:
        """Plain figures of cleaned samples (N, *shape), each by its sample alone: finite, (N, figures), float64.

        They tell how far out of the training samples a sample lies, and what simple figures explain of a target. A
        difference of .01 is a small one in each of them.
        """
        return np.zeros((len(cleaned), 0))

    @property
    def corruptions(self) -> Mapping[str, Corruption]:
        """How samples get worse in practice, by a name for people."""
        return {}

    def strangers(self, cleaned: Array, generator: np.random.Generator) -> Mapping[str, Array]:
        """Made samples of other kinds than these cleaned ones (N, *shape), by a name for people, each (N, *shape)."""
        return {}

    def hide(self, cleaned: Array, places: NDArray[np.bool_]) -> Array:
        """A copy of ONE cleaned sample (H, W, C) that shows nothing at these places (H, W), where the kind `hides`."""
        raise NotImplementedError(f"samples of the kind {self.kind} have no places to hide")

    @abstractmethod
    def request_columns(self, name: str) -> tuple[RequestColumn, ...]:
        """The columns of a serving request for the input of this name."""

    @abstractmethod
    def from_request(self, name: str, row: Mapping[str, Any]) -> Raw:
        """One row of a serving request, its missing cells None or NaN, as what `clean` takes.

        Raises:
            Unusable: with one sentence for the caller.
        """

    def clean_request(self, name: str, row: Mapping[str, Any]) -> Cleaned:
        """One row of a serving request, cleaned: `from_request`, then `clean`.

        Raises:
            Unusable: with one sentence for the caller.
        """
        return self.clean(self.from_request(name, row))

    @abstractmethod
    def to_request(self, name: str, raw: Raw) -> dict[str, Any]:
        """One raw sample as a caller would send it: column to JSON value, those that needn't be there left out."""

    def fitted_text(self, fitted: Fitted) -> str:
        """What a reader should know of what was fitted, as a clause; empty where there is nothing to say."""
        return ""

    def unknown_categories_of(self, cleaned: Array, fitted: Fitted) -> Mapping[str, NDArray[np.bool_]]:
        """By column of categories, which of N cleaned samples have one there that counts as unknown, (N,)."""
        return {}

    def refuse_unknown(self, cleaned: Array, fitted: Fitted) -> None:
        """Refuse ONE cleaned sample that holds what training never saw, where the task file asks for that.

        Raises:
            Unusable: with one sentence for the caller.
        """
        return

    @abstractmethod
    def random_layers(self, policy: Any, seed: int) -> Sequence[keras.layers.Layer]:
        """Keras layers of the online augmentation policy on the network's input, in order; float32."""

    @abstractmethod
    def random_copy(self, cleaned: Array, policy: Any, generator: np.random.Generator) -> Array:
        """One altered copy of one cleaned sample, for offline augmentation."""

    @abstractmethod
    def picture(self, cleaned: Array, evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
        """One cleaned sample as PNG, and on it what the model looked at.

        Args:
            cleaned: (*shape).
            evidence: what each place of the feature map adds to the output, (h, w) or (t,); None: nothing is known.
            strongest: evidence that gets the full colour, so that several pictures share one scale.
        """

    @abstractmethod
    def legend(self, what: str, *, explained: Explained) -> str:
        """How to read `picture`: `what` the evidence speaks for ("for pneumonia"), and where the evidence is from."""
