"""Base models that were loaded part by part, which can be loaded again with other weights in their place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BaseModelError
from ..core.layers import layers_of
from ..core.words import first_of
from .contract import Backbone
from .diffusers_parts import Parts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .family import Family, Part


@dataclass(frozen=True, kw_only=True)
class Weights:
    """All weights of some components of a base model, in a file."""

    file: Path
    """safetensors, with tensors named ``<component>.<name in the component>``."""
    content_hash: str
    """Of the base model with these weights."""
    name: str
    """Of the base model with these weights, for people."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What files of the base model should say of it."""


class PartsBackbone(Backbone):
    """A base model that was loaded part by part."""

    _parts: Parts
    _family: Family

    @property
    def parts(self) -> Parts:
        """What it is loaded from."""
        return self._parts

    @property
    def family(self) -> Family:
        """What its family declares."""
        return self._family

    @abstractmethod
    def _load_denoiser(self) -> Any:
        """The denoiser of these parts, on the CPU, in the dtype of their files."""

    def from_files(self, component: str) -> Any:
        """A component as its files have it, on the CPU and in their dtype: nothing is rounded for computing.

        Raises:
            BaseModelError: a part is damaged, or weights are missing.
        """
        if component != "denoiser":
            return self._parts.load(component)
        module = self._load_denoiser()
        if isinstance(self._parts, ChangedParts):
            self._parts.put("denoiser", module)
        return module

    def layer_weights(self, component: str) -> Iterator[tuple[str, Tensor]]:
        for key, layer in layers_of(component, self.from_files(component)).items():
            yield key, layer.weight.detach()

    def with_weights(self, weights: Weights) -> PartsBackbone:
        """This base model once more, on the same device and in the same dtype, with other weights.

        Raises:
            BaseModelError: the weights don't fit.
        """
        return self.with_parts(PartsWithWeights(self._parts, self._family.parts, weights))

    def with_parts(self, parts: ChangedParts) -> PartsBackbone:
        """This base model once more, on the same device and in the same dtype, loaded from these parts."""
        import torch

        names = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        made = type(self)(parts, self._family, str(self.device), names[self.dtype])  # type: ignore[call-arg]
        made.words = self.words
        return made


class ChangedParts(Parts):
    """The parts of a base model, some of which are changed when they have been loaded.

    Args:
        before: those of the base model.
        declared: what its family declares of them.
        name: of the changed base model, for people.
        metadata: what files of it should say.
    """

    def __init__(self, before: Parts, declared: Mapping[str, Part], *, name: str, metadata: Mapping[str, str]) -> None:
        super().__init__(declared)
        self.name, self.folder, self.metadata = name, before.folder, metadata
        self._before = before

    def config(self, part: str) -> dict[str, Any]:
        return self._before.config(part)

    def settings(self) -> dict[str, Any]:
        return self._before.settings()

    def load(self, part: str) -> Any:
        loaded = self._before.load(part)
        self.change(part, loaded)
        return loaded

    def put(self, component: str, module: Any) -> None:
        """Make all changes of a component that isn't a part itself, such as the denoiser, in the order they came in.

        Raises:
            BaseModelError: they don't fit, or their file is damaged.
        """
        if isinstance(self._before, ChangedParts):
            self._before.put(component, module)
        self.change(component, module)

    @abstractmethod
    def change(self, component: str, module: Any) -> None:
        """Make the changes of these parts, where there are any for a component.

        Raises:
            BaseModelError: they don't fit, or their file is damaged.
        """


class PartsWithWeights(ChangedParts):
    """The parts of a base model, some with other weights.

    Args:
        before: those of the base model.
        declared: what its family declares of them.
        weights: what replaces theirs.
    """

    def __init__(self, before: Parts, declared: Mapping[str, Part], weights: Weights) -> None:
        super().__init__(before, declared, name=weights.name, metadata=weights.metadata)
        self.weights = weights

    def content_hash(self) -> str:
        return self.weights.content_hash

    def change(self, component: str, module: Any) -> None:
        if own := self._of(component):
            _put(module, own, self.weights)

    def _of(self, component: str) -> dict[str, Tensor]:
        """The file's tensors of a component, by their names in it; copies, as the file may be removed."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self.weights.file), "pt") as file:
                names = [name for name in file.keys() if name.startswith(f"{component}.")]  # noqa: SIM118
                return {name.removeprefix(f"{component}."): file.get_tensor(name).clone() for name in names}
        except (SafetensorError, OSError) as error:
            raise BaseModelError(
                f"The weights of {self.weights.name} can't be read: {error}.",
                expected=f"the file {self.weights.file}, as training wrote it",
                hint="delete it, and train again.",
            ) from error


def _put(module: nn.Module, tensors: Mapping[str, Tensor], weights: Weights) -> None:
    """Replace all parameters of a module.

    Raises:
        BaseModelError: the names or shapes are others.
    """
    own = dict(module.named_parameters())
    wrong = own.keys() ^ tensors.keys()
    wrong |= {name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape}
    if wrong:
        raise BaseModelError(
            f"The weights of {weights.name} don't fit its model: {first_of(sorted(wrong), 3)}.",
            expected="the weights of the same layers, in the same shapes",
            hint="train it again with the installed versions of diffusers and transformers.",
        )
    module.load_state_dict(dict(tensors), strict=False, assign=True)
    module.requires_grad_(False)
