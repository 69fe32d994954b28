"""Optimizers by name. ``state.py`` saves and restores the state of any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import ConfigError
from ..core.registry import Registry

if TYPE_CHECKING:
    from torch import optim


class MakeOptimizer(Protocol):
    """Creates an optimizer of parameter groups, each with ``params`` and ``lr``."""

    def __call__(self, groups: list[dict[str, Any]], *, weight_decay: float) -> optim.Optimizer: ...


OPTIMIZERS: Registry[MakeOptimizer] = Registry("optimizer", ConfigError)


def adamw(groups: list[dict[str, Any]], *, weight_decay: float) -> optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), with a fused kernel for the update."""
    import torch

    return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)


OPTIMIZERS.register("adamw", adamw)
