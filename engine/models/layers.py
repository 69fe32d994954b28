"""Shapes of the layers of a base model that adapters change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .quantized import weight_shape

if TYPE_CHECKING:
    from torch import nn


def layer_shapes(roots: Mapping[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    """Module key -> shape of its weight, for every linear layer, convolution and norm.

    Args:
        roots: component -> its module, which may be on the meta device.
    """
    from torch import nn

    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {
        f"{component}.{path}": weight_shape(module)
        for component, root in roots.items()
        for path, module in root.named_modules()
        if isinstance(module, layers) or getattr(getattr(module, "weight", None), "ndim", 0) == 1
    }
