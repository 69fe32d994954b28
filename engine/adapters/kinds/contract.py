"""What a kind of adapter is: how it is put into a layer, trained, written to files and turned into a change of weights.

The kinds are our own few lines instead of peft's layers. They compute in the dtype of the activations with float32
parameters, work on every layer that has a ``forward`` (ComfyUI's quantized ones too), leave the tree of modules alone,
and know the names that files and ComfyUI have for their tensors. peft's layers are what the tests compare with.
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
    """The layer's own forward."""


class Suffix(NamedTuple):
    """How files call a part of an adapter, behind the module's name."""

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
        """Shape of the weight that this changes: (out, in) or (out, in, kh, kw)."""

    @abstractmethod
    def delta(self, weight: Tensor) -> Tensor:
        """What is added to the weight, in float32 and of its shape.

        Args:
            weight: the base model's; kinds whose change doesn't depend on it look at nothing but its device.
        """

    @abstractmethod
    def rows(self, rows: slice) -> Update:
        """The change of some of the weight's rows, for fused layers that files keep apart.

        Raises:
            AdapterError: this kind can't be cut.
        """

    @abstractmethod
    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        """Part -> tensor, as files hold them.

        Args:
            alpha_apart: whether the file has a tensor for alpha; otherwise the scale must be part of another tensor.
        """

    @abstractmethod
    def changes_anything(self) -> bool:
        """Whether training has moved it from where it began."""


class AdapterKind(ABC):
    """One kind of adapter."""

    name: ClassVar[str]
    network_module: ClassVar[str]
    """What kohya's trainer calls it in a file's metadata, ``ss_network_module``."""
    suffixes: ClassVar[Mapping[str, Suffix]]
    """Part -> how files are written."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Further suffixes that files are read with -> part."""

    @abstractmethod
    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """First values of the trainable tensors of one layer, float32 on the CPU; the model starts unchanged.

        Args:
            shape: of the layer's weight.
            weight: gives the weight itself, (out, in, …) in float32 on the CPU, for kinds that begin from it.
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
            layer: a linear layer or a convolution, for its weight and its way to convolve.
            base: its own forward.
            factors: the trainable tensors, float32, by the names that ``begin`` gave them.
            scale: alpha / rank.
            x: the layer's input; further arguments are passed on to ``base``.
        """

    @abstractmethod
    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Update:
        """The trainable tensors as a value."""

    @abstractmethod
    def factors(self, update: Update) -> dict[str, Tensor]:
        """And back: the trainable tensors of a value."""

    def claims(self, parts: set[str]) -> bool:
        """Whether a module with these parts in a file is of this kind."""
        return parts - {"alpha"} == self.suffixes.keys() - {"alpha"}

    @abstractmethod
    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Update:
        """What a file holds of one module.

        Raises:
            ValueError: the parts don't fit each other; the message says how, naming ``module``.
        """


KINDS: Registry[AdapterKind] = Registry("kind of adapter", AdapterError)
