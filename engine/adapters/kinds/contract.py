"""The interface of kinds of adapter: how they are applied to layers, trained, saved and merged into weights.

Kinds are a few lines of our own rather than peft's layers. They compute in the dtype of the activations with float32
parameters, work on any layer with a ``forward`` (including ComfyUI's quantized ones), leave the module tree alone, and
know the names of their tensors in files and in ComfyUI. The tests compare them with peft's layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import prod
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


ALPHA = Suffix(".alpha", "")
"""Of alpha, which files with peft's names don't have."""
BIAS = Suffix(".diff_b", ".diff_b")
"""Of the difference of a layer's bias, which a file of any kind may hold."""


class Update(ABC):
    """The change of one module's weight, as a value: a frozen dataclass with the tensors of its kind."""

    kind: ClassVar[str]
    """Name of its kind."""
    additive: ClassVar[bool] = True
    """Whether the change doesn't depend on the weight. Such updates add up in any order; others change the weight as
    the adapters before them left it, as in a chain of ComfyUI's loaders."""
    scaled: ClassVar[bool] = True
    """Whether the change is scaled by alpha / rank."""
    alpha: float
    """As in files; of rotations, a bound of their angle."""
    bias: Tensor | None
    """The change of the layer's bias, (out,); most adapters have none."""

    @property
    def numbers(self) -> tuple[float, ...]:
        """What its change depends on beside its tensors."""
        return (float(self.alpha),)

    @property
    def only_bias(self) -> bool:
        """Whether it leaves the weight as it is."""
        return False

    @property
    @abstractmethod
    def rank(self) -> int: ...

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight that it changes: (out, in) or (out, in, kh, kw), as far as its tensors tell.

        Where they don't tell the sides of a kernel, it is that of the matrix, (out, in · kh · kw).
        """

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can change a weight of this shape; a 1 x 1 kernel may be there or not."""
        own, given = self.weight_shape, tuple(shape)
        same_matrix = (own[0], prod(own[1:])) == (given[0], prod(given[1:]))
        return own == given or (len(own) > 1 and same_matrix and (prod(own[2:]) == 1 or own[2:] == given[2:]))

    @property
    def made_for(self) -> str:
        """The weight that it was made for, in words."""
        return str(self.weight_shape)

    @abstractmethod
    def delta(self, weight: Tensor) -> Tensor:
        """The change of the weight, float32, of the same shape.

        Args:
            weight: of the base model. Additive updates use only its device and shape.
        """

    def change(self, weight: Tensor, share: float) -> Tensor:
        """The change of the weight by an adapter of this weight in a stack: ``share`` times the whole change."""
        return share * self.delta(weight)

    def for_comfyui(self, weight: Callable[[], Tensor]) -> Update | None:
        """The update in a form of which ComfyUI's own loader makes the same change; ``None`` if there is none.

        Args:
            weight: returns the weight of the base model, for updates whose form depends on it.
        """
        del weight
        return self

    def for_others(self, weight: Callable[[], Tensor]) -> Update:
        """The update in the form that other programs read: those who defined the kind.

        Args:
            weight: as in :meth:`for_comfyui`.
        """
        del weight
        return self

    def with_scale(self, scale: float) -> Update:
        """The update with alpha / rank as given; kinds without a scale stay as they are."""
        return replace(self, alpha=scale * self.rank) if self.scaled else self  # type: ignore[type-var]

    def with_settings(self, settings: Mapping[str, Any]) -> Update:
        """The update as peft's configuration of the adapter says that it is to be computed.

        Raises:
            AdapterError: it can't be computed so here.
        """
        del settings
        return self

    def with_bias(self, bias: Tensor | None) -> Update:
        """The update with this change of the layer's bias."""
        return replace(self, bias=bias)  # type: ignore[type-var]

    def rows(self, rows: slice) -> Update:
        """The update of some rows of the weight, for fused layers that are separate in files.

        Raises:
            AdapterError: this kind can't be split.
        """
        raise AdapterError(
            f"An adapter of kind {self.kind} can't be split into rows {rows.start} to {rows.stop} of a layer.",
            expected="a kind that can, such as lora",
            hint="choose another kind in the recipe.",
        )

    @abstractmethod
    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        """Part -> tensor, as in files; with the bias, if it has one.

        Args:
            alpha_apart: whether the file has a tensor for alpha; if not, another tensor must include the scale.
        """

    def changes_anything(self) -> bool:
        """Whether training has changed it from its initial values."""
        return True


class AdapterKind(ABC):
    """A kind of adapter, as it is in files."""

    name: ClassVar[str]
    network_module: ClassVar[str]
    """Its ``ss_network_module`` in the metadata of kohya's trainer."""
    suffixes: ClassVar[Mapping[str, Suffix]]
    """Part -> its suffixes in files."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Further suffixes to read -> part."""
    needs: ClassVar[AbstractSet[str]]
    """Parts without which a module isn't of this kind."""
    scaled: ClassVar[bool] = True
    """As of its updates: whether the change is scaled by alpha / rank."""

    def factors(self, update: Update) -> dict[str, Tensor]:
        """The tensors of an update, except alpha; the trainable ones if it was trained here."""
        return {part: tensor for part, tensor in update.parts(alpha_apart=True).items() if part != "alpha"}

    def claims(self, parts: AbstractSet[str]) -> bool:
        """Whether a module with these parts is of this kind."""
        return self.needs <= parts <= {*self.suffixes, *self.aliases.values()}

    @abstractmethod
    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """The rank of a module's update, from the shapes of its parts alone, as a file's header has them.

        Raises:
            IndexError: a shape has too few dimensions.
        """

    @abstractmethod
    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Update:
        """The update of a module, from its parts in a file; its bias is seen to by ``read_update``.

        Args:
            parts: part -> tensor, with all that ``needs`` has.
            module: its name, for messages.

        Raises:
            ValueError: the parts don't fit each other; the message names ``module`` and says why.
        """


class TrainableKind(AdapterKind):
    """A kind that can be trained, too."""

    additive: ClassVar[bool] = True
    """As of its updates: whether the change doesn't depend on what the layer computes without it."""
    fixed: ClassVar[AbstractSet[str]] = frozenset()
    """First values that the update needs and that aren't trained."""

    def scale(self, factors: Mapping[str, Tensor], *, rank: int, alpha: float) -> float:
        """What the change is scaled by, as a file with the same alpha has it."""
        del factors
        return alpha / rank

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
            scale: that of ``scale``; of additive kinds, times the adapter's weight.
            x: the layer's input; further arguments are for ``base``.
        """

    @abstractmethod
    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Update:
        """The update with these trainable tensors."""


def alpha_of(parts: Mapping[str, Tensor], module: str, *, default: float) -> float:
    """The alpha among the parts of a module.

    Raises:
        ValueError: it isn't one number.
    """
    alpha = parts.get("alpha")
    if alpha is not None and alpha.numel() != 1:
        raise ValueError(f"{module} has an alpha of shape {tuple(alpha.shape)}")
    return float(default if alpha is None else alpha.item())


def common_parts(update: Update, *, alpha_apart: bool) -> dict[str, Tensor]:
    """The parts that all kinds have: alpha, if it stands apart, and the bias, if there is one."""
    import torch

    parts = {"alpha": torch.tensor(float(update.alpha))} if alpha_apart else {}
    return parts if update.bias is None else {**parts, "bias": update.bias.detach()}


KINDS: Registry[AdapterKind] = Registry("kind of adapter", AdapterError)
