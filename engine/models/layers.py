"""The layers of a base model that adapters change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
        f"{component}.{path}": tuple(weight.shape)
        for component, root in roots.items()
        for path, module in root.named_modules()
        if (weight := getattr(module, "weight", None)) is not None and (isinstance(module, layers) or weight.ndim == 1)
    }
