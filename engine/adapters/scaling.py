"""Giving each module of a file the strength that it was trained at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from .kinds import AdapterKind
from .scales import Declared

if TYPE_CHECKING:
    from torch import Tensor

_LINEAR = ("up", "w1", "w1_b", "w1b", "hada_w1_b", "lokr_w1", "lokr_w1_b", "diff")
"""Parts that the update is proportional to, one in each kind."""


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
            without = self.modules - self.with_alpha
            yield f"{without} of its {self.modules} modules have no alpha; theirs is taken as the rank."
        if self.peft and not self.declared and not self.with_alpha:
            yield (
                "It has peft's names, but no adapter_config.json is beside it, which would say how strong it is; "
                "alpha is taken as the rank."
            )


def scaled(kind: AdapterKind, parts: Mapping[str, Tensor], module: str, given: Given) -> dict[str, Tensor]:
    """The parts of a module with an alpha, or a factor, that gives it the strength that was declared.

    Raises:
        AdapterError: an alpha tensor contradicts the declaration, or the strength can't be applied.
    """
    import torch

    component, path = module.split(".", 1)
    declared = given.for_component(component)
    rank = len(parts["down"]) if "down" in parts and parts["down"].ndim else None
    if declared is None:
        if given.alpha is not None and "alpha" not in parts:
            return {**parts, "alpha": torch.tensor(given.alpha)}
        return dict(parts)
    if not any(part in parts for part in (*_LINEAR, "alpha")):
        return dict(parts)  # a rotation has no scale
    scale = declared.scale_of(path, rank)
    if "alpha" in parts:
        return _agreeing(parts, module, scale, rank, declared)
    if rank:
        return {**parts, "alpha": torch.tensor(scale * rank, dtype=torch.float64)}
    part = next((part for part in _LINEAR if part in parts), None)
    if part is None:
        raise AdapterError(
            f"{declared.source} says a scale of {scale:g} for {module}, which a {kind.name} can't take.",
            hint="save the adapter in another program's format.",
        )
    return {**parts, part: parts[part].float() * scale}


def _agreeing(
    parts: Mapping[str, Tensor], module: str, scale: float, rank: int | None, declared: Declared
) -> dict[str, Tensor]:
    alpha = float(parts["alpha"].reshape(-1)[0])
    if rank and abs(alpha / rank - scale) > 1e-3 * abs(scale):
        raise AdapterError(
            f"{module} has an alpha of {alpha:g} at rank {rank}, a scale of {alpha / rank:g}, "
            f"but {declared.source} says {scale:g}.",
            expected="one strength for each module",
            hint="save the adapter again with the program that trained it.",
        )
    return dict(parts)
