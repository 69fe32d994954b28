"""The interface of kinds of adapter: how they are applied to layers, trained, saved and merged into weights.

Kinds are a few lines of our own rather than peft's layers. They compute in the dtype of the activations with float32
parameters, work on any layer with a ``forward`` (including ComfyUI's quantized ones), leave the module tree alone, and
know the names of their tensors in files and in ComfyUI. The tests compare them with peft's layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ...core.errors import AdapterError
from ...core.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Forward = Callable[..., Tensor]
    """The original forward of a layer."""


class Suffix(NamedTuple):
    """Suffix of a part's name in files, after the name of the module."""

    kohya: str
    peft: str


class Update(ABC):
    """The change of one module's weight, as a value."""

    kind: ClassVar[str]
    """Name of its kind."""
    alpha: float

    @property
    @abstractmethod
    def rank(self) -> int: ...

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight that it changes: (out, in) or (out, in, kh, kw)."""

    @abstractmethod
    def delta(self, weight: Tensor) -> Tensor:
        """The change of the weight, float32, of the same shape.

        Args:
            weight: of the base model. Kinds whose change doesn't depend on it use only its device.
        """

    @abstractmethod
    def rows(self, rows: slice) -> Update:
        """The update of some rows of the weight, for fused layers that are separate in files.

        Raises:
            AdapterError: this kind can't be split.
        """

    @abstractmethod
    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        """Part -> tensor, as in files.

        Args:
            alpha_apart: whether the file has a tensor for alpha; if not, another tensor must include the scale.
        """

    @abstractmethod
    def changes_anything(self) -> bool:
        """Whether training has changed it from its initial values."""


class AdapterKind(ABC):
    """A kind of adapter."""

    name: ClassVar[str]
    network_module: ClassVar[str]
    """Its ``ss_network_module`` in the metadata of kohya's trainer."""
    suffixes: ClassVar[Mapping[str, Suffix]]
    """Part -> its suffixes in files."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Further suffixes to read -> part."""

    @abstractmethod
    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """Initial values of the trainable tensors of a layer, float32, on the CPU. They must leave the model unchanged.

        Args:
            shape: of the layer's weight.
            weight: returns the weight, (out, in, …), float32, on the CPU, for kinds whose initialization depends on it.
            rank: inner dimension.
            generator: of all random values.
        """

    @abstractmethod
    def forward(
        self,
        layer: Any,
        base: Forward,
        factors: Mapping[str, Tensor],
        scale: float,
        x: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """The layer's output with the adapter, differentiable with respect to ``factors`` and ``x``.

        Args:
            layer: a linear layer or a convolution.
            base: its original forward.
            factors: the trainable tensors, float32, with the names that ``begin`` gave them.
            scale: alpha / rank.
            x: the layer's input; further arguments are for ``base``.
        """

    @abstractmethod
    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Update:
        """The update with these trainable tensors."""

    @abstractmethod
    def factors(self, update: Update) -> dict[str, Tensor]:
        """The trainable tensors of an update."""

    def claims(self, parts: set[str]) -> bool:
        """Whether a module with these parts is of this kind."""
        return parts - {"alpha"} == self.suffixes.keys() - {"alpha"}

    @abstractmethod
    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Update:
        """The update of a module, from its parts in a file.

        Raises:
            ValueError: the parts don't fit each other; the message names ``module`` and says why.
        """


KINDS: Registry[AdapterKind] = Registry("kind of adapter", AdapterError)
