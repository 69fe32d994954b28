"""Timestep distributions: which noise levels u in [0, 1) to train on, where 0 is clean and 1 is pure noise.

The backbone maps u to the model's own timesteps and sigmas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..core.errors import ConfigError
from ..core.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Distribution(Protocol):
    """Samples u, shape (count,), float32; ``mean`` and ``std`` are for distributions based on a normal one."""

    def __call__(self, count: int, generator: Generator, *, mean: float, std: float) -> Tensor: ...


def uniform(count: int, generator: Generator, *, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Uniform in [0, 1)."""
    import torch

    del mean, std
    return torch.rand(count, generator=generator)


def logit_normal(count: int, generator: Generator, *, mean: float = 0.0, std: float = 1.0) -> Tensor:
    r""":math:`u = \operatorname{sigmoid}(m + s z)`, :math:`z \sim N(0, 1)` (arXiv:2403.03206, eq. 19)."""
    import torch

    return torch.sigmoid(mean + std * torch.randn(count, generator=generator))


DISTRIBUTIONS: Registry[Distribution] = Registry("timestep distribution", ConfigError)
DISTRIBUTIONS.register("uniform", uniform)
DISTRIBUTIONS.register("logit_normal", logit_normal)
