"""Giving each module of a file the strength that it was trained at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from ..core.words import counted
from .scales import Declared

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Given:
    """What a file says about the strength of its modules."""

    declared: Mapping[str, Declared]
    """Component -> its configuration; the empty component stands for all others."""
    alpha: float | None
    """Of all modules, from kohya's metadata."""
    with_alpha: int
    """Number of modules with an alpha tensor."""
    modules: int
    peft: bool
    """Whether the names are those of peft, which keeps the scale beside them."""

    def for_component(self, component: str) -> Declared | None:
        return self.declared.get(component) or self.declared.get("")

    @property
    def elsewhere(self) -> bool:
        """Whether the strength stands elsewhere than in the tensors."""
        return bool(self.declared) or self.alpha is not None

    @property
    def source(self) -> str:
        """Where the strength comes from, in words."""
        if self.declared:
            return " and ".join(dict.fromkeys(declared.source for declared in self.declared.values()))
        if self.with_alpha:
            return "alpha tensors"
        if self.alpha is not None:
            return "ss_network_alpha in the header"
        return "none given, so that alpha = rank"

    @property
    def notes(self) -> Iterator[str]:
        """What a person should know about it, one sentence each."""
        if 0 < self.with_alpha < self.modules and not self.declared:
            yield f"{counted(self.modules - self.with_alpha, 'module')} without alpha, which is taken as the rank."
        if self.peft and not self.declared and not self.with_alpha:
            yield (
                "Names of peft, but no adapter_config.json beside the file, which would say how strong it is; alpha is "
                "taken as the rank."
            )


def scale_of(parts: Mapping[str, Tensor], module: str, given: Given) -> float | None:
    """The scale of a module's update, alpha / rank, where it stands elsewhere than in an alpha tensor.

    Args:
        parts: of the module.
        module: its key.
        given: what the file says.

    Raises:
        AdapterError: an alpha tensor contradicts what was declared, or that can't be used.
    """
    component, path = module.split(".", 1)
    rank = len(parts["down"]) if "down" in parts and parts["down"].ndim else None
    declared = given.for_component(component)
    if declared is None or declared.unscaled:
        return given.alpha / rank if given.alpha is not None and rank else None
    scale = declared.scale_of(path, rank)
    if rank and "alpha" in parts:
        _refuse_contradiction(float(parts["alpha"].reshape(-1)[0]) / rank, scale, module, declared)
    return scale


def _refuse_contradiction(own: float, scale: float, module: str, declared: Declared) -> None:
    if abs(own - scale) > 1e-3 * abs(scale):
        raise AdapterError(
            f"{module} has a scale of {own:g} by its alpha tensor, but {declared.source} says {scale:g}.",
            expected="one strength for each module",
            hint="save the adapter again with the program that trained it.",
        )
