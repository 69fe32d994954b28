"""Where on the way from picture to noise a training looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def uniform_timesteps(count: int, generator: Generator) -> Tensor:
    """``count`` noise levels u in [0, 1), uniform; the backbone maps them to its own timesteps. float32."""
    import torch

    return torch.rand(count, generator=generator)
