"""The layers of a model that adapters change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import nn

    Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


def layers_of(component: str, root: nn.Module) -> dict[str, Layer]:
    """Module key -> module, for every linear layer and convolution of a component."""
    from torch import nn

    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {f"{component}.{path}": module for path, module in root.named_modules() if isinstance(module, kinds)}
